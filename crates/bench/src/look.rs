//! What is measured from outside, at its beginning and its end.

use std::time::{Duration, Instant};

use crate::process::{Machine, ProcessCost, own_cpu};

/// What was used while it was measured.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) time: Duration,
    pub(crate) own_cpu: Duration,
    pub(crate) broker: Option<ProcessCost>,
    /// The share of the machine that others had.
    pub(crate) others: Option<f64>,
}

/// A look at all that is measured from outside.
pub(crate) struct Look {
    at: Instant,
    own_cpu: Duration,
    broker: Option<ProcessCost>,
    machine: Option<Machine>,
}

impl Look {
    pub(crate) fn now(pid: Option<u32>) -> Self {
        let broker = pid.and_then(ProcessCost::of);
        Look { at: Instant::now(), own_cpu: own_cpu(), broker, machine: Machine::look() }
    }

    pub(crate) fn since(self, earlier: &Look) -> Measured {
        let own_cpu = self.own_cpu.saturating_sub(earlier.own_cpu);
        let broker = self.broker.zip(earlier.broker).map(|(now, before)| now.since(before));
        let known = own_cpu + broker.map_or(Duration::ZERO, |cost| cost.cpu);
        let machine = self.machine.zip(earlier.machine);
        // Without the broker's process nobody can say who the others are.
        let others = machine.filter(|_| broker.is_some()).map(|(now, before)| now.others_since(before, known));
        Measured { time: self.at - earlier.at, own_cpu, broker, others }
    }
}
