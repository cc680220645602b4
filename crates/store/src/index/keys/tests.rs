use super::*;
use crate::disk::FakeDisk;
use crate::index::blocks::DIR;

fn keys(gathered_max: usize) -> (FakeDisk, Keys) {
    let disk = FakeDisk::new(1);
    disk.create_dir(DIR).unwrap();
    (disk.clone(), Keys::new(Arc::new(disk), Arc::new(Health::default()), gathered_max))
}

fn hit(i: u64) -> KeyHit {
    let at = CommitLogOffset::new(i * 10);
    if i.is_multiple_of(3) { KeyHit::Half(at) } else { KeyHit::Visible(at) }
}

fn hash(i: u64) -> u64 {
    crate::index::hash::hash(0, &(i % 1000).to_le_bytes())
}

fn fill(keys: &mut Keys, count: u64) {
    for i in 1..=count {
        keys.insert(hash(i), hit(i), Timestamp::from_millis(i as i64)).unwrap();
    }
}

fn find(keys: &Keys, i: u64, range: &KeyRange, max: usize) -> Vec<KeyHit> {
    let mut out = Vec::new();
    keys.find(hash(i), range, max, &mut out).unwrap();
    out
}

#[test]
fn every_place_of_a_key_is_found_in_memory_and_in_runs_the_last_first() {
    let (disk, mut keys) = keys(2048);
    fill(&mut keys, 8700);
    assert!(keys.runs.len() >= 3 && keys.sealing.is_some(), "{} runs", keys.runs.len());
    for i in 0..1000 {
        let wanted: Vec<_> = (1..=8700).rev().filter(|j| j % 1000 == i).map(hit).collect();
        assert_eq!(find(&keys, i, &KeyRange::all(), 100), wanted);
    }
    assert_eq!(disk.list(DIR).unwrap().len(), keys.runs.len() + 1);
}

#[test]
fn a_lookup_reads_only_runs_of_its_range_and_no_more_than_it_needs() {
    let (disk, mut keys) = keys(2048);
    fill(&mut keys, 8700);
    let read = |range: &KeyRange, max| {
        let before = disk.counts().bytes_read;
        find(&keys, 7, range, max);
        disk.counts().bytes_read - before
    };
    let all = read(&KeyRange::all(), 100);
    assert!(read(&KeyRange::all(), 1) < all);
    let early = CommitLogOffset::ZERO..CommitLogOffset::new(1000);
    assert!(read(&KeyRange { offsets: early, ..KeyRange::all() }, 100) < all);
    let late = Timestamp::from_millis(LINK_SPAN_MS + 8600)..=Timestamp::MAX;
    assert_eq!(read(&KeyRange { times: late, ..KeyRange::all() }, 100), 0);
}

#[test]
fn keys_stay_in_memory_while_the_disk_refuses_runs_and_become_runs_later() {
    let (disk, mut keys) = keys(2048);
    disk.set_capacity(0);
    for i in 1..=6000 {
        let _ = keys.insert(hash(i), hit(i), Timestamp::ZERO);
    }
    assert_eq!(keys.runs.len(), 0);
    let wanted: Vec<_> = (1..=6000).rev().filter(|j| j % 1000 == 7).map(hit).collect();
    assert_eq!(find(&keys, 7, &KeyRange::all(), 100), wanted);
    disk.set_capacity(1 << 30);
    for i in 6001..=9000 {
        keys.insert(hash(i), hit(i), Timestamp::ZERO).unwrap();
    }
    assert!(!keys.runs.is_empty());
    let wanted: Vec<_> = (1..=9000).rev().filter(|j| j % 1000 == 7).map(hit).collect();
    assert_eq!(find(&keys, 7, &KeyRange::all(), 100), wanted);
}

#[test]
fn damage_in_a_run_is_found_and_runs_below_the_logs_start_go() {
    let (disk, mut keys) = keys(2048);
    fill(&mut keys, 8700);
    let path = keys.runs[0].path();
    keys.trim(keys.runs[0].to + 1);
    assert_eq!(keys.take_doomed(), [path]);
    let path = keys.runs[0].path();
    let len = disk.open(&path).unwrap().len().unwrap();
    (0..len).for_each(|at| disk.flip_bit(&path, at, 0));
    assert!(keys.find(hash(7), &KeyRange::all(), 100, &mut Vec::new()).is_err());
    assert!(keys.health.check().is_err());
}
