use super::*;
use crate::disk::Rng;

fn file(choice: Choice) -> (tempfile::TempDir, CachedFile) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let file = File::options().read(true).write(true).create(true).truncate(true).open(path).unwrap();
    let mut cached = CachedFile::new(file, Arc::default());
    cached.choice = Mutex::new(choice);
    (dir, cached)
}

fn assert_reads(file: &CachedFile, model: &[u8], from: usize, len: usize, context: &str) {
    let mut buf = vec![0xEE; len];
    let count = file.read_at(&mut buf, from as u64).unwrap();
    let there = &model[from.min(model.len())..(from + len).min(model.len())];
    assert_eq!(count, there.len(), "{context}: {len} bytes at {from}");
    assert!(buf[..count] == *there, "{context}: what is read at {from} differs");
}

/// Whether the file was read past the page cache. Where a file system does not know that, all is read through it.
fn went_past(file: &CachedFile) -> bool {
    file.direct.get().is_some_and(Option::is_some)
}

/// Writes and cuts in any order, reads past the page cache between them.
#[test]
fn what_is_read_past_the_page_cache_is_what_was_written_through_it() {
    for seed in 0..12 {
        let mut rng = Rng::new(seed);
        let (_dir, file) = file(Choice::past());
        let mut model: Vec<u8> = (0..5 * PIECE_LEN + 5000).map(|i| (i / 1000) as u8).collect();
        file.file.write_all_at(&model, 0).unwrap();
        let mut next = 0;
        for step in 0..300 {
            let context = format!("seed {seed}, step {step}");
            match rng.below(12) {
                // From one end to the other, as who catches up.
                0..8 => {
                    assert_reads(&file, &model, next, LONG, &context);
                    next = if next > model.len() { 0 } else { next + LONG };
                }
                8 => {
                    let at = rng.below(model.len() as u64) as usize;
                    assert_reads(&file, &model, at, rng.below(3 * LONG as u64) as usize + 1, &context);
                }
                9 => {
                    let at = rng.below(model.len() as u64) as usize;
                    let bytes = vec![rng.below(256) as u8; rng.below(40_000) as usize + 1];
                    file.write_at(&bytes, at as u64).unwrap();
                    model.resize(model.len().max(at + bytes.len()), 0);
                    model[at..at + bytes.len()].copy_from_slice(&bytes);
                    // As if all of it had been there when the file was opened.
                    file.written.store(u64::MAX, Ordering::Release);
                }
                10 => file.sync().unwrap(),
                _ => {
                    let len = (model.len() as u64 - rng.below(100_000)).max(3 << 20);
                    file.set_len(len).unwrap();
                    model.resize(len as usize, 0);
                }
            }
            assert_eq!(file.len().unwrap(), model.len() as u64, "{context}");
        }
        let possible = open_past_cache(&file.file).is_ok();
        assert_eq!(went_past(&file), possible, "seed {seed}");
    }
}

#[test]
fn a_file_is_read_past_the_page_cache_under_a_new_name_too_and_what_follows_is_read_ahead() {
    let (dir, file) = file(Choice::past());
    let model: Vec<u8> = (0..6 * PIECE_LEN).map(|i| (i / 1000) as u8).collect();
    file.file.write_all_at(&model, 0).unwrap();
    std::fs::rename(dir.path().join("file"), dir.path().join("another")).unwrap();
    for from in (0..model.len()).step_by(LONG) {
        assert_reads(&file, &model, from, LONG, "in order");
    }
    assert_eq!(went_past(&file), open_past_cache(&file.file).is_ok());
}

#[test]
fn neither_short_reads_nor_those_at_the_end_of_what_is_written_go_past_the_page_cache() {
    let (_dir, file) = file(Choice::past());
    let model: Vec<u8> = (0..3 * PIECE_LEN).map(|i| (i / 1000) as u8).collect();
    file.write_at(&model[..PIECE_LEN * 2 + 1000], 0).unwrap();
    file.write_at(&model[PIECE_LEN * 2 + 1000..], PIECE_LEN as u64 * 2 + 1000).unwrap();
    for at in (0..model.len()).step_by(LONG - 1) {
        assert_reads(&file, &model, at, LONG - 1, "short");
    }
    for at in (2 * PIECE_LEN..model.len()).step_by(LONG) {
        assert_reads(&file, &model, at, LONG, "in the piece that is written");
    }
    assert!(file.direct.get().is_none());
    for at in (0..2 * PIECE_LEN).step_by(LONG) {
        assert_reads(&file, &model, at, LONG, "in pieces that are complete");
    }
    assert_eq!(went_past(&file), open_past_cache(&file.file).is_ok());
    let ahead = file.shared.ahead.get().and_then(Option::as_ref).expect("a thread that reads ahead");
    let there = [0, 1, 2].map(|number| ahead.has(file.id, number));
    assert_eq!(there, [went_past(&file), went_past(&file), false], "the last one is not complete");
}

#[test]
fn where_there_is_no_way_past_the_page_cache_it_is_read_through_it() {
    let (_dir, file) = file(Choice::past());
    let model: Vec<u8> = (0..2 * PIECE_LEN).map(|i| (i / 1000) as u8).collect();
    file.file.write_all_at(&model, 0).unwrap();
    file.direct.set(None).unwrap();
    for from in (0..model.len()).step_by(LONG) {
        assert_reads(&file, &model, from, LONG, "through it");
    }
    assert_eq!(lock(&file.choice).way(0, &mut Experience::default()), Way::Cached, "it is not tried again");
}
