//! Orders and messages that both happen or neither does: `cargo run --example transaction -- [NAMESERVER] [TOPIC]`.
//!
//! The map stands for a database. A check-back looks into it, which is all it may do: the process that ran the local
//! transaction can be another one.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use tandem_client::{Decision, Message, TransactionError, TransactionProducer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let nameserver = args.next().unwrap_or_else(|| "127.0.0.1:9876".into());
    let topic = args.next().unwrap_or_else(|| "TandemExample".into());

    let orders: Arc<Mutex<HashSet<String>>> = Arc::default();
    let database = orders.clone();
    let producer = TransactionProducer::builder([nameserver])
        .group("example-order-service")
        .topics([&topic])
        .on_check(move |message| {
            let known = database.lock().unwrap().contains(message.id().as_ref());
            println!("asked about {}: {}", message.id(), if known { "commit" } else { "rollback" });
            async move { if known { Decision::Commit } else { Decision::Rollback } }
        })
        .build()
        .await?;

    let message = Message::builder(&topic).tag("paid").key("order-1").body("order 1").build()?;
    let database = orders.clone();
    let receipt = producer
        .send_in_transaction(&message, |transaction| async move {
            database.lock().unwrap().insert(transaction.id);
            Ok::<_, String>(Decision::Commit)
        })
        .await?;
    println!("order 1: {:?}, confirmed: {}", receipt.decision, receipt.is_confirmed());

    let message = Message::builder(&topic).tag("paid").key("order-2").body("order 2").build()?;
    let refused = producer.send_in_transaction(&message, |_| async { Err("out of stock") }).await;
    match refused {
        Err(TransactionError::Local { error, .. }) => println!("order 2: rolled back, {error}"),
        other => println!("order 2: {other:?}"),
    }

    producer.shutdown().await;
    Ok(())
}
