use super::super::{FieldError, Header, HeaderBuffer};
use super::*;
use crate::frame::{Frame, SerializeType};

fn decode(buffer: &mut HeaderBuffer, json: &str, check: impl FnOnce(Header<'_>)) {
    let frame = Frame { serialize_type: SerializeType::Json, header: json.as_bytes(), body: b"", consumed: 0 };
    check(buffer.decode(&frame).unwrap_or_else(|error| panic!("{json}: {error}")));
}

fn refusal(json: &str) -> HeaderError {
    let frame = Frame { serialize_type: SerializeType::Json, header: json.as_bytes(), body: b"", consumed: 0 };
    HeaderBuffer::new().decode(&frame).expect_err(json)
}

#[test]
fn members_come_in_any_order_with_any_white_space() {
    let json = "\n{ \"opaque\" : -7 ,\"remark\":\"no\\n\", \"extFields\" : { \"a\" : \"b\" } ,\t\"flag\":3,\
                \"language\":\"GO\",\"version\":317,\"serializeTypeCurrentRPC\":\"JSON\",\"code\":10}\r\n ";
    decode(&mut HeaderBuffer::new(), json, |header| {
        assert_eq!((header.code, header.opaque, header.flag, header.version), (10, -7, 3, 317));
        assert_eq!((header.language, header.remark), (Language::Go, Some("no\n")));
        assert_eq!(header.fields.iter().collect::<Vec<_>>(), [("a", "b")]);
        assert!(header.is_response() && header.is_oneway());
    });
}

#[test]
fn fields_of_any_length_are_read_however_many_of_them_are_plain() {
    let mut state = 1_u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize % below
    };
    let pieces = [
        ("a", "a"),
        ("UNIQ_KEY", "UNIQ_KEY"),
        ("é", "é"),
        (":,{}", ":,{}"),
        (r"\u0001", "\u{1}"),
        (r"\u0002", "\u{2}"),
        (r#"\""#, "\""),
        (r"\\", "\\"),
        (r"\ud83d\ude00", "😀"),
    ];
    let mut buffer = HeaderBuffer::new();
    for round in 0..3_000 {
        // Without escapes, with the separators of properties, and with all of them.
        let kinds = [4, 6, 9][round % 3];
        let (mut json, mut expected) = (String::from("{\"code\":1,\"extFields\":{"), Vec::new());
        for number in 0..random(16) {
            let mut texts = [(String::new(), String::new()), (String::new(), String::new())];
            for (written, meant) in &mut texts {
                for _ in 0..random(14) {
                    let piece = pieces[random(kinds)];
                    written.push_str(piece.0);
                    meant.push_str(piece.1);
                }
            }
            let [key, value] = texts;
            // One in eight has white space somewhere.
            let mut space = |json: &mut String| json.push_str(if random(32) == 0 { " " } else { "" });
            json.push_str(if number > 0 { "," } else { "" });
            space(&mut json);
            json.push_str(&format!("\"{}\"", key.0));
            space(&mut json);
            json.push(':');
            space(&mut json);
            json.push_str(&format!("\"{}\"", value.0));
            space(&mut json);
            expected.push((key.1, value.1));
        }
        json.push_str("},\"flag\":0,\"language\":\"JAVA\",\"opaque\":7,\"version\":1}");
        decode(&mut buffer, &json, |header| {
            let read: Vec<_> = header.fields.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            assert_eq!(read, expected, "{json}");
            assert_eq!((header.opaque, header.version), (7, 1), "{json}");
        });
        // Wherever it is cut off, it is refused.
        refusal(&json[..(0..=random(json.len())).rev().find(|at| json.is_char_boundary(*at)).expect("0 is one")]);
    }
}

#[test]
fn what_java_writes_behind_the_fields_is_read_as_the_same_members_apart() {
    for (flag, language, opaque, version) in [
        ("0", "JAVA", "7", "513"),
        ("2", "RUST", "-7", "513"),
        ("2", "RUST", "999999999", "513"),
        ("3", "GO", "2147483647", "0"),
        ("0", "KLINGON", "1000000000", "\"9\""),
        ("0", "JAVA", "-2147483648", "0000000513"),
        ("0", "JAVA", "00000000007", "1"),
        ("1", "NODE_JS", "0", "7"),
    ] {
        let java = format!(
            r#"{{"code":310,"extFields":{{"a":"b"}},"flag":{flag},"language":"{language}","opaque":{opaque},"serializeTypeCurrentRPC":"JSON","version":{version}}}"#
        );
        let apart = java.replace(",\"", " ,\"");
        let mut read = Vec::new();
        for json in [java, apart] {
            decode(&mut HeaderBuffer::new(), &json, |header| {
                assert_eq!(header.fields.iter().collect::<Vec<_>>(), [("a", "b")]);
                assert_eq!((header.code, header.remark), (310, None));
                read.push((header.flag, header.language, header.opaque, header.version));
            });
        }
        assert_eq!(read[0], read[1]);
        let [flag, opaque, version] = [flag, opaque, version].map(|text| text.trim_matches('"').parse().unwrap());
        let language = Language::from_name(language).unwrap_or(Language::Other);
        assert_eq!(read[0], (flag, language, opaque, version));
    }
    // A remark in front of it stays, and a code behind it counts.
    let json = r#"{"code":1,"remark":"r","extFields":{},"flag":1,"language":"JAVA","opaque":2,"serializeTypeCurrentRPC":"JSON","version":3}"#;
    decode(&mut HeaderBuffer::new(), json, |header| {
        assert_eq!((header.code, header.remark, header.flag), (1, Some("r"), 1));
        assert_eq!((header.opaque, header.version), (2, 3));
    });
    let json = r#"{"extFields":{},"flag":1,"language":"JAVA","opaque":2,"serializeTypeCurrentRPC":"JSON","version":3}"#;
    assert_eq!(refusal(json), HeaderError::NoCode);
    let json = json.replace("\"version\":3}", "\"version\":3,\"code\":4}");
    decode(&mut HeaderBuffer::new(), &json, |header| assert_eq!((header.code, header.opaque), (4, 2)));
    let more = r#"{"code":1,"flag":1,"language":"JAVA","opaque":2,"serializeTypeCurrentRPC":"JSON","version":3} }"#;
    assert!(matches!(refusal(more), HeaderError::Json(JsonError { problem: JsonProblem::Trailing, .. })));
}

#[test]
fn a_code_is_enough_and_empty_or_null_members_count_as_missing() {
    for json in [
        r#"{"code":105}"#,
        r#"{"code":105,"remark":"","extFields":{}}"#,
        r#"{"code":105,"remark":null,"extFields":null,"language":null,"version":null,"opaque":null,"flag":null}"#,
        r#"{"code":"105","language":"7"}"#,
    ] {
        decode(&mut HeaderBuffer::new(), json, |header| {
            assert_eq!((header.code, header.opaque, header.flag, header.version), (105, 0, 0, 0));
            assert_eq!((header.language, header.remark), (Language::Other, None));
            assert!(header.fields.is_empty());
            assert!(!header.is_response() && !header.is_oneway());
        });
    }
}

#[test]
fn what_cpp_does_not_quote_is_read_as_its_text() {
    let json = r#"{"code":310,"extFields":{"e":3,"g":-1700000000000,"k":false,"m":true,"n":null,"x":{"y":[1]}}}"#;
    decode(&mut HeaderBuffer::new(), json, |header| {
        let fields = header.fields;
        assert_eq!((fields.i32("e"), fields.i64("g")), (Ok(3), Ok(-1_700_000_000_000)));
        assert_eq!((fields.bool("k"), fields.bool("m")), (Ok(false), Ok(true)));
        assert_eq!((fields.get("n"), fields.get("x"), fields.len()), (None, None, 4));
    });
}

#[test]
fn of_doubled_keys_the_last_counts_and_escapes_are_undone_in_keys_and_values() {
    let json = r#"{"code":1,"code":2,"extFields":{"i":"A\u0001b\u0002","t":"x","\u0074":"y"},"extFields":{"z":""}}"#;
    decode(&mut HeaderBuffer::new(), json, |header| {
        assert_eq!(header.code, 2);
        assert_eq!(header.fields.get("i"), Some("A\u{1}b\u{2}"));
        assert_eq!(header.fields.get("t"), Some("y"));
        assert_eq!((header.fields.get("z"), header.fields.opt_str("z")), (Some(""), None));
    });
}

#[test]
fn a_buffer_is_reused_without_remembering_the_header_before() {
    let mut buffer = HeaderBuffer::new();
    decode(&mut buffer, r#"{"code":1,"remark":"a\u0001","extFields":{"a":"\u0001","b":"2"}}"#, |_| {});
    decode(&mut buffer, r#"{"code":2,"extFields":{"c":"\u0003"}}"#, |header| {
        assert_eq!(header.fields.iter().collect::<Vec<_>>(), [("c", "\u{3}")]);
    });
}

#[test]
fn typed_fields_name_themselves_and_their_value_when_they_are_wrong() {
    let json = r#"{"code":1,"extFields":{"queueId":"seven","offset":"9223372036854775808","order":"maybe","e":""}}"#;
    decode(&mut HeaderBuffer::new(), json, |header| {
        let fields = header.fields;
        let said = |error: FieldError| error.to_string();
        assert_eq!(
            said(fields.i32("queueId").unwrap_err()),
            r#"header field "queueId" is "seven"; send a 32-bit number"#
        );
        assert_eq!(
            said(fields.opt_i64("offset").unwrap_err()),
            r#"header field "offset" is "9223372036854775808"; send a 64-bit number"#
        );
        assert_eq!(said(fields.bool("order").unwrap_err()), r#"header field "order" is "maybe"; send true or false"#);
        assert_eq!(said(fields.str("topic").unwrap_err()), r#"header field "topic" is missing; send it"#);
        assert_eq!((fields.opt_i32("e"), fields.str("e")), (Ok(None), Ok("")));
        assert_eq!(fields.i32("e"), Err(FieldError::Missing { name: "e" }));
    });
}

#[test]
fn headers_that_are_not_headers_are_refused_with_their_place() {
    let json = |at, problem| HeaderError::Json(JsonError::new(at, problem));
    assert_eq!(refusal(""), json(0, JsonProblem::Expected("'{'")));
    assert_eq!(refusal("[]"), json(0, JsonProblem::Expected("'{'")));
    assert_eq!(refusal("{}"), HeaderError::NoCode);
    assert_eq!(refusal(r#"{"code":1"#), json(9, JsonProblem::Expected("',' or '}'")));
    assert_eq!(refusal(r#"{"code":}"#), json(8, JsonProblem::Expected("a value")));
    assert_eq!(refusal(r#"{"code":1}x"#), json(10, JsonProblem::Trailing));
    assert_eq!(refusal(r#"{"code":1,"extFields":{"a":nul}}"#), json(27, JsonProblem::Expected("a value")));
    assert_eq!(refusal(r#"{"code":1.5}"#), HeaderError::NotANumber { name: "code", at: 8 });
    assert_eq!(refusal(r#"{"code":4294967297}"#), HeaderError::NotANumber { name: "code", at: 8 });
    assert_eq!(refusal(r#"{"code":1,"opaque":2147483648}"#), HeaderError::NotANumber { name: "opaque", at: 19 });
    assert_eq!(refusal(r#"{"code":1,"flag":true}"#), HeaderError::NotANumber { name: "flag", at: 17 });
}

#[test]
fn bytes_that_are_not_utf8_are_refused_with_their_place() {
    let header = b"{\"code\":1,\"remark\":\"\xC3\x28\"}";
    let frame = Frame { serialize_type: SerializeType::Json, header, body: b"", consumed: 0 };
    let error = HeaderBuffer::new().decode(&frame).unwrap_err();
    assert_eq!(error, HeaderError::Json(JsonError::new(20, JsonProblem::NotUtf8)));
}

#[test]
fn size_depth_and_number_of_fields_are_bounded() {
    let nested = |depth: usize| format!(r#"{{"code":1,"x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    decode(&mut HeaderBuffer::new(), &nested(HEADER_DEPTH_MAX - 1), |_| {});
    assert!(matches!(
        refusal(&nested(HEADER_DEPTH_MAX)),
        HeaderError::Json(JsonError { problem: JsonProblem::TooDeep, .. })
    ));
    assert!(matches!(refusal(&nested(200_000)), HeaderError::Json(_)));
    let fields = |count: usize| format!(r#"{{"code":1,"extFields":{{"a":"b"{}}}}}"#, r#","a":"b""#.repeat(count - 1));
    decode(&mut HeaderBuffer::new(), &fields(FIELDS_MAX), |header| assert_eq!(header.fields.len(), FIELDS_MAX));
    assert_eq!(refusal(&fields(FIELDS_MAX + 1)), HeaderError::TooManyFields);
    let long = format!(r#"{{"code":1,"remark":"{}"}}"#, "x".repeat(super::super::HEADER_SIZE_MAX));
    assert_eq!(refusal(&long), HeaderError::TooLarge { size: long.len() });
}

#[test]
fn fields_are_picked_in_any_order_and_of_doubled_ones_the_last() {
    for json in [
        r#"{"code":1,"extFields":{"bb":"2","cc":"3","x":"0"}}"#,
        r#"{"code":1,"extFields":{"cc":"9","x":"0","cc":"3","bb":"2"}}"#,
        r#"{"code":1,"extFields":{"bb":"9","cc":"3","bb":"2"}}"#,
        r#"{"code":1,"extFields":{"\u0062b":"2","c\u0063":"3"}}"#,
    ] {
        decode(&mut HeaderBuffer::new(), json, |header| {
            assert_eq!(header.fields.pick(["aa", "bb", "cc"]), [None, Some("2"), Some("3")], "{json}");
        });
    }
    let json = r#"{"code":1,"extFields":{"c":"3","\u0062":"9","b":"2","{":"0","`":"0","ab":"0"}}"#;
    decode(&mut HeaderBuffer::new(), json, |header| {
        assert_eq!(header.fields.letters::<3>(), [None, Some("2"), Some("3")]);
    });
}
