//! One connection to a broker, with nothing done for its owner: no retry, no heartbeat, no answer to a check.
//!
//! The client library's own connections answer checks by themselves and come back by themselves; here both are faults
//! to be made on purpose.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::codes::RequestCode;
use protocol::encode::{Field, RequestHeader};
use protocol::frame::{FRAME_SIZE_MAX, scan};
use protocol::header::{HeaderBuffer, Language};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// How long a connection may take to be made, and a request to be answered or written.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// Requests of the broker that wait to be looked at; further ones are dropped, as they are on a bad day.
const PUSHES_MAX: usize = 16_384;

/// Bytes that are read at a time.
const READ_SIZE: usize = 64 * 1024;

/// What comes from the other side: an answer, or a request of its own.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Code of the answer, or of the request.
    pub code: i32,
    /// The fields of its header.
    pub fields: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Frame {
    /// One field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// One field that is a number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.field(name)?.parse().ok()
    }
}

/// A connection. It ends, without a goodbye, when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Link {
    ends: Arc<Ends>,
}

#[derive(Debug)]
struct Ends {
    writer: tokio::sync::Mutex<OwnedWriteHalf>,
    waiting: Arc<Waiting>,
    last_opaque: AtomicI32,
    reader: AbortHandle,
}

/// Who waits for which answer; `None` once the connection has ended.
#[derive(Debug)]
struct Waiting(Mutex<Option<HashMap<i32, oneshot::Sender<Frame>>>>);

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Option<HashMap<i32, oneshot::Sender<Frame>>>> {
        // Changes are single steps: a panic elsewhere left nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Link {
    /// Connects; what the broker asks of us comes out of the receiver, which ends with the connection. `None` when
    /// nobody is there.
    pub async fn connect(address: &str) -> Option<(Link, mpsc::Receiver<Frame>)> {
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await.ok()?.ok()?;
        stream.set_nodelay(true).ok()?;
        let (reader, writer) = stream.into_split();
        let waiting = Arc::new(Waiting(Mutex::new(Some(HashMap::new()))));
        let (push, pushes) = mpsc::channel(PUSHES_MAX);
        let reader = tokio::spawn(read(reader, waiting.clone(), push)).abort_handle();
        let ends = Ends { writer: writer.into(), waiting, last_opaque: AtomicI32::new(0), reader };
        Some((Link { ends: Arc::new(ends) }, pushes))
    }

    /// Asks. `None` when no answer comes: nobody knows then what the broker has heard.
    pub async fn ask(&self, code: RequestCode, fields: &[Field<'_>], body: &[u8]) -> Option<Frame> {
        let opaque = self.next_opaque();
        let (sender, answer) = oneshot::channel();
        self.ends.waiting.lock().as_mut()?.insert(opaque, sender);
        let answer = match self.write(code, opaque, false, fields, body).await {
            true => timeout(PATIENCE, answer).await.ok().and_then(Result::ok),
            false => None,
        };
        if let Some(waiting) = self.ends.waiting.lock().as_mut() {
            waiting.remove(&opaque);
        }
        answer
    }

    /// Says something that nobody answers; whether it could be written.
    pub async fn tell(&self, code: RequestCode, fields: &[Field<'_>]) -> bool {
        self.write(code, self.next_opaque(), true, fields, &[]).await
    }

    /// Has it ended?
    pub fn is_closed(&self) -> bool {
        self.ends.waiting.lock().is_none()
    }

    fn next_opaque(&self) -> i32 {
        self.ends.last_opaque.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    async fn write(&self, code: RequestCode, opaque: i32, oneway: bool, fields: &[Field<'_>], body: &[u8]) -> bool {
        let mut frame = Vec::new();
        RequestHeader { code, language: Language::Rust, opaque, oneway, remark: None, fields }.append(&mut frame, body);
        let mut writer = self.ends.writer.lock().await;
        if self.is_closed() {
            return false;
        }
        let written = timeout(PATIENCE, writer.write_all(&frame)).await.is_ok_and(|written| written.is_ok());
        if !written {
            // Half a frame may be on its way: nothing more can be said here.
            drop(self.ends.waiting.lock().take());
        }
        written
    }
}

/// Reads until the connection ends, or says what is no frame.
async fn read(mut reader: OwnedReadHalf, waiting: Arc<Waiting>, pushes: mpsc::Sender<Frame>) {
    let (mut received, mut buffer) = (Vec::new(), HeaderBuffer::new());
    'reading: loop {
        received.reserve(READ_SIZE);
        match reader.read_buf(&mut received).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        loop {
            let parts = match scan(&received, FRAME_SIZE_MAX) {
                Ok(Some(parts)) => parts,
                Ok(None) => break,
                Err(_) => break 'reading,
            };
            let Ok(header) = buffer.decode(&parts) else { break 'reading };
            let fields = header.fields.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let frame = Frame { code: header.code, fields, body: parts.body.to_vec() };
            if header.is_response() {
                let waiter = waiting.lock().as_mut().and_then(|waiting| waiting.remove(&header.opaque));
                // Whoever asked may have stopped waiting.
                let _ = waiter.map(|waiter| waiter.send(frame));
            } else {
                // Full: dropped, see PUSHES_MAX. Closed: its owner is gone.
                let _ = pushes.try_send(frame);
            }
            let consumed = parts.consumed;
            received.drain(..consumed);
        }
    }
    // Those who wait hear of it by their channels being dropped.
    drop(waiting.lock().take());
}
