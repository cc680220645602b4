//! Receives messages: `cargo run --example push_consumer -- [NAMESERVER] [GROUP] [TOPIC] [COUNT] [WAIT_S]`.
//!
//! Ends after COUNT messages (0: none is enough), after WAIT_S seconds, or with Ctrl-C. Prints one JSON object per event,
//! so that other programs can watch it: the queues it reads whenever they change, and every message.

use std::time::Duration;

use tandem_client::{ConsumeFrom, PushConsumer};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

#[tokio::main]
async fn main() -> tandem_client::Result<()> {
    let mut args = std::env::args().skip(1);
    let mut next = |default: &str| args.next().unwrap_or_else(|| default.to_owned());
    let (nameserver, group, topic) = (next("127.0.0.1:9876"), next("example-consumer"), next("TandemExample"));
    let count: usize = next("0").parse().expect("COUNT is a number");
    let wait: u64 = next("3600").parse().expect("WAIT_S is a number of seconds");

    let (seen, mut messages) = mpsc::unbounded_channel();
    let consumer = PushConsumer::builder([nameserver])
        .group(group)
        .subscribe(topic, "*")
        .consume_from(ConsumeFrom::First)
        .listen(move |message| {
            let seen = seen.clone();
            async move { drop(seen.send(message)) }
        })
        .start()
        .await?;

    let deadline = Instant::now() + Duration::from_secs(wait);
    let (mut received, mut queues) = (0, Vec::new());
    let mut look = tokio::time::interval(Duration::from_millis(100));
    while count == 0 || received < count {
        tokio::select! {
            message = messages.recv() => {
                let Some(message) = message else { break };
                received += 1;
                let (id, key) = (message.id(), message.keys().next().unwrap_or("").to_owned());
                let (queue, offset) = (message.queue_id(), message.queue_offset());
                println!(r#"{{"event":"consumed","id":"{id}","key":{key:?},"queue":{queue},"offset":{offset}}}"#);
            }
            _ = look.tick() => {
                let mut now: Vec<String> = consumer.queues().iter()
                    .map(|queue| format!("{}/{}/{}", queue.topic, queue.broker_name, queue.queue_id)).collect();
                now.sort();
                if now != queues {
                    println!(r#"{{"event":"queues","queues":{now:?}}}"#);
                    queues = now;
                }
            }
            () = sleep_until(deadline) => break,
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    consumer.shutdown().await;
    println!(r#"{{"event":"ended","received":{received}}}"#);
    Ok(())
}
