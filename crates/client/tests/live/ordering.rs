//! Messages whose order counts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tandem_client::{ConsumeFrom, Message, Outcome, Producer, PushConsumer};

use crate::broker::{Broker, Seen, contents_when, eventually, text, unique};

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_one_key_are_handled_in_order_whatever_fails() {
    let broker = Broker::start();
    let topic = unique("accounts");
    let producer = Producer::builder(broker.nameserver()).build().await.unwrap();
    for step in 0..10 {
        for key in ["ann", "bob", "eve", "joe", "kim"] {
            let message = Message::builder(&topic).ordering_key(key).body(format!("{key}{step}")).build().unwrap();
            producer.send(message).await.unwrap();
        }
    }
    let stored = contents_when(&broker, &topic, 50).await;
    let mut queues: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for message in &stored {
        queues.entry(message.property("__SHARDINGKEY").unwrap().to_owned()).or_default().push(message.queue_id());
    }
    assert_eq!(queues.len(), 5);
    assert!(queues.values().all(|ids| ids.iter().all(|id| *id == ids[0])), "{queues:?}");

    let (seen, failures) = (Seen::default(), Arc::new(AtomicUsize::new(0)));
    let (kept, failed) = (seen.clone(), failures.clone());
    let consumer = PushConsumer::builder(broker.nameserver())
        .group(unique("ledger"))
        .subscribe(&topic, "*")
        .consume_from(ConsumeFrom::First)
        .orderly_retry_after(Duration::from_millis(20))
        .listen_orderly(move |message| {
            let fails = text(&message) == "bob4" && message.reconsume_times() < 3;
            if fails {
                failed.fetch_add(1, Ordering::SeqCst);
            } else {
                kept.push(message);
            }
            async move { if fails { Err("not yet") } else { Ok(()) } }
        })
        .start()
        .await
        .unwrap();
    seen.wait_for(50).await;
    consumer.shutdown().await;
    assert_eq!((seen.len(), failures.load(Ordering::SeqCst)), (50, 3));
    for key in ["ann", "bob", "eve", "joe", "kim"] {
        let of_key: Vec<String> = seen.messages().iter().map(text).filter(|body| body.starts_with(key)).collect();
        assert_eq!(of_key, (0..10).map(|step| format!("{key}{step}")).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_fails_too_often_makes_way_for_those_behind_it() {
    let broker = Broker::start();
    let (topic, group) = (unique("accounts"), unique("ledger"));
    let producer = Producer::builder(broker.nameserver()).build().await.unwrap();
    for body in ["1", "stuck", "2"] {
        let message = Message::builder(&topic).ordering_key("k").body(body).build().unwrap();
        producer.send(message).await.unwrap();
    }
    let seen = Seen::default();
    let kept = seen.clone();
    let consumer = PushConsumer::builder(broker.nameserver())
        .group(&group)
        .subscribe(&topic, "*")
        .consume_from(ConsumeFrom::First)
        .orderly_retry_after(Duration::from_millis(20))
        .max_reconsume_times(2)
        .listen_orderly(move |message| {
            let outcome = if text(&message) == "stuck" { Outcome::Retry } else { Outcome::Done };
            kept.push(message);
            async move { outcome }
        })
        .start()
        .await
        .unwrap();
    seen.wait_for(5).await;
    let client = consumer.client();
    eventually("dead letters have a route", || async { client.route(&format!("%DLQ%{group}")).await.is_ok() }).await;
    let dead = contents_when(&broker, &format!("%DLQ%{group}"), 1).await;
    consumer.shutdown().await;
    let order: Vec<String> = seen.messages().iter().map(text).collect();
    assert_eq!(order, ["1", "stuck", "stuck", "stuck", "2"]);
    assert_eq!(dead.iter().map(text).collect::<Vec<_>>(), ["stuck"]);
}
