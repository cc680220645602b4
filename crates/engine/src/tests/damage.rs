//! Bits that flip on the disk: what is decided stays decided, and what cannot be read is not taken for what never was.

use super::*;

const HALF: &str = "TRAN_MSG\u{1}true\u{2}PGROUP\u{1}payers\u{2}UNIQ_KEY\u{1}K1\u{2}";

impl Bench {
    /// A half that is rolled back, by the names under which it can be decided.
    fn rolled_back(&mut self) -> (i64, i64) {
        let token = self.send(HALF, b"the body of a half");
        let Answer::Sent(sent) = self.take(token) else { panic!("a half that is stored") };
        let half = (sent.at.signed(), sent.queue_offset.signed());
        assert!(matches!(self.end(half), Answer::Settled(Settled::Decided)));
        half
    }

    fn end(&mut self, (half, sequence): (i64, i64)) -> Answer {
        let token = self.ask(Request::End(End {
            group: "payers",
            half,
            sequence,
            unique_key: "",
            outcome: EndOutcome::Decided(Outcome::Rollback),
            from_check: false,
            remark: "",
        }));
        self.settle();
        self.turn();
        self.take(token)
    }

    /// Ends in order, or is killed, and starts again.
    fn again(mut self, in_order: bool) -> Bench {
        if in_order {
            self.engine.close(self.now, &mut self.answers).expect("a sound disk");
        }
        let disk = self.disk.clone();
        Bench::on(disk.clone(), Arc::new(disk), config())
    }
}

fn first_file(disk: &FakeDisk, dir: &str, end: &str) -> String {
    let names = disk.list(dir).expect("a directory of a store");
    let name = names.into_iter().find(|name| name.ends_with(end)).expect("a file of this kind");
    format!("{dir}/{name}")
}

/// Found by flipping bits under the real binary: a page of half slots that could not be read while the log was replayed was
/// begun anew, and until the next start every decision repeated was answered "unknown transaction, it never was".
#[test]
fn a_damaged_page_of_half_slots_is_rebuilt_by_the_start_that_finds_it() {
    let mut bench = Bench::new();
    let half = bench.rolled_back();
    let mut bench = bench.again(true);
    // In the same page, and known to the log alone.
    bench.send(HALF, b"a later half");
    let disk = bench.disk.clone();
    let blocks = first_file(&disk, "index", ".blk");
    let len = disk.open(&blocks).and_then(|file| file.len()).expect("a file");
    (0..len).for_each(|at| disk.flip_bit(&blocks, at, 2));
    let mut bench = bench.again(false);
    assert!(matches!(bench.end(half), Answer::Settled(Settled::Repeated)));
}

/// Found by flipping bits under the real binary: a decided half whose entry is damaged passed for one that never was.
#[test]
fn a_half_whose_entry_is_damaged_is_not_answered_as_one_that_never_was() {
    let mut bench = Bench::new();
    let half = bench.rolled_back();
    let disk = bench.disk.clone();
    let mut bench = bench.again(true);
    assert!(matches!(bench.end(half), Answer::Settled(Settled::Repeated)));
    let segment = first_file(&disk, "log", "0.seg");
    disk.flip_bit(&segment, 4096 + half.0 as u64 + 40, 2);
    let mut bench = bench.again(false);
    let Answer::Refused(refusal) = bench.end(half) else { panic!("nobody knows how it was decided") };
    assert!(refusal.to_string().contains("is damaged"), "{refusal}");
}
