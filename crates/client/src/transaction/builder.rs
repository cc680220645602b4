use std::sync::Arc;
use std::time::Duration;

use message::names::AUTO_CREATE_TOPIC;
use protocol::request::transaction::Decision;
use tokio::task::AbortHandle;

use super::check::answer_checks;
use super::listener::{CheckFn, DynListener};
use super::{TransactionListener, TransactionProducer};
use crate::error::{Error, Result};
use crate::message_view::MessageView;
use crate::producer::{Producer, ProducerBuilder};

/// Makes a [`TransactionProducer`].
#[derive(Debug, Clone)]
#[must_use]
pub struct TransactionProducerBuilder {
    producer: ProducerBuilder,
    topics: Vec<String>,
    listener: Option<Arc<dyn DynListener>>,
}

/// Ends a task when it is dropped.
#[derive(Debug)]
pub(super) struct Guard(AbortHandle);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl TransactionProducerBuilder {
    pub(super) fn new<A: Into<String>>(nameservers: impl IntoIterator<Item = A>) -> Self {
        TransactionProducerBuilder { producer: Producer::builder(nameservers), topics: Vec::new(), listener: None }
    }

    /// The producer group. All its members must be able to answer for each other: give every service one of its own, and
    /// the same to all instances of it.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.producer = self.producer.group(group);
        self
    }

    /// Topics it sends to. Their brokers are connected to at once, so that a producer that was restarted is asked about
    /// what its predecessor left undecided. Without topics, the brokers that create topics by themselves are.
    pub fn topics<T: Into<String>>(mut self, topics: impl IntoIterator<Item = T>) -> Self {
        self.topics = topics.into_iter().map(Into::into).collect();
        self
    }

    /// Says, by a closure, what became of a transaction: see [`TransactionListener::check`].
    pub fn on_check<F, Fut>(self, check: F) -> Self
    where
        F: Fn(MessageView) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Decision> + Send + 'static,
    {
        self.listener(CheckFn(check))
    }

    /// Runs local transactions and answers checks.
    pub fn listener(mut self, listener: impl TransactionListener) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// Time one attempt at storing a half, or at telling a decision, may take; 3 s unless said otherwise.
    pub fn send_timeout(mut self, timeout: Duration) -> Self {
        self.producer = self.producer.send_timeout(timeout);
        self
    }

    /// Attempts at storing a half, the first included; 3 unless said otherwise.
    pub fn attempts_max(mut self, attempts: u32) -> Self {
        self.producer = self.producer.attempts_max(attempts);
        self
    }

    /// An id by which operators find this producer. It must be different for every client of a broker.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.producer = self.producer.client_id(id);
        self
    }

    /// The producer, connected to its brokers as far as they are there, and answering checks.
    ///
    /// # Errors
    /// [`Error::Invalid`] without a group or a check.
    pub async fn build(self) -> Result<TransactionProducer> {
        if !self.producer.has_group() {
            return Err(Error::Invalid("transactions need a producer group; brokers ask by it".into()));
        }
        let Some(listener) = self.listener else {
            return Err(Error::Invalid("transactions need a check; give one with on_check or listener".into()));
        };
        let (producer, _, pushes) = self.producer.start()?;
        let answering = tokio::spawn(answer_checks(producer.group().to_owned(), listener.clone(), pushes));
        let guard = Arc::new(Guard(answering.abort_handle()));
        let topics = if self.topics.is_empty() { vec![AUTO_CREATE_TOPIC.to_owned()] } else { self.topics };
        producer.reach(&topics).await;
        Ok(TransactionProducer { producer, listener, _guard: guard })
    }
}
