//! The frames of `tests/fixtures/frames.tsv`.

use protocol::frame::{FRAME_SIZE_MAX, Frame, scan};
use protocol::header::{Header, HeaderBuffer};

/// One recorded frame.
pub struct Fixture {
    /// Which conversation it is from.
    pub scenario: &'static str,
    /// Was it sent to the broker or name server, not by it?
    pub to_broker: bool,
    /// Code of the request it is, or that it answers.
    pub request: i32,
    /// Code of the answer it is.
    pub answer: Option<i32>,
    /// The header as another decoder read it, in JSON.
    pub header_json: &'static str,
    /// The frame.
    pub bytes: Vec<u8>,
}

impl Fixture {
    pub fn frame(&self) -> Frame<'_> {
        let frame = scan(&self.bytes, FRAME_SIZE_MAX).expect("a recorded frame").expect("all of it");
        assert_eq!(frame.consumed, self.bytes.len(), "{}", self.name());
        frame
    }

    pub fn with_header<R>(&self, look: impl FnOnce(Header<'_>, &[u8]) -> R) -> R {
        let frame = self.frame();
        let mut buffer = HeaderBuffer::new();
        let header = buffer.decode(&frame).unwrap_or_else(|error| panic!("{}: {error}", self.name()));
        look(header, frame.body)
    }

    pub fn name(&self) -> String {
        format!("{} {}, answer {:?}", self.scenario, self.request, self.answer)
    }
}

/// All of them.
pub fn all() -> Vec<Fixture> {
    let lines = include_str!("../fixtures/frames.tsv").lines().filter(|line| !line.starts_with('#'));
    let fixtures: Vec<_> = lines
        .map(|line| {
            let columns: Vec<_> = line.split('\t').collect();
            let [scenario, direction, request, answer, header_json, frame] = columns[..] else {
                panic!("six columns in {line:?}");
            };
            Fixture {
                scenario,
                to_broker: direction == ">",
                request: request.parse().unwrap(),
                answer: (answer != "-").then(|| answer.parse().unwrap()),
                header_json,
                bytes: base64(frame),
            }
        })
        .collect();
    assert!(fixtures.len() > 150, "{} frames", fixtures.len());
    fixtures
}

/// The first request with this code in a scenario whose name begins so.
pub fn request(scenario: &str, code: i32) -> Fixture {
    find(scenario, code, |fixture| fixture.answer.is_none())
}

/// The first successful answer to a request with this code in a scenario whose name begins so.
pub fn answer(scenario: &str, code: i32) -> Fixture {
    find(scenario, code, |fixture| fixture.answer == Some(0))
}

fn find(scenario: &str, code: i32, wanted: impl Fn(&Fixture) -> bool) -> Fixture {
    all()
        .into_iter()
        .find(|fixture| fixture.request == code && fixture.scenario.starts_with(scenario) && wanted(fixture))
        .unwrap_or_else(|| panic!("no {code} in {scenario}"))
}

fn base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for digit in text.bytes().filter(|digit| *digit != b'=') {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            other => panic!("{other} is no base64 digit"),
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}
