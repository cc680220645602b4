//! Single requests in the remoting protocol, for what no client program needs to be started for.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::failure::{Failure, Outcome};

/// Asks a name server which brokers it knows.
pub const GET_BROKER_CLUSTER_INFO: u16 = 106;

/// What the broker said.
#[derive(Debug)]
pub struct Answer {
    /// 0 for success.
    pub code: i64,
    /// The reason, for people; empty when there is none.
    pub remark: String,
    /// The body as text.
    pub body: String,
}

/// Sends one request without a body on a connection of its own and waits for the answer, at most 5 s.
pub fn request(address: &str, code: u16, fields: &[(&str, &str)]) -> Outcome<Answer> {
    exchange(address, code, fields).map_err(|e| Failure::new(format!("request {code} to {address} failed: {e}")))
}

fn exchange(address: &str, code: u16, fields: &[(&str, &str)]) -> std::io::Result<Answer> {
    let invalid = |reason: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, reason.to_owned());
    let target = address.to_socket_addrs()?.next().ok_or_else(|| invalid("the address names no host"))?;
    let mut stream = TcpStream::connect_timeout(&target, Duration::from_secs(3))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_nodelay(true)?;
    let fields: Map<String, Value> = fields.iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
    let header = json!({
        "code": code, "language": "JAVA", "version": 513, "opaque": 1, "flag": 0,
        "serializeTypeCurrentRPC": "JSON", "extFields": fields,
    })
    .to_string();
    let mut frame = Vec::with_capacity(8 + header.len());
    frame.extend_from_slice(&(4 + header.len() as u32).to_be_bytes());
    frame.extend_from_slice(&(header.len() as u32).to_be_bytes());
    frame.extend_from_slice(header.as_bytes());
    stream.write_all(&frame)?;

    let mut prefix = [0; 8];
    stream.read_exact(&mut prefix)?;
    let total = u32::from_be_bytes(prefix[..4].try_into().expect("four bytes")) as usize;
    let header_length = u32::from_be_bytes(prefix[4..].try_into().expect("four bytes")) as usize & 0xff_ffff;
    if total < 4 + header_length || total > 16 << 20 {
        return Err(invalid("the answer's lengths do not fit"));
    }
    let mut rest = vec![0; total - 4];
    stream.read_exact(&mut rest)?;
    let header: Value = serde_json::from_slice(&rest[..header_length])?;
    Ok(Answer {
        code: header.get("code").and_then(Value::as_i64).ok_or_else(|| invalid("the answer has no code"))?,
        remark: header.get("remark").and_then(Value::as_str).unwrap_or_default().to_owned(),
        body: String::from_utf8_lossy(&rest[header_length..]).into_owned(),
    })
}

/// The address of a broker this name server knows.
pub fn first_broker(name_server: &str) -> Outcome<String> {
    let answer = request(name_server, GET_BROKER_CLUSTER_INFO, &[])?;
    // Not quite JSON: broker ids are keys without quotes.
    let addresses = answer.body.split_once("\"brokerAddrs\":{").map(|(_, rest)| rest);
    let first = addresses.and_then(|rest| rest.split_once(":\"")?.1.split_once('"'));
    first.map(|(address, _)| address.to_owned()).ok_or_else(|| Failure::new(format!("no broker in {answer:?}")))
}
