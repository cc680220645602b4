//! Sends messages: `cargo run --example producer -- [NAMESERVER] [TOPIC] [COUNT]`.

use std::time::Instant;

use tandem_client::{Message, Producer};

#[tokio::main]
async fn main() -> tandem_client::Result<()> {
    let mut args = std::env::args().skip(1);
    let nameserver = args.next().unwrap_or_else(|| "127.0.0.1:9876".into());
    let topic = args.next().unwrap_or_else(|| "TandemExample".into());
    let count: u32 = args.next().map_or(10, |count| count.parse().expect("COUNT is a number"));

    let producer = Producer::builder([nameserver]).group("example-producer").build().await?;
    let began = Instant::now();
    for number in 0..count {
        let message = Message::builder(&topic)
            .tag(if number % 2 == 0 { "even" } else { "odd" })
            .key(format!("number-{number}"))
            .body(format!("message {number}"))
            .build()?;
        let receipt = producer.send(&message).await?;
        println!("{} queue {} offset {}", receipt.message_id, receipt.queue.queue_id, receipt.queue_offset);
    }
    println!("sent {count} messages in {} ms", began.elapsed().as_millis());
    producer.shutdown().await;
    Ok(())
}
