//! Connections by address, made when they are needed, and greeted with a heartbeat where they lead to a broker.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use protocol::codes::RequestCode;

use super::{CONNECT_TIMEOUT, Client, lock};
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::frame::Request;

/// What is known of one address.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// The connection, once there is one.
    ready: Mutex<Option<Ready>>,
    /// Held while it is made. Says when making it failed last, and how.
    making: tokio::sync::Mutex<Option<(Instant, std::io::ErrorKind)>>,
}

#[derive(Debug, Clone)]
struct Ready {
    connection: Connection,
    /// Has the broker heard who we are? Name servers need not.
    greeted: bool,
}

impl Link {
    fn usable(&self, greeted: bool) -> Option<Connection> {
        let ready = lock(&self.ready);
        let found = ready.as_ref().filter(|ready| !ready.connection.is_closed() && (ready.greeted || !greeted));
        found.map(|ready| ready.connection.clone())
    }
}

impl Client {
    /// A connection to a broker that knows who we are.
    pub(crate) async fn broker_connection(&self, address: &str) -> Result<Connection> {
        self.connect(address, true).await
    }

    pub(super) async fn connect(&self, address: &str, is_broker: bool) -> Result<Connection> {
        if self.is_shut_down() {
            return Err(Error::ShutDown);
        }
        let link = {
            let mut links = lock(&self.inner.links);
            match links.get(address) {
                Some(link) => link.clone(),
                None => links.entry(address.to_owned()).or_default().clone(),
            }
        };
        if let Some(connection) = link.usable(is_broker) {
            return Ok(connection);
        }
        let asked_at = Instant::now();
        let mut making = link.making.lock().await;
        if let Some(connection) = link.usable(is_broker) {
            return Ok(connection);
        }
        // Those who waited while it failed share the failure instead of each trying for themselves.
        if let Some((failed_at, kind)) = *making
            && failed_at > asked_at
        {
            return Err(Error::Connect { address: address.to_owned(), source: kind.into() });
        }
        let connection = match link.usable(false) {
            Some(connection) => connection,
            None => {
                let opened = Connection::open(address, CONNECT_TIMEOUT, self.inner.pushes.clone()).await;
                *making = match &opened {
                    Err(Error::Connect { source, .. }) => Some((Instant::now(), source.kind())),
                    _ => None,
                };
                opened?
            }
        };
        if is_broker {
            // What was to be asked was not asked: whoever waits for it may try again without a doubt.
            let unknown = |error: Error| Error::Connect {
                address: address.to_owned(),
                source: std::io::Error::other(format!("it does not answer a heartbeat: {error}")),
            };
            self.greet(&connection).await.map_err(unknown)?;
            let lost = self.inner.lost.clone();
            connection.on_close(move || lost.notify_one());
        }
        if self.is_shut_down() {
            return Err(Error::ShutDown);
        }
        *lock(&link.ready) = Some(Ready { connection: connection.clone(), greeted: is_broker });
        Ok(connection)
    }

    /// Tells a broker who we are.
    pub(super) async fn greet(&self, connection: &Connection) -> Result<()> {
        let Some(heartbeat) = self.heartbeat() else {
            return Ok(());
        };
        let request = Request::new(RequestCode::HeartBeat, &[]).with_body(&heartbeat);
        let answered = connection.request(&request, self.inner.request_timeout).await;
        match answered.and_then(|response| response.ok()) {
            Ok(_) => Ok(()),
            // A broker that refuses says so again, and better, when it is asked for something.
            Err(error @ Error::Refused { .. }) => {
                tracing::warn!(address = connection.address(), "heartbeat refused: {error}");
                Ok(())
            }
            Err(error) => {
                // Half open connections are found here: nothing else may be asked for minutes.
                connection.close("it did not answer a heartbeat");
                Err(error)
            }
        }
    }

    /// Forgets all connections and returns them, with whether each leads to a broker.
    pub(super) fn take_connections(&self) -> Vec<(Connection, bool)> {
        let links: Vec<Arc<Link>> = lock(&self.inner.links).drain().map(|(_, link)| link).collect();
        let ready = links.iter().filter_map(|link| lock(&link.ready).take());
        ready.filter(|ready| !ready.connection.is_closed()).map(|ready| (ready.connection, ready.greeted)).collect()
    }

    /// Forgets ended connections to addresses that nobody names any more.
    pub(super) fn drop_links_except(&self, named: &[String]) {
        let is_named = |address: &String| named.contains(address) || self.inner.nameservers.contains(address);
        lock(&self.inner.links).retain(|address, link| {
            // One that is being made is in somebody else's hands.
            is_named(address) || link.usable(false).is_some() || link.making.try_lock().is_err()
        });
    }
}
