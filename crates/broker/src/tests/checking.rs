//! Check-backs: who is asked when, and what counts.

use message::entry::{CheckOutcome, DecidedBy, Outcome};
use message::record::Record;
use message::{CommitLogOffset, QueueOffset};

use super::{COMMIT, checks, refused, settled};
use crate::bench::{Bench, HALF, config, send};
use crate::io::{
    Answer, EndOutcome, Happening, Push, Refusal, Request, Resolution, Resolve, Settled, TransactionFilter,
};

#[test]
fn an_undecided_half_is_asked_about_after_six_seconds_and_then_every_thirty() {
    let mut bench = Bench::new();
    let producer = bench.producer("p1", "payers");
    let named = bench.half_message(producer, "K1");
    bench.run_ms(5_900);
    assert_eq!(checks(&mut bench), []);
    bench.run_ms(200);
    let asked = bench.pushes.iter().find_map(|(_, push)| match push {
        Push::Check(check) => Some(check.clone()),
        _ => None,
    });
    let check = asked.expect("a check");
    assert_eq!((check.half.signed(), check.sequence.signed()), (named.half, named.sequence));
    let record = Record::parse(&check.record).expect("a record");
    assert_eq!(record.property("PGROUP"), Some("payers"));
    assert_eq!(record.property("TRAN_MSG"), Some("true"));
    assert_eq!((record.property("REAL_TOPIC"), record.property("REAL_QID")), (Some("orders"), Some("0")));
    assert_eq!((record.topic(), record.body()), ("orders", &b"body"[..]));
    assert_eq!(checks(&mut bench), [producer.0]);
    bench.end(producer, &named, EndOutcome::Unknown, true);
    bench.run_ms(29_000);
    assert_eq!(checks(&mut bench), []);
    bench.run_ms(1_500);
    assert_eq!(checks(&mut bench), [producer.0]);
    assert_eq!(settled(bench.end(producer, &named, COMMIT, true)), Settled::Decided);
    bench.run_ms(600_000);
    assert_eq!(checks(&mut bench), [], "nobody is asked about what is decided");
}

#[test]
fn a_check_writes_one_small_entry_whatever_the_size_of_the_body() {
    let mut bench = Bench::new();
    let producer = bench.producer("p1", "payers");
    let body = vec![b'x'; 1 << 20];
    let Some(Answer::Sent(sent)) = bench.ask(producer, Request::Send(send("orders", HALF, &body))) else {
        panic!("an answer")
    };
    let named = crate::bench::Named { half: sent.at.signed(), sequence: 0, key: "K1".into() };
    bench.run_ms(6_100);
    assert_eq!(checks(&mut bench).len(), 1);
    let before = bench.log_len();
    bench.end(producer, &named, EndOutcome::Unknown, true);
    assert!(bench.log_len() - before < 200, "{} bytes", bench.log_len() - before);
}

#[test]
fn nobody_online_burns_nothing_and_the_first_who_connects_is_asked_at_once() {
    let mut bench = Bench::new();
    let producer = bench.producer("p1", "payers");
    let named = bench.half_message(producer, "K1");
    bench.gone(producer);
    bench.run_ms(3_600_000);
    assert_eq!(bench.broker.state().ledger.get(CommitLogOffset::new(named.half as u64)).map(|h| h.attempts()), Some(0));
    bench.producer("stranger", "others");
    assert_eq!(checks(&mut bench), []);
    let second = bench.producer("p2", "payers");
    assert_eq!(checks(&mut bench), [second.0]);
    assert_eq!(settled(bench.end(second, &named, COMMIT, true)), Settled::Decided);
    assert_eq!(bench.visible("orders", 0).len(), 1);
}

#[test]
fn unknown_for_ever_is_set_aside_and_can_be_settled_by_hand() {
    let mut settings = config();
    settings.checks.check_max = 3;
    let mut bench = Bench::with(settings);
    let producer = bench.producer("p1", "payers");
    let named = bench.half_message(producer, "K1");
    for due_ms in [6_100, 30_100, 30_100] {
        bench.run_ms(due_ms);
        assert_eq!(checks(&mut bench).len(), 1);
        bench.end(producer, &named, EndOutcome::Unknown, true);
    }
    bench.run_ms(600_000);
    assert_eq!(checks(&mut bench), []);
    bench.restart();
    let operator = bench.open();
    let filter = TransactionFilter { set_aside: Some(true), max: 10, ..TransactionFilter::default() };
    let Some(Answer::Transactions { rows, .. }) = bench.ask(operator, Request::ListTransactions(filter)) else {
        panic!("a list")
    };
    assert_eq!((rows.len(), rows[0].state, rows[0].attempts), (1, "set-aside", 3));
    let resolve =
        |why, dry_run| Resolve { id: "K1", resolution: Resolution::Decide(Outcome::Commit), who: "ann", why, dry_run };
    assert!(matches!(
        refused(bench.ask(operator, Request::Resolve(resolve(" ", false)))),
        Refusal::InvalidParameter(_)
    ));
    assert!(matches!(
        bench.ask(operator, Request::Resolve(resolve("paid", true))),
        Some(Answer::Transaction(status)) if status.state == "set-aside"
    ));
    assert!(bench.visible("orders", 0).is_empty());
    assert_eq!(settled(bench.ask(operator, Request::Resolve(resolve("paid by bank", false)))), Settled::Decided);
    assert_eq!(bench.visible("orders", 0).len(), 1);
    let Some(Answer::Transaction(shown)) = bench.ask(operator, Request::ShowTransaction { id: "K1" }) else {
        panic!("a transaction")
    };
    assert_eq!(shown.state, "committed");
    let story: Vec<&Happening> = shown.timeline.iter().map(|(_, happening)| happening).collect();
    let unknown = || Happening::Checked { client: "p1".into(), outcome: CheckOutcome::Unknown };
    let (who, why) = ("ann".to_owned(), "paid by bank".to_owned());
    assert!(matches!(story[0], Happening::Stored { client, .. } if client == "p1"), "{story:?}");
    assert_eq!(story[1..4], [&unknown(), &unknown(), &unknown()]);
    assert!(matches!(story[4], Happening::SetAside { who, .. } if who.is_empty()), "{story:?}");
    assert_eq!(*story[5], Happening::Decided { outcome: Outcome::Commit, by: DecidedBy::Operator, who, why });
    assert!(matches!(story[6], Happening::Visible { queue: 0, offset: QueueOffset::ZERO, .. }), "{story:?}");
    assert_eq!((story.len(), shown.attempts), (7, 3));
}

#[test]
fn a_client_whose_clock_is_off_is_treated_like_any_other() {
    for off_ms in [-360_000_000, 360_000_000] {
        let mut bench = Bench::new();
        let producer = bench.producer("p1", "payers");
        let mut half = send("orders", HALF, b"body");
        half.born_timestamp = bench.now.plus_ms(off_ms);
        bench.ask(producer, Request::Send(half));
        bench.run_ms(5_900);
        assert_eq!(checks(&mut bench), []);
        bench.run_ms(200);
        assert_eq!(checks(&mut bench), [producer.0]);
    }
}
