use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;
use crate::disk::Rng;
use crate::disk::ahead::PIECE_LEN;

const SECTOR: u64 = 512;
const CHUNK: usize = 16 << 10;
const CHUNKS: usize = 3;

/// A file as `RealDisk` opens it, with little memory. Where the system has no file past the page cache to give, an ordinary
/// one: what is compared is the same.
fn open(path: &Path, memory: &Memory) -> DirectFile {
    let options = || File::options().read(true).write(true).create(true).truncate(false).clone();
    let direct = crate::disk::real::open_past_cache(path).or_else(|_| options().open(path));
    DirectFile::new(direct.unwrap(), options().open(path).unwrap(), memory.clone())
}

fn memory() -> Memory {
    Memory::new(SECTOR, Recent::new(CHUNK, CHUNKS, SECTOR as usize)).unwrap()
}

fn file() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    File::create(&path).unwrap();
    (dir, path)
}

/// The file as anybody else sees it; behind `model` there are zeros up to the end of a sector.
fn assert_in_the_file(path: &Path, model: &[u8], context: &str) {
    let bytes = std::fs::read(path).unwrap();
    assert!(bytes.len() >= model.len(), "{context}: {} bytes of {}", bytes.len(), model.len());
    assert!(bytes[..model.len()] == *model, "{context}: the bytes differ");
    let behind = &bytes[model.len()..];
    assert!(behind.len() < SECTOR as usize && behind.iter().all(|byte| *byte == 0), "{context}");
}

fn assert_reads(file: &DirectFile, model: &[u8], part: Range<usize>, context: &str) {
    let mut buf = vec![0xEE; part.len()];
    let count = file.read_at(&mut buf, part.start as u64).unwrap();
    assert!(count >= model.len().saturating_sub(part.start).min(part.len()), "{context}: {count} bytes of {part:?}");
    let there = model.get(part.start..part.end.min(model.len())).unwrap_or_default();
    assert!(buf[..there.len()] == *there, "{context}: what is read at {part:?} differs");
    assert!(buf[there.len()..count].iter().all(|byte| *byte == 0), "{context}: behind the end");
}

/// Writes, zeros, reads, syncs and cuts in any order are those of an ordinary file, whatever has left the memory meanwhile.
#[test]
fn a_file_past_the_page_cache_reads_as_what_was_written_to_it() {
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let (_dir, path) = file();
        let memory = memory();
        let mut direct = open(&path, &memory);
        let mut model: Vec<u8> = Vec::new();
        for step in 0..200 {
            let context = format!("seed {seed}, step {step}");
            let end = model.len() as u64;
            match rng.below(20) {
                what @ 0..10 => {
                    // Mostly at the end, as a log does; up to three chunks at a time, into holes, and over what is there.
                    let at = if what < 7 { end } else { rng.below(end + 3000) } as usize;
                    let len = rng.below(if what < 6 { 3_000 } else { 50_000 }) as usize;
                    let byte = rng.below(255) as u8 + 1;
                    let bytes: Vec<u8> = (0..len).map(|i| byte.wrapping_add((i / 7) as u8)).collect();
                    direct.write_at(&bytes, at as u64).unwrap();
                    model.resize(model.len().max(if len > 0 { at + len } else { 0 }), 0);
                    if len > 0 {
                        model[at..at + len].copy_from_slice(&bytes);
                    }
                }
                10 => {
                    let from = rng.below(end + 1) as usize;
                    let to = from + rng.below(40_000) as usize;
                    direct.write_zeros(from as u64, to as u64).unwrap();
                    model.resize(model.len().max(to), 0);
                    model[from..to].fill(0);
                }
                11..15 => {
                    let from = rng.below(end + 1000) as usize;
                    let part = from..from + rng.below(60_000) as usize;
                    assert_reads(&direct, &model, part, &context);
                }
                15..18 => {
                    direct.sync().unwrap();
                    assert_in_the_file(&path, &model, &context);
                }
                18 => {
                    let len = rng.below(end + 2000);
                    direct.set_len(len).unwrap();
                    model.resize(len as usize, 0);
                }
                _ => {
                    direct.sync().unwrap();
                    drop(direct);
                    direct = open(&path, &memory);
                }
            }
            assert!(direct.len().unwrap().abs_diff(model.len() as u64) < SECTOR, "{context}");
            assert!(direct.len().unwrap() >= model.len() as u64, "{context}");
        }
        assert_reads(&direct, &model, 0..model.len() + 100, &format!("seed {seed}, at the end"));
    }
}

#[test]
fn what_is_not_synced_is_read_and_not_in_the_file() {
    let (_dir, path) = file();
    let direct = open(&path, &memory());
    direct.write_at(b"hello", 1000).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
    let mut buf = [9; 8];
    assert_eq!(direct.read_at(&mut buf, 998).unwrap(), 8);
    assert_eq!(&buf, b"\0\0hello\0");
    direct.sync().unwrap();
    assert_eq!(&std::fs::read(&path).unwrap()[998..1005], b"\0\0hello");
    assert_eq!(direct.write_unit(), SECTOR);
}

#[test]
fn much_that_is_never_synced_does_not_all_stay_in_memory() {
    let (_dir, path) = file();
    let memory = memory();
    let direct = open(&path, &memory);
    let model: Vec<u8> = (0..40 * CHUNK).map(|i| (i / 1000) as u8).collect();
    for (number, bytes) in model.chunks(5_000).enumerate() {
        direct.write_at(bytes, number as u64 * 5_000).unwrap();
        assert!(lock(&memory.recent).chunks() <= CHUNKS + 1, "after {number} writes");
    }
    assert_reads(&direct, &model, 0..model.len(), "before the sync");
    assert!(std::fs::metadata(&path).unwrap().len() > 30 * CHUNK as u64, "it went to the file");
    direct.sync().unwrap();
    assert_in_the_file(&path, &model, "after the sync");
}

/// Who reads a file from one end to the other is read ahead for; what is written meanwhile is not missed for it.
#[test]
fn pieces_read_ahead_are_what_the_file_has_now() {
    let (_dir, path) = file();
    let direct = open(&path, &memory());
    let mut model: Vec<u8> = (0..6 * PIECE_LEN).map(|i| (i / 1000) as u8).collect();
    direct.write_at(&model, 0).unwrap();
    direct.sync().unwrap();
    for round in 1..4 {
        for from in (0..model.len()).step_by(100_000) {
            assert_reads(&direct, &model, from..from + 100_000, &format!("round {round}"));
        }
        // In each piece something is written over, and goes out of the memory of what is recent.
        for piece in 0..6 {
            let at = piece * PIECE_LEN + 700 * round;
            let bytes = [round as u8; 900];
            direct.write_at(&bytes, at as u64).unwrap();
            model[at..at + 900].copy_from_slice(&bytes);
        }
        direct.write_zeros(3 * PIECE_LEN as u64 + 5, 3 * PIECE_LEN as u64 + 90_000).unwrap();
        model[3 * PIECE_LEN + 5..3 * PIECE_LEN + 90_000].fill(0);
        direct.sync().unwrap();
    }
}

#[test]
fn threads_read_what_was_written_before_they_asked() {
    const TOTAL: usize = 3 << 20;
    let (_dir, path) = file();
    let memory = memory();
    let direct = open(&path, &memory);
    direct.write_zeros(0, TOTAL as u64).unwrap();
    let (written, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let byte = |at: usize| (at / 97 % 251) as u8 + 1;
    std::thread::scope(|scope| {
        for seed in 0..3 {
            let (direct, written, over) = (&direct, &written, &over);
            scope.spawn(move || {
                let mut rng = Rng::new(seed);
                let mut read = 0;
                while !over.load(Ordering::Acquire) || read < 100 {
                    let end = written.load(Ordering::Acquire);
                    let from = match rng.below(3) {
                        0 => end.saturating_sub(rng.below(60_000)),
                        _ => rng.below(end + 1),
                    };
                    let mut buf = vec![0; rng.below(40_000).min(end - from) as usize];
                    assert_eq!(direct.read_at(&mut buf, from).unwrap(), buf.len());
                    let wrong = buf.iter().enumerate().find(|(i, found)| **found != byte(from as usize + i));
                    assert_eq!(wrong.map(|(i, _)| from as usize + i), None, "{end} are written, {from} was asked for");
                    read += 1;
                }
            });
        }
        scope.spawn(|| {
            while !over.load(Ordering::Acquire) {
                direct.sync().unwrap();
            }
        });
        let mut rng = Rng::new(7);
        let mut at = 0;
        while at < TOTAL {
            let len = (rng.below(5_000) as usize + 1).min(TOTAL - at);
            let bytes: Vec<u8> = (at..at + len).map(byte).collect();
            direct.write_at(&bytes, at as u64).unwrap();
            at += len;
            written.store(at as u64, Ordering::Release);
        }
        over.store(true, Ordering::Release);
    });
    direct.sync().unwrap();
    assert_in_the_file(&path, &(0..TOTAL).map(byte).collect::<Vec<_>>(), "at the end");
}
