//! Reads a topic from its beginning, and remembers how far it came:
//! `cargo run --example pull_consumer -- [NAMESERVER] [GROUP] [TOPIC]`.

use std::time::Duration;

use tandem_client::{ConsumeFrom, PullConsumer};

#[tokio::main]
async fn main() -> tandem_client::Result<()> {
    let mut args = std::env::args().skip(1);
    let nameserver = args.next().unwrap_or_else(|| "127.0.0.1:9876".into());
    let group = args.next().unwrap_or_else(|| "example-reader".into());
    let topic = args.next().unwrap_or_else(|| "TandemExample".into());

    let consumer = PullConsumer::builder([nameserver]).group(group).consume_from(ConsumeFrom::First).start().await?;
    let queues = consumer.queues_of(&topic).await?;
    for queue in &queues {
        let (min, max) = (consumer.min_offset(queue).await?, consumer.max_offset(queue).await?);
        println!("queue {} holds offsets {min} to {max}", queue.queue_id);
    }
    consumer.assign(&queues).await?;
    loop {
        let messages = consumer.poll(100, Duration::from_secs(2)).await?;
        if messages.is_empty() {
            break;
        }
        for message in &messages {
            let (queue, offset) = (message.queue_id(), message.queue_offset());
            println!("{queue}/{offset} {} {}", message.id(), String::from_utf8_lossy(message.body()));
        }
        consumer.commit().await?;
    }
    consumer.shutdown().await;
    Ok(())
}
