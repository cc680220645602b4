use super::*;

const NO_FILE: ReadFile<'static> = &|_, _| Ok(0);

fn recent() -> Recent {
    Recent::new(4096, 2, 512)
}

/// What is to be written, with where, as one sync would.
fn write_out(recent: &mut Recent, file: u64) -> Vec<(u64, usize)> {
    let mut memory = Aligned::zeroed(8192);
    let mut writes = Vec::new();
    recent.begin_writing(file);
    while let Some((at, len)) = recent.next_to_write(file, &mut memory) {
        writes.push((at, len));
        recent.written(file, at, len);
    }
    recent.end_writing(file);
    writes
}

#[test]
fn a_sync_writes_the_sectors_that_changed_and_no_more() {
    let mut recent = recent();
    recent.write(1, 5000, &[1; 100], NO_FILE).unwrap();
    assert_eq!(write_out(&mut recent, 1), [(4608, 512)]);
    assert_eq!(write_out(&mut recent, 1), [], "nothing is left to be written");
    recent.write(1, 5100, &[2; 100], NO_FILE).unwrap();
    recent.write(2, 0, &[3; 1], NO_FILE).unwrap();
    assert_eq!(write_out(&mut recent, 1), [(4608, 1024)], "the sector both lie in is written again, as a whole");
    assert_eq!(write_out(&mut recent, 2), [(0, 512)]);
    recent.write(1, 8000, &[4; 300], NO_FILE).unwrap();
    assert_eq!(write_out(&mut recent, 1), [(7680, 512), (8192, 512)], "two chunks are two writes");
}

#[test]
fn the_rest_of_a_sector_is_what_the_file_has() {
    let mut recent = recent();
    let read: ReadFile<'_> = &|to, at| {
        assert!(at >= 512 && at + to.len() as u64 <= 1024, "{at}: only its own sector");
        to.fill(7);
        Ok(to.len())
    };
    recent.write(1, 600, &[1; 10], read).unwrap();
    let mut sector = [0; 512];
    assert_eq!(recent.read(1, 512, &mut sector), []);
    assert!(sector[..88] == [7; 88] && sector[88..98] == [1; 10] && sector[98..] == [7; 414]);
    let refused = recent.write(1, 2000, &[1; 10], &|_, _| Err(io::ErrorKind::Other.into()));
    assert!(refused.is_err(), "what cannot be read cannot be written again");
    assert_eq!(recent.read(1, 512, &mut sector), [], "and nothing is lost by it");
}

#[test]
fn what_the_file_does_not_have_is_never_forgotten() {
    let mut recent = recent();
    for chunk in 0..5 {
        recent.write(1, chunk * 4096, &[chunk as u8 + 1; 4096], NO_FILE).unwrap();
    }
    let mut buf = [0; 5 * 4096];
    assert_eq!(recent.read(1, 0, &mut buf), [], "more chunks than are kept, for they wait");
    assert_eq!(recent.end(1), 5 * 4096);
    assert_eq!(write_out(&mut recent, 1).len(), 5);
    let missing: Vec<_> = recent.read(1, 0, &mut buf).iter().map(|part| (part.start, part.end)).collect();
    assert_eq!(missing, [(0, 3 * 4096)], "the oldest are given up once the file has them");
    assert_eq!(recent.end(1), 0, "nothing waits");
    recent.begin_writing(1);
    recent.write(1, 3 * 4096, &[9; 1], NO_FILE).unwrap();
    recent.end_writing(1);
    assert_eq!(
        write_out(&mut recent, 1),
        [(3 * 4096, 512)],
        "what came while others were written waits for the next sync"
    );
    assert!(recent.has(1, 3 * 4096..5 * 4096 - 4096) && !recent.has(1, 0..512) && !recent.has(2, 3 * 4096..4 * 4096));
}

#[test]
fn what_could_not_be_written_waits_for_the_next_time() {
    let mut recent = recent();
    recent.write(1, 0, &[1; 4096], NO_FILE).unwrap();
    recent.write(1, 4096, &[2; 1024], NO_FILE).unwrap();
    let mut memory = Aligned::zeroed(1024);
    assert!(recent.begin_writing(1));
    assert_eq!(recent.next_to_write(1, &mut memory), Some((0, 1024)));
    recent.written(1, 0, 1024);
    assert_eq!(recent.next_to_write(1, &mut memory), Some((1024, 1024)), "and this one fails");
    recent.write(1, 5120, &[3; 512], NO_FILE).unwrap();
    recent.end_writing(1);
    assert_eq!(write_out(&mut recent, 1), [(1024, 3072), (4096, 1536)]);
}

#[test]
fn it_is_crowded_when_more_waits_than_is_kept() {
    let mut recent = recent();
    for chunk in 0..2 {
        recent.write(chunk, 0, &[1; 10], NO_FILE).unwrap();
        assert!(!recent.is_crowded());
    }
    recent.write(0, 4096, &[1; 10], NO_FILE).unwrap();
    assert!(recent.is_crowded());
    write_out(&mut recent, 1);
    assert!(!recent.is_crowded());
}
