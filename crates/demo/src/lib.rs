//! The shop of `tandem demo`: order services and cart services, each kind with its own database, and everything that
//! goes wrong between them.
//!
//! An order service inserts an order into its database and tells the cart service by message. Both must happen or
//! neither. The services are processes of their own, with the Rust client; some of them are killed at the worst moment,
//! and so is the broker. In the end the two databases are compared with each other. In reading order:
//!
//! - [`Options`], and [`run`]: the shop from its opening to the verdict;
//! - [`plan`]: which order meets which fault, from a seed;
//! - [`database`]: what the services write down, and the verdict over it;
//! - [`order_service`], [`cart_service`]: the two programs, as one would write them;
//! - [`board`]: what a person sees.

pub mod board;
mod broker;
pub mod cart_service;
pub mod database;
pub mod order_service;
pub mod plan;
mod process;
mod service;
mod shop;

pub use service::ServiceOptions;
pub use shop::{BrokerCounts, Options, Report, run};
