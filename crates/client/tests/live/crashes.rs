//! A broker that is killed and comes back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tandem_client::{ConsumeFrom, Decision, Message, MessageView, Producer, PushConsumer, TransactionProducer};

use crate::broker::{Broker, Seen, contents_when, eventually, unique};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_broker_is_killed_under_load() {
    let mut broker = Broker::start();
    if !broker.is_ours() {
        return;
    }
    let topic = unique("orders");
    let producer = Producer::builder(broker.nameserver()).topics([&topic]).build().await.unwrap();
    let seen = Seen::default();
    let kept = seen.clone();
    let consumer = PushConsumer::builder(broker.nameserver())
        .group(unique("readers"))
        .subscribe(&topic, "*")
        .consume_from(ConsumeFrom::First)
        .listen(move |message| {
            kept.push(message);
            async {}
        })
        .start()
        .await
        .unwrap();

    let enough = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..8)
        .map(|sender| {
            let (producer, topic, enough) = (producer.clone(), topic.clone(), enough.clone());
            tokio::spawn(async move {
                let (mut acknowledged, mut failures) = (Vec::new(), 0);
                for number in 0.. {
                    if enough.load(Ordering::SeqCst) {
                        break;
                    }
                    let body = format!("{sender}/{number}");
                    let message = Message::builder(&topic).body(body.clone()).build().unwrap();
                    match producer.send(&message).await {
                        Ok(_) => acknowledged.push(body),
                        Err(error) => {
                            assert!(error.is_retryable(), "{error}");
                            failures += 1;
                            tokio::time::sleep(error.retry_after().unwrap()).await;
                        }
                    }
                }
                (acknowledged, failures)
            })
        })
        .collect();
    seen.wait_for(200).await;
    for _ in 0..2 {
        let before = seen.len();
        broker.kill();
        tokio::time::sleep(Duration::from_millis(300)).await;
        broker.start_again();
        seen.wait_for(before + 200).await;
    }
    enough.store(true, Ordering::SeqCst);
    let mut acknowledged = BTreeSet::new();
    for sender in senders {
        acknowledged.extend(sender.await.unwrap().0);
    }
    assert!(acknowledged.len() > 400);
    eventually("all that was acknowledged is seen", || async {
        let seen: BTreeSet<String> = seen.bodies().into_iter().collect();
        acknowledged.is_subset(&seen)
    })
    .await;
    consumer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_a_dead_broker_did_not_hear_is_told_or_asked_for() {
    let settings = ["transactions.first_check_after=300ms", "transactions.check_interval=500ms"];
    let mut broker = Broker::with(&settings);
    if !broker.is_ours() {
        return;
    }
    let topic = unique("orders");
    let producer = TransactionProducer::builder(broker.nameserver())
        .group(unique("service"))
        .topics([&topic])
        .on_check(|_: MessageView| async { Decision::Commit })
        .build()
        .await
        .unwrap();
    let order = Message::builder(&topic).body("order").build().unwrap();
    let transaction = producer.begin(&order).await.unwrap();
    broker.kill();
    // Nobody is there: the receipt says so, and it is no error.
    let receipt = producer.decide(&transaction, Decision::Commit).await.unwrap();
    assert!(!receipt.is_confirmed() && receipt.unconfirmed.unwrap().is_retryable());
    broker.start_again();
    let found = contents_when(&broker, &topic, 1).await;
    assert_eq!((found.len(), found[0].id().as_ref()), (1, order.id()));
    producer.shutdown().await;
}
