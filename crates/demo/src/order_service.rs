//! The order service: inserts an order, tells the cart service, and both happen or neither does.

use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use client::{Decision, Message, Producer, TransactionError, TransactionProducer};
use serde::{Deserialize, Serialize};
use tokio::task::LocalSet;

use crate::database::{Orders, Placed};
use crate::plan::Fate;
use crate::service::{self, ServiceOptions, die, tell};

/// An order that comes in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// Its id.
    pub order: String,
    /// What is to happen to it.
    pub fate: Fate,
}

/// What the service says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum OrderEvent {
    /// It takes orders.
    Ready,
    /// It was asked about a transaction, and answered.
    Checked {
        /// The answer.
        answer: String,
    },
    /// The customer was told to try again: nothing was stored anywhere.
    Turned {
        /// The order.
        order: String,
        /// Why.
        why: String,
    },
    /// The order is in the database, and its message could not be sent: what happens without transactions.
    Untold {
        /// The order.
        order: String,
        /// Why.
        why: String,
    },
}

/// How long a local transaction may take before a check that finds nothing rolls it back.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long a slow one takes: longer than the time until the first check.
const SLOW: Duration = Duration::from_millis(2_500);

/// Runs until nobody has orders any more.
///
/// # Errors
/// When the broker cannot be reached at the start, or the database fails.
pub async fn run(options: ServiceOptions) -> Result<()> {
    let mut orders = service::Orders::new()?;
    let shop = Rc::new(Shop::open(&options).await?);
    tell(&OrderEvent::Ready);
    let local = LocalSet::new();
    local
        .run_until(async {
            let mut running = tokio::task::JoinSet::new();
            while let Some(order) = orders.next::<Order>().await? {
                let shop = shop.clone();
                running.spawn_local(async move { shop.take(order).await });
                while let Some(done) = running.try_join_next() {
                    done??;
                }
            }
            while let Some(done) = running.join_next().await {
                done??;
            }
            anyhow::Ok(())
        })
        .await?;
    shop.close().await;
    Ok(())
}

enum Teller {
    /// Message and row are one.
    Transactions(TransactionProducer),
    /// The message is sent after the row is committed, and hopes for the best.
    Afterwards(Producer),
}

struct Shop {
    options: ServiceOptions,
    orders: Orders,
    teller: Teller,
}

impl Shop {
    async fn open(options: &ServiceOptions) -> Result<Self> {
        let orders = Orders::open(&options.database)?;
        let teller = match options.transactions {
            true => Teller::Transactions(Self::transactions(options).await?),
            false => {
                let builder = Producer::builder([&options.nameserver]).group(&options.group).topics([&options.topic]);
                Teller::Afterwards(builder.build().await?)
            }
        };
        Ok(Shop { options: options.clone(), orders, teller })
    }

    async fn transactions(options: &ServiceOptions) -> Result<TransactionProducer> {
        let database = options.database.clone();
        let producer = TransactionProducer::builder([&options.nameserver])
            .group(&options.group)
            // So that we are asked about the transactions of an instance that died before we send anything.
            .topics([&options.topic])
            .on_check(move |message| {
                // The question may come to another instance than the one that ran the local transaction.
                let decision = Orders::open(&database)
                    .and_then(|orders| orders.decision(message.id().as_ref(), message.born_at_ms(), PATIENCE))
                    .unwrap_or(Decision::Unknown);
                tell(&OrderEvent::Checked { answer: format!("{decision:?}").to_lowercase() });
                async move { decision }
            })
            .build()
            .await?;
        Ok(producer)
    }

    async fn take(&self, order: Order) -> Result<()> {
        let message =
            Message::builder(&self.options.topic).tag("paid").key(&order.order).body(order.order.clone()).build()?;
        match &self.teller {
            Teller::Transactions(producer) => self.place_in_transaction(producer, &message, &order).await,
            Teller::Afterwards(producer) => self.place_and_send(producer, &message, &order).await,
        }
    }

    async fn place_in_transaction(
        &self,
        producer: &TransactionProducer,
        message: &Message,
        order: &Order,
    ) -> Result<()> {
        if order.fate == Fate::LoseDecision {
            // The half is stored, the row is committed, and the word about it never leaves this process.
            match producer.begin(message).await {
                Ok(transaction) => drop(self.place(&transaction.id, order).await?),
                Err(error) => self.turn(order, &error),
            }
            return Ok(());
        }
        let placed = producer
            .send_in_transaction(message, |transaction| async move {
                match self.place(&transaction.id, order).await? {
                    Placed::Paid => Ok(Decision::Commit),
                    Placed::Refused | Placed::TooLate => Ok(Decision::Rollback),
                }
            })
            .await;
        match placed {
            Ok(_) => Ok(()),
            Err(TransactionError::Send(error)) => {
                self.turn(order, &error);
                Ok(())
            }
            Err(TransactionError::Local { error, .. }) => Err(error),
            Err(error) => Err(anyhow::anyhow!("{error}")),
        }
    }

    async fn place_and_send(&self, producer: &Producer, message: &Message, order: &Order) -> Result<()> {
        let placed = self.place(message.id().as_ref(), order).await?;
        if placed != Placed::Paid || order.fate == Fate::LoseDecision {
            return Ok(());
        }
        if let Err(error) = producer.send(message).await {
            tell(&OrderEvent::Untold { order: order.order.clone(), why: error.to_string() });
        }
        Ok(())
    }

    /// The local transaction.
    async fn place(&self, transaction: &str, order: &Order) -> Result<Placed> {
        if order.fate == Fate::Slow {
            tokio::time::sleep(SLOW).await;
        }
        let paid = order.fate != Fate::Refuse;
        let placed = self.orders.place(transaction, &order.order, &self.options.name, paid)?;
        if order.fate == Fate::Crash {
            die();
        }
        Ok(placed)
    }

    fn turn(&self, order: &Order, error: &client::Error) {
        tell(&OrderEvent::Turned { order: order.order.clone(), why: error.to_string() });
    }

    async fn close(&self) {
        match &self.teller {
            Teller::Transactions(producer) => producer.shutdown().await,
            Teller::Afterwards(producer) => producer.shutdown().await,
        }
    }
}
