use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value as Json, json};

use crate::gauge::Gauge;
use crate::look::Measured;
use crate::options::{Options, Producing};
use crate::process::ProcessCost;

/// A share of the machine that others may have without a word.
const OTHERS_MAX: f64 = 0.03;

/// How it goes.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Since the first operation.
    pub elapsed: Duration,
    /// Nothing is measured yet.
    pub warming: bool,
    /// Operations done.
    pub stored: u64,
    /// Messages read.
    pub read: u64,
    /// Operations a second, lately.
    pub stored_rate: f64,
    /// Messages read a second, lately.
    pub read_rate: f64,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let warming = if self.warming { " (warming up)" } else { "" };
        let (stored, read) = (Rate(self.stored_rate), Rate(self.read_rate));
        write!(f, "{:>4.0} s  stored {stored}  read {read}{warming}", self.elapsed.as_secs_f64())
    }
}

/// How long things took, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// Half of them took no longer.
    pub p50: f64,
    /// 90 of 100.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

impl Spread {
    fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        let max = histogram.max() as f64 / 1e3;
        (!histogram.is_empty()).then(|| Spread { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max })
    }

    fn json(&self) -> Json {
        json!({ "p50_us": self.p50, "p90_us": self.p90, "p99_us": self.p99, "p999_us": self.p999, "max_us": self.max })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p90, p99, p999, max] = [self.p50, self.p90, self.p99, self.p999, self.max].map(micros);
        write!(f, "p50 {p50}  p90 {p90}  p99 {p99}  p99.9 {p999}  max {max}")
    }
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was done, in a few words.
    pub what: String,
    /// Time that was measured.
    pub time: Duration,
    /// Operations done in it.
    pub operations: u64,
    /// Operations that the broker refused because it had no room for them, warm-up included; they do not count.
    pub refused: u64,
    /// Operations that had no answer 10 s after the end.
    pub unanswered: u64,
    /// Messages read in it, by all groups together.
    pub read: u64,
    /// Bytes of records read in it.
    pub read_bytes: u64,
    /// From the moment an operation was meant to begin to its last answer.
    pub latency: Option<Spread>,
    /// From the moment a message was meant to be sent to the moment a reader had it.
    pub delivery: Option<Spread>,
    /// CPU time of this program.
    pub own_cpu: Duration,
    /// What the broker's process used.
    pub broker: Option<ProcessCost>,
    /// The share of the machine that neither of the two used, 0 to 1; known when the broker's process is.
    pub others: Option<f64>,
    /// Messages and halves that were stored beforehand.
    pub filled: (u64, u64),
}

impl Report {
    pub(crate) fn new(options: &Options, filled: (u64, u64), measured: Measured, gauge: &Gauge) -> Self {
        Report {
            what: words(options),
            time: measured.time,
            operations: gauge.operations.len(),
            refused: gauge.refused,
            unanswered: gauge.unanswered,
            read: gauge.read_measured,
            read_bytes: gauge.read_bytes,
            latency: Spread::of(&gauge.operations),
            delivery: Spread::of(&gauge.deliveries),
            own_cpu: measured.own_cpu,
            broker: measured.broker,
            others: measured.others,
            filled,
        }
    }

    /// Operations a second.
    pub fn rate(&self) -> f64 {
        self.operations as f64 / self.time.as_secs_f64()
    }

    /// Messages read a second.
    pub fn read_rate(&self) -> f64 {
        self.read as f64 / self.time.as_secs_f64()
    }

    /// What a part of it comes to for each operation, or, where only was read, for each message.
    pub fn per_operation(&self, part: f64) -> f64 {
        let count = if self.operations > 0 { self.operations } else { self.read };
        if count == 0 { 0.0 } else { part / count as f64 }
    }

    /// For programs.
    pub fn json(&self) -> Json {
        let broker = self.broker.map(|cost| {
            json!({
                "cpu_us_per_operation": self.per_operation(cost.cpu.as_secs_f64() * 1e6),
                "device_bytes_per_operation": cost.device_bytes.map(|bytes| self.per_operation(bytes as f64)),
                "resident_bytes": cost.resident,
            })
        });
        json!({
            "what": self.what,
            "seconds": self.time.as_secs_f64(),
            "operations": self.operations,
            "operations_per_second": self.rate(),
            "refused": self.refused,
            "unanswered": self.unanswered,
            "latency": self.latency.map(|spread| spread.json()),
            "read": self.read,
            "read_per_second": self.read_rate(),
            "read_bytes": self.read_bytes,
            "delivery": self.delivery.map(|spread| spread.json()),
            "own_cpu_us_per_operation": self.per_operation(self.own_cpu.as_secs_f64() * 1e6),
            "broker": broker,
            "others_share": self.others,
            "stored_before": { "messages": self.filled.0, "halves": self.filled.1 },
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.what)?;
        if let Some(latency) = &self.latency {
            writeln!(f, "stored     {} in {:.1} s", Rate(self.rate()), self.time.as_secs_f64())?;
            writeln!(f, "           {latency}")?;
        }
        if self.refused > 0 {
            writeln!(f, "refused    {}: the broker says that it is busy", self.refused)?;
        }
        if self.unanswered > 0 {
            writeln!(f, "unanswered {} operations", self.unanswered)?;
        }
        if self.read > 0 {
            let bytes = self.read_bytes as f64 / self.time.as_secs_f64() / 1e6;
            writeln!(f, "read       {}, {bytes:.0} MB/s", Rate(self.read_rate()))?;
        }
        if let Some(delivery) = &self.delivery {
            writeln!(f, "sent→read  {delivery}")?;
        }
        if let Some(cost) = &self.broker {
            write!(f, "broker     {:.1} us CPU for each", self.per_operation(cost.cpu.as_secs_f64() * 1e6))?;
            if let Some(bytes) = cost.device_bytes {
                write!(f, ", {:.0} bytes to the device", self.per_operation(bytes as f64))?;
            }
            writeln!(f, ", {:.0} MB resident", cost.resident as f64 / 1e6)?;
        }
        write!(f, "this load  {:.1} us CPU for each", self.per_operation(self.own_cpu.as_secs_f64() * 1e6))?;
        if let Some(others) = self.others.filter(|others| *others > OTHERS_MAX) {
            write!(f, "\nnot quiet  others used {:.0} % of the machine: these figures are too low", others * 100.0)?;
        }
        Ok(())
    }
}

fn words(options: &Options) -> String {
    let mut words = Vec::new();
    if options.backlog > 0 {
        words.push(format!("a backlog of {} messages is read", options.backlog));
    } else if let Some(producing) = options.producing {
        words.push(
            match producing {
                Producing::Send => "sends",
                Producing::Transaction => "transactions, both phases answered",
                Producing::OneWay => "transactions with a one-way decision",
                Producing::Mixed => "three sends, then a transaction",
                Producing::Half => "halves that nobody decides",
            }
            .to_owned(),
        );
        words.push(match options.rate {
            Some(rate) => format!("{rate} begun each second"),
            None => format!("{} in flight", options.in_flight),
        });
        words.push(format!("{} connections", options.connections));
    }
    words.push(format!("bodies of {} bytes", options.body));
    let topics = if options.topics > 1 { format!("{} topics of ", options.topics) } else { String::new() };
    words.push(format!("{topics}{} queues", options.queues));
    if options.groups > 0 {
        words.push(format!("{} groups read", options.groups));
    }
    if options.halves > 0 {
        words.push(format!("beside {} open halves", options.halves));
    }
    words.join(", ")
}

/// So many a second.
struct Rate(f64);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            rate if rate >= 10_000.0 => write!(f, "{:.1} k/s", rate / 1e3),
            rate => write!(f, "{rate:.0} /s"),
        }
    }
}

/// A time in the unit one reads it in.
fn micros(us: f64) -> String {
    match us {
        us if us < 1_000.0 => format!("{us:.0} us"),
        us if us < 1_000_000.0 => format!("{:.1} ms", us / 1e3),
        us => format!("{:.1} s", us / 1e6),
    }
}
