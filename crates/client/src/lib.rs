#![doc = include_str!("../README.md")]

mod backoff;
mod client;
mod connection;
mod consumer;
mod error;
mod frame;
mod message;
mod message_view;
mod producer;
mod route;
mod transaction;
mod unique_id;

pub use client::{Client, ClientBuilder};
pub use connection::Connection;
pub use consumer::{
    ConsumeFrom, IntoOutcome, Outcome, PullConsumer, PullConsumerBuilder, Pulled, PushConsumer, PushConsumerBuilder,
};
pub use error::{Error, Result};
pub use frame::{Request, Response};
pub use message::{Message, MessageBuilder};
pub use message_view::{BodyError, MessageView};
pub use producer::{Producer, ProducerBuilder, SendReceipt, SendStatus};
pub use protocol::MessageQueue;
pub use route::{Broker, Route};
pub use transaction::{
    Decision, Transaction, TransactionError, TransactionListener, TransactionProducer, TransactionProducerBuilder,
    TransactionReceipt,
};

/// Codes, header fields and bodies of the protocol, for [`Client::request`].
pub use protocol;
