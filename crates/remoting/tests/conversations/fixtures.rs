//! The conversations of `tests/fixtures/conversations.tsv`.

use protocol::frame::{FRAME_SIZE_MAX, scan};
use protocol::header::HeaderBuffer;
use remoting::client::Received;

/// One frame of a conversation.
pub struct Line {
    pub connection: u32,
    /// Was it sent to the broker or name server, not by it?
    pub to_broker: bool,
    /// Code of the request it is, or that it answers.
    pub request: i32,
    /// Is it an answer?
    pub is_answer: bool,
    /// Is its body as it was?
    pub is_whole: bool,
    pub bytes: Vec<u8>,
    pub version: i32,
    pub language: String,
    pub frame: Received,
}

/// A conversation by its name.
pub fn conversation(name: &str) -> Vec<Line> {
    let lines = include_str!("../fixtures/conversations.tsv").lines();
    let lines: Vec<Line> = lines.filter(|line| line.split('\t').next() == Some(name)).map(line).collect();
    assert!(lines.len() > 5, "{} lines in {name}", lines.len());
    lines
}

/// The names of all conversations.
pub fn names() -> Vec<&'static str> {
    let lines = include_str!("../fixtures/conversations.tsv").lines();
    let mut names: Vec<_> =
        lines.filter(|line| !line.starts_with('#')).filter_map(|line| line.split('\t').next()).collect();
    names.dedup();
    names
}

fn line(text: &str) -> Line {
    let columns: Vec<_> = text.split('\t').collect();
    let [_, connection, direction, request, answer, whole, frame] = columns[..] else {
        panic!("seven columns in {text:?}");
    };
    let bytes = base64(frame);
    let (frame, version, language) = {
        let frame = scan(&bytes, FRAME_SIZE_MAX).expect("a recorded frame").expect("all of it");
        let mut buffer = HeaderBuffer::new();
        let header = buffer.decode(&frame).expect("a recorded header");
        let received = Received {
            code: header.code,
            opaque: header.opaque,
            oneway: header.is_oneway(),
            remark: header.remark.map(str::to_owned),
            fields: header.fields.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: frame.body.to_vec(),
        };
        (received, header.version, format!("{:?}", header.language).to_uppercase())
    };
    Line {
        connection: connection.parse().unwrap(),
        to_broker: direction == ">",
        request: request.parse().unwrap(),
        is_answer: answer != "-",
        is_whole: whole == "whole",
        bytes,
        version,
        language,
        frame,
    }
}

fn base64(text: &str) -> Vec<u8> {
    let mut bits = 0_u32;
    let mut pending = 0;
    let mut out = Vec::new();
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            other => panic!("{} in base64", char::from(other)),
        };
        bits = bits << 6 | u32::from(value);
        pending += 6;
        if pending >= 8 {
            pending -= 8;
            out.push((bits >> pending) as u8);
        }
    }
    out
}
