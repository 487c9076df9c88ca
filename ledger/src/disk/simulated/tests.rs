use super::*;

const DIR: &str = "/d";

fn at(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

/// A disk with one durable directory.
fn disk(seed: u64) -> SimulatedDisk {
    let disk = SimulatedDisk::new(seed);
    disk.create_dir(Path::new(DIR), Mode::Private).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

fn read(disk: &SimulatedDisk, name: &str) -> Option<Vec<u8>> {
    crate::durable::read(disk, &at(name)).unwrap()
}

/// A durable file of these bytes.
fn durable(disk: &SimulatedDisk, name: &str, bytes: &[u8]) -> Box<dyn DiskFile> {
    let file = disk.create_new(&at(name), Mode::Private).unwrap();
    assert_eq!(file.write_at(bytes, 0).unwrap(), bytes.len());
    file.sync_data().unwrap();
    disk.sync_dir(Path::new(DIR)).unwrap();
    file
}

/// Each sector's first byte.
fn sectors(bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(512).map(|sector| sector[0]).collect()
}

#[test]
fn what_was_synced_survives_and_any_set_of_unsynced_sectors_does() {
    let mut seen = BTreeSet::new();
    for seed in 0..300 {
        let disk = disk(seed);
        let file = durable(&disk, "file", &[b'a'; 2048]);
        file.write_at(&[b'b'; 1536], 512).unwrap();
        assert_eq!(sectors(&read(&disk, "file").unwrap()), *b"abbb");
        disk.crash();
        let after = read(&disk, "file").unwrap();
        assert!(after.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])), "half a sector");
        seen.insert(sectors(&after));
        assert!(file.write_at(b"x", 0).is_err() && file.sync_data().is_err(), "a handle outlives the machine");
        disk.crash();
        assert_eq!(read(&disk, "file").unwrap(), after, "a second crash changes what was there");
    }
    // Any of the three may be lost on its own: writes are reordered, and the last one torn.
    assert_eq!(seen.len(), 8, "{seen:?}");
}

#[test]
fn a_write_of_part_of_a_sector_leaves_the_old_sector_or_the_new() {
    for seed in 0..100 {
        let disk = disk(seed);
        let file = durable(&disk, "file", &[b'a'; 512]);
        file.write_at(b"one", 5).unwrap();
        file.write_at(b"two", 500).unwrap();
        disk.crash();
        let bytes = read(&disk, "file").unwrap();
        let (one, two) = (&bytes[5..8] == b"one", &bytes[500..503] == b"two");
        assert!(one || !two, "the second write brought the sector as it was, the first one in it");
    }
}

#[test]
fn names_are_durable_with_their_directory_and_are_lost_from_the_end() {
    let mut seen = BTreeSet::new();
    for seed in 0..300 {
        let disk = disk(seed);
        for name in ["1", "2", "3"] {
            disk.create_new(&at(name), Mode::Private).unwrap().sync_all().unwrap();
        }
        disk.crash();
        seen.insert(disk.list(Path::new(DIR)).unwrap());
    }
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(seen, [names(&[]), names(&["1"]), names(&["1", "2"]), names(&["1", "2", "3"])].into());
}

#[test]
fn a_directory_that_is_lost_takes_what_is_in_it() {
    let mut lost = 0;
    for seed in 0..100 {
        let disk = disk(seed);
        disk.create_dir(&at("sub"), Mode::Private).unwrap();
        disk.create_new(&at("sub/file"), Mode::Private).unwrap();
        disk.sync_dir(&at("sub")).unwrap();
        disk.crash();
        if disk.is_dir(&at("sub")) {
            assert_eq!(disk.list(&at("sub")).unwrap(), ["file"]);
        } else {
            lost += 1;
            assert!(disk.open(&at("sub/file"), Access::Read).is_err());
        }
    }
    assert!(lost > 0 && lost < 100);
}

#[test]
fn a_rename_is_there_or_not_and_durable_with_its_target() {
    let mut seen = BTreeSet::new();
    for seed in 0..100 {
        let disk = disk(seed);
        disk.create_dir(&at("tmp"), Mode::Private).unwrap();
        disk.sync_dir(Path::new(DIR)).unwrap();
        durable(&disk, "file", b"old");
        durable(&disk, "tmp/file", b"new");
        disk.rename(&at("tmp/file"), &at("file")).unwrap();
        let is_synced = seed % 2 == 0;
        if is_synced {
            disk.sync_dir(Path::new(DIR)).unwrap();
        }
        disk.crash();
        let bytes = read(&disk, "file").unwrap();
        assert!(bytes == b"new" || (!is_synced && bytes == b"old"));
        assert!(bytes == b"old" || read(&disk, "tmp/file").is_none(), "it is in two places");
        seen.insert(bytes);
    }
    assert_eq!(seen.len(), 2);
}

#[test]
fn a_removed_file_may_come_back_and_whoever_has_it_open_keeps_it() {
    let mut back = 0;
    for seed in 0..100 {
        let disk = disk(seed);
        durable(&disk, "file", b"bytes");
        let file = disk.open(&at("file"), Access::Read).unwrap();
        disk.remove_file(&at("file")).unwrap();
        assert!(read(&disk, "file").is_none());
        let mut bytes = [0; 5];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"bytes");
        disk.crash();
        back += i32::from(read(&disk, "file").is_some());
    }
    assert!(back > 0 && back < 100);
}

#[test]
fn a_failed_sync_gives_up_what_it_did_not_write_and_the_next_one_succeeds() {
    let (mut lost, mut evicted) = (0, 0);
    for seed in 0..100 {
        let disk = disk(seed);
        let file = durable(&disk, "file", &[b'a'; 512]);
        file.write_at(&[b'b'; 512], 0).unwrap();
        disk.fail_nth(Operation::Sync, 0, Fault::Io);
        assert_eq!(file.sync_data().unwrap_err().raw_os_error(), Some(5));
        file.sync_data().unwrap();
        assert_eq!(sectors(&read(&disk, "file").unwrap()), *b"b");
        if seed % 2 == 0 {
            disk.kill();
            evicted += i32::from(sectors(&read(&disk, "file").unwrap()) == *b"a");
        }
        disk.crash();
        lost += i32::from(sectors(&read(&disk, "file").unwrap()) == *b"a");
    }
    assert!(lost > 0 && lost < 100);
    assert!(evicted > 0 && evicted < 50);
}

#[test]
fn faults_come_when_they_were_asked_for_and_once() {
    let disk = disk(1);
    disk.fail_nth(Operation::Create, 1, Fault::NoSpace);
    disk.create_new(&at("1"), Mode::Private).unwrap();
    let error = disk.create_new(&at("2"), Mode::Private).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert!(read(&disk, "2").is_none());
    disk.create_new(&at("2"), Mode::Private).unwrap();
    for operation in Operation::ALL {
        disk.fail_nth(operation, 0, Fault::Io);
    }
    assert!(disk.list(Path::new(DIR)).is_err() && disk.list(Path::new(DIR)).is_ok());
    assert!(disk.remove_file(&at("1")).is_err() && disk.remove_file(&at("1")).is_ok());
}

#[test]
fn a_power_cut_stops_everything_until_the_crash() {
    let disk = disk(2);
    let file = durable(&disk, "file", b"bytes");
    disk.cut_power_at(1);
    file.write_at(b"x", 0).unwrap();
    assert!(!disk.is_off());
    assert!(file.sync_data().is_err() && disk.is_off());
    assert!(file.write_at(b"x", 0).is_err() && disk.open(&at("file"), Access::Read).is_err());
    disk.crash();
    assert_eq!(read(&disk, "file").unwrap().len(), 5);
}

#[test]
fn a_lying_sync_makes_nothing_durable() {
    let mut lost = 0;
    for seed in 0..100 {
        let disk = disk(seed);
        disk.lie(true);
        durable(&disk, "file", b"bytes");
        disk.crash();
        lost += i32::from(read(&disk, "file").is_none_or(|bytes| bytes != b"bytes"));
    }
    assert!(lost > 50, "{lost}");
}

#[test]
fn the_same_seed_gives_the_same_disk() {
    let run = |seed| {
        let disk = disk(seed);
        let file = durable(&disk, "file", &[b'a'; 8192]);
        file.write_at(&[b'b'; 8192], 0).unwrap();
        disk.crash();
        read(&disk, "file").unwrap()
    };
    assert_eq!(run(11), run(11));
    assert!((0..20).map(run).collect::<BTreeSet<_>>().len() > 10);
}

#[test]
fn a_lock_is_held_until_it_is_dropped_or_its_holder_is_gone() {
    let disk = disk(3);
    let dir = Path::new(DIR);
    let first = Disk::lock(&disk, dir).unwrap();
    assert!(matches!(Disk::lock(&disk, dir), Err(LockError::Held { by: None, .. })));
    drop(first);
    let second = Disk::lock(&disk, dir).unwrap();
    disk.kill();
    let third = Disk::lock(&disk, dir).unwrap();
    drop(second);
    assert!(Disk::lock(&disk, dir).is_err(), "a dead process released another's lock");
    drop(third);
}
