//! A broker asked over its own protocol: RocketMQ's requests where there is one, ours where there is none.
//!
//! - [`topics`](mod@topics), [`groups`](mod@groups), [`transactions`](mod@transactions), [`message`](mod@message): one
//!   file per group of commands;
//! - [`version`]: what a client's version number stands for.

mod groups;
mod message;
mod topics;
mod transactions;
mod version;

use std::time::Duration;

use protocol::BodyError;
use protocol::codes::{RequestCode, ResponseCode};
use protocol::request::route::ClusterInfo;
use remoting::client::{Client, ClientError, Received};
use remoting::own;

use super::admin::{Admin, AdminError, Thing};
use super::model::{
    GroupDetail, GroupRow, MessageDetail, Resolve, TopicDeleted, TopicDetail, TopicRow, TransactionDetail,
    TransactionPage, TransactionQuery, Watched,
};

/// How long a broker may take to answer one request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to a broker.
#[derive(Debug)]
pub struct Remote {
    client: Client,
    addr: String,
}

impl Remote {
    /// Connects to the broker at `addr`, host and port.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(addr: &str) -> Result<Self, AdminError> {
        let addr = addr.to_owned();
        match Client::connect(addr.as_str(), TIMEOUT) {
            Ok(client) => Ok(Remote { client, addr }),
            Err(ClientError::Connect { source, .. }) => {
                Err(AdminError::Unreachable { addr, reason: source.to_string() })
            }
            Err(other) => Err(AdminError::Unreachable { addr, reason: other.to_string() }),
        }
    }

    /// Asks, and takes any answer for an answer, refusals too.
    fn ask(&mut self, code: RequestCode, fields: &[(&str, &str)]) -> Result<Received, AdminError> {
        self.ask_code(code.code(), code.name(), fields, b"")
    }

    /// As [`Remote::ask`], for requests that RocketMQ does not have; their names are of our own.
    fn ask_own(&mut self, code: i32, fields: &[(&str, &str)], body: &[u8]) -> Result<Received, AdminError> {
        self.ask_code(code, own::name(code).unwrap_or("a request of Tandem's own"), fields, body)
    }

    fn ask_code(
        &mut self,
        code: i32,
        name: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Received, AdminError> {
        let answer = self.client.call(code, fields, body).map_err(|error| self.failed(error))?;
        if answer.code == ResponseCode::REQUEST_CODE_NOT_SUPPORTED.0 {
            return Err(AdminError::Unsupported { addr: self.addr.clone(), what: format!("{name}, code {code}") });
        }
        Ok(answer)
    }

    /// As [`Remote::find`] with each of these fields, all at once: one round trip for many.
    fn find_all(
        &mut self,
        code: RequestCode,
        questions: &[Vec<(&str, &str)>],
        absent: ResponseCode,
    ) -> Result<Vec<Option<Received>>, AdminError> {
        let answers = self.client.call_all(code.code(), questions).map_err(|error| self.failed(error))?;
        answers
            .into_iter()
            .map(|answer| if answer.code == absent.0 { Ok(None) } else { success(answer).map(Some) })
            .collect()
    }

    /// Asks, and takes nothing but success.
    fn get(&mut self, code: RequestCode, fields: &[(&str, &str)]) -> Result<Received, AdminError> {
        success(self.ask(code, fields)?)
    }

    /// As [`Remote::get`], for requests that RocketMQ does not have.
    fn get_own(&mut self, code: i32, fields: &[(&str, &str)], body: &[u8]) -> Result<Received, AdminError> {
        success(self.ask_own(code, fields, body)?)
    }

    /// As [`Remote::get`], where one answer says that what was asked for does not exist.
    fn find(
        &mut self,
        code: RequestCode,
        fields: &[(&str, &str)],
        absent: ResponseCode,
    ) -> Result<Option<Received>, AdminError> {
        let answer = self.ask(code, fields)?;
        if answer.code == absent.0 {
            return Ok(None);
        }
        success(answer).map(Some)
    }

    /// What a body says.
    fn read<T>(&self, decoded: Result<T, BodyError>) -> Result<T, AdminError> {
        decoded.map_err(|error| self.malformed(error.to_string()))
    }

    fn malformed(&self, what: String) -> AdminError {
        AdminError::Malformed { addr: self.addr.clone(), what }
    }

    fn failed(&self, error: ClientError) -> AdminError {
        let addr = self.addr.clone();
        match error {
            ClientError::Connect { source, .. } | ClientError::Io { source, .. } => {
                AdminError::Unreachable { addr, reason: source.to_string() }
            }
            ClientError::Closed(_) => {
                AdminError::Unreachable { addr, reason: "the connection was closed without an answer".to_owned() }
            }
            ClientError::Timeout { timeout, .. } => AdminError::Silent { addr, seconds: timeout.as_secs() },
            ClientError::Frame { source, .. } => AdminError::Malformed { addr, what: source.to_string() },
            ClientError::Header { source, .. } => AdminError::Malformed { addr, what: source.to_string() },
        }
    }
}

/// The answer, unless it is a refusal.
fn success(answer: Received) -> Result<Received, AdminError> {
    if answer.is_success() { Ok(answer) } else { Err(refused(&answer)) }
}

/// A refusal in the broker's words.
fn refused(answer: &Received) -> AdminError {
    let without_words = || format!("it says {} and no more", ResponseCode(answer.code));
    AdminError::Refused { reason: answer.remark.clone().unwrap_or_else(without_words) }
}

fn missing(kind: Thing, name: &str) -> AdminError {
    AdminError::NotFound { kind, name: name.to_owned() }
}

/// A number that cannot be negative; one that is anyway is shown as 0.
fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

impl Admin for Remote {
    fn topics(&mut self) -> Result<Vec<TopicRow>, AdminError> {
        topics::list(self)
    }

    fn topic(&mut self, name: &str) -> Result<TopicDetail, AdminError> {
        topics::show(self, name)
    }

    fn create_topic(&mut self, name: &str, queues: u32) -> Result<(), AdminError> {
        topics::create(self, name, queues)
    }

    fn delete_topic(&mut self, name: &str, force: bool) -> Result<TopicDeleted, AdminError> {
        topics::delete(self, name, force)
    }

    fn groups(&mut self) -> Result<Vec<GroupRow>, AdminError> {
        groups::list(self)
    }

    fn group(&mut self, name: &str) -> Result<GroupDetail, AdminError> {
        groups::show(self, name)
    }

    fn delete_group(&mut self, name: &str) -> Result<(), AdminError> {
        groups::delete(self, name)
    }

    fn transactions(&mut self, query: &TransactionQuery) -> Result<TransactionPage, AdminError> {
        transactions::list(self, query)
    }

    fn transaction(&mut self, id: &str) -> Result<TransactionDetail, AdminError> {
        transactions::show(self, id)
    }

    fn resolve(&mut self, order: &Resolve) -> Result<(), AdminError> {
        transactions::resolve(self, order)
    }

    fn watch(&mut self, from: Option<u64>) -> Result<Watched, AdminError> {
        transactions::watch(self, from)
    }

    fn overview(&mut self) -> Result<own::Overview, AdminError> {
        let body = self.get_own(own::BROKER_OVERVIEW, &[], b"")?.body;
        self.read(own::Overview::decode(&body))
    }

    fn brokers(&mut self) -> Result<Vec<(String, String)>, AdminError> {
        let body = self.get(RequestCode::GetBrokerClusterInfo, &[])?.body;
        let brokers = self.read(ClusterInfo::decode(&body))?.brokers.into_iter();
        // 0 is the master.
        let master = |addresses: Vec<(i64, String)>| addresses.into_iter().find(|(id, _)| *id == 0);
        Ok(brokers.filter_map(|broker| Some((broker.broker_name, master(broker.addresses)?.1))).collect())
    }

    fn message(&mut self, id: &str, topic: Option<&str>) -> Result<MessageDetail, AdminError> {
        message::find(self, id, topic)
    }
}
