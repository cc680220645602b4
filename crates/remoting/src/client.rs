//! A small blocking client: one connection, one request at a time. For the command line and for tests.
//!
//! What the broker pushes while an answer is awaited is kept for [`Client::next_push`].

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use protocol::Word;
use protocol::codes::ResponseCode;
use protocol::encode::VERSION;
use protocol::frame::{FRAME_SIZE_MAX, FrameError, announced_size, scan};
use protocol::header::{FLAG_ONEWAY, FLAG_RESPONSE, HeaderBuffer, HeaderError, Language};
use protocol::json::{Object, write_int};
use thiserror::Error;

/// Most pushes kept: further ones push the oldest out.
const PUSHES_MAX: usize = 10_000;

/// Requests of [`Client::call_all`] that are on their way at a time: both sides can hold so many without reading.
const WINDOW: usize = 64;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody listens there, or cannot be reached.
    #[error("cannot connect to {address}: {source}; is the broker running, and is this its address?")]
    Connect {
        /// Where.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The connection failed.
    #[error("the connection to {address} failed: {source}")]
    Io {
        /// Where.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The other side closed the connection.
    #[error("{0} closed the connection")]
    Closed(String),
    /// No answer in time.
    #[error("{address} did not answer within {} ms", timeout.as_millis())]
    Timeout {
        /// Who.
        address: String,
        /// How long it had.
        timeout: Duration,
    },
    /// What came is no frame of this protocol.
    #[error("{address} does not speak this protocol: {source}")]
    Frame {
        /// Who.
        address: String,
        /// What is wrong.
        source: FrameError,
    },
    /// What came has no header of this protocol.
    #[error("{address} does not speak this protocol: {source}")]
    Header {
        /// Who.
        address: String,
        /// What is wrong.
        source: HeaderError,
    },
}

/// An answer, or a request of the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Of an answer, how it went; of a push, what it is.
    pub code: i32,
    /// Correlation id.
    pub opaque: i32,
    /// Whether the sender does not want to be answered.
    pub oneway: bool,
    /// Text for a person.
    pub remark: Option<String>,
    /// Header fields, in the order they came.
    pub fields: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Received {
    /// Whether the code is that of success.
    pub fn is_success(&self) -> bool {
        self.code == ResponseCode::SUCCESS.0
    }

    /// A header field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    address: String,
    timeout: Duration,
    header: HeaderBuffer,
    received: Vec<u8>,
    pushes: VecDeque<Received>,
    last_opaque: i32,
}

impl Client {
    /// Connects, and lets every call take at most `timeout`.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(address: impl ToSocketAddrs + ToString, timeout: Duration) -> Result<Self, ClientError> {
        let name = address.to_string();
        let failed = |source| ClientError::Connect { address: name.clone(), source };
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in address.to_socket_addrs().map_err(failed)? {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(failed)?;
                    stream.set_write_timeout(Some(timeout)).map_err(failed)?;
                    return Ok(Client {
                        stream,
                        address: name,
                        timeout,
                        header: HeaderBuffer::new(),
                        received: Vec::new(),
                        pushes: VecDeque::new(),
                        last_opaque: 0,
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }

    /// Asks, and waits for the answer, whatever its code.
    ///
    /// # Errors
    /// When none comes in time or the connection fails. The connection is of no use any more then.
    pub fn call(&mut self, code: i32, fields: &[(&str, &str)], body: &[u8]) -> Result<Received, ClientError> {
        let opaque = self.send(code, 0, None, fields, body)?;
        let deadline = Instant::now() + self.timeout;
        loop {
            match self.receive(deadline)? {
                None => return Err(ClientError::Timeout { address: self.address.clone(), timeout: self.timeout }),
                Some((true, answer)) if answer.opaque == opaque => return Ok(answer),
                // An answer to nothing that was asked here.
                Some((true, _)) => {}
                Some((false, push)) => self.keep(push),
            }
        }
    }

    /// Asks the same with each of these header fields, without waiting for one answer before the next question. The
    /// answers are in the order of the questions, whatever their codes. All of them together take at most the timeout.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn call_all(&mut self, code: i32, questions: &[Vec<(&str, &str)>]) -> Result<Vec<Received>, ClientError> {
        let deadline = Instant::now() + self.timeout;
        let mut answers: Vec<Option<Received>> = vec![None; questions.len()];
        // A client asks one thing after the other, so the numbers of these questions follow each other.
        let first = self.last_opaque.wrapping_add(1);
        let (mut sent, mut answered) = (0, 0);
        while answered < questions.len() {
            while sent < questions.len() && sent - answered < WINDOW {
                self.send(code, 0, None, &questions[sent], b"")?;
                sent += 1;
            }
            match self.receive(deadline)? {
                None => return Err(ClientError::Timeout { address: self.address.clone(), timeout: self.timeout }),
                Some((true, answer)) => {
                    let nth = answer.opaque.wrapping_sub(first) as u32 as usize;
                    if let Some(slot @ None) = answers.get_mut(nth) {
                        *slot = Some(answer);
                        answered += 1;
                    }
                }
                Some((false, push)) => self.keep(push),
            }
        }
        Ok(answers.into_iter().map(|answer| answer.expect("all were answered")).collect())
    }

    /// Says something nobody answers.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn send_oneway(&mut self, code: i32, fields: &[(&str, &str)], body: &[u8]) -> Result<(), ClientError> {
        self.send(code, FLAG_ONEWAY, None, fields, body).map(drop)
    }

    /// Answers a request of the other side.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn respond(&mut self, to: &Received, code: ResponseCode, body: &[u8]) -> Result<(), ClientError> {
        self.send(code.0, FLAG_RESPONSE, Some(to.opaque), &[], body).map(drop)
    }

    /// What the other side asks or tells next, `None` if it is nothing within `timeout`.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn next_push(&mut self, timeout: Duration) -> Result<Option<Received>, ClientError> {
        if let Some(push) = self.pushes.pop_front() {
            return Ok(Some(push));
        }
        let deadline = Instant::now() + timeout;
        loop {
            match self.receive(deadline)? {
                None => return Ok(None),
                Some((true, _)) => {}
                Some((false, push)) => return Ok(Some(push)),
            }
        }
    }

    fn keep(&mut self, push: Received) {
        if self.pushes.len() == PUSHES_MAX {
            self.pushes.pop_front();
        }
        self.pushes.push_back(push);
    }

    fn send(
        &mut self,
        code: i32,
        flag: i32,
        opaque: Option<i32>,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> Result<i32, ClientError> {
        let opaque = opaque.unwrap_or_else(|| {
            self.last_opaque = self.last_opaque.wrapping_add(1);
            self.last_opaque
        });
        let header = header(code, flag, opaque, fields);
        let mut frame = Vec::with_capacity(8 + header.len() + body.len());
        frame.extend_from_slice(&((4 + header.len() + body.len()) as u32).to_be_bytes());
        // The serialize type, JSON, is the zero in the top byte.
        frame.extend_from_slice(&(header.len() as u32).to_be_bytes());
        frame.extend_from_slice(&header);
        frame.extend_from_slice(body);
        self.stream.write_all(&frame).map_err(|source| self.failed(source))?;
        Ok(opaque)
    }

    /// The next frame, and whether it is an answer; `None` when the deadline passes first.
    fn receive(&mut self, deadline: Instant) -> Result<Option<(bool, Received)>, ClientError> {
        loop {
            if let Some(frame) = self.take_frame()? {
                return Ok(Some(frame));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.stream.set_read_timeout(Some(left)).map_err(|source| self.failed(source))?;
            let wanted = announced_size(&self.received).unwrap_or(0).min(FRAME_SIZE_MAX);
            let at = self.received.len();
            self.received.resize(wanted.max(at + 4096), 0);
            let read = self.stream.read(&mut self.received[at..]);
            self.received.truncate(at + read.as_ref().copied().unwrap_or(0));
            match read {
                Ok(0) => return Err(ClientError::Closed(self.address.clone())),
                Ok(_) => {}
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => {}
                    io::ErrorKind::ConnectionReset => return Err(ClientError::Closed(self.address.clone())),
                    _ => return Err(self.failed(error)),
                },
            }
        }
    }

    fn take_frame(&mut self) -> Result<Option<(bool, Received)>, ClientError> {
        let address = || self.address.clone();
        let scanned = scan(&self.received, FRAME_SIZE_MAX);
        let Some(frame) = scanned.map_err(|source| ClientError::Frame { address: address(), source })? else {
            return Ok(None);
        };
        let header = self.header.decode(&frame).map_err(|source| ClientError::Header { address: address(), source })?;
        let fields = header.fields.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let received = Received {
            code: header.code,
            opaque: header.opaque,
            oneway: header.is_oneway(),
            remark: header.remark.map(str::to_owned),
            fields: fields.collect(),
            body: frame.body.to_vec(),
        };
        let (is_answer, consumed) = (header.is_response(), frame.consumed);
        self.received.drain(..consumed);
        Ok(Some((is_answer, received)))
    }

    fn failed(&self, source: io::Error) -> ClientError {
        ClientError::Io { address: self.address.clone(), source }
    }
}

/// A header with any code: [`protocol::encode`] knows only RocketMQ's.
fn header(code: i32, flag: i32, opaque: i32, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut header = Object::begin(&mut out);
    write_int(header.member("code"), code.into());
    let mut ext = Object::begin(header.member("extFields"));
    for (name, value) in fields {
        ext.string(name, value);
    }
    ext.end();
    header.int("flag", flag);
    header.string("language", Language::Rust.name());
    header.int("opaque", opaque);
    header.string("serializeTypeCurrentRPC", "JSON");
    header.int("version", VERSION);
    header.end();
    out
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use protocol::codes::RequestCode;
    use protocol::encode::{RequestHeader, ResponseHeader};

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    /// A server that reads one request and answers with what `answer` makes of its correlation id.
    fn server(answer: impl FnOnce(i32) -> Vec<u8> + Send + 'static) -> (String, thread::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let served = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut received = Vec::new();
            let opaque = loop {
                let mut some = [0; 64];
                let read = stream.read(&mut some).unwrap();
                received.extend_from_slice(&some[..read]);
                if let Some(frame) = scan(&received, FRAME_SIZE_MAX).unwrap() {
                    break HeaderBuffer::new().decode(&frame).unwrap().opaque;
                }
            };
            stream.write_all(&answer(opaque)).unwrap();
            received
        });
        (address, served)
    }

    #[test]
    fn an_answer_is_told_from_a_push_that_comes_before_it() {
        let (address, served) = server(|opaque| {
            let mut out = Vec::new();
            let push = [("consumerGroup", "g".into())];
            // The same number as the request's: the two directions count by themselves.
            RequestHeader::push(RequestCode::NotifyConsumerIdsChanged, opaque, &push).append(&mut out, b"");
            ResponseHeader::success(opaque + 1).append(&mut out, b"not asked for");
            let fields = [("offset", 7_i64.into())];
            ResponseHeader { fields: &fields, ..ResponseHeader::success(opaque) }.append(&mut out, &[b'x'; 10_000]);
            out
        });
        let mut client = Client::connect(&address, TIMEOUT).unwrap();
        let answer = client.call(7001, &[("topic", "t\u{1}")], b"body").unwrap();
        assert!(answer.is_success());
        assert_eq!((answer.field("offset"), answer.body.len()), (Some("7"), 10_000));
        let push = client.next_push(TIMEOUT).unwrap().unwrap();
        assert_eq!((push.code, push.field("consumerGroup"), push.oneway), (40, Some("g"), true));
        let request = served.join().unwrap();
        let frame = scan(&request, FRAME_SIZE_MAX).unwrap().unwrap();
        let mut buffer = HeaderBuffer::new();
        let header = buffer.decode(&frame).unwrap();
        assert_eq!((header.code, header.fields.get("topic"), frame.body), (7001, Some("t\u{1}"), &b"body"[..]));
    }

    #[test]
    fn who_does_not_answer_closes_or_talks_nonsense_is_named() {
        let (address, served) = server(|_| b"HTTP/1.1 400 Bad Request\r\n".to_vec());
        let error = Client::connect(&address, TIMEOUT).unwrap().call(28, &[], b"").unwrap_err();
        assert!(error.to_string().starts_with(&format!("{address} does not speak this protocol")), "{error}");
        served.join().unwrap();

        let (address, served) = server(|_| Vec::new());
        let error = Client::connect(&address, TIMEOUT).unwrap().call(28, &[], b"").unwrap_err();
        assert!(matches!(error, ClientError::Closed(_)), "{error}");
        served.join().unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let error = Client::connect(&address, Duration::from_millis(50)).unwrap().call(28, &[], b"").unwrap_err();
        assert_eq!(error.to_string(), format!("{address} did not answer within 50 ms"));
        drop(listener);
        let error = Client::connect(&address, TIMEOUT).unwrap_err();
        assert!(error.to_string().contains("is the broker running"), "{error}");
    }
}
