use message::codec::{CodecError, Reader};
use message::entry::{DecidedBy, Decision, Delay, Outcome, Place};

use super::*;
use crate::test_halves::{TestHalf, XorShift, at, offset, parsed};

/// Stores a half whose entry lies at this offset and its record 50 bytes behind.
fn store(ledger: &mut Ledger, at_offset: u64, seconds: i64, half: &TestHalf) -> HalfApplied {
    let record = half.record();
    let (entry, parsed) = (half.entry(&record), parsed(&record));
    ledger.apply_half(offset(at_offset), at(seconds), &entry, &parsed, offset(at_offset + 50))
}

fn decision(half: u64, sequence: u64, outcome: Outcome) -> Decision<'static> {
    Decision {
        previous: CommitLogOffset::ZERO,
        time: Timestamp::ZERO,
        half: offset(half),
        sequence: QueueOffset::new(sequence),
        outcome,
        by: DecidedBy::Producer,
        who: "10.0.0.1@7",
        why: "",
        place: Place::Nowhere,
    }
}

fn check(half: u64, outcome: CheckOutcome) -> Check<'static> {
    Check { half: offset(half), previous: CommitLogOffset::ZERO, time: Timestamp::ZERO, outcome, client: "10.0.0.2@9" }
}

fn encoded(ledger: &Ledger) -> Vec<u8> {
    let mut bytes = Vec::new();
    ledger.encode(&mut bytes);
    bytes
}

fn decoded(bytes: &[u8]) -> Ledger {
    let mut reader = Reader::new(bytes);
    let ledger = Ledger::decode(&mut reader).expect("these bytes were encoded");
    reader.finish().expect("nothing is left");
    ledger
}

fn offsets<'a>(halves: impl IntoIterator<Item = HalfView<'a>>) -> Vec<u64> {
    halves.into_iter().map(|half| half.at().get()).collect()
}

/// 1,000 halves at offsets 1000, 2000, ..: one in ten of group "stock", one in seven set aside.
fn thousand() -> Ledger {
    let mut ledger = Ledger::new();
    for n in 1..=1000 {
        let half = TestHalf::nth(n);
        let group = if n % 10 == 0 { "stock" } else { "orders" };
        store(&mut ledger, n * 1000, n as i64, &TestHalf { group, ..half });
        if n % 7 == 0 {
            ledger.apply_set_aside(offset(n * 1000));
        }
    }
    ledger
}

#[test]
fn a_half_is_kept_with_what_its_entry_and_record_say() {
    let mut ledger = Ledger::new();
    let half = TestHalf::nth(4);
    let record = half.record();
    let entry = Half { immunity_ms: Some(20_000), delay: Delay::AfterMs(5), ..half.entry(&record) };
    let applied = ledger.apply_half(offset(900), at(1), &entry, &parsed(&record), offset(960));
    assert_eq!(applied, HalfApplied::New);
    let view = ledger.get(offset(900)).expect("it was stored");
    assert_eq!((view.at(), view.sequence().get(), view.stored_at()), (offset(900), 4, at(1)));
    assert_eq!((view.record_at(), view.record_len() as usize, view.is_carried()), (offset(960), record.len(), false));
    assert_eq!((view.topic(), view.queue_id(), view.tags_code()), ("paid", 3, 97));
    assert_eq!((view.group(), view.client(), view.unique_key()), ("orders", "10.0.0.1@7", half.key.as_str()));
    assert_eq!((view.immunity_ms(), view.delay()), (Some(20_000), Delay::AfterMs(5)));
    assert_eq!((view.attempts(), view.silent(), view.state()), (0, 0, State::Pending));
    assert_eq!((view.last_check(), ledger.next_sequence().get()), (None, 5));
}

#[test]
fn the_same_half_sent_again_while_undecided_is_one_transaction() {
    let mut ledger = Ledger::new();
    let half = TestHalf::nth(1);
    assert_eq!(store(&mut ledger, 100, 1, &half), HalfApplied::New);
    let again = TestHalf { sequence: 2, client: "10.0.0.3@1".to_owned(), ..half.clone() };
    assert_eq!(store(&mut ledger, 200, 2, &again), HalfApplied::Repeat { first: offset(100) });
    assert_eq!((ledger.len(), ledger.next_sequence().get()), (1, 3));
    ledger.apply_set_aside(offset(100));
    assert_eq!(store(&mut ledger, 300, 3, &half), HalfApplied::Repeat { first: offset(100) });
    // The decision names the first one's ids; after it the key begins a new transaction.
    assert!(matches!(ledger.apply_decision(&decision(100, 1, Outcome::Commit)), Settled::Decided(_)));
    assert_eq!(store(&mut ledger, 400, 4, &half), HalfApplied::New);
}

#[test]
fn another_group_or_body_under_the_same_key_is_another_transaction() {
    let mut ledger = Ledger::new();
    let half = TestHalf::nth(1);
    assert_eq!(store(&mut ledger, 100, 1, &half), HalfApplied::New);
    assert_eq!(store(&mut ledger, 200, 1, &TestHalf { group: "stock", ..half.clone() }), HalfApplied::New);
    assert_eq!(store(&mut ledger, 300, 1, &TestHalf { body: "{1}", ..half.clone() }), HalfApplied::New);
    assert_eq!(offsets(ledger.find_by_unique_key(None, &half.key)), [100, 200, 300]);
    assert_eq!(offsets(ledger.find_by_unique_key(Some("stock"), &half.key)), [200]);
    assert_eq!(offsets(ledger.find_by_unique_key(Some("nobody"), &half.key)), [] as [u64; 0]);
    assert_eq!(store(&mut ledger, 400, 1, &half), HalfApplied::Repeat { first: offset(100) });
}

#[test]
fn halves_without_a_key_are_never_taken_for_one_another() {
    let mut ledger = Ledger::new();
    let half = TestHalf { key: String::new(), ..TestHalf::nth(1) };
    assert_eq!(store(&mut ledger, 100, 1, &half), HalfApplied::New);
    assert_eq!(store(&mut ledger, 200, 1, &half), HalfApplied::New);
}

#[test]
fn the_first_decision_applied_wins_and_every_later_one_finds_nothing() {
    for first in [Outcome::Commit, Outcome::Rollback] {
        let mut ledger = Ledger::new();
        store(&mut ledger, 100, 1, &TestHalf::nth(1));
        match ledger.apply_decision(&decision(100, 1, first)) {
            Settled::Decided(decided) => {
                let view = decided.view();
                assert_eq!((view.at(), view.group(), view.topic()), (offset(100), "orders", "paid"));
            }
            Settled::NotPending => panic!("it was undecided"),
        }
        for later in [Outcome::Commit, Outcome::Rollback] {
            assert!(matches!(ledger.apply_decision(&decision(100, 1, later)), Settled::NotPending));
        }
        assert!(ledger.is_empty() && ledger.get(offset(100)).is_none());
    }
}

#[test]
fn a_logged_decision_with_another_sequence_decides_nothing() {
    let mut ledger = Ledger::new();
    store(&mut ledger, 100, 1, &TestHalf::nth(1));
    assert!(matches!(ledger.apply_decision(&decision(100, 2, Outcome::Commit)), Settled::NotPending));
    assert_eq!(ledger.len(), 1);
}

#[test]
fn a_decision_must_name_group_offset_sequence_and_key_of_one_half() {
    let mut ledger = Ledger::new();
    let (one, two) = (TestHalf::nth(1), TestHalf::nth(2));
    store(&mut ledger, 100, 1, &one);
    store(&mut ledger, 200, 1, &two);
    let ask = |group, at, sequence, key: &str| {
        ledger.check_decision(group, offset(at), QueueOffset::new(sequence), key).map(|half| half.at().get())
    };
    assert_eq!(ask("orders", 100, 1, &one.key), Ok(100));
    assert_eq!(ask("orders", 100, 1, ""), Ok(100));
    let text = |refused: Result<u64, Mismatch>| refused.expect_err("must not fit").to_string();
    assert!(matches!(ask("orders", 150, 1, &one.key), Err(Mismatch::NotPending { .. })));
    assert_eq!(
        text(ask("stock", 100, 1, &one.key)),
        "the transaction at commit log offset 100 belongs to producer group \"orders\", not to \"stock\"; decide it by \
         a producer of its own group"
    );
    assert_eq!(
        text(ask("orders", 200, 1, &one.key)),
        "the transaction at commit log offset 200 has tranStateTableOffset 2, not 1; quote the queueOffset that the \
         half was answered with"
    );
    assert_eq!(
        text(ask("orders", 200, 2, &one.key)),
        format!(
            "the transaction at commit log offset 200 has msgId {:?}, not {:?}; quote the UNIQ_KEY of the message it \
             was begun with",
            two.key, one.key
        )
    );
}

#[test]
fn only_unknown_counts_as_an_attempt_and_silence_is_shown() {
    let mut ledger = Ledger::new();
    store(&mut ledger, 100, 1, &TestHalf::nth(1));
    ledger.apply_check(at(11), &check(100, CheckOutcome::Silent));
    let half = ledger.apply_check(at(16), &check(100, CheckOutcome::Silent)).expect("undecided");
    assert_eq!((half.attempts(), half.silent()), (0, 2));
    let half = ledger.apply_check(at(40), &check(100, CheckOutcome::Unknown)).expect("undecided");
    assert_eq!((half.attempts(), half.silent()), (1, 0));
    let last = half.last_check().expect("it was asked about");
    assert_eq!((last.at, last.outcome, last.client), (at(40), CheckOutcome::Unknown, "10.0.0.2@9"));
    assert!(ledger.apply_check(at(41), &check(500, CheckOutcome::Unknown)).is_none());
}

#[test]
fn a_half_set_aside_can_be_resumed_from_zero_or_decided() {
    let mut ledger = Ledger::new();
    store(&mut ledger, 100, 1, &TestHalf::nth(1));
    ledger.apply_check(at(8), &check(100, CheckOutcome::Unknown));
    assert_eq!(ledger.apply_set_aside(offset(100)).map(HalfView::state), Some(State::SetAside));
    assert_eq!(ledger.apply_set_aside(offset(100)).map(HalfView::state), Some(State::SetAside));
    assert_eq!(ledger.counts(), Counts { pending: 0, set_aside: 1 });
    assert_eq!(ledger.counts_of_topic("paid"), Counts { pending: 0, set_aside: 1 });
    assert!(ledger.has_undecided("paid"));
    let half = ledger.apply_resume(offset(100)).expect("undecided");
    assert_eq!((half.state(), half.attempts()), (State::Pending, 0));
    assert_eq!(ledger.counts_of_group("orders"), Counts { pending: 1, set_aside: 0 });
    ledger.apply_set_aside(offset(100));
    assert!(matches!(ledger.apply_decision(&decision(100, 1, Outcome::Commit)), Settled::Decided(_)));
    assert_eq!((ledger.counts().undecided(), ledger.has_undecided("paid")), (0, false));
    assert!(ledger.apply_resume(offset(100)).is_none() && ledger.apply_set_aside(offset(100)).is_none());
}

#[test]
fn listings_are_paged_and_filtered() {
    let ledger = thousand();
    let page = ledger.page(&Filter::default(), CommitLogOffset::ZERO, 3);
    assert_eq!((offsets(page.halves), page.next), (vec![1000, 2000, 3000], Some(offset(4000))));
    let stock = Filter { group: Some("stock"), state: Some(State::SetAside), ..Filter::default() };
    let mut found = Vec::new();
    let mut from = Some(CommitLogOffset::ZERO);
    while let Some(at) = from {
        let page = ledger.page(&stock, at, 4);
        found.extend(offsets(page.halves));
        from = page.next;
    }
    let expected: Vec<u64> = (1..=1000).filter(|n| n % 70 == 0).map(|n| n * 1000).collect();
    assert_eq!(found, expected);
    let old = Filter { stored_until: Some(at(5)), topic: Some("paid"), ..Filter::default() };
    let page = ledger.page(&old, CommitLogOffset::ZERO, 100);
    assert_eq!((offsets(page.halves), page.next), (vec![1000, 2000, 3000, 4000, 5000], None));
    for nothing in [
        Filter { topic: Some("none"), ..Filter::default() },
        Filter { group: Some("none"), ..Filter::default() },
        Filter { unique_key: Some("none"), ..Filter::default() },
    ] {
        assert!(ledger.page(&nothing, CommitLogOffset::ZERO, 10).halves.is_empty());
    }
}

#[test]
fn a_page_goes_on_behind_a_half_that_was_decided_meanwhile() {
    let mut ledger = thousand();
    let next = ledger.page(&Filter::default(), CommitLogOffset::ZERO, 3).next.expect("there are more");
    assert!(matches!(ledger.apply_decision(&decision(4000, 4, Outcome::Commit)), Settled::Decided(_)));
    assert_eq!(offsets(ledger.page(&Filter::default(), next, 2).halves), [5000, 6000]);
}

#[test]
fn a_page_looks_at_a_bounded_number_of_halves() {
    let mut ledger = Ledger::new();
    for n in 1..=25_000 {
        store(&mut ledger, n * 1000, 1, &TestHalf::nth(n));
    }
    let rare = TestHalf { group: "rare", ..TestHalf::nth(25_001) };
    store(&mut ledger, 25_001_000, 1, &rare);
    let filter = Filter { group: Some("rare"), ..Filter::default() };
    let first = ledger.page(&filter, CommitLogOffset::ZERO, 10);
    assert_eq!((first.halves.len(), first.next), (0, Some(offset(10_001_000))));
    assert_eq!(offsets(ledger.page(&filter, offset(20_001_000), 10).halves), [25_001_000]);
}

#[test]
fn counts_are_kept_per_group_and_topic() {
    let ledger = thousand();
    assert_eq!(ledger.counts(), Counts { pending: 858, set_aside: 142 });
    let stock = Counts { pending: 86, set_aside: 14 };
    assert_eq!(ledger.group_counts(), [("orders", Counts { pending: 772, set_aside: 128 }), ("stock", stock)]);
    assert_eq!(ledger.topic_counts(), [("paid", ledger.counts())]);
    assert_eq!(ledger.oldest().map(|half| half.at()), Some(offset(1000)));
}

#[test]
fn halves_whose_records_lie_in_a_part_of_the_log_are_found_there_also_after_they_were_carried() {
    let mut ledger = thousand();
    let len = u64::from(ledger.oldest().expect("there is one").record_len());
    assert_eq!(offsets(ledger.open_in(offset(0)..offset(3000))), [1000, 2000]);
    // A record that begins before the range and ends in it, and one that begins with its last byte.
    assert_eq!(offsets(ledger.open_in(offset(1050 + len - 1)..offset(2051))), [1000, 2000]);
    assert_eq!(offsets(ledger.open_in(offset(1050 + len)..offset(2050))), [] as [u64; 0]);
    let half = ledger.apply_carried(offset(1000), offset(2_000_000), len as u32).expect("undecided");
    assert_eq!((half.at(), half.record_at(), half.is_carried()), (offset(1000), offset(2_000_000), true));
    assert_eq!(offsets(ledger.open_in(offset(0)..offset(3000))), [2000]);
    assert_eq!(offsets(ledger.open_in(offset(2_000_010)..offset(3_000_000))), [1000]);
    ledger.apply_carried(offset(1000), offset(4_000_000), len as u32);
    assert_eq!(offsets(ledger.open_in(offset(2_000_000)..offset(3_000_000))), [] as [u64; 0]);
    assert!(matches!(ledger.apply_decision(&decision(1000, 1, Outcome::Rollback)), Settled::Decided(_)));
    assert_eq!(offsets(ledger.open_in(offset(4_000_000)..offset(5_000_000))), [] as [u64; 0]);
}

/// Applies one random entry to each of the ledgers.
fn random_entry(random: &mut XorShift, next: &mut u64, ledgers: &mut [&mut Ledger]) {
    let half = offset(random.below(*next + 1) * 1000);
    let action = random.below(12);
    let (group, topic) =
        (["orders", "stock", "mail"][random.below(3) as usize], ["paid", "sold"][random.below(2) as usize]);
    let (key, client, body) = (random.below(*next / 2 + 1), random.below(40), ["{}", "{1}"][random.below(2) as usize]);
    *next += 1;
    for ledger in ledgers {
        match action {
            0..5 => {
                let nth = TestHalf { group, topic, body, client: format!("10.0.0.1@{client}"), ..TestHalf::nth(key) };
                store(ledger, *next * 1000, *next as i64, &TestHalf { sequence: *next, ..nth });
            }
            5 | 6 => {
                ledger.apply_decision(&decision(half.get(), half.get() / 1000, Outcome::Commit));
            }
            7 | 8 => {
                let outcome = if action == 7 { CheckOutcome::Unknown } else { CheckOutcome::Silent };
                ledger.apply_check(at(*next as i64), &check(half.get(), outcome));
            }
            9 => {
                ledger.apply_set_aside(half);
            }
            10 => {
                ledger.apply_resume(half);
            }
            _ => {
                ledger.apply_carried(half, offset(*next * 1000 + 20), 200);
            }
        }
    }
}

#[test]
fn two_equal_folds_give_equal_bytes_also_when_one_began_from_a_snapshot() {
    for seed in 1..=20 {
        let mut random = XorShift::new(seed);
        let (mut whole, mut resumed, mut next) = (Ledger::new(), Ledger::new(), 0);
        for turn in 0..3_000 {
            random_entry(&mut random, &mut next, &mut [&mut whole, &mut resumed]);
            if turn % 500 == 0 {
                resumed = decoded(&encoded(&whole));
            }
        }
        assert_eq!(encoded(&whole), encoded(&resumed), "seed {seed}");
        assert_eq!(whole.counts(), resumed.counts(), "seed {seed}");
        let all = offset(0)..offset(u64::MAX);
        assert_eq!(whole.open_in(all.clone()).count(), whole.len(), "seed {seed}");
        assert_eq!(offsets(whole.open_in(all.clone())), offsets(resumed.open_in(all)), "seed {seed}");
        let mut counts = Counts::default();
        for half in whole.iter() {
            let aside = usize::from(half.state() == State::SetAside);
            counts = Counts { pending: counts.pending + 1 - aside, set_aside: counts.set_aside + aside };
            let same = whole.find_by_unique_key(Some(half.group()), half.unique_key());
            let same = same.into_iter().filter(|other| other.body_crc() == half.body_crc());
            assert_eq!(offsets(same), [half.at().get()], "seed {seed}");
        }
        assert_eq!(whole.counts(), counts, "seed {seed}");
    }
}

#[test]
fn no_cut_and_no_flipped_bit_of_a_snapshot_makes_the_decoder_panic() {
    let mut random = XorShift::new(7);
    let (mut ledger, mut next) = (Ledger::new(), 0);
    (0..40).for_each(|_| random_entry(&mut random, &mut next, &mut [&mut ledger]));
    let good = encoded(&ledger);
    for end in 0..good.len() {
        assert!(Ledger::decode(&mut Reader::new(&good[..end])).is_err(), "cut at {end}");
    }
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            let _ = Ledger::decode(&mut Reader::new(&bytes));
        }
    }
}

#[test]
fn a_snapshot_of_a_newer_version_is_refused_by_name() {
    let refused = Ledger::decode(&mut Reader::new(&[9])).map(|ledger| ledger.len());
    assert_eq!(refused, Err(CodecError::Unknown { field: "ledger version", value: 9 }));
}
