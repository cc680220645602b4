//! Pull consumers: at the caller's pace.

use std::time::Duration;

use tandem_client::{ConsumeFrom, Error, Message, Producer, PullConsumer};

use crate::broker::{Broker, contents_when, eventually, text, unique};

const SOON: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_polled_and_committed_does_not_come_again_and_what_is_not_committed_does() {
    let broker = Broker::start();
    let (topic, group) = (unique("orders"), unique("reports"));
    let producer = Producer::builder(broker.nameserver()).build().await.unwrap();
    for number in 0..20 {
        producer.send(Message::builder(&topic).body(format!("{number:02}")).build().unwrap()).await.unwrap();
    }
    let start = || async {
        let builder = PullConsumer::builder(broker.nameserver()).group(&group).subscribe(&topic, "*");
        builder.consume_from(ConsumeFrom::First).start().await.unwrap()
    };
    let polled = |consumer: PullConsumer, count: usize| async move {
        let mut bodies = Vec::new();
        while bodies.len() < count {
            bodies.extend(consumer.poll(count - bodies.len(), SOON).await.unwrap().iter().map(text));
        }
        (consumer, bodies)
    };
    let (first, mut done) = polled(start().await, 8).await;
    first.commit().await.unwrap();
    let (first, forgotten) = polled(first, 5).await;
    first.shutdown().await;
    let (second, rest) = polled(start().await, 12).await;
    assert!(second.poll(10, SOON).await.unwrap().is_empty());
    assert!(forgotten.iter().all(|body| rest.contains(body)));
    done.extend(rest);
    done.sort();
    assert_eq!(done, (0..20).map(|number| format!("{number:02}")).collect::<Vec<_>>());
    let queue = &second.queues()[0];
    assert!(matches!(second.assign(std::slice::from_ref(queue)).await, Err(Error::Invalid(_))));
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_can_be_read_from_wherever_one_likes() {
    let broker = Broker::start();
    let (topic, group) = (unique("orders"), unique("reports"));
    let producer = Producer::builder(broker.nameserver()).build().await.unwrap();
    producer.client().create_topic(&topic, 2).await.unwrap();
    eventually("the topic has a route", || async { producer.client().route(&topic).await.is_ok() }).await;
    let queue = producer.queues(&topic).await.unwrap()[0].clone();
    for number in 0..10 {
        let message = Message::builder(&topic).body(format!("{number}")).build().unwrap();
        producer.send_to(message, &queue).await.unwrap();
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let stored = contents_when(&broker, &topic, 10).await;
    let reader = PullConsumer::builder(broker.nameserver()).group(&group).start().await.unwrap();
    assert_eq!(reader.queues_of(&topic).await.unwrap().len(), 2);
    assert_eq!((reader.min_offset(&queue).await.unwrap(), reader.max_offset(&queue).await.unwrap()), (0, 10));
    assert_eq!(reader.offset_at(&queue, stored[6].stored_at_ms()).await.unwrap(), 6);
    assert_eq!(reader.committed_offset(&queue).await.unwrap(), None);

    let pulled = reader.pull(&queue, 3, 2, None).await.unwrap();
    assert_eq!(pulled.messages.iter().map(text).collect::<Vec<_>>(), ["3", "4"]);
    assert_eq!((pulled.next_offset, pulled.min_offset, pulled.max_offset), (5, 0, 10));
    let waited = reader.pull(&queue, 10, 2, Some(Duration::from_millis(100))).await.unwrap();
    assert!(waited.messages.is_empty());

    assert!(matches!(reader.seek(&queue, 4).await, Err(Error::Invalid(_))));
    reader.assign(std::slice::from_ref(&queue)).await.unwrap();
    // It begins with what is to come.
    assert!(reader.poll(10, SOON).await.unwrap().is_empty());
    reader.seek(&queue, 8).await.unwrap();
    let mut bodies = Vec::new();
    while bodies.len() < 2 {
        bodies.extend(reader.poll(10, SOON).await.unwrap().iter().map(text));
    }
    assert_eq!(bodies, ["8", "9"]);
    reader.commit().await.unwrap();
    assert_eq!(reader.committed_offset(&queue).await.unwrap(), Some(10));
    reader.commit_offset(&queue, 5).await.unwrap();
    assert_eq!(reader.committed_offset(&queue).await.unwrap(), Some(5));
    reader.assign(&[]).await.unwrap();
    assert_eq!(reader.queues(), []);
    reader.shutdown().await;
}
