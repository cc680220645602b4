//! The cart service: clears a cart for each message about a paid order, once.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use client::{ConsumeFrom, MessageView, PushConsumer};
use serde::{Deserialize, Serialize};

use crate::database::Carts;
use crate::service::{self, ServiceOptions, die, tell};

/// What the service is told.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "order")]
pub enum CartOrder {
    /// To die with the next message, after its database commit and before it acknowledges.
    Crash,
}

/// What the service says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum CartEvent {
    /// It consumes.
    Ready,
}

/// Runs until nobody has a use for it any more.
///
/// # Errors
/// When the broker cannot be reached at the start, or the database cannot be opened.
pub async fn run(options: ServiceOptions) -> Result<()> {
    let mut orders = service::Orders::new()?;
    let carts = Arc::new(Mutex::new(Carts::open(&options.database)?));
    let crash = Arc::new(AtomicBool::new(false));
    let doomed = crash.clone();
    let consumer = PushConsumer::builder([&options.nameserver])
        .group(&options.group)
        .subscribe(&options.topic, "paid")
        .consume_from(ConsumeFrom::First)
        .listen(move |message: MessageView| {
            let cleared = clear(&carts, &message);
            if doomed.load(Ordering::SeqCst) {
                die();
            }
            // An error is a message that comes again later.
            async move { cleared.map_err(|error| format!("{error:#}")) }
        })
        .start()
        .await?;
    tell(&CartEvent::Ready);
    while let Some(order) = orders.next::<CartOrder>().await? {
        match order {
            CartOrder::Crash => crash.store(true, Ordering::SeqCst),
        }
    }
    consumer.shutdown().await;
    Ok(())
}

fn clear(carts: &Mutex<Carts>, message: &MessageView) -> Result<()> {
    let order = std::str::from_utf8(message.body())?;
    let carts = carts.lock().map_err(|_| anyhow::anyhow!("another message's handler panicked"))?;
    carts.clear(order, message.id().as_ref())
}
