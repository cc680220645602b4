//! The load: a process of its own, one thread, a fixed number of sends in flight on every connection.

use crate::sockets::Sockets;
use crate::wire::{PING, SEND, put_request};
use std::collections::VecDeque;
use std::io::{Result, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const BODY: [u8; 1024] = [0x5A; 1024];
/// Unmeasured time before the measured, so that caches, branch predictors and socket buffers are as in the long run.
const WARM_UP: Duration = Duration::from_millis(300);

/// How much the client keeps in flight.
#[derive(Clone, Copy)]
pub struct Load {
    /// Connections that send.
    pub connections: usize,
    /// Sends in flight on each of them.
    pub depth: usize,
    /// Whether one more connection sends pings, one at a time.
    pub ping: bool,
}

/// What one run measured. Latencies are in microseconds.
#[derive(Clone, Copy)]
pub struct Measured {
    /// Durable sends answered per second.
    pub rate: f64,
    /// Median latency of a send.
    pub p50: f64,
    /// 99th percentile of the latency of a send.
    pub p99: f64,
    /// 99th percentile of the latency of a ping, 0 without pings.
    pub ping_p99: f64,
    /// CPU time of the server per send or ping.
    pub server_cpu: f64,
}

/// Runs the load, prints `begin` and `end` around the measured time, then the figures in one line.
pub fn run(port: u16, load: Load, measured: Duration) -> Result<()> {
    let (mut sockets, handle) = Sockets::new()?;
    let count = load.connections + usize::from(load.ping);
    for _ in 0..count {
        handle.adopt(TcpStream::connect(("127.0.0.1", port))?)?;
    }
    sockets.wait(None)?;
    sockets.read(|_, _, _| ())?;
    let code = |connection| if connection < load.connections { SEND } else { PING };
    let body = |connection| if connection < load.connections { &BODY[..] } else { &[] };
    let mut in_flight: Vec<VecDeque<(u32, Instant)>> = vec![VecDeque::new(); count];
    let mut opaque = 0;
    for (connection, sent) in in_flight.iter_mut().enumerate() {
        for _ in 0..if connection < load.connections { load.depth } else { 1 } {
            let out = sockets.out(connection).expect("a fresh connection is open");
            put_request(out, code(connection), opaque, body(connection));
            sent.push_back((opaque, Instant::now()));
            opaque += 1;
        }
    }
    sockets.flush();
    let begin = Instant::now() + WARM_UP;
    let end = begin + measured;
    let (mut sends, mut pings) = (Vec::new(), Vec::new());
    let mut begun = false;
    loop {
        sockets.wait(Some(Duration::from_secs(5)))?;
        let now = Instant::now();
        if !begun && now >= begin {
            begun = true;
            println!("begin");
            std::io::stdout().flush()?;
        }
        if now >= end {
            println!("end");
            std::io::stdout().flush()?;
            break;
        }
        sockets.read(|connection, frame, out| {
            let (expected, sent) = in_flight[connection].pop_front().expect("a reply to a request that was sent");
            assert_eq!(frame.opaque, expected, "connection {connection} was answered out of order");
            if begun {
                if connection < load.connections { &mut sends } else { &mut pings }.push(now - sent);
            }
            put_request(out, code(connection), opaque, body(connection));
            in_flight[connection].push_back((opaque, now));
            opaque = opaque.wrapping_add(1);
        })?;
        sockets.flush();
    }
    sends.sort_unstable();
    pings.sort_unstable();
    let rate = sends.len() as f64 / measured.as_secs_f64();
    println!(
        "{rate} {} {} {} {}",
        sends.len() + pings.len(),
        percentile(&sends, 0.5),
        percentile(&sends, 0.99),
        percentile(&pings, 0.99)
    );
    Ok(())
}

fn percentile(sorted: &[Duration], share: f64) -> f64 {
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at).map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
}
