//! One TCP connection, shared by everyone who talks to its address.
//!
//! Many requests are in flight at a time. A request is encoded once, into the buffer that the writing task sends next;
//! the reading task hands answers to whoever waits for them and pushes of the broker to their [`PushSink`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use protocol::codes::ResponseCode;
use protocol::frame::{FRAME_SIZE_MAX, announced_size, scan};
use protocol::header::HeaderBuffer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use crate::error::{Error, Result};
use crate::frame::{RawHeader, Request, Response, append_answer};

/// Most requests of one connection that wait for their answers; further ones wait for their turn. Long-polling pulls
/// count: a consumer has one for each of its queues.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 16_384;

/// Bytes that wait to be written to one connection before senders have to wait.
pub const OUTBOUND_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Longest time a write may make no progress, before the peer is given up.
const WRITE_STALL_MAX: Duration = Duration::from_secs(30);

/// Outbound buffers larger than this are given back after use.
const OUTBOUND_BYTES_KEPT: usize = 1024 * 1024;

/// Room that is made for reading at least, in bytes.
const READ_SIZE: usize = 64 * 1024;

/// Requests of brokers that wait to be served; further ones are dropped, and brokers ask again.
pub(crate) const PUSHES_MAX: usize = 4096;

/// Where requests of brokers go.
pub(crate) type PushSink = mpsc::Sender<Push>;

/// A request that a broker makes of us.
#[derive(Debug)]
pub(crate) struct Push {
    pub(crate) code: i32,
    pub(crate) opaque: i32,
    pub(crate) oneway: bool,
    pub(crate) header: RawHeader,
    pub(crate) body: Bytes,
    shared: Arc<Shared>,
}

impl Push {
    /// Who asks.
    pub(crate) fn address(&self) -> &str {
        &self.shared.address
    }

    /// Answers it, if an answer is wanted.
    pub(crate) async fn answer(&self, code: ResponseCode, remark: Option<&str>, body: &[u8]) -> Result<()> {
        if self.oneway {
            return Ok(());
        }
        self.shared.write(|out| append_answer(out, self.opaque, code.0, remark, body)).await
    }

    /// Says something back over the connection it came on.
    pub(crate) async fn tell(&self, request: &Request<'_>) -> Result<()> {
        self.shared.write(|out| request.append(out, self.shared.next_opaque(), true)).await
    }
}

/// A connection. Clones share it; it is closed when the last of them is dropped.
#[derive(Debug, Clone)]
pub struct Connection {
    owner: Arc<Owner>,
}

#[derive(Debug)]
struct Owner {
    shared: Arc<Shared>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.close("it was not needed any more");
    }
}

#[derive(Debug)]
struct Shared {
    address: Arc<str>,
    /// Bytes to write next.
    outbound: Mutex<Vec<u8>>,
    /// There are bytes to write, or the connection is closed.
    filled: Notify,
    /// The bytes were taken to be written, or the connection is closed.
    taken: Notify,
    /// Who waits for which answer; `None` once the connection is closed.
    waiting: Mutex<Option<HashMap<i32, Waiter>>>,
    in_flight: Semaphore,
    last_opaque: AtomicI32,
    why_closed: OnceLock<String>,
    closed: Notify,
}

#[derive(Debug)]
struct Waiter {
    request: i32,
    answer: oneshot::Sender<Response>,
}

/// Takes the waiter away when its owner stops waiting, for whatever reason.
struct Waiting<'a> {
    shared: &'a Shared,
    opaque: i32,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = lock(&self.shared.waiting).as_mut() {
            waiting.remove(&self.opaque);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked with it left nothing half done: what is locked is changed in one step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connection {
    /// Connects within `patience`. Requests that the other side makes of us are answered with "not supported".
    ///
    /// # Errors
    /// [`Error::Connect`].
    pub async fn connect(address: &str, patience: Duration) -> Result<Self> {
        Self::open(address, patience, None).await
    }

    pub(crate) async fn open(address: &str, patience: Duration, pushes: Option<PushSink>) -> Result<Self> {
        let failed = |source| Error::Connect { address: address.to_owned(), source };
        let stream = match timeout(patience, TcpStream::connect(address)).await {
            Ok(connected) => connected.map_err(failed)?,
            Err(_) => return Err(failed(std::io::ErrorKind::TimedOut.into())),
        };
        stream.set_nodelay(true).map_err(failed)?;
        let shared = Arc::new(Shared {
            address: address.into(),
            outbound: Mutex::default(),
            filled: Notify::new(),
            taken: Notify::new(),
            waiting: Mutex::new(Some(HashMap::new())),
            in_flight: Semaphore::new(REQUESTS_IN_FLIGHT_MAX),
            last_opaque: AtomicI32::new(0),
            why_closed: OnceLock::new(),
            closed: Notify::new(),
        });
        let (reader, writer) = stream.into_split();
        tokio::spawn(write_all(shared.clone(), writer));
        tokio::spawn(read_all(shared.clone(), reader, pushes));
        Ok(Connection { owner: Arc::new(Owner { shared }) })
    }

    /// Where it leads to.
    pub fn address(&self) -> &str {
        &self.owner.shared.address
    }

    /// Asks, and waits for the answer, whatever its code. `patience` covers the wait for a turn as well.
    ///
    /// # Errors
    /// When there is no answer: [`Error::Timeout`], [`Error::Closed`]; when nothing was sent: [`Error::Connect`] if the
    /// connection had ended before, [`Error::Invalid`] for a request too large.
    pub async fn request(&self, request: &Request<'_>, patience: Duration) -> Result<Response> {
        let shared = &self.owner.shared;
        let asked = async {
            let _turn = shared.in_flight.acquire().await.expect("it is never closed");
            let (opaque, answer) = shared.expect_answer(request.code)?;
            let _waiting = Waiting { shared, opaque };
            shared.write(|out| request.append(out, opaque, false)).await?;
            answer.await.map_err(|_| shared.closed_error())
        };
        match timeout_at(Instant::now() + patience, asked).await {
            Ok(answered) => answered,
            Err(_) => Err(Error::Timeout { address: self.address().to_owned(), after: patience }),
        }
    }

    /// Says something that nobody answers. Returns when it is in the buffer that is written next.
    ///
    /// # Errors
    /// [`Error::Connect`] when it has ended; [`Error::Invalid`] for a request too large.
    pub async fn tell(&self, request: &Request<'_>) -> Result<()> {
        let shared = &self.owner.shared;
        shared.write(|out| request.append(out, shared.next_opaque(), true)).await
    }

    /// Has it ended?
    pub fn is_closed(&self) -> bool {
        self.owner.shared.why_closed.get().is_some()
    }

    /// Waits until everything told so far was handed to the system, and closes.
    pub(crate) async fn finish(&self, patience: Duration) {
        let shared = &self.owner.shared;
        let emptied = async {
            loop {
                let taken = shared.taken.notified();
                if lock(&shared.outbound).is_empty() || self.is_closed() {
                    return;
                }
                taken.await;
            }
        };
        if timeout(patience, emptied).await.is_err() {
            tracing::debug!(address = self.address(), "closed with bytes unwritten");
        }
        shared.close("it was shut down");
    }

    pub(crate) fn close(&self, why: &str) {
        self.owner.shared.close(why);
    }

    /// Something that is done once this has ended.
    pub(crate) fn on_close(&self, then: impl FnOnce() + Send + 'static) {
        let shared = self.owner.shared.clone();
        tokio::spawn(async move {
            loop {
                let closed = shared.closed.notified();
                if shared.why_closed.get().is_some() {
                    return then();
                }
                closed.await;
            }
        });
    }
}

impl Shared {
    fn next_opaque(&self) -> i32 {
        self.last_opaque.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    fn expect_answer(&self, request: i32) -> Result<(i32, oneshot::Receiver<Response>)> {
        let (answer, receiver) = oneshot::channel();
        let opaque = self.next_opaque();
        let mut waiting = lock(&self.waiting);
        let waiting = waiting.as_mut().ok_or_else(|| self.not_sent())?;
        waiting.insert(opaque, Waiter { request, answer });
        Ok((opaque, receiver))
    }

    /// Appends a frame to what is written next, as soon as there is room.
    async fn write(&self, append: impl Fn(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        loop {
            let taken = self.taken.notified();
            {
                let mut outbound = lock(&self.outbound);
                if self.why_closed.get().is_some() {
                    return Err(self.not_sent());
                }
                if outbound.len() < OUTBOUND_BYTES_MAX {
                    let was_empty = outbound.is_empty();
                    append(&mut outbound)?;
                    if was_empty {
                        self.filled.notify_one();
                    }
                    return Ok(());
                }
            }
            taken.await;
        }
    }

    fn reason(&self) -> String {
        self.why_closed.get().map_or("it ended", String::as_str).to_owned()
    }

    /// It ended while an answer was waited for: the request may have been heard.
    fn closed_error(&self) -> Error {
        Error::Closed { address: self.address.to_string(), reason: self.reason() }
    }

    /// It had ended before a byte of the request was written.
    fn not_sent(&self) -> Error {
        let source = std::io::Error::new(std::io::ErrorKind::NotConnected, self.reason());
        Error::Connect { address: self.address.to_string(), source }
    }

    fn close(&self, why: &str) {
        if self.why_closed.set(why.to_owned()).is_err() {
            return;
        }
        tracing::debug!(address = %self.address, why, "connection closed");
        // Those who wait hear of it by their channels being dropped.
        drop(lock(&self.waiting).take());
        self.filled.notify_one();
        self.taken.notify_waiters();
        self.closed.notify_waiters();
    }

    /// Hands one frame to whoever it is for.
    fn receive(self: &Arc<Self>, buffer: &mut HeaderBuffer, frame: &Bytes, pushes: Option<&PushSink>) -> Result<()> {
        let wrong = |error: &dyn std::fmt::Display| Error::protocol(&self.address, error);
        let scanned = scan(frame, FRAME_SIZE_MAX).map_err(|error| wrong(&error))?;
        let parts = scanned.ok_or_else(|| wrong(&"half a frame"))?;
        let header = buffer.decode(&parts).map_err(|error| wrong(&error))?;
        let raw = RawHeader { serialize_type: parts.serialize_type, bytes: frame.slice_ref(parts.header) };
        let body = frame.slice_ref(parts.body);
        if header.is_response() {
            let waiter = lock(&self.waiting).as_mut().and_then(|waiting| waiting.remove(&header.opaque));
            let Some(waiter) = waiter else {
                tracing::trace!(address = %self.address, opaque = header.opaque, "an answer that came too late");
                return Ok(());
            };
            let response = Response {
                address: self.address.clone(),
                request: waiter.request,
                code: ResponseCode(header.code),
                version: header.version,
                remark: header.remark.map(Into::into),
                header: raw,
                body,
            };
            // Whoever asked may have stopped waiting a moment ago.
            let _ = waiter.answer.send(response);
            return Ok(());
        }
        let (code, opaque, oneway) = (header.code, header.opaque, header.is_oneway());
        let push = Push { code, opaque, oneway, header: raw, body, shared: self.clone() };
        let unserved = match pushes {
            None => Some(push),
            Some(sink) => sink.try_send(push).err().map(|error| {
                tracing::warn!(address = %self.address, code, "a request of the broker is dropped: {error}");
                error.into_inner()
            }),
        };
        if let Some(push) = unserved.filter(|push| !push.oneway) {
            let code = ResponseCode::REQUEST_CODE_NOT_SUPPORTED;
            let mut outbound = lock(&self.outbound);
            if outbound.len() < OUTBOUND_BYTES_MAX {
                append_answer(&mut outbound, push.opaque, code.0, Some("this client does not serve it"), &[])?;
                drop(outbound);
                self.filled.notify_one();
            }
        }
        Ok(())
    }
}

async fn write_all(shared: Arc<Shared>, mut socket: OwnedWriteHalf) {
    let mut writing = Vec::new();
    loop {
        std::mem::swap(&mut *lock(&shared.outbound), &mut writing);
        if writing.is_empty() {
            if shared.why_closed.get().is_some() {
                return;
            }
            shared.filled.notified().await;
            continue;
        }
        let written = timeout(WRITE_STALL_MAX, socket.write_all(&writing)).await;
        shared.taken.notify_waiters();
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return shared.close(&error.to_string()),
            Err(_) => return shared.close("it takes no bytes any more"),
        }
        writing.clear();
        writing.shrink_to(OUTBOUND_BYTES_KEPT);
    }
}

async fn read_all(shared: Arc<Shared>, mut socket: OwnedReadHalf, pushes: Option<PushSink>) {
    let mut buffer = HeaderBuffer::new();
    let mut received = BytesMut::new();
    loop {
        loop {
            let size = match scan(&received, FRAME_SIZE_MAX) {
                Ok(None) => break,
                Ok(Some(frame)) => frame.consumed,
                Err(error) => return shared.close(&error.to_string()),
            };
            let frame = received.split_to(size).freeze();
            if let Err(error) = shared.receive(&mut buffer, &frame, pushes.as_ref()) {
                return shared.close(&error.to_string());
            }
        }
        let missing = announced_size(&received).unwrap_or(0).saturating_sub(received.len());
        // Not before it is needed: answers still in use hold on to the memory they were read into.
        if received.capacity() - received.len() < missing.max(READ_SIZE / 8) {
            received.reserve(missing.clamp(READ_SIZE, FRAME_SIZE_MAX));
        }
        let closed = shared.closed.notified();
        if shared.why_closed.get().is_some() {
            return;
        }
        tokio::select! {
            read = socket.read_buf(&mut received) => match read {
                Ok(0) => return shared.close("the other side closed it"),
                Ok(_) => {}
                Err(error) => return shared.close(&error.to_string()),
            },
            () = closed => return,
        }
    }
}

#[cfg(test)]
mod tests;
