//! Headers of recorded frames, read.

use std::collections::BTreeMap;

use protocol::Word as _;
use protocol::header::{Header, Language};
use protocol::json::{Value, parse};

use crate::fixtures::{all, request};

fn number(json: &Value<'_>, name: &str) -> i64 {
    match json.get(name) {
        Some(Value::Int(number)) => *number,
        other => panic!("{name} is {other:?}"),
    }
}

fn text<'v>(json: &'v Value<'_>, name: &str) -> &'v str {
    match json.get(name) {
        Some(Value::String(text)) => text,
        None => "",
        other => panic!("{name} is {other:?}"),
    }
}

fn compare(header: &Header<'_>, json: &Value<'_>, name: &str) {
    assert_eq!(i64::from(header.code), number(json, "code"), "{name}");
    assert_eq!(i64::from(header.version), number(json, "version"), "{name}");
    assert_eq!(i64::from(header.opaque), number(json, "opaque"), "{name}");
    assert_eq!(i64::from(header.flag), number(json, "flag"), "{name}");
    assert_eq!(header.language.name(), text(json, "language"), "{name}");
    assert_eq!(header.remark.unwrap_or(""), text(json, "remark"), "{name}");
    let expected: BTreeMap<String, String> = match json.get("extFields") {
        Some(Value::Object(members)) => members.iter().map(|(key, value)| (of(key), of(value))).collect(),
        None => BTreeMap::new(),
        other => panic!("{name}: extFields {other:?}"),
    };
    let found: BTreeMap<String, String> =
        header.fields.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    assert_eq!(found, expected, "{name}");
    for (key, value) in &expected {
        assert_eq!(header.fields.get(key), Some(value.as_str()), "{name}");
    }
}

fn of(value: &Value<'_>) -> String {
    match value {
        Value::String(text) => text.clone().into_owned(),
        other => panic!("{other:?} is no text"),
    }
}

#[test]
fn every_recorded_header_reads_as_another_decoder_read_it() {
    for fixture in all() {
        let expected = parse(fixture.header_json.as_bytes()).unwrap();
        fixture.with_header(|header, _| {
            compare(&header, &expected, &fixture.name());
            assert_eq!(header.is_response(), fixture.answer.is_some(), "{}", fixture.name());
        });
    }
}

#[test]
fn go_wants_answers_to_what_java_sends_one_way() {
    for (scenario, code, language, oneway) in [
        ("go-2.1.2-tx-check", 37, Language::Go, false),
        ("go-2.1.2-push", 15, Language::Go, false),
        ("java-4.9.8-tx-check", 37, Language::Java, true),
        ("java-5.5.0-batch", 15, Language::Java, true),
    ] {
        request(scenario, code).with_header(|header, _| {
            assert_eq!((header.language, header.is_oneway()), (language, oneway), "{scenario} {code}");
        });
    }
}
