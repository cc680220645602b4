//! RocketMQ remoting: what clients, brokers and name servers of Apache RocketMQ 4.9 and 5.x say to each other, as types.
//!
//! Pure: no socket, no clock, no async. Bytes from a socket are input: whatever they are, the outcome is an `Err`,
//! never a panic. Nothing here decides what an answer is.
//!
//! In the order in which a request walks through, which is a good order to read:
//!
//! | module | what it knows |
//! |---|---|
//! | [`frame`] | where one frame ends and the next begins |
//! | [`header`] | code, flags, correlation id and fields of a request, in JSON or binary form |
//! | [`codes`] | the numbers of requests and of answers |
//! | [`request`] | what each request and answer says: fields and bodies, one file per family |
//! | [`batch`] | the body of a batch send |
//! | [`identifiers`] | the id that a broker gives a message |
//! | [`encode`] | frames on their way out: answers, pushes, requests of our client |
//! | [`json`] | JSON as fastjson writes it |
//!
//! What a message is, its properties and its record, is in the crate `message`.
//!
//! ```
//! use protocol::codes::{RequestCode, ResponseCode};
//! use protocol::encode::ResponseHeader;
//! use protocol::frame::{FRAME_SIZE_MAX, scan};
//! use protocol::header::HeaderBuffer;
//! use protocol::request::send::{SendAnswer, SendHeader};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let json = r#"{"code":310,"extFields":{"a":"g","b":"T","c":"TBW102","d":"4","e":"2","f":"0","g":"1","h":"0"},"opaque":7}"#;
//! # let mut received = Vec::new();
//! # received.extend_from_slice(&(4 + json.len() as u32 + 5).to_be_bytes());
//! # received.extend_from_slice(&(json.len() as u32).to_be_bytes());
//! # received.extend_from_slice(json.as_bytes());
//! # received.extend_from_slice(b"hello");
//! let mut buffer = HeaderBuffer::new();
//! let mut answers = Vec::new();
//! while let Some(frame) = scan(&received, FRAME_SIZE_MAX)? {
//!     let header = buffer.decode(&frame)?;
//!     match RequestCode::from_code(header.code) {
//!         Some(code @ RequestCode::SendMessageV2) => {
//!             let send = SendHeader::decode(code, &header.fields)?;
//!             assert_eq!((send.topic, send.queue_id, frame.body), ("T", 2, &b"hello"[..]));
//!             let answer = SendAnswer { msg_id: "0A..", queue_id: 2, queue_offset: 0, transaction_id: None };
//!             let (code, fields) = (ResponseCode::SUCCESS, answer.fields());
//!             ResponseHeader { code, opaque: header.opaque, remark: None, fields: &fields }.append(&mut answers, b"");
//!         }
//!         _ => ResponseHeader::error(ResponseCode::REQUEST_CODE_NOT_SUPPORTED, header.opaque, "unknown request")
//!             .append(&mut answers, b""),
//!     }
//!     let consumed = frame.consumed;
//!     received.drain(..consumed);
//! }
//! # assert!(received.is_empty() && !answers.is_empty());
//! # Ok(())
//! # }
//! ```

pub mod frame;
pub mod header;

pub mod codes;

pub mod request;

pub mod batch;
pub mod identifiers;

pub mod encode;

pub mod json;

mod body;
mod data_version;
mod message_queue;
mod words;

pub use body::BodyError;
pub use data_version::DataVersion;
pub use message_queue::MessageQueue;
pub use words::Word;
