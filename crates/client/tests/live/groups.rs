//! Members of a group that come and go.

use std::collections::BTreeSet;

use tandem_client::{ConsumeFrom, Message, MessageQueue, Producer, PushConsumer};

use crate::broker::{Broker, Seen, eventually, unique};

async fn member(broker: &Broker, group: &str, topic: &str, orderly: bool) -> (PushConsumer, Seen) {
    let seen = Seen::default();
    let kept = seen.clone();
    let handler = move |message| {
        kept.push(message);
        async {}
    };
    let builder = PushConsumer::builder(broker.nameserver()).group(group).subscribe(topic, "*");
    let builder = builder.consume_from(ConsumeFrom::First);
    let builder = if orderly { builder.listen_orderly(handler) } else { builder.listen(handler) };
    (builder.start().await.unwrap(), seen)
}

fn of_topic(consumer: &PushConsumer, topic: &str) -> Vec<MessageQueue> {
    consumer.queues().into_iter().filter(|queue| queue.topic == topic).collect()
}

async fn send(producer: &Producer, topic: &str, from: usize, to: usize) {
    for number in from..to {
        producer.send(Message::builder(topic).body(format!("{number:03}")).build().unwrap()).await.unwrap();
    }
}

async fn members_share_and_take_over(orderly: bool) {
    let broker = Broker::start();
    let (topic, group) = (unique("orders"), unique("readers"));
    let producer = Producer::builder(broker.nameserver()).build().await.unwrap();
    send(&producer, &topic, 0, 40).await;
    let (first, first_seen) = member(&broker, &group, &topic, orderly).await;
    eventually("the first reads all queues", || async { of_topic(&first, &topic).len() == 4 }).await;
    let (second, second_seen) = member(&broker, &group, &topic, orderly).await;
    eventually("they share the queues", || async {
        of_topic(&first, &topic).len() == 2 && of_topic(&second, &topic).len() == 2
    })
    .await;
    let both: BTreeSet<_> = [of_topic(&first, &topic), of_topic(&second, &topic)].concat().into_iter().collect();
    assert_eq!(both.len(), 4, "{both:?}");
    send(&producer, &topic, 40, 80).await;
    eventually("all are seen", || async { first_seen.len() + second_seen.len() >= 80 }).await;
    assert!(second_seen.len() >= 20);

    if orderly {
        // Locks of one that is killed expire after a minute: too long to wait for here.
        first.shutdown().await;
    } else {
        // As if it were killed: it says nothing to anybody.
        drop(first);
    }
    eventually("the second reads all queues", || async { of_topic(&second, &topic).len() == 4 }).await;
    send(&producer, &topic, 80, 120).await;
    let all = || -> BTreeSet<String> { [first_seen.bodies(), second_seen.bodies()].concat().into_iter().collect() };
    eventually("none is lost", || async { all().len() == 120 }).await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_share_the_queues_and_take_over_those_of_one_that_is_killed() {
    members_share_and_take_over(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orderly_members_share_the_queues_and_take_over_those_of_one_that_leaves() {
    members_share_and_take_over(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_leaves_in_order_hands_over_what_is_not_done_and_no_more() {
    let broker = Broker::start();
    let (topic, group) = (unique("orders"), unique("readers"));
    let producer = Producer::builder(broker.nameserver()).build().await.unwrap();
    send(&producer, &topic, 0, 30).await;
    let (first, first_seen) = member(&broker, &group, &topic, false).await;
    first_seen.wait_for(30).await;
    first.shutdown().await;
    send(&producer, &topic, 30, 40).await;
    let (second, second_seen) = member(&broker, &group, &topic, false).await;
    second_seen.wait_for(10).await;
    second.shutdown().await;
    assert_eq!((first_seen.len(), second_seen.len()), (30, 10));
}
