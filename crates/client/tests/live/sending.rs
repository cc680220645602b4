//! What is sent is there, as it was sent.

use std::collections::BTreeSet;
use std::io::Write as _;

use flate2::{Compression, write::ZlibEncoder};
use tandem_client::protocol::codes::{RequestCode, ResponseCode};
use tandem_client::protocol::request::send::SendHeader;
use tandem_client::{Error, Message, MessageQueue, Producer, SendStatus};

use crate::broker::{Broker, contents, contents_when, text, unique};

async fn producer(broker: &Broker) -> Producer {
    Producer::builder(broker.nameserver()).group(unique("sellers")).build().await.unwrap()
}

fn message(topic: &str, body: impl Into<String>) -> Message {
    Message::builder(topic).body(body.into()).build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_read_with_everything_it_was_sent_with() {
    let broker = Broker::start();
    let (topic, producer) = (unique("orders"), producer(&broker).await);
    let sent = Message::builder(&topic).tag("paid").key("k1").key("k2").property("région", "nord").flag(7);
    let sent = sent.body("grüße").build().unwrap();
    let receipt = producer.send(&sent).await.unwrap();
    assert_eq!((receipt.message_id.as_str(), receipt.status), (sent.id(), SendStatus::Stored));

    let found = contents_when(&broker, &topic, 1).await;
    let [read] = &found[..] else { panic!("{found:?}") };
    assert_eq!((read.id().as_ref(), read.offset_id()), (sent.id(), receipt.offset_message_id));
    assert_eq!((read.queue(), read.queue_offset()), (receipt.queue, receipt.queue_offset));
    assert_eq!((text(read), read.tag(), read.flag()), ("grüße".into(), Some("paid"), 7));
    assert_eq!((read.keys().collect::<Vec<_>>(), read.property("région")), (vec!["k1", "k2"], Some("nord")));
    assert_eq!((read.topic(), read.reconsume_times()), (topic.as_str(), 0));
    assert!((read.stored_at_ms() - read.born_at_ms()).abs() < 60_000);
    producer.shutdown().await;
    assert!(matches!(producer.send(&sent).await, Err(Error::ShutDown)));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_go_round_all_queues_and_sizes_up_to_the_limit_pass() {
    let broker = Broker::start();
    let (topic, producer) = (unique("orders"), producer(&broker).await);
    producer.client().create_topic(&topic, 4).await.unwrap();
    let mut queues = BTreeSet::new();
    for number in 0..4 {
        queues.insert(producer.send(message(&topic, format!("{number}"))).await.unwrap().queue);
    }
    assert_eq!(queues.len(), 4, "{queues:?}");
    let large = message(&topic, "x".repeat(3 << 20));
    producer.send(&large).await.unwrap();
    producer.send_oneway(message(&topic, "oneway")).await.unwrap();
    let found = contents_when(&broker, &topic, 6).await;
    assert!(found.iter().any(|found| found.body() == large.body()));
    assert!(found.iter().any(|found| text(found) == "oneway"));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sends_at_a_time_share_a_connection() {
    let broker = Broker::start();
    let (topic, producer) = (unique("orders"), producer(&broker).await);
    let sends: Vec<_> = (0..500)
        .map(|number| {
            let (producer, message) = (producer.clone(), message(&topic, format!("{number}")));
            tokio::spawn(async move { producer.send(message).await.map(|receipt| receipt.message_id) })
        })
        .collect();
    let mut ids = BTreeSet::new();
    for send in sends {
        ids.insert(send.await.unwrap().unwrap());
    }
    let found = contents_when(&broker, &topic, 500).await;
    assert_eq!(found.iter().map(|found| found.id().into_owned()).collect::<BTreeSet<_>>(), ids);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_lies_together_and_each_message_keeps_its_id() {
    let broker = Broker::start();
    let (topic, producer) = (unique("orders"), producer(&broker).await);
    let batch: Vec<Message> = (0..10).map(|number| message(&topic, format!("{number}"))).collect();
    let receipts = producer.send_batch(&batch).await.unwrap();
    let found = contents_when(&broker, &topic, 10).await;
    for ((sent, receipt), read) in batch.iter().zip(&receipts).zip(&found) {
        assert_eq!((read.id().as_ref(), read.id().as_ref()), (sent.id(), receipt.message_id.as_str()));
        assert_eq!((read.queue_offset(), read.offset_id()), (receipt.queue_offset, receipt.offset_message_id.clone()));
        assert_eq!((read.body(), read.queue()), (sent.body(), receipts[0].queue.clone()));
    }
    let other = message(&unique("other"), "x");
    assert!(matches!(producer.send_batch(&[batch[0].clone(), other]).await, Err(Error::Invalid(_))));
    assert_eq!(producer.send_batch(&[]).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_carries_the_brokers_code_and_says_whether_to_try_again() {
    let broker = Broker::start();
    let (topic, producer) = (unique("orders"), producer(&broker).await);
    let receipt = producer.send(message(&topic, "x")).await.unwrap();
    let nowhere = MessageQueue { queue_id: 4000, ..receipt.queue };
    let error = producer.send_to(message(&topic, "x"), &nowhere).await.unwrap_err();
    assert!(error.code().is_some() && !error.remark().unwrap().is_empty(), "{error}");
    if broker.is_ours() {
        assert_eq!(error.code(), Some(ResponseCode::INVALID_PARAMETER));
        assert!(!error.is_retryable() && error.retry_after().is_none());
    }
    assert_eq!(contents(&broker, &topic).await.len(), 1);

    let client = producer.client();
    let missing = unique("missing");
    let error = client.route(&missing).await.unwrap_err();
    assert!(matches!(error, Error::TopicNotFound { topic } if topic == missing));
    assert!(client.topics().await.unwrap().contains(&topic));
    client.delete_topic(&topic).await.unwrap();
    assert!(!client.topics().await.unwrap().contains(&topic));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_a_java_producer_compressed_is_read_as_it_was_written() {
    let broker = Broker::start();
    let (topic, producer) = (unique("orders"), producer(&broker).await);
    let client = producer.client();
    client.create_topic(&topic, 1).await.unwrap();
    let body = "all work and no play ".repeat(1000);
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(body.as_bytes()).unwrap();
    let header = SendHeader {
        producer_group: "sellers",
        topic: &topic,
        default_topic: "TBW102",
        default_topic_queue_nums: 4,
        queue_id: 0,
        sys_flag: 1,
        born_timestamp: 1,
        flag: 0,
        properties: "UNIQ_KEY\u{1}7F0000010001000000000000000000FF\u{2}",
        reconsume_times: 0,
        unit_mode: false,
        batch: false,
        max_reconsume_times: None,
        broker_name: None,
    };
    crate::broker::eventually("the topic has a route", || async { client.route(&topic).await.is_ok() }).await;
    let address = client.route(&topic).await.unwrap().brokers()[0].master().unwrap().to_owned();
    let code = RequestCode::SendMessageV2;
    client.request(&address, code, &header.fields(), &zlib.finish().unwrap()).await.unwrap().ok().unwrap();
    let found = contents_when(&broker, &topic, 1).await;
    assert_eq!((text(&found[0]), found[0].body_error()), (body, None));
}
