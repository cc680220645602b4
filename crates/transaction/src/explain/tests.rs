use super::*;
use crate::checker::{Checker, Event, SessionId};
use crate::ledger::Ledger;
use crate::test_halves::{TestHalf, at, offset, parsed};
use message::CommitLogOffset;
use message::entry::Check;

const HALF: CommitLogOffset = CommitLogOffset::new(1000);

/// A half stored at second 0, and nobody connected.
struct Scene {
    ledger: Ledger,
    checker: Checker,
    config: CheckConfig,
}

impl Scene {
    fn new() -> Self {
        let config = CheckConfig::default();
        let mut scene = Scene { ledger: Ledger::new(), checker: Checker::new(config, at(0)), config };
        let half = TestHalf::nth(1);
        let record = half.record();
        scene.ledger.apply_half(HALF, at(0), &half.entry(&record), &parsed(&record), offset(1050));
        let (group, session) = (half.group, Some(SessionId(1)));
        scene.step(0, Event::HalfStored { half: HALF, group, session, stored_at: at(0), immunity_ms: None });
        scene
    }

    /// Does what the broker does about an event, to the ledger as well.
    fn step(&mut self, seconds: i64, event: Event<'_>) {
        let mut out = Vec::new();
        self.checker.step(at(seconds), event, &mut out);
        for command in out {
            if let crate::Command::LogCheck { half, outcome, client } = command {
                self.ledger.apply_check(
                    at(seconds),
                    &Check { half, previous: CommitLogOffset::ZERO, time: Timestamp::ZERO, outcome, client: &client },
                );
            }
        }
    }

    fn join(&mut self, seconds: i64, session: u64) {
        let client = format!("10.0.0.{session}@1");
        self.step(seconds, Event::SessionJoined { group: "orders", session: SessionId(session), client: &client });
    }

    fn text(&self, seconds: i64) -> String {
        let half = self.ledger.get(HALF).expect("undecided");
        explain(half, self.checker.view(HALF).as_ref(), &self.config, at(seconds)).to_string()
    }
}

#[test]
fn a_young_half_waits_for_its_first_check() {
    assert_eq!(
        Scene::new().text(2),
        "waiting for its first check at 2023-11-14T22:13:26.000Z, stored 2 s ago; if it is undecided then, a producer \
         of group \"orders\" is asked"
    );
}

#[test]
fn a_half_whose_group_is_away_waits_for_somebody_to_connect() {
    let mut scene = Scene::new();
    scene.step(6, Event::Tick);
    assert_eq!(
        scene.text(7200),
        "nobody of group \"orders\" is connected, a check is due since 2023-11-14T22:13:26.000Z; the first producer that \
         connects is asked at once; until then nothing is counted"
    );
}

#[test]
fn a_half_that_is_asked_about_tells_whom() {
    let mut scene = Scene::new();
    scene.join(0, 1);
    scene.step(6, Event::Tick);
    assert_eq!(
        scene.text(8),
        "asked 10.0.0.1@1 2 s ago, no answer yet; if no answer comes within 5 s, another producer of group \"orders\" is \
         asked, and nothing is counted"
    );
    scene.join(9, 2);
    scene.step(11, Event::Tick);
    assert!(scene.text(11).starts_with("asked 10.0.0.2@1 0 ms ago, no answer yet, after 1 other did not answer; "));
}

#[test]
fn an_answered_half_tells_by_whom_and_how_often() {
    let mut scene = Scene::new();
    scene.join(0, 1);
    scene.step(6, Event::Tick);
    scene.step(7, Event::UnknownAnswered { half: HALF, session: SessionId(1), from_check: true });
    assert_eq!(
        scene.text(17),
        "10.0.0.1@1 answered \"unknown\" 10 s ago, answer 1 of 15; a producer of group \"orders\" is asked again at \
         2023-11-14T22:13:56.000Z"
    );
}

#[test]
fn a_group_that_is_there_and_does_not_answer_is_told_from_one_that_is_away() {
    let mut scene = Scene::new();
    scene.join(0, 1);
    scene.step(6, Event::Tick);
    scene.step(11, Event::Tick);
    assert_eq!(
        scene.text(12),
        "no connected producer of group \"orders\" answers, 1 check in a row unanswered, last 10.0.0.1@1 at \
         2023-11-14T22:13:31.000Z; they are asked again at 2023-11-14T22:13:56.000Z, and a producer that connects before \
         that is asked at once"
    );
}

#[test]
fn a_half_behind_a_full_session_says_so() {
    let mut scene = Scene::new();
    scene.config.unanswered_max = 1;
    scene.checker = Checker::new(scene.config, at(0));
    let event = |half| Event::HalfStored { half, group: "orders", session: None, stored_at: at(0), immunity_ms: None };
    scene.step(0, event(offset(1)));
    scene.step(0, event(HALF));
    scene.join(0, 1);
    scene.step(6, Event::Tick);
    assert_eq!(
        scene.text(7),
        "a check is due, but 1 connected producer of group \"orders\" cannot take one now: at most 1 check may be \
         unanswered; it is asked about as soon as one of them answers, or another one connects"
    );
}

#[test]
fn a_half_set_aside_says_what_can_be_done() {
    let mut scene = Scene::new();
    for second in 0..15 {
        let check = Check {
            half: HALF,
            previous: CommitLogOffset::ZERO,
            time: Timestamp::ZERO,
            outcome: CheckOutcome::Unknown,
            client: "c",
        };
        scene.ledger.apply_check(at(second), &check);
    }
    scene.ledger.apply_set_aside(HALF);
    scene.step(15, Event::SetAside { half: HALF });
    assert_eq!(
        scene.text(20),
        "set aside after 15 answers \"unknown\"; nobody is asked any more and it is not delivered; commit it, roll it \
         back or resume it by hand, or let its producer decide"
    );
}

#[test]
fn where_nobody_checks_a_half_only_waits() {
    let scene = Scene::new();
    let half = scene.ledger.get(HALF).expect("undecided");
    let text = explain(half, None, &scene.config, at(1)).to_string();
    assert!(text.starts_with("undecided since 2023-11-14T22:13:20.000Z; "), "{text}");
}

#[test]
fn lengths_of_time_are_told_in_units_of_their_size() {
    let spans = [(450, "450 ms"), (59_999, "59 s"), (61_000, "1 min 1 s"), (7_320_000, "2 h 2 min")];
    spans.iter().for_each(|(ms, text)| assert_eq!(span(*ms), *text));
    assert_eq!(span(400 * 86_400_000), "400 days");
}
