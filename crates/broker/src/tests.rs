//! Sentences about the whole machine: inputs in, outputs out.

use message::entry::{CheckOutcome, DecidedBy, Outcome};
use message::record::Record;
use message::{CommitLogOffset, QueueOffset, sys_flag};

use crate::bench::{Bench, HALF, config, send};
use crate::io::{
    Answer, EndOutcome, Happening, PullStatus, Push, Refusal, Request, Resolution, Resolve, SendBack, Settled,
    TransactionFilter,
};

const COMMIT: EndOutcome = EndOutcome::Decided(Outcome::Commit);
const ROLLBACK: EndOutcome = EndOutcome::Decided(Outcome::Rollback);

fn settled(answer: Option<Answer>) -> Settled {
    match answer {
        Some(Answer::Settled(settled)) => settled,
        other => panic!("settled, not {other:?}"),
    }
}

fn refused(answer: Option<Answer>) -> Refusal {
    match answer {
        Some(Answer::Refused(refusal)) => refusal,
        other => panic!("refused, not {other:?}"),
    }
}

fn checks(bench: &mut Bench) -> Vec<u64> {
    let pushes = std::mem::take(&mut bench.pushes);
    let asked = pushes.into_iter().filter(|(_, push)| matches!(push, Push::Check(_)));
    asked.map(|(session, _)| session.0).collect()
}

#[test]
fn a_send_is_answered_when_it_is_committed_and_not_before() {
    let mut bench = Bench::new();
    let session = bench.open();
    let token = bench.request(session, Request::Send(send("orders", "", b"hello")));
    bench.drain();
    assert!(bench.take(token).is_none());
    bench.settle();
    let Some(Answer::Sent(sent)) = bench.take(token) else { panic!("an answer") };
    assert_eq!((sent.queue, sent.queue_offset.get()), (0, 0));
    assert_eq!(sent.unique_key.len(), 32);
    let records = bench.visible("orders", 0);
    let record = Record::parse(&records[0]).expect("a record");
    assert_eq!((record.body(), record.flag()), (&b"hello"[..], 7));
    assert_eq!(record.physical_offset(), sent.at);
    assert_eq!(record.property("UNIQ_KEY"), Some(sent.unique_key.as_str()));
}

#[test]
fn messages_of_a_batch_get_consecutive_offsets() {
    let mut bench = Bench::new();
    let session = bench.open();
    bench.ask(session, Request::Send(send("orders", "", b"first")));
    let parts: Vec<(i32, &str, &[u8])> = vec![(1, "UNIQ_KEY\u{1}A", b"a"), (2, "UNIQ_KEY\u{1}B", b"b")];
    let batch = crate::io::Batch { head: send("orders", "", b""), parts };
    let Some(Answer::SentBatch { first, records }) = bench.ask(session, Request::SendBatch(batch)) else {
        panic!("an answer")
    };
    assert_eq!((first.queue_offset.get(), records.len()), (1, 2));
    let bodies: Vec<Vec<u8>> =
        bench.visible("orders", 0).iter().map(|r| Record::parse(r).expect("a record").body().to_vec()).collect();
    assert_eq!(bodies, [b"first".to_vec(), b"a".to_vec(), b"b".to_vec()]);
    let second = Record::parse(&bench.visible("orders", 0)[2]).expect("a record").physical_offset();
    assert_eq!(second, records[1]);
}

#[test]
fn a_half_is_seen_by_nobody_until_it_is_committed_and_then_once_with_everything_it_had() {
    let mut bench = Bench::new();
    let producer = bench.producer("p1", "payers");
    let named = bench.half_message(producer, "K1");
    assert!(bench.visible("orders", 0).is_empty());
    bench.pass_ms(1000);
    assert_eq!(settled(bench.end(producer, &named, COMMIT, false)), Settled::Decided);
    let visible = bench.visible("orders", 0);
    assert_eq!(visible.len(), 1);
    let record = Record::parse(&visible[0]).expect("a record");
    assert_eq!((record.topic(), record.body(), record.flag()), ("orders", &b"body"[..], 7));
    assert_eq!((record.property("UNIQ_KEY"), record.property("TAGS")), (Some("K1"), Some("a")));
    assert_eq!(record.property("TRAN_MSG"), Some("true"), "clients tell the transaction's id only where they find it");
    assert_eq!(record.sys_flag() & sys_flag::TRANSACTION_TYPE, sys_flag::TRANSACTION_COMMIT);
    assert_eq!(record.prepared_transaction_offset().signed(), named.half);
    assert_eq!(record.store_timestamp(), bench.now, "it is as old as its commit");
}

#[test]
fn the_first_decision_counts_for_ever() {
    for (first, opposite) in [(COMMIT, ROLLBACK), (ROLLBACK, COMMIT)] {
        let mut bench = Bench::new();
        let producer = bench.producer("p1", "payers");
        let named = bench.half_message(producer, "K1");
        assert_eq!(settled(bench.end(producer, &named, first, false)), Settled::Decided);
        assert_eq!(settled(bench.end(producer, &named, first, false)), Settled::Repeated);
        assert!(matches!(refused(bench.end(producer, &named, opposite, false)), Refusal::Conflict(_)));
        bench.restart();
        let producer = bench.producer("p1", "payers");
        assert_eq!(settled(bench.end(producer, &named, first, true)), Settled::Repeated);
        assert!(matches!(refused(bench.end(producer, &named, opposite, true)), Refusal::Conflict(_)));
        assert_eq!(bench.visible("orders", 0).len(), usize::from(first == COMMIT));
        assert_eq!(bench.broker.counters().decisions_refused, 1);
    }
}

#[test]
fn decisions_that_race_have_one_outcome_and_everybody_hears_it() {
    let mut bench = Bench::new();
    let (one, two) = (bench.producer("p1", "payers"), bench.producer("p2", "payers"));
    let named = bench.half_message(one, "K1");
    let tokens = [(one, ROLLBACK), (two, COMMIT), (one, ROLLBACK)]
        .map(|(session, outcome)| bench.request(session, Request::End(named.end(outcome, false))));
    bench.settle();
    assert_eq!(settled(bench.take(tokens[0])), Settled::Decided);
    assert!(matches!(refused(bench.take(tokens[1])), Refusal::Conflict(_)));
    assert_eq!(settled(bench.take(tokens[2])), Settled::Repeated);
    assert!(bench.visible("orders", 0).is_empty());
}

#[test]
fn a_decision_that_names_another_transaction_changes_nothing() {
    let mut bench = Bench::new();
    let producer = bench.producer("p1", "payers");
    let (mine, other) = (bench.half_message(producer, "K1"), bench.half_message(producer, "K2"));
    let Some(Answer::Sent(plain)) = bench.ask(producer, Request::Send(send("orders", "", b"x"))) else {
        panic!("an answer")
    };
    let before = bench.log_len();
    let mut wrong = vec![
        mine.end(COMMIT, false),
        mine.end(COMMIT, false),
        mine.end(COMMIT, false),
        mine.end(COMMIT, false),
        mine.end(COMMIT, false),
        mine.end(COMMIT, false),
    ];
    wrong[0].half += 1;
    wrong[1].sequence += 1;
    wrong[2].unique_key = "K2";
    wrong[3].group = "thieves";
    wrong[4].half = plain.at.signed();
    wrong[5].half = other.half;
    for end in wrong {
        let answer = bench.ask(producer, Request::End(end));
        assert!(matches!(refused(answer), Refusal::NotFound(_)), "{end:?}");
    }
    assert_eq!(bench.log_len(), before, "nothing was written");
    assert_eq!(bench.broker.counters().decisions_mismatched, 6);
    assert_eq!(settled(bench.end(producer, &mine, COMMIT, false)), Settled::Decided);
}

#[test]
fn a_half_sent_again_is_one_transaction_and_after_its_decision_a_new_one() {
    let mut bench = Bench::new();
    let producer = bench.producer("p1", "payers");
    let first = bench.half_message(producer, "K1");
    let again = bench.half_message(producer, "K1");
    assert_eq!((first.half, first.sequence), (again.half, again.sequence));
    assert_eq!(bench.broker.counters().halves_repeated, 1);
    // Both in flight at the same time.
    let properties = HALF.replace("K1", "K9");
    let tokens = [0, 0].map(|_| bench.request(producer, Request::Send(send("orders", &properties, b"body"))));
    bench.settle();
    let ids = tokens.map(|token| match bench.take(token) {
        Some(Answer::Sent(sent)) => (sent.at, sent.queue_offset),
        other => panic!("an answer, not {other:?}"),
    });
    assert_eq!(ids[0], ids[1]);
    bench.end(producer, &first, COMMIT, false);
    let new = bench.half_message(producer, "K1");
    assert_ne!(new.half, first.half);
    assert_eq!(bench.visible("orders", 0).len(), 1);
}

#[test]
fn a_half_that_cannot_be_decided_is_refused_with_a_reason() {
    let mut bench = Bench::new();
    let producer = bench.producer("p1", "payers");
    let refusal = |bench: &mut Bench, send| refused(bench.ask(producer, Request::Send(send)));
    let mut prepared = send("orders", "PGROUP\u{1}payers", b"x");
    prepared.sys_flag = sys_flag::TRANSACTION_PREPARED;
    assert!(matches!(refusal(&mut bench, prepared), Refusal::MessageIllegal(_)));
    let mut nobody = send("orders", "TRAN_MSG\u{1}true", b"x");
    nobody.group = "";
    assert!(matches!(refusal(&mut bench, nobody), Refusal::MessageIllegal(_)));
    assert!(matches!(refusal(&mut bench, send("orders", HALF, b"")), Refusal::MessageIllegal(_)));
    let big = vec![0; 5 << 20];
    assert!(matches!(refusal(&mut bench, send("orders", HALF, &big)), Refusal::MessageIllegal(_)));
    let mut beyond = send("orders", HALF, b"x");
    beyond.queue = 4;
    assert!(matches!(refusal(&mut bench, beyond), Refusal::InvalidParameter(_)));
    let mut missing = send("nowhere", HALF, b"x");
    missing.default_topic = "none";
    assert!(matches!(refusal(&mut bench, missing), Refusal::TopicNotFound(_)));
    assert!(matches!(refusal(&mut bench, send("RMQ_SYS_TRANS_HALF_TOPIC", HALF, b"x")), Refusal::NoPermission(_)));
    let parts: Vec<(i32, &str, &[u8])> = vec![(0, HALF, b"x")];
    let batch = crate::io::Batch { head: send("orders", "", b""), parts };
    let answer = bench.ask(producer, Request::SendBatch(batch));
    assert!(matches!(refused(answer), Refusal::MessageIllegal(_)));
    let readonly = message::entry::TopicConfig { perm: 4, ..message::entry::TopicConfig::new("readonly", 1) };
    bench.ask(producer, Request::PutTopic(readonly));
    assert!(matches!(refusal(&mut bench, send("readonly", HALF, b"x")), Refusal::NoPermission(_)));
    assert_eq!(bench.broker.state().ledger.len(), 0);
}

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
fn a_commit_after_more_than_an_hour_carries_its_record() {
    let mut bench = Bench::new();
    let producer = bench.producer("p1", "payers");
    let named = bench.half_message(producer, "K1");
    bench.gone(producer);
    bench.run_ms(3_700_000);
    let producer = bench.producer("p2", "payers");
    assert_eq!(settled(bench.end(producer, &named, COMMIT, false)), Settled::Decided);
    let visible = bench.visible("orders", 0);
    let record = Record::parse(&visible[0]).expect("a record");
    assert_eq!((record.body(), record.prepared_transaction_offset().signed()), (&b"body"[..], named.half));
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
fn a_delayed_half_takes_effect_at_its_commit() {
    for wish in ["DELAY\u{1}2", "TIMER_DELAY_SEC\u{1}5", "TIMER_DELAY_MS\u{1}5000"] {
        let mut bench = Bench::new();
        let producer = bench.producer("p1", "payers");
        let properties = format!("{HALF}{wish}");
        let Some(Answer::Sent(sent)) = bench.ask(producer, Request::Send(send("orders", &properties, b"body"))) else {
            panic!("an answer")
        };
        let named =
            crate::bench::Named { half: sent.at.signed(), sequence: sent.queue_offset.signed(), key: "K1".into() };
        bench.pass_ms(3_000);
        assert_eq!(settled(bench.end(producer, &named, COMMIT, false)), Settled::Decided);
        bench.run_ms(4_900);
        assert!(bench.visible("orders", 0).is_empty(), "{wish:?}");
        bench.restart();
        bench.run_ms(200);
        let visible = bench.visible("orders", 0);
        assert_eq!(visible.len(), 1, "{wish:?}");
        let record = Record::parse(&visible[0]).expect("a record");
        assert_eq!((record.property("DELAY"), record.body()), (None, &b"body"[..]));
        bench.run_ms(60_000);
        assert_eq!(bench.visible("orders", 0).len(), 1);
    }
}

#[test]
fn a_message_that_cannot_be_consumed_comes_again_and_ends_among_the_dead() {
    let mut bench = Bench::new();
    let consumer = bench.open();
    bench.ask(consumer, Request::Pull(Bench::pull("none", 0, None)));
    bench.ask(consumer, Request::Send(send("orders", "TAGS\u{1}a", b"body")));
    bench.ask(consumer, Request::Pull(Bench::pull("orders", 0, None)));
    let mut topic = "orders".to_owned();
    for (attempt, delay_s) in [(1, 10), (2, 30)] {
        let failed = bench.visible(&topic, 0).pop().expect("a message");
        let failed = Record::parse(&failed).expect("a record").physical_offset().signed();
        let back =
            SendBack { group: "cart", offset: failed, delay_level: 0, origin_id: "ID1", max_reconsume_times: Some(2) };
        assert!(matches!(bench.ask(consumer, Request::SendBack(back)), Some(Answer::Done)));
        topic = "%RETRY%cart".to_owned();
        bench.run_ms(delay_s * 1000 - 100);
        assert_eq!(bench.visible(&topic, 0).len(), attempt - 1);
        bench.run_ms(200);
        let again = bench.visible(&topic, 0).pop().expect("a retry");
        let again = Record::parse(&again).expect("a record");
        assert_eq!(again.reconsume_times(), attempt as i32);
        assert_eq!((again.property("RETRY_TOPIC"), again.property("ORIGIN_MESSAGE_ID")), (Some("orders"), Some("ID1")));
    }
    let failed = bench.visible(&topic, 0).pop().expect("a message");
    let offset = Record::parse(&failed).expect("a record").physical_offset().signed();
    let back = SendBack { group: "cart", offset, delay_level: 0, origin_id: "", max_reconsume_times: Some(2) };
    bench.ask(consumer, Request::SendBack(back));
    let dead = bench.visible("%DLQ%cart", 0);
    assert_eq!(dead.len(), 1);
    assert_eq!(Record::parse(&dead[0]).expect("a record").body(), b"body");
}

#[test]
fn a_pull_waits_for_a_message_that_it_wants() {
    let mut bench = Bench::new();
    let consumer = bench.open();
    bench.ask(consumer, Request::Send(send("orders", "", b"first")));
    let mut pull = Bench::pull("orders", 1, Some(15_000));
    pull.subscription = Some("a || b");
    let token = bench.request(consumer, Request::Pull(pull));
    bench.settle();
    assert!(bench.take(token).is_none());
    bench.ask(consumer, Request::Send(send("orders", "TAGS\u{1}c", b"not this")));
    assert!(bench.take(token).is_none(), "its tag is not wanted");
    bench.ask(consumer, Request::Send(send("orders", "TAGS\u{1}b", b"this")));
    let Some(Answer::Pulled(pulled)) = bench.take(token) else { panic!("an answer") };
    assert_eq!((pulled.status, pulled.count, pulled.next.get()), (PullStatus::Found, 1, 3));
}

#[test]
fn a_pull_that_waits_in_vain_is_answered_in_time() {
    let mut bench = Bench::new();
    let consumer = bench.open();
    bench.ask(consumer, Request::Send(send("orders", "", b"first")));
    let token = bench.request(consumer, Request::Pull(Bench::pull("orders", 1, Some(15_000))));
    bench.settle();
    bench.run_ms(14_900);
    assert!(bench.take(token).is_none());
    bench.run_ms(200);
    let Some(Answer::Pulled(pulled)) = bench.take(token) else { panic!("an answer") };
    assert_eq!((pulled.status, pulled.next.get(), pulled.max.get()), (PullStatus::AtEnd, 1, 1));
}

#[test]
fn offsets_survive_a_restart_even_if_nobody_waited_for_them() {
    let mut bench = Bench::new();
    let consumer = bench.open();
    bench.ask(consumer, Request::Send(send("orders", "", b"first")));
    bench.ask(consumer, Request::Pull(Bench::pull("orders", 0, None)));
    let offset = |group, offset| Request::UpdateOffset { group, topic: "orders", queue: 0, offset };
    assert!(matches!(bench.ask(consumer, offset("cart", -1)), Some(Answer::Done)));
    assert!(matches!(bench.ask(consumer, offset("cart", 1)), Some(Answer::Done)));
    bench.restart();
    let consumer = bench.open();
    let query = Request::QueryOffset { group: "cart", topic: "orders", queue: 0, zero_if_absent: false };
    assert!(matches!(bench.ask(consumer, query), Some(Answer::Offset(offset)) if offset.get() == 1));
}

#[test]
fn a_topic_with_undecided_transactions_is_deleted_by_force_only_and_they_can_still_be_committed() {
    let mut bench = Bench::new();
    let producer = bench.producer("p1", "payers");
    let named = bench.half_message(producer, "K1");
    let delete = |force| Request::DeleteTopic { topic: "orders", force, who: "ann" };
    assert!(matches!(refused(bench.ask(producer, delete(false))), Refusal::Conflict(_)));
    assert!(matches!(bench.ask(producer, delete(true)), Some(Answer::Done)));
    assert!(bench.broker.state().topics.get("orders").is_none());
    assert_eq!(settled(bench.end(producer, &named, COMMIT, false)), Settled::Decided);
    assert_eq!(bench.broker.state().topics.get("orders").map(|topic| topic.next(0).get()), Some(1));
}

/// Found by the simulator: a delayed half for queue 3 of a topic that was deleted and made again with 3 queues went to
/// a queue nobody could read.
#[test]
fn a_commit_for_a_queue_its_topic_has_lost_can_be_read() {
    let mut bench = Bench::new();
    let producer = bench.producer("p1", "payers");
    bench.ask(producer, Request::PutTopic(message::entry::TopicConfig::new("orders", 4)));
    let half = crate::io::Send { queue: 3, ..send("orders", HALF, b"body") };
    let Some(Answer::Sent(sent)) = bench.ask(producer, Request::Send(half)) else { panic!("an answer") };
    let named = crate::bench::Named { half: sent.at.signed(), sequence: 0, key: "K1".into() };
    bench.ask(producer, Request::DeleteTopic { topic: "orders", force: true, who: "ann" });
    bench.ask(producer, Request::PutTopic(message::entry::TopicConfig::new("orders", 2)));
    assert_eq!(settled(bench.end(producer, &named, COMMIT, false)), Settled::Decided);
    let pull = crate::io::Pull { queue: 3, ..Bench::pull("orders", 0, None) };
    let Some(Answer::Pulled(pulled)) = bench.ask(producer, Request::Pull(pull)) else { panic!("an answer") };
    assert_eq!((pulled.status, pulled.count), (PullStatus::Found, 1));
    let topic = &bench.broker.state().topics.get("orders").expect("the topic").config;
    assert_eq!((topic.read_queues, topic.write_queues), (4, 2));
}

#[test]
fn a_full_disk_refuses_sends_and_halves_and_takes_decisions() {
    let mut bench = Bench::new();
    let producer = bench.producer("p1", "payers");
    let named = bench.half_message(producer, "K1");
    bench.broker.set_room(1000);
    let refusal = refused(bench.ask(producer, Request::Send(send("orders", "", b"x"))));
    assert!(matches!(&refusal, Refusal::Unavailable(text) if text.contains("full")), "{refusal:?}");
    assert!(matches!(refused(bench.ask(producer, Request::Send(send("orders", HALF, b"y")))), Refusal::Unavailable(_)));
    assert_eq!(settled(bench.end(producer, &named, COMMIT, false)), Settled::Decided);
    bench.broker.set_room(u64::MAX);
    assert!(matches!(bench.ask(producer, Request::Send(send("orders", "", b"x"))), Some(Answer::Sent(_))));
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

#[test]
fn what_is_lost_is_answered_and_leaves_no_trace() {
    let mut bench = Bench::new();
    let producer = bench.producer("p1", "payers");
    bench.ask(producer, Request::Send(send("orders", "", b"first")));
    let named = bench.half_message(producer, "K1");
    let lost = [
        bench.request(producer, Request::Send(send("orders", "", b"second"))),
        bench.request(producer, Request::End(named.end(COMMIT, false))),
    ];
    bench.lose();
    for token in lost {
        assert!(matches!(refused(bench.take(token)), Refusal::Unavailable(_)));
    }
    assert_eq!(settled(bench.end(producer, &named, ROLLBACK, false)), Settled::Decided);
    bench.ask(producer, Request::Send(send("orders", "", b"third")));
    assert_eq!(bench.visible("orders", 0).len(), 2);
}

/// Found by the simulator: after a full disk had lost an offset, the same offset told again was answered and not stored,
/// for the broker took it for stored already.
#[test]
fn an_offset_that_was_lost_and_told_again_is_stored_before_it_is_answered() {
    let mut bench = Bench::new();
    let consumer = bench.open();
    bench.ask(consumer, Request::Send(send("orders", "", b"first")));
    bench.ask(consumer, Request::Pull(Bench::pull("orders", 0, None)));
    let offset = || Request::UpdateOffset { group: "cart", topic: "orders", queue: 0, offset: 1 };
    let lost = bench.request(consumer, offset());
    bench.lose();
    assert!(matches!(refused(bench.take(lost)), Refusal::Unavailable(_)));
    assert!(matches!(bench.ask(consumer, offset()), Some(Answer::Done)));
    bench.restart();
    assert_eq!(bench.broker.state().offsets.get("cart", "orders", 0), Some(QueueOffset::new(1)));
}

/// Found by the simulator: an offset that was told and not logged when its topic was deleted left its deadline behind,
/// and the broker woke for it without end.
#[test]
fn a_topic_deleted_before_its_offsets_are_logged_leaves_nothing_to_wake_for() {
    let mut bench = Bench::new();
    let consumer = bench.open();
    bench.ask(consumer, Request::Send(send("orders", "", b"first")));
    bench.ask(consumer, Request::Pull(Bench::pull("orders", 0, None)));
    let pull = crate::io::Pull { commit_offset: Some(1), ..Bench::pull("orders", 1, None) };
    bench.request(consumer, Request::Pull(pull));
    bench.request(consumer, Request::DeleteTopic { topic: "orders", force: false, who: "ann" });
    bench.settle();
    bench.pass_ms(2_000);
    assert!(bench.broker.next_deadline().is_none_or(|due| due > bench.now));
}

/// Found by the simulator: the deletion of a topic was lost on a full disk, and its groups were told to begin at 0.
#[test]
fn a_deletion_that_was_lost_leaves_the_offsets_as_they_were() {
    let mut bench = Bench::new();
    let consumer = bench.open();
    bench.ask(consumer, Request::Send(send("orders", "", b"first")));
    bench.ask(consumer, Request::Pull(Bench::pull("orders", 0, None)));
    bench.ask(consumer, Request::UpdateOffset { group: "cart", topic: "orders", queue: 0, offset: 1 });
    bench.request(consumer, Request::DeleteTopic { topic: "orders", force: false, who: "ann" });
    bench.lose();
    let query = Request::QueryOffset { group: "cart", topic: "orders", queue: 0, zero_if_absent: true };
    assert!(matches!(bench.ask(consumer, query), Some(Answer::Offset(offset)) if offset.get() == 1));
}

/// Found by the simulator: a reset that crossed the deletion of its topic gave the group an offset of the messages that
/// were gone, behind which it would have begun to read the new ones.
#[test]
fn a_reset_that_crosses_the_deletion_of_its_topic_changes_nothing() {
    let mut bench = Bench::new();
    let operator = bench.open();
    bench.ask(operator, Request::Send(send("orders", "", b"first")));
    bench.ask(operator, Request::Pull(Bench::pull("orders", 0, None)));
    let reset = Request::ResetOffset {
        group: "cart",
        topic: "orders",
        time: message::Timestamp::from_millis(-1),
        force: true,
        queue: None,
        offset: None,
    };
    let reset = bench.request(operator, reset);
    bench.request(operator, Request::DeleteTopic { topic: "orders", force: false, who: "ann" });
    bench.settle();
    assert!(matches!(refused(bench.take(reset)), Refusal::TopicNotFound(_)));
    assert_eq!(bench.broker.state().offsets.get("cart", "orders", 0), None);
}

#[test]
fn undecided_bodies_are_shown_to_tools_only() {
    let mut bench = Bench::new();
    let producer = bench.producer("p1", "payers");
    bench.half_message(producer, "K1");
    let mut pull = Bench::pull("RMQ_SYS_TRANS_HALF_TOPIC", 0, None);
    assert!(matches!(refused(bench.ask(producer, Request::Pull(pull.clone()))), Refusal::NoPermission(_)));
    pull.group = "TOOLS_CONSUMER";
    let Some(Answer::Pulled(pulled)) = bench.ask(producer, Request::Pull(pull)) else { panic!("an answer") };
    assert_eq!((pulled.status, pulled.count), (PullStatus::Found, 1));
    let record = Record::parse(&pulled.body).expect("a record");
    assert_eq!((record.topic(), record.body()), ("RMQ_SYS_TRANS_HALF_TOPIC", &b"body"[..]));
    assert_eq!(record.property("REAL_TOPIC"), Some("orders"));
}
