use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use message::names;
use protocol::encode::Field;
use tokio::sync::mpsc;

use super::{Health, Inner, Producer};
use crate::client::{Client, ClientBuilder, Role};
use crate::connection::Push;
use crate::error::{Error, Result};

/// Attempts at a send, the first included, unless the builder says otherwise.
pub const SEND_ATTEMPTS_MAX: u32 = 3;
/// Time one attempt may take unless the builder says otherwise.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(3);
/// Queues, on each broker, of a topic that the first message creates.
const QUEUES_IF_NEW: u32 = 4;
/// Group of a producer that names none. Only transactions need one of their own.
const GROUP: &str = "tandem-client-producer";

/// Makes a [`Producer`].
#[derive(Debug, Clone)]
#[must_use]
pub struct ProducerBuilder {
    client: ClientBuilder,
    group: Option<String>,
    topics: Vec<String>,
    send_timeout: Duration,
    attempts_max: u32,
    queues_if_new: u32,
}

impl ProducerBuilder {
    pub(super) fn new<A: Into<String>>(nameservers: impl IntoIterator<Item = A>) -> Self {
        ProducerBuilder {
            client: Client::builder(nameservers),
            group: None,
            topics: Vec::new(),
            send_timeout: SEND_TIMEOUT,
            attempts_max: SEND_ATTEMPTS_MAX,
            queues_if_new: QUEUES_IF_NEW,
        }
    }

    /// The producer group: what operators see, and whom brokers ask about transactions.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Topics it will send to: their brokers are connected to at once, not with the first message.
    pub fn topics<T: Into<String>>(mut self, topics: impl IntoIterator<Item = T>) -> Self {
        self.topics = topics.into_iter().map(Into::into).collect();
        self
    }

    /// Time one attempt may take; 3 s unless said otherwise.
    pub fn send_timeout(mut self, timeout: Duration) -> Self {
        self.send_timeout = timeout;
        self
    }

    /// Attempts at a send, the first included; 3 unless said otherwise, at least 1.
    pub fn attempts_max(mut self, attempts: u32) -> Self {
        self.attempts_max = attempts;
        self
    }

    /// Queues, on each broker, of a topic that the first message creates; 4 unless said otherwise.
    pub fn queues_if_new(mut self, queues: u32) -> Self {
        self.queues_if_new = queues;
        self
    }

    /// Time requests other than sends may take; 3 s unless said otherwise.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.client.request_timeout = timeout;
        self
    }

    /// An id by which operators find this producer. It must be different for every client of a broker.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.client.client_id = Some(id.into());
        self
    }

    /// The producer. Nobody needs to be there yet: what cannot be reached is tried again with the first message.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name or a number that cannot be.
    pub async fn build(self) -> Result<Producer> {
        let (producer, topics, _) = self.start()?;
        producer.reach(&topics).await;
        Ok(producer)
    }

    pub(crate) fn has_group(&self) -> bool {
        self.group.is_some()
    }

    /// The producer before it has spoken to anybody, its topics, and what brokers will ask of it.
    pub(crate) fn start(self) -> Result<(Producer, Vec<String>, mpsc::Receiver<Push>)> {
        let invalid = |problem: &str| Err(Error::Invalid(problem.to_owned()));
        let group = self.group.unwrap_or_else(|| GROUP.to_owned());
        names::validate_group(&group).map_err(|error| Error::Invalid(error.to_string()))?;
        if names::is_system_group(&group) {
            return Err(Error::Invalid(format!("group {group:?} belongs to the system; choose another name")));
        }
        if self.attempts_max == 0 || self.send_timeout.is_zero() {
            return invalid("a send needs at least one attempt, and time for it");
        }
        if !(1..=1024).contains(&self.queues_if_new) {
            return invalid("a new topic has 1 to 1024 queues");
        }
        let role = Role { producer_group: Some(group.clone()), consumer: None };
        let (client, pushes) = self.client.start_in_role(role)?;
        let inner = Inner {
            client,
            group,
            send_timeout: self.send_timeout,
            attempts_max: self.attempts_max,
            queues_if_new: self.queues_if_new,
            next_queue: AtomicUsize::new(fastrand::usize(..1 << 16)),
            health: Health::default(),
        };
        Ok((Producer { inner: Arc::new(inner) }, self.topics, pushes))
    }
}

impl Producer {
    /// Connects to the brokers of these topics.
    pub(crate) async fn reach(&self, topics: &[String]) {
        for topic in topics {
            if let Err(error) = self.client().route_to_send(topic, self.inner.queues_if_new).await {
                tracing::warn!(topic, "no route yet: {error}");
            }
        }
        self.client().reach_brokers(false).await;
    }

    /// Asks any broker.
    pub(crate) async fn ask_broker(
        &self,
        address: &str,
        code: i32,
        fields: &[Field<'_>],
    ) -> Result<crate::frame::Response> {
        let connection = self.client().broker_connection(address).await?;
        connection.request(&crate::frame::Request::new(code, fields), self.inner.send_timeout).await
    }
}
