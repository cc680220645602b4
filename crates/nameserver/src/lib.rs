//! Which broker serves which topic: the route table.
//!
//! Pure: no clock (time is an argument) and no socket. In it are the topics of the broker it lives with, put in as they
//! change, and those of other brokers, which register themselves, say now and then that they live, and are forgotten
//! when they no longer do. In reading order:
//!
//! - [`NameServer`]: the whole table, its lists and its routes;
//! - [`Registration`], [`RegisterError`]: other brokers, and why one is refused;
//! - [`Route`]: what is answered about a topic.

mod key_values;
mod lists;
mod name_server;
mod outside;
mod route;

pub use key_values::ORDER_TOPIC_CONFIG;
pub use lists::UnitTopics;
pub use name_server::{Limits, NameServer, OwnBroker};
pub use outside::{REGISTRATION_TIMEOUT_MS, RegisterError, Registration, TableVersion};
pub use route::{BrokerAddresses, Route, RouteQueues};
