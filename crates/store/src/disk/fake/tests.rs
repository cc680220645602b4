use super::*;

#[test]
fn the_same_seed_leaves_the_same_bytes() {
    let run = || {
        let disk = FakeDisk::new(3);
        let file = disk.create("a").unwrap();
        disk.sync_dir("").unwrap();
        for i in 0..50 {
            file.write_at(&[i as u8; 700], i * 311).unwrap();
        }
        let after = disk.crash(11).open("a").unwrap();
        let mut bytes = vec![0; after.len().unwrap() as usize];
        after.read_at(&mut bytes, 0).unwrap();
        bytes
    };
    assert!(run() == run());
}

#[test]
fn the_chosen_write_fails_and_the_next_one_does_not() {
    let disk = FakeDisk::new(1);
    let file = disk.create("a").unwrap();
    disk.fail_write(2);
    file.write_at(b"one", 0).unwrap();
    assert_eq!(file.write_at(b"two", 0).unwrap_err().raw_os_error(), Some(5));
    file.write_at(b"three", 0).unwrap();
}

#[test]
fn a_full_disk_takes_what_fits_and_lets_old_bytes_be_overwritten() {
    let disk = FakeDisk::new(1);
    disk.set_capacity(1000);
    let file = disk.create("a").unwrap();
    file.write_at(&[1; 900], 0).unwrap();
    assert_eq!(file.write_at(&[2; 200], 900).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!((file.len().unwrap(), disk.space().unwrap().free), (1000, 0));
    file.write_at(&[3; 1000], 0).unwrap();
    disk.remove("a").unwrap();
    assert_eq!(disk.space().unwrap(), Space { free: 1000, total: 1000 });
}

#[test]
fn a_range_that_cannot_be_read_fails_and_the_rest_can_be_read() {
    let disk = FakeDisk::new(1);
    disk.create("a").unwrap().write_at(&[1; 100], 0).unwrap();
    disk.fail_reads("a", 40..50);
    let file = disk.open("a").unwrap();
    assert!(file.read_at(&mut [0; 10], 35).is_err());
    assert_eq!(file.read_at(&mut [0; 40], 0).unwrap(), 40);
    assert_eq!(file.read_at(&mut [0; 90], 50).unwrap(), 50);
}

#[test]
fn a_flipped_bit_stays_flipped_after_a_power_cut() {
    let disk = FakeDisk::new(1);
    let file = disk.create("a").unwrap();
    disk.sync_dir("").unwrap();
    file.write_at(&[0; 10], 0).unwrap();
    file.sync().unwrap();
    disk.flip_bit("a", 3, 1);
    let mut bytes = [0; 10];
    disk.crash(5).open("a").unwrap().read_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes[3], 2);
}

#[test]
fn without_power_nothing_changes_any_more() {
    let disk = FakeDisk::new(1);
    let file = disk.create("a").unwrap();
    disk.sync_dir("").unwrap();
    disk.power_off_after(1);
    file.write_at(b"a", 0).unwrap();
    assert!(!disk.is_off());
    assert!(file.sync().is_err());
    assert!(disk.is_off());
    assert!(file.write_at(b"a", 0).is_err());
    assert!(disk.open("a").is_err());
    assert_eq!(disk.crash(1).list("").unwrap(), ["a"]);
}

#[test]
fn an_open_file_outlives_its_name() {
    let disk = FakeDisk::new(1);
    let file = disk.create("a").unwrap();
    file.write_at(b"x", 0).unwrap();
    disk.remove("a").unwrap();
    disk.sync_dir("").unwrap();
    assert_eq!(file.read_at(&mut [0], 0).unwrap(), 1);
    drop(file);
    assert!(disk.open("a").is_err());
}
