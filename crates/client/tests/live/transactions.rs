//! Messages that depend on a local transaction.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tandem_client::{Decision, Message, MessageView, TransactionError, TransactionListener, TransactionProducer};

use crate::broker::{Broker, contents, contents_when, eventually, text, unique};

/// Checks soon, and soon again.
fn impatient() -> Broker {
    Broker::with(&["transactions.first_check_after=300ms", "transactions.check_interval=500ms"])
}

fn message(topic: &str, body: &str) -> Message {
    Message::builder(topic).key(body).body(body.to_owned()).build().unwrap()
}

/// Ids it was asked about.
type Asked = Arc<Mutex<Vec<String>>>;

async fn service(broker: &Broker, group: &str, topic: &str, answer: Decision) -> (TransactionProducer, Asked) {
    let asked = Asked::default();
    let kept = asked.clone();
    let producer = TransactionProducer::builder(broker.nameserver())
        .group(group)
        .topics([topic])
        .on_check(move |message: MessageView| {
            kept.lock().unwrap().push(message.id().into_owned());
            async move { answer }
        })
        .build()
        .await
        .unwrap();
    (producer, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_local_transaction_says_becomes_of_the_message() {
    let broker = Broker::start();
    let topic = unique("orders");
    let (producer, _) = service(&broker, &unique("service"), &topic, Decision::Unknown).await;

    let committed = message(&topic, "committed");
    let receipt = producer.send_in_transaction(&committed, |transaction| {
        assert_eq!(transaction.id, committed.id());
        async { Ok::<_, String>(Decision::Commit) }
    });
    let receipt = receipt.await.unwrap();
    assert!(receipt.is_confirmed() && receipt.decision == Decision::Commit, "{receipt:?}");

    let receipt =
        producer.send_in_transaction(message(&topic, "refused"), |_| async { Ok::<_, String>(Decision::Rollback) });
    assert!(receipt.await.unwrap().is_confirmed());

    let failed = producer.send_in_transaction(message(&topic, "failed"), |_| async { Err("no such customer") }).await;
    let Err(TransactionError::Local { error, receipt }) = failed else { panic!("{failed:?}") };
    assert_eq!((error, receipt.decision, receipt.is_confirmed()), ("no such customer", Decision::Rollback, true));

    let found = contents_when(&broker, &topic, 1).await;
    assert_eq!(found.iter().map(text).collect::<Vec<_>>(), ["committed"]);
    assert_eq!((found[0].id().as_ref(), found[0].transaction_id()), (committed.id(), Some(committed.id())));
    producer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_decision_is_a_repetition_or_is_refused() {
    let broker = Broker::start();
    if !broker.is_ours() {
        // Apache RocketMQ takes both.
        return;
    }
    let topic = unique("orders");
    let (producer, _) = service(&broker, &unique("service"), &topic, Decision::Unknown).await;
    let transaction = producer.begin(message(&topic, "order")).await.unwrap();
    assert!(producer.decide(&transaction, Decision::Rollback).await.unwrap().is_confirmed());
    assert!(producer.decide(&transaction, Decision::Rollback).await.unwrap().is_confirmed());
    let refused = producer.decide(&transaction, Decision::Commit).await.unwrap_err();
    assert!(matches!(&refused, TransactionError::Refused { decision: Decision::Commit, .. }), "{refused}");
    assert!(contents(&broker, &topic).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_leaves_the_decision_to_the_check() {
    let broker = impatient();
    let topic = unique("orders");
    let (producer, asked) = service(&broker, &unique("service"), &topic, Decision::Commit).await;
    let order = message(&topic, "order");
    let (sender, sent) = (producer.clone(), order.clone());
    let panicked = tokio::spawn(async move {
        let local = |_| async { panic!("the local transaction panics, as this test wants") };
        sender.send_in_transaction::<_, _, String>(sent, local).await.map(drop).map_err(drop)
    });
    assert!(panicked.await.unwrap_err().is_panic());
    let found = contents_when(&broker, &topic, 1).await;
    assert_eq!((found.len(), found[0].id().as_ref()), (1, order.id()));
    assert!(asked.lock().unwrap().contains(&order.id().to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_instance_is_asked_about_what_the_first_left_undecided() {
    let broker = impatient();
    let (topic, group) = (unique("orders"), unique("service"));
    // The topic exists when the second one starts, as it does in life.
    let (first, _) = service(&broker, &group, &topic, Decision::Unknown).await;
    first.producer().send(message(&topic, "plain")).await.unwrap();
    let order = message(&topic, "order");
    let transaction = first.begin(&order).await.unwrap();
    assert_eq!(transaction.id, order.id());
    drop(first);

    let (_second, asked) = service(&broker, &group, &topic, Decision::Commit).await;
    let found = contents_when(&broker, &topic, 2).await;
    assert!(found.iter().any(|found| found.id() == order.id()));
    assert!(asked.lock().unwrap().iter().all(|id| id == order.id()));
    assert!(!asked.lock().unwrap().is_empty());
}

/// A local side whose check knows first nothing, then panics, and then says commit.
#[derive(Clone, Default)]
struct Slow(Arc<AtomicUsize>);

impl TransactionListener for Slow {
    async fn check(&self, _: &MessageView) -> Decision {
        match self.0.fetch_add(1, Ordering::SeqCst) {
            0 => Decision::Unknown,
            1 => panic!("the check panics, as this test wants"),
            _ => Decision::Commit,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_does_not_know_is_asked_until_it_does() {
    let broker = impatient();
    if !broker.is_ours() {
        // It would take minutes.
        return;
    }
    let topic = unique("orders");
    let slow = Slow::default();
    let builder = TransactionProducer::builder(broker.nameserver()).group(unique("service"));
    let producer = builder.listener(slow.clone()).build().await.unwrap();
    let receipt = producer.send(message(&topic, "order")).await.unwrap();
    assert_eq!((receipt.decision, receipt.is_confirmed()), (Decision::Unknown, false));
    eventually("it is committed", || async { slow.0.load(Ordering::SeqCst) >= 3 }).await;
    assert_eq!(contents_when(&broker, &topic, 1).await.len(), 1);
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(slow.0.load(Ordering::SeqCst), 3, "asked again about what is decided");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_transactions_at_a_time_each_have_their_own_end() {
    let broker = Broker::start();
    let topic = unique("orders");
    let (producer, _) = service(&broker, &unique("service"), &topic, Decision::Unknown).await;
    let transactions: Vec<_> = (0..200)
        .map(|number: usize| {
            let (producer, message) = (producer.clone(), message(&topic, &number.to_string()));
            let decision = if number.is_multiple_of(2) { Decision::Commit } else { Decision::Rollback };
            let local = move |_| async move { Ok::<_, String>(decision) };
            tokio::spawn(async move { producer.send_in_transaction(message, local).await.unwrap().is_confirmed() })
        })
        .collect();
    for transaction in transactions {
        assert!(transaction.await.unwrap());
    }
    let mut found: Vec<usize> =
        contents_when(&broker, &topic, 100).await.iter().map(|found| text(found).parse().unwrap()).collect();
    found.sort_unstable();
    assert_eq!(found, (0..200).step_by(2).collect::<Vec<_>>());
}
