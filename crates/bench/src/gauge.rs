use std::time::Duration;

use hdrhistogram::Histogram;

/// Longest that is told apart, in nanoseconds: 10 minutes.
const LONGEST_NS: u64 = 600_000_000_000;

/// What happened while it was measured.
#[derive(Debug)]
pub(crate) struct Gauge {
    /// Nothing counts before.
    pub(crate) measures: bool,
    /// From the moment an operation was meant to begin to its last answer, in ns.
    pub(crate) operations: Histogram<u64>,
    /// From the moment a message was sent to the moment a reader has it, in ns.
    pub(crate) deliveries: Histogram<u64>,
    /// Operations ever, measured or not.
    pub(crate) stored: u64,
    /// Operations that the broker had no room for.
    pub(crate) refused: u64,
    /// Operations without an answer in the end.
    pub(crate) unanswered: u64,
    /// Messages ever read.
    pub(crate) read: u64,
    /// Messages and bytes read while it was measured.
    pub(crate) read_measured: u64,
    pub(crate) read_bytes: u64,
}

impl Gauge {
    pub(crate) fn new() -> Self {
        let histogram = || Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("these bounds are possible");
        Gauge {
            measures: false,
            operations: histogram(),
            deliveries: histogram(),
            stored: 0,
            refused: 0,
            unanswered: 0,
            read: 0,
            read_measured: 0,
            read_bytes: 0,
        }
    }

    pub(crate) fn operation(&mut self, took: Duration) {
        self.stored += 1;
        if self.measures {
            self.operations.saturating_record(took.as_nanos() as u64);
        }
    }

    pub(crate) fn delivery(&mut self, took: Option<Duration>, bytes: u64) {
        self.read += 1;
        if self.measures {
            self.read_measured += 1;
            self.read_bytes += bytes;
            if let Some(took) = took {
                self.deliveries.saturating_record(took.as_nanos() as u64);
            }
        }
    }
}
