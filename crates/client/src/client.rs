//! What producers and consumers share: name servers, routes, connections and heartbeats. Also a way to ask anything.

mod links;
mod routes;
mod upkeep;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::codes::RequestCode;
use protocol::request::heartbeat::{ConsumerData, HeartbeatData};
use protocol::request::route::ClusterInfo;
use protocol::request::session::UnregisterHeader;
use protocol::request::topic_list::TopicList;
use protocol::request::topics::{CreateTopicHeader, TopicFilterType, TopicHeader};
use tokio::sync::{Notify, mpsc};

use crate::connection::{Connection, PUSHES_MAX, Push, PushSink};
use crate::error::{Error, Result};
use crate::frame::{Request, Response};
use crate::unique_id::client_id;

use links::Link;
use routes::KnownRoute;

/// Time a request may take unless the builder says otherwise.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);
/// Time a connection may take to be made.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Time from one heartbeat to the next. Brokers forget a client after 120 s without one.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(30);
/// Time from one look at the routes to the next; they are looked at after errors, too.
pub const ROUTE_REFRESH_INTERVAL: Duration = Duration::from_secs(30);

/// Permissions of a topic that is created: read and write.
const PERM_READ_WRITE: i32 = 6;

/// A client of a cluster, without a role: it looks routes up and asks brokers and name servers what it is told to ask.
///
/// Producers and consumers each have one inside. Clones share connections.
///
/// ```no_run
/// # async fn example() -> tandem_client::Result<()> {
/// use tandem_client::Client;
/// use tandem_client::protocol::codes::RequestCode;
///
/// let client = Client::builder(["127.0.0.1:9876"]).build().await?;
/// for topic in client.topics().await? {
///     println!("{topic}: {} queues", client.route(&topic).await?.read_queues().len());
/// }
/// let broker = client.route("orders").await?.brokers()[0].master().unwrap().to_owned();
/// let response = client.request(&broker, RequestCode::GetBrokerRuntimeInfo, &[], b"").await?.ok()?;
/// println!("{}", String::from_utf8_lossy(response.body()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    id: String,
    nameservers: Vec<String>,
    /// The name server that answered last.
    nameserver: AtomicUsize,
    request_timeout: Duration,
    links: Mutex<HashMap<String, Arc<Link>>>,
    routes: Mutex<HashMap<String, KnownRoute>>,
    /// Held while a route that is not known is fetched, so that many senders fetch it once.
    fetching: tokio::sync::Mutex<()>,
    role: Mutex<Role>,
    pushes: Option<PushSink>,
    /// A connection to a broker ended.
    lost: Arc<Notify>,
    shut_down: AtomicBool,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The upkeep finds nobody left, and ends.
        self.lost.notify_one();
    }
}

/// What heartbeats say of this client.
#[derive(Debug, Clone, Default)]
pub(crate) struct Role {
    pub(crate) producer_group: Option<String>,
    pub(crate) consumer: Option<ConsumerData>,
}

/// Makes a [`Client`].
#[derive(Debug, Clone)]
#[must_use]
pub struct ClientBuilder {
    pub(crate) nameservers: Vec<String>,
    pub(crate) request_timeout: Duration,
    pub(crate) client_id: Option<String>,
}

impl ClientBuilder {
    pub(crate) fn new<A: Into<String>>(nameservers: impl IntoIterator<Item = A>) -> Self {
        // "a:1;b:1" is how the addresses stand in the configuration of other clients.
        let split = |addresses: A| -> Vec<String> {
            let parts = addresses.into();
            parts.split([';', ',']).map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
        };
        let nameservers = nameservers.into_iter().flat_map(split).collect();
        ClientBuilder { nameservers, request_timeout: REQUEST_TIMEOUT, client_id: None }
    }

    /// Time a request may take; 3 s unless said otherwise.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// The client, which knows nobody yet: connections are made when they are needed.
    ///
    /// # Errors
    /// [`Error::Invalid`] without an address.
    pub async fn build(self) -> Result<Client> {
        self.start(Role::default(), None)
    }

    /// The client in a role, and what brokers will ask of it.
    pub(crate) fn start_in_role(self, role: Role) -> Result<(Client, mpsc::Receiver<Push>)> {
        let (sink, pushes) = mpsc::channel(PUSHES_MAX);
        Ok((self.start(role, Some(sink))?, pushes))
    }

    fn start(self, role: Role, pushes: Option<PushSink>) -> Result<Client> {
        if self.nameservers.is_empty() {
            return Err(Error::Invalid("no name server; give the address of one, such as \"127.0.0.1:9876\"".into()));
        }
        if let Some(bad) = self.nameservers.iter().find(|address| !address.contains(':')) {
            return Err(Error::Invalid(format!("name server {bad:?} has no port; write it as \"host:9876\"")));
        }
        let inner = Arc::new(Inner {
            id: self.client_id.unwrap_or_else(client_id),
            nameserver: AtomicUsize::new(fastrand::usize(..self.nameservers.len())),
            nameservers: self.nameservers,
            request_timeout: self.request_timeout,
            links: Mutex::default(),
            routes: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
            role: Mutex::new(role),
            pushes,
            lost: Arc::new(Notify::new()),
            shut_down: AtomicBool::new(false),
        });
        tokio::spawn(upkeep::run(Arc::downgrade(&inner), inner.lost.clone()));
        Ok(Client { inner })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these mutexes guard is changed in single steps: a panic elsewhere left nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Client {
    /// Begins a client of the cluster that these name servers know. One is asked; the others stand by.
    pub fn builder<A: Into<String>>(nameservers: impl IntoIterator<Item = A>) -> ClientBuilder {
        ClientBuilder::new(nameservers)
    }

    /// The id under which brokers know it.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// The name servers it asks.
    pub fn nameservers(&self) -> &[String] {
        &self.inner.nameservers
    }

    /// Asks a broker, by its address, and waits for the answer, whatever its code.
    ///
    /// # Errors
    /// When there is no answer. [`Response::ok`] turns a refusal into an error.
    pub async fn request(
        &self,
        address: &str,
        code: impl Into<i32>,
        fields: &[protocol::encode::Field<'_>],
        body: &[u8],
    ) -> Result<Response> {
        let request = Request::new(code, fields).with_body(body);
        self.connection(address).await?.request(&request, self.inner.request_timeout).await
    }

    /// Asks a name server, another one if the first cannot be reached.
    ///
    /// # Errors
    /// [`Error::NameServers`] when none answers.
    pub async fn ask_nameserver(
        &self,
        code: impl Into<i32>,
        fields: &[protocol::encode::Field<'_>],
        body: &[u8],
    ) -> Result<Response> {
        let request = Request::new(code, fields).with_body(body);
        let servers = &self.inner.nameservers;
        let first = self.inner.nameserver.load(Ordering::Relaxed);
        let mut last = None;
        for at in (0..servers.len()).map(|step| (first + step) % servers.len()) {
            let ask =
                || async { self.connection(&servers[at]).await?.request(&request, self.inner.request_timeout).await };
            let mut answer = ask().await;
            if matches!(answer, Err(Error::Closed { .. })) {
                // It closes what was idle for two minutes, perhaps just when it was asked; to ask it twice does no harm.
                answer = ask().await;
            }
            match answer {
                Ok(answer) => {
                    self.inner.nameserver.store(at, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error @ (Error::Invalid(_) | Error::ShutDown)) => return Err(error),
                Err(error) => {
                    tracing::debug!(nameserver = servers[at], "name server cannot be asked: {error}");
                    last = Some(error);
                }
            }
        }
        let source = Box::new(last.expect("there is at least one name server"));
        Err(Error::NameServers { addresses: servers.join(", "), source })
    }

    /// All topics the name server knows, the system's own included.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn topics(&self) -> Result<Vec<String>> {
        let response = self.ask_nameserver(RequestCode::GetAllTopicListFromNameServer, &[], b"").await?.ok()?;
        let list = TopicList::decode(response.body()).map_err(|error| Error::protocol(response.address(), error))?;
        Ok(list.topics)
    }

    /// All clusters and brokers the name server knows.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn cluster(&self) -> Result<ClusterInfo> {
        let response = self.ask_nameserver(RequestCode::GetBrokerClusterInfo, &[], b"").await?.ok()?;
        ClusterInfo::decode(response.body()).map_err(|error| Error::protocol(response.address(), error))
    }

    /// Creates a topic on every master, or changes its number of queues.
    ///
    /// # Errors
    /// When one of them refuses, or none is known.
    pub async fn create_topic(&self, topic: &str, queues: u32) -> Result<()> {
        message::names::validate_topic(topic).map_err(|error| Error::Invalid(error.to_string()))?;
        let queues = i32::try_from(queues).ok().filter(|queues| *queues > 0);
        let queues = queues.ok_or_else(|| Error::Invalid("a topic needs at least one queue".into()))?;
        let header = CreateTopicHeader {
            topic,
            read_queue_nums: queues,
            write_queue_nums: queues,
            perm: PERM_READ_WRITE,
            topic_filter_type: TopicFilterType::SingleTag,
            topic_sys_flag: 0,
            order: false,
            attributes: None,
            force: false,
        };
        self.on_all_masters(RequestCode::UpdateAndCreateTopic, &header.fields()).await
    }

    /// Deletes a topic from every master and from the name servers.
    ///
    /// # Errors
    /// When one of them refuses, or none is known.
    pub async fn delete_topic(&self, topic: &str) -> Result<()> {
        let header = TopicHeader { topic, cluster_name: None };
        self.on_all_masters(RequestCode::DeleteTopicInBroker, &header.fields()).await?;
        for server in &self.inner.nameservers {
            self.request(server, RequestCode::DeleteTopicInNamesrv, &header.fields(), b"").await?.ok()?;
        }
        Ok(())
    }

    async fn on_all_masters(&self, code: RequestCode, fields: &[protocol::encode::Field<'_>]) -> Result<()> {
        let brokers = self.cluster().await?.brokers;
        let addresses = brokers.iter().flat_map(|broker| &broker.addresses);
        let masters: Vec<_> = addresses.filter(|(id, _)| *id == 0).map(|(_, address)| address).collect();
        if masters.is_empty() {
            return Err(Error::BrokerNotFound { broker: "any".into() });
        }
        for master in masters {
            self.request(master, code, fields, b"").await?.ok()?;
        }
        Ok(())
    }

    /// What heartbeats say of this client.
    fn heartbeat(&self) -> Option<Vec<u8>> {
        let role = lock(&self.inner.role).clone();
        if role.producer_group.is_none() && role.consumer.is_none() {
            return None;
        }
        let data = HeartbeatData {
            client_id: self.inner.id.clone(),
            producer_groups: role.producer_group.into_iter().collect(),
            consumers: role.consumer.into_iter().collect(),
            fingerprint: 0,
            without_sub: false,
        };
        let mut body = Vec::new();
        data.write(&mut body);
        Some(body)
    }

    /// Says goodbye to every broker it is connected to, and closes everything.
    pub(crate) async fn shut_down(&self, patience: Duration) {
        if self.inner.shut_down.swap(true, Ordering::SeqCst) {
            return;
        }
        self.inner.lost.notify_one();
        let role = lock(&self.inner.role).clone();
        let header = UnregisterHeader {
            client_id: &self.inner.id,
            producer_group: role.producer_group.as_deref(),
            consumer_group: role.consumer.as_ref().map(|consumer| consumer.group_name.as_str()),
        };
        for (connection, is_broker) in self.take_connections() {
            if is_broker {
                let fields = header.fields();
                let request = Request::new(RequestCode::UnregisterClient, &fields);
                if let Err(error) = connection.request(&request, patience).await {
                    tracing::debug!(address = connection.address(), "left without a goodbye: {error}");
                }
            }
            connection.finish(patience).await;
        }
    }

    pub(crate) fn is_shut_down(&self) -> bool {
        self.inner.shut_down.load(Ordering::SeqCst)
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        self.inner.request_timeout
    }

    /// A connection that is ready, made if there is none.
    ///
    /// # Errors
    /// [`Error::Connect`], or [`Error::ShutDown`].
    pub async fn connection(&self, address: &str) -> Result<Connection> {
        self.connect(address, false).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_may_come_one_by_one_or_in_one_text() {
        let client = Client::builder(["a:1; b:2", "c:3,d:4"]).build().await.unwrap();
        assert_eq!(client.nameservers(), ["a:1", "b:2", "c:3", "d:4"]);
        assert!(Client::builder(["  "]).build().await.is_err());
        assert!(Client::builder(["localhost"]).build().await.unwrap_err().to_string().contains("port"));
    }

    #[tokio::test]
    async fn when_no_name_server_is_there_the_error_says_which_were_tried() {
        let client = Client::builder(["127.0.0.1:1", "127.0.0.1:2"]).build().await.unwrap();
        let error = client.topics().await.unwrap_err();
        assert!(error.to_string().contains("127.0.0.1:1, 127.0.0.1:2") && error.is_retryable(), "{error}");
    }
}
