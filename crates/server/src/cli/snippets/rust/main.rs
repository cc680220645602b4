//! Orders, paid in a transaction that is a database change and a message at once: both happen or neither does.
//!
//! Needs Rust 1.88 or newer; client: tandem-client 0.1.
//!   tandem snippet rust --dir orders     writes this file with its Cargo.toml
//!   cd orders && cargo run
//!
//! It ends with exit code 0 when both orders have come to the consumer: one that was committed at once, and one whose
//! producer forgot to say so and was asked.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tandem_client::{ConsumeFrom, Decision, Message, MessageView, PushConsumer, TransactionProducer};

const NAME_SERVER: &str = "127.0.0.1:9876";
const TOPIC: &str = "orders";

/// Stands for a table of your database: what is in it was committed there.
type Orders = Arc<Mutex<HashSet<String>>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (paid, received) = (Orders::default(), Orders::default());

    // Runs when the broker asks, in any producer of this group: look into the database.
    let known = paid.clone();
    let check = move |message: MessageView| {
        let order = message.keys().next().unwrap_or_default().to_owned();
        let paid = known.lock().unwrap().contains(&order);
        println!("asked about {order}: {}", if paid { "paid" } else { "not paid" });
        async move { if paid { Decision::Commit } else { Decision::Rollback } }
    };
    let producer =
        TransactionProducer::builder([NAME_SERVER]).group("order-service").topics([TOPIC]).on_check(check).build().await?;

    let run = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_micros();
    let orders = [format!("{run}-told"), format!("{run}-forgotten")];
    for order in &orders {
        let message = Message::builder(TOPIC).tag("paid").key(order).body(format!("order {order}")).build()?;
        // The closure runs when the message is stored, and nobody can see it. Change the database in it, then say what
        // came of it. An error rolls the message back; a producer that dies in it is asked about it later.
        let local = |_| async {
            paid.lock().unwrap().insert(order.clone());
            Ok::<_, std::io::Error>(if order.ends_with("-told") { Decision::Commit } else { Decision::Unknown })
        };
        producer.send_in_transaction(&message, local).await?;
        println!("sent {order}");
    }

    // A message can come more than once: what you do with it has to bear that.
    let arrived = received.clone();
    let consumer = PushConsumer::builder([NAME_SERVER])
        .group("cart-service")
        .subscribe(TOPIC, "paid")
        .consume_from(ConsumeFrom::First)
        .listen(move |message: MessageView| {
            for order in message.keys() {
                if arrived.lock().unwrap().insert(order.to_owned()) {
                    println!("received {order}");
                }
            }
            async {}
        })
        .start()
        .await?;

    let all_arrived = || orders.iter().all(|order| received.lock().unwrap().contains(order));
    for _ in 0..600 {
        if all_arrived() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let complete = all_arrived();
    consumer.shutdown().await;
    producer.shutdown().await;
    if !complete {
        return Err(format!("not all of {orders:?} arrived within a minute").into());
    }
    println!("both orders arrived");
    Ok(())
}
