use std::fmt;
use std::str::FromStr;

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
}

/// All of them.
pub const BUGS: [Bug; 8] = [
    Bug::SyncDoesNothing,
    Bug::SnapshotNamesUnsynced,
    Bug::IndexUnsynced,
    Bug::ContradictionAccepted,
    Bug::CommitDeliveredTwice,
    Bug::ChecksSwallowed,
    Bug::OffsetAnsweredUnstored,
    Bug::MessageLeftOut,
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
