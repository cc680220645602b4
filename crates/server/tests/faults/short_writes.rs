//! Writes that the kernel breaks off in the middle: a limit on the size of files is set beside a running broker, inside of
//! the segment that it writes.

use std::process::Command;

use tempfile::TempDir;

use crate::disk_errors::SMALL;
use crate::promises::{Asked, Promises};
use crate::served::Served;
use crate::wire::Wire;

/// Length of a body: a batch is written over many pages.
const BODY: usize = 48 << 10;

#[test]
fn a_write_that_is_broken_off_stops_the_log_and_its_beginning_is_cut_off() {
    let mut cut = 0;
    // In the first header, in the middle of batches, at the end of a page.
    for limit in [4_100, 30_000, 65_536, 200_001, 524_288, 900_000] {
        let directory = TempDir::new().expect("a temporary directory");
        let data = directory.path().join("data");
        // Whoever exceeds the limit would be killed by SIGXFSZ: ignored, the write is short, and the next one fails.
        let prefix = ["sh", "-c", "trap '' 25; exec \"$@\"", "sh"].map(str::to_owned);
        let served = Served::start(&prefix, &data, &SMALL);
        let mut wire = Wire::connect(served.address.expect("a sound disk"));
        let mut promises = Promises::new("a", BODY);
        let limited =
            Command::new("prlimit").args(["--pid", &served.pid().to_string(), &format!("--fsize={limit}")]).status();
        assert!(
            limited.is_ok_and(|status| status.success()),
            "`prlimit` (util-linux) is needed for the tests of faults"
        );
        let refused = loop {
            match promises.ask(&mut wire, || 0) {
                Asked::Done => {}
                Asked::Refused(why) => break why,
                Asked::Gone => panic!("it is gone:\n{}", served.log()),
            }
        };
        assert!(refused.contains("File too large"), "{limit}: {refused}");
        for _ in 0..10 {
            assert!(!matches!(promises.ask(&mut wire, || 0), Asked::Done), "{limit}: the log has failed");
        }
        served.kill();
        let served = Served::sound(&data, &SMALL);
        cut += usize::from(served.log().contains("a torn tail was cut off"));
        let mut wire = Wire::connect(served.address.expect("it is ready"));
        let mut broken = promises.broken(&mut wire);
        broken.extend(promises.settle(&mut wire));
        assert!(broken.is_empty(), "{limit}: {broken:#?}\n{}", served.log());
    }
    assert!(cut > 0, "no write was broken off");
}
