//! The client against a real broker: the `tandem` binary of this workspace, built when it is not there, a new one for
//! each test, or any broker of this protocol, when `TANDEM_CLIENT_TEST_NAMESERVER=host:port` says where its name server is.

mod broker;

mod consuming;
mod crashes;
mod groups;
mod ordering;
mod pulling;
mod sending;
mod transactions;
