//! Reads that fail: a start that meets one is refused and says so, a request that meets one is answered with an error, and
//! both go well the next time.

use tempfile::TempDir;

use crate::disk_errors::SMALL;
use crate::promises::body_of;
use crate::served::Served;
use crate::strace::{injected, injecting};
use crate::wire::Wire;
use crate::worn_store::{WornStore, read};

/// How often everything is read from a running broker.
const ROUNDS: usize = 3;

#[test]
fn a_read_that_fails_is_told_and_nothing_is_missing_the_next_time() {
    let store = WornStore::new();
    let every = std::env::var("TANDEM_FAULTS_EVERY").map_or(4, |every| every.parse().expect("a number"));
    let (mut refused, mut answered) = (0, 0);
    for nth in (1..).step_by(every) {
        let copy = store.copy();
        let directory = TempDir::new().expect("a temporary directory");
        let trace = directory.path().join("trace");
        let prefix = injecting(&[format!("pread64:error=EIO:when={nth}")], &[], &trace);
        let served = Served::start(&prefix, &copy.data(), &SMALL);
        let log = if let Some(address) = served.address {
            let mut wire = Wire::connect(address);
            let mut failed = false;
            for _ in 0..ROUNDS {
                let (messages, error) = read(&mut wire, "orders-a");
                for message in &messages {
                    assert_eq!(message.body, body_of(&message.key, message.body.len()), "read {nth}");
                }
                match error {
                    // What failed once is read the next time.
                    None if failed => break,
                    None => {}
                    Some(error) => {
                        assert!(error.contains("cannot read"), "read {nth}: {error}");
                        answered += 1;
                        failed = true;
                    }
                }
            }
            served.kill().1
        } else {
            refused += 1;
            let (status, log) = served.wait();
            if status.code() == Some(127) {
                // The first reads are the dynamic linker's.
                refused -= 1;
                continue;
            }
            assert_eq!(status.code(), Some(1), "read {nth}: {log}");
            assert!(log.contains("Input/output error"), "read {nth}: {log}");
            log
        };
        assert!(!log.contains("panicked"), "read {nth}: {log}");
        if injected(&trace).is_empty() {
            break;
        }
        let served = Served::sound(&copy.data(), &SMALL);
        let broken = store.promises.broken(&mut Wire::connect(served.address.expect("it is ready")));
        assert!(broken.is_empty(), "after read {nth} has failed: {broken:#?}\n{log}");
    }
    eprintln!("failed reads: {refused} starts refused, {answered} requests answered with an error");
    assert!(refused > 0 && answered > 0);
}
