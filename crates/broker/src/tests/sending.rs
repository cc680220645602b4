//! What is stored, and what is refused.

use message::record::Record;
use message::sys_flag;

use super::{COMMIT, refused, settled};
use crate::bench::{Bench, HALF, send};
use crate::io::{Answer, Refusal, Request, Settled};

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
