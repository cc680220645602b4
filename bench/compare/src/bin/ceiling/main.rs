//! What a durable server can do at most on this machine, under the same client: `ceiling ADDRESS FILE [--new | --backlog N]`.
//!
//! It understands of a request its length, and of the header its code, its correlation id and whether it is one-way. It
//! appends the frame to a file, syncs once for all that has come, and answers with canned text. It decides nothing,
//! checks nothing and remembers nothing: whatever a broker does costs something on top of this.
//!
//! The file was filled with zeros before and is written over again and again, as the log of a broker that has been
//! there for long. With `--new` it is empty and grows, as that of a broker that was just started: the file system has
//! to find room for all that is appended, and the memory of its pages was never touched. With `--backlog` it has messages
//! to hand out, which it made itself ([`backlog`]).

mod backlog;

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, bail};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use backlog::Backlog;

/// Bytes of the file that is written over again and again.
const FILE_BYTES: u64 = 1 << 30;
/// Bytes read at a time.
const CHUNK: usize = 256 << 10;
/// Longest frame.
const FRAME_MAX: usize = 16 << 20;
const LISTENER: Token = Token(usize::MAX);
const ONEWAY: u64 = 2;
const PULL_MESSAGE: u64 = 11;
const GET_MIN_OFFSET: u64 = 31;
const END_TRANSACTION: u64 = 37;

struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
    written: usize,
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (address, file, filled, messages) = match &arguments[..] {
        [address, file] => (address, file, FILE_BYTES, 0),
        [address, file, new] if new == "--new" => (address, file, 0, 0),
        [address, file, word, messages] if word == "--backlog" => {
            (address, file, FILE_BYTES, messages.parse().context("a number of messages")?)
        }
        _ => bail!("usage: ceiling ADDRESS FILE [--new | --backlog N]"),
    };
    let mut backlog = Backlog::new(Path::new(file).with_extension("backlog"), messages);
    let (file, file_bytes) = (prepare(Path::new(file), filled)?, if filled == 0 { u64::MAX } else { filled });
    let address: SocketAddr = address.parse().context("an address such as 127.0.0.1:9999")?;
    let mut listener = TcpListener::bind(address)?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("ready");
    let (mut events, mut chunk) = (Events::with_capacity(1_024), vec![0; CHUNK]);
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let (mut batch, mut end) = (Vec::new(), 0);
    let mut touched: Vec<usize> = Vec::new();
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let token = Token(connections.len());
                    poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
                    connections.push(Some(Connection { stream, input: Vec::new(), output: Vec::new(), written: 0 }));
                }
                continue;
            }
            let slot = &mut connections[event.token().0];
            let Some(connection) = slot else { continue };
            if !connection.read(&mut chunk) {
                *slot = None;
                continue;
            }
            connection.take(&mut batch, &mut backlog)?;
            touched.push(event.token().0);
        }
        if !batch.is_empty() {
            if end + batch.len() as u64 > file_bytes {
                end = 0;
            }
            file.write_all_at(&batch, end)?;
            file.sync_data()?;
            end += batch.len() as u64;
            batch.clear();
        }
        for index in touched.drain(..) {
            if let Some(connection) = &mut connections[index]
                && !connection.write()
            {
                connections[index] = None;
            }
        }
    }
}

fn prepare(path: &Path, filled: u64) -> anyhow::Result<File> {
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(path)?;
    let zeros = vec![0; 1 << 20];
    for _ in 0..filled >> 20 {
        file.write_all(&zeros)?;
    }
    file.sync_all()?;
    Ok(file)
}

impl Connection {
    /// Reads what there is; false if it is over.
    fn read(&mut self, chunk: &mut [u8]) -> bool {
        loop {
            match self.stream.read(chunk) {
                Ok(0) => return false,
                Ok(count) => {
                    self.input.extend_from_slice(&chunk[..count]);
                    if count < chunk.len() {
                        return true;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
    }

    /// Appends whole frames to the batch, but those that ask, and their answers to what is written once it is durable.
    fn take(&mut self, batch: &mut Vec<u8>, backlog: &mut Backlog) -> anyhow::Result<()> {
        let mut at = 0;
        while let Some(length) = self.input[at..].first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes) as usize) {
            anyhow::ensure!(length <= FRAME_MAX, "a frame of {length} bytes");
            let Some(frame) = self.input[at..].get(4..4 + length) else { break };
            let header_len = u32::from_be_bytes(*frame.first_chunk().context("a frame without a header")?) & 0xFF_FFFF;
            let header = frame.get(4..4 + header_len as usize).context("a header longer than its frame")?;
            let (opaque, code, flag) =
                (number(header, b"\"opaque\":"), number(header, b"\"code\":"), number(header, b"\"flag\":"));
            match code {
                PULL_MESSAGE => {
                    let (queue, from) = (number(header, b"\"queueId\":\""), number(header, b"\"queueOffset\":\""));
                    let end = backlog.end();
                    let (status, next, messages) = backlog.pull(queue, from, number(header, b"\"maxMsgNums\":\""))?;
                    let fields = format!(
                        "\"suggestWhichBrokerId\":\"0\",\"nextBeginOffset\":\"{next}\",\"minOffset\":\"0\",\"maxOffset\":\"{end}\"",
                    );
                    answer(&mut self.output, opaque, status, &fields, messages);
                }
                GET_MIN_OFFSET => {
                    backlog.make()?;
                    answer(&mut self.output, opaque, 0, "\"offset\":\"0\"", &[]);
                }
                code => {
                    batch.extend_from_slice(frame);
                    if flag & ONEWAY == 0 {
                        let fields = if code == END_TRANSACTION { "" } else { STORED };
                        answer(&mut self.output, opaque, 0, fields, &[]);
                    }
                }
            }
            at += 4 + length;
        }
        self.input.drain(..at);
        Ok(())
    }

    fn write(&mut self) -> bool {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
        self.output.clear();
        self.written = 0;
        true
    }
}

/// The number behind a name; 0 if it is not there.
fn number(header: &[u8], name: &[u8]) -> u64 {
    let Some(at) = header.windows(name.len()).position(|bytes| bytes == name) else { return 0 };
    let digits = header[at + name.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

/// What is said of each message that is stored.
const STORED: &str = "\"msgId\":\"7F00000100002A9F0000000000000000\",\"queueId\":\"0\",\"queueOffset\":\"0\"";

fn answer(out: &mut Vec<u8>, opaque: u64, code: u32, fields: &str, body: &[u8]) {
    let header = format!(
        "{{\"code\":{code},\"extFields\":{{{fields}}},\"flag\":1,\"language\":\"JAVA\",\"opaque\":{opaque},\
         \"serializeTypeCurrentRPC\":\"JSON\",\"version\":513}}"
    );
    out.extend_from_slice(&((4 + header.len() + body.len()) as u32).to_be_bytes());
    out.extend_from_slice(&(header.len() as u32).to_be_bytes());
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(body);
}
