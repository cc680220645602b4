//! Push consumers that handle messages many at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tandem_client::{ConsumeFrom, Message, Outcome, Producer, PullConsumer, PushConsumer, PushConsumerBuilder};
use tokio::sync::Semaphore;

use crate::broker::{Broker, Seen, contents_when, eventually, unique};

async fn send(broker: &Broker, topic: &str, tagged: &[(&str, &str)]) {
    let producer = Producer::builder(broker.nameserver()).build().await.unwrap();
    for (tag, body) in tagged {
        let message = Message::builder(topic).tag(*tag).body(body.to_string()).build().unwrap();
        producer.send(message).await.unwrap();
    }
    producer.shutdown().await;
}

fn consumer(broker: &Broker, group: &str, topic: &str) -> PushConsumerBuilder {
    PushConsumer::builder(broker.nameserver()).group(group).subscribe(topic, "*").consume_from(ConsumeFrom::First)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_tags_subscribed_to_are_seen_even_if_their_hashes_are_the_same() {
    let broker = Broker::start();
    let topic = unique("orders");
    // "Aa" and "BB" have one Java hash.
    send(&broker, &topic, &[("Aa", "1"), ("BB", "2"), ("c", "3"), ("d", "4"), ("Aa", "5")]).await;
    let (seen, group) = (Seen::default(), unique("readers"));
    let kept = seen.clone();
    let consumer = PushConsumer::builder(broker.nameserver())
        .group(&group)
        .subscribe(&topic, "Aa || c")
        .consume_from(ConsumeFrom::First)
        .listen(move |message| {
            kept.push(message);
            async {}
        })
        .start()
        .await
        .unwrap();
    seen.wait_for(3).await;
    send(&broker, &topic, &[("BB", "6"), ("d", "7"), ("c", "8")]).await;
    seen.wait_for(4).await;
    consumer.shutdown().await;
    assert_eq!(seen.bodies(), ["1", "3", "5", "8"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_comes_again_later_and_then_is_done() {
    let broker = Broker::start();
    let topic = unique("orders");
    send(&broker, &topic, &[("a", "good"), ("a", "bad")]).await;
    let seen = Seen::default();
    let kept = seen.clone();
    let consumer = consumer(&broker, &unique("readers"), &topic)
        .listen(move |message| {
            let outcome = if &message.body()[..] == b"bad" && message.reconsume_times() == 0 {
                // By itself it would come again after ten seconds.
                Outcome::RetryAtLevel(1)
            } else {
                kept.push(message);
                Outcome::Done
            };
            async move { outcome }
        })
        .start()
        .await
        .unwrap();
    seen.wait_for(2).await;
    consumer.shutdown().await;
    assert_eq!(seen.bodies(), ["bad", "good"]);
    let messages = seen.messages();
    let again = messages.iter().find(|message| &message.body()[..] == b"bad").unwrap();
    assert_eq!((again.reconsume_times(), again.topic()), (1, topic.as_str()));
    assert!(again.stored_topic().starts_with("%RETRY%"), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_is_among_the_dead_letters() {
    let broker = Broker::start();
    let (topic, group) = (unique("orders"), unique("readers"));
    send(&broker, &topic, &[("a", "hopeless"), ("a", "twice")]).await;
    let consumer = consumer(&broker, &group, &topic)
        .max_reconsume_times(1)
        .listen(|message| async move {
            if &message.body()[..] == b"hopeless" { Outcome::DeadLetter } else { Outcome::RetryAtLevel(1) }
        })
        .start()
        .await
        .unwrap();
    eventually("dead letters have a route", || async {
        consumer.client().route(&format!("%DLQ%{group}")).await.is_ok()
    })
    .await;
    let dead = contents_when(&broker, &format!("%DLQ%{group}"), 2).await;
    assert!(dead.iter().all(|message| message.topic() == topic), "{dead:?}");
    consumer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_waits_for_handlers_and_nothing_done_comes_again() {
    let broker = Broker::start();
    let (topic, group) = (unique("orders"), unique("readers"));
    let messages: Vec<(&str, String)> = (0..40).map(|number| ("a", format!("{number:02}"))).collect();
    let messages: Vec<(&str, &str)> = messages.iter().map(|(tag, body)| (*tag, body.as_str())).collect();
    send(&broker, &topic, &messages).await;

    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let (kept, held, finished) = (seen.clone(), gate.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = finished.clone();
    let first = consumer(&broker, &group, &topic)
        .concurrency(8)
        .listen(move |message| {
            let (kept, held, counted) = (kept.clone(), held.clone(), counted.clone());
            async move {
                kept.push(message);
                held.acquire().await.unwrap().forget();
                counted.fetch_add(1, Ordering::SeqCst);
            }
        })
        .start()
        .await
        .unwrap();
    gate.add_permits(12);
    seen.wait_for(20).await;
    // Twelve are done and eight run. They are let go while the shutdown waits for them.
    let stopping = tokio::spawn(first.shutdown());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!stopping.is_finished());
    gate.add_permits(100);
    stopping.await.unwrap();
    assert_eq!(finished.load(Ordering::SeqCst), seen.len());

    let (kept, rest) = (Seen::default(), seen.len());
    let again = kept.clone();
    let second = consumer(&broker, &group, &topic)
        .listen(move |message| {
            again.push(message);
            async {}
        })
        .start()
        .await
        .unwrap();
    kept.wait_for(40 - rest).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    second.shutdown().await;
    let mut all = [seen.bodies(), kept.bodies()].concat();
    all.sort();
    assert_eq!(all, messages.iter().map(|(_, body)| (*body).to_owned()).collect::<Vec<_>>());
}

/// So that after a crash little comes again: a Java client does the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_goes_along_with_the_next_pull() {
    const MESSAGES: usize = 24;
    let broker = Broker::start();
    let (topic, group) = (unique("orders"), unique("readers"));
    let seen = Seen::default();
    let kept = seen.clone();
    let reading = consumer(&broker, &group, &topic)
        .commit_interval(Duration::from_secs(3_600))
        .listen(move |message| {
            kept.push(message);
            async {}
        })
        .start()
        .await
        .unwrap();
    for number in 0..MESSAGES {
        send(&broker, &topic, &[("a", &number.to_string())]).await;
        seen.wait_for(number + 1).await;
    }
    let asking = PullConsumer::builder(broker.nameserver()).group(&group).start().await.unwrap();
    let queues = asking.queues_of(&topic).await.unwrap();
    let mut told = 0;
    for queue in &queues {
        told += asking.committed_offset(queue).await.unwrap().unwrap_or(0) as usize;
    }
    // The last pull of each queue may have been on its way before its last message was done.
    assert!((MESSAGES - queues.len()..=MESSAGES).contains(&told), "{told} of {MESSAGES} are told");
    asking.shutdown().await;
    reading.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_member_sees_what_is_broadcast() {
    let broker = Broker::start();
    let (topic, group) = (unique("news"), unique("readers"));
    send(&broker, &topic, &[("a", "before")]).await;
    let mut members = Vec::new();
    for _ in 0..2 {
        let seen = Seen::default();
        let kept = seen.clone();
        let member = PushConsumer::builder(broker.nameserver()).group(&group).subscribe(&topic, "*").broadcasting();
        let member = member.listen(move |message| {
            kept.push(message);
            async { Err::<(), _>("nothing is tried again") }
        });
        let member = member.start().await.unwrap();
        eventually("all queues are read", || async { member.queues().len() == 4 }).await;
        members.push((member, seen));
    }
    send(&broker, &topic, &[("a", "one"), ("a", "two")]).await;
    for (member, seen) in members {
        seen.wait_for(2).await;
        member.shutdown().await;
        assert_eq!(seen.bodies(), ["one", "two"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_ahead_stops_at_its_limit() {
    let broker = Broker::start();
    let topic = unique("orders");
    let producer = Producer::builder(broker.nameserver()).build().await.unwrap();
    producer.client().create_topic(&topic, 1).await.unwrap();
    for _ in 0..20 {
        let batch: Vec<Message> =
            (0..50).map(|_| Message::builder(&topic).body(vec![b'x'; 1000]).build().unwrap()).collect();
        producer.send_batch(&batch).await.unwrap();
    }
    let (open, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (gate, counted) = (open.clone(), done.clone());
    let consumer = consumer(&broker, &unique("readers"), &topic)
        .queue_count_max(100)
        .pull_count_max(32)
        .concurrency(1)
        .listen(move |_| {
            let (gate, counted) = (gate.clone(), counted.clone());
            async move {
                while !gate.load(Ordering::SeqCst) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                counted.fetch_add(1, Ordering::SeqCst);
            }
        })
        .start()
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(800)).await;
    let shown = format!("{consumer:?}");
    assert!(shown.contains("PushConsumer"), "{shown}");
    assert!(consumer.backlog().0 <= 100 + 32, "{:?}", consumer.backlog());
    open.store(true, Ordering::SeqCst);
    eventually("all are handled", || async { done.load(Ordering::SeqCst) == 1000 }).await;
    assert_eq!(consumer.backlog(), (0, 0));
    consumer.shutdown().await;
}
