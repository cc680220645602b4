mod history;
mod plant;

pub(crate) use history::{has_decision, rewrite};
pub(crate) use plant::count_silence;

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::run::{Options, Verdict, run};

/// A defect planted in the simulator's wrappers around production code, to show that the oracle finds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bug {
    /// A sync of a log file says that it is done and does nothing: answers before the disk has what they promise.
    SyncDoesNothing,
    /// The directory of the snapshots is never synced: the log is dropped behind a snapshot that a power cut takes.
    SnapshotNamesUnsynced,
    /// The index is written without a sync: a checkpoint names blocks that a power cut takes.
    IndexUnsynced,
    /// A decision that contradicts the first one is answered as if it counted.
    ContradictionAccepted,
    /// A committed transaction comes twice in a pull, under two offsets.
    CommitDeliveredTwice,
    /// Checks are said to be written to their connections, and are not.
    ChecksSwallowed,
    /// A two-way offset update is answered although it never reached the broker.
    OffsetAnsweredUnstored,
    /// A pull leaves out one message in the middle.
    MessageLeftOut,
    /// A decision about a decided transaction is answered as if it were the first: the ledger was not compared.
    CommitWithoutCompare,
    /// A replay passes over some of the decisions behind the last snapshot.
    OpForgotten,
    /// What a decision makes visible is delivered before it is durable: its sync is left to the next one.
    DispatchBeyondDurable,
    /// A check that nobody answered counts as one answered with "unknown".
    SilenceCounted,
    /// The offset behind a message is stored when it is handed out, not when the consumer says so.
    OffsetBeforeMessage,
    /// A replay takes torn entries for whole ones: checksums are not compared.
    CrcSkipped,
    /// What was undecided before a restart is never asked about again.
    TimerLost,
    /// The oldest segment is used again although it is still needed.
    SegmentReused,
    /// A replay takes the old batch of a recycled segment for a new one: offsets are not compared.
    OldFrameTaken,
    /// A segment goes although undecided halves or delayed messages lie in it.
    LinkedSegmentDropped,
    /// A snapshot is written of what is applied, not of what is durable.
    SnapshotAhead,
}

/// All of them.
pub const BUGS: [Bug; 19] = [
    Bug::SyncDoesNothing,
    Bug::SnapshotNamesUnsynced,
    Bug::IndexUnsynced,
    Bug::ContradictionAccepted,
    Bug::CommitDeliveredTwice,
    Bug::ChecksSwallowed,
    Bug::OffsetAnsweredUnstored,
    Bug::MessageLeftOut,
    Bug::CommitWithoutCompare,
    Bug::OpForgotten,
    Bug::DispatchBeyondDurable,
    Bug::SilenceCounted,
    Bug::OffsetBeforeMessage,
    Bug::CrcSkipped,
    Bug::TimerLost,
    Bug::SegmentReused,
    Bug::OldFrameTaken,
    Bug::LinkedSegmentDropped,
    Bug::SnapshotAhead,
];

impl Bug {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Bug::SyncDoesNothing => "sync-does-nothing",
            Bug::SnapshotNamesUnsynced => "snapshot-names-unsynced",
            Bug::IndexUnsynced => "index-unsynced",
            Bug::ContradictionAccepted => "contradiction-accepted",
            Bug::CommitDeliveredTwice => "commit-delivered-twice",
            Bug::ChecksSwallowed => "checks-swallowed",
            Bug::OffsetAnsweredUnstored => "offset-answered-unstored",
            Bug::MessageLeftOut => "message-left-out",
            Bug::CommitWithoutCompare => "commit-without-compare",
            Bug::OpForgotten => "op-forgotten",
            Bug::DispatchBeyondDurable => "dispatch-beyond-durable",
            Bug::SilenceCounted => "silence-counted",
            Bug::OffsetBeforeMessage => "offset-before-message",
            Bug::CrcSkipped => "crc-skipped",
            Bug::TimerLost => "timer-lost",
            Bug::SegmentReused => "segment-reused",
            Bug::OldFrameTaken => "old-frame-taken",
            Bug::LinkedSegmentDropped => "linked-segment-dropped",
            Bug::SnapshotAhead => "snapshot-ahead",
        }
    }
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Bug {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        BUGS.into_iter().find(|bug| bug.name() == text).ok_or_else(|| {
            let names: Vec<&str> = BUGS.iter().map(|bug| bug.name()).collect();
            format!("there is no planted bug {text:?}; choose one of {}", names.join(", "))
        })
    }
}

/// The first of these seeds that finds a defect, with what it found.
pub fn first_to_find(bug: Bug, seeds: Range<u64>, options: &Options) -> Option<Verdict> {
    let options = Options { bug: Some(bug), ..options.clone() };
    seeds.into_iter().map(|seed| run(seed, &options)).find(|verdict| verdict.violation.is_some())
}
