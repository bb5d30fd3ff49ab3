//! The file layer: the real one and the one in memory behave alike, and the one in memory forgets as a disk does.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use stockade_storage::file::{
    Counted, DiskFiles, Fault, FaultKind, Files, MemoryFiles, OperationKind, read_whole, write_whole,
};

/// What both have in common, in a directory that doesn't exist yet.
fn conforms(files: &dyn Files, dir: &Path) {
    assert_eq!(files.list(dir).unwrap(), Vec::<std::path::PathBuf>::new());
    files.create_dir(&dir.join("deep/er")).unwrap();
    files.create_dir(dir).unwrap();
    let (one, two) = (dir.join("one"), dir.join("two"));

    assert_eq!(files.open(&one).unwrap_err().kind(), ErrorKind::NotFound);
    let file = files.create(&one).unwrap();
    assert_eq!(files.create(&one).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert!(file.is_empty().unwrap());
    file.write_at(3, b"abc").unwrap();
    file.write_at(0, b"xy").unwrap();
    file.sync().unwrap();
    let mut buffer = [9; 8];
    assert_eq!(file.read_at(0, &mut buffer).unwrap(), 6);
    assert_eq!(&buffer[..6], b"xy\0abc");
    assert_eq!(file.read_at(100, &mut buffer).unwrap(), 0);
    file.set_len(4).unwrap();
    file.set_len(5).unwrap();
    assert_eq!(read_whole(files, &one, 5).unwrap(), b"xy\0a\0");
    assert_eq!(read_whole(files, &one, 4).unwrap_err().kind(), ErrorKind::InvalidData);
    file.drop_cache().unwrap();

    files.rename(&one, &two).unwrap();
    assert!(!files.exists(&one).unwrap());
    assert!(files.exists(&two).unwrap() && files.exists(&dir.join("deep")).unwrap());
    assert_eq!(files.list(dir).unwrap(), [dir.join("deep"), two.clone()]);
    assert_eq!(file.len().unwrap(), 5, "an open file goes on under its new name");
    files.sync_dir(dir).unwrap();

    write_whole(files, &two, b"whole").unwrap();
    assert_eq!(read_whole(files, &two, 100).unwrap(), b"whole");
    files.remove(&two).unwrap();
    assert_eq!(files.remove(&two).unwrap_err().kind(), ErrorKind::NotFound);

    let lock = files.lock(&dir.join("lock")).unwrap();
    let second = files.lock(&dir.join("lock"));
    assert_eq!(second.err().map(|error| error.kind()), Some(ErrorKind::WouldBlock));
    drop(lock);
    files.lock(&dir.join("lock")).unwrap();
    assert_eq!(files.boot_mark(dir).unwrap(), files.boot_mark(dir).unwrap());

    files.remove_dir(dir).unwrap();
    files.remove_dir(dir).unwrap();
    assert!(!files.exists(dir).unwrap());
    assert!(files.create(&one).is_err(), "no file without its directory");
}

#[test]
fn the_real_file_system_conforms() {
    let dir = tempfile::tempdir().unwrap();
    conforms(&DiskFiles, &dir.path().join("node"));
}

#[test]
fn the_file_system_in_memory_conforms() {
    conforms(&MemoryFiles::default(), Path::new("/node"));
}

fn with_file() -> (MemoryFiles, &'static Path, &'static Path) {
    let (dir, path) = (Path::new("/node"), Path::new("/node/file"));
    let files = MemoryFiles::default();
    files.create_dir(dir).unwrap();
    let file = files.create(path).unwrap();
    file.write_at(0, b"synced").unwrap();
    file.sync().unwrap();
    files.sync_dir(dir).unwrap();
    (files, dir, path)
}

#[test]
fn a_power_cut_takes_what_was_not_synced() {
    let (files, dir, path) = with_file();
    let mark = files.boot_mark(dir).unwrap();
    let file = files.open(path).unwrap();
    file.write_at(2, b"and more").unwrap();
    file.set_len(4).unwrap();
    files.create(&dir.join("unsynced")).unwrap().sync().unwrap();
    files.power_cut();
    assert_eq!(read_whole(&files, path, 100).unwrap(), b"synced");
    assert_eq!(files.list(dir).unwrap(), [path]);
    assert!(file.sync().is_err(), "a file that was open before the cut");
    assert_ne!(files.boot_mark(dir).unwrap(), mark);
}

#[test]
fn a_rename_or_removal_counts_once_the_directory_is_synced() {
    let (files, dir, path) = with_file();
    files.rename(path, &dir.join("renamed")).unwrap();
    files.power_cut();
    assert_eq!(files.list(dir).unwrap(), [path]);
    files.remove(path).unwrap();
    files.power_cut();
    assert_eq!(files.list(dir).unwrap(), [path]);
    files.remove(path).unwrap();
    files.sync_dir(dir).unwrap();
    files.power_cut();
    assert!(files.list(dir).unwrap().is_empty());
}

#[test]
fn a_torn_power_cut_keeps_whole_sectors_in_any_order() {
    let mut later_without_earlier = false;
    for seed in 0..50 {
        let (files, _, path) = with_file();
        files.open(path).unwrap().write_at(0, &[7; 2_048]).unwrap();
        files.power_cut_torn(seed);
        let bytes = read_whole(&files, path, 4_096).unwrap();
        let kept: Vec<bool> = bytes.chunks(512).map(|sector| sector.iter().all(|byte| *byte == 7)).collect();
        later_without_earlier |= kept.first() == Some(&false) && kept.contains(&true);
        assert!(bytes.starts_with(b"synced") || bytes.starts_with(&[7; 512]));
    }
    assert!(later_without_earlier);
}

#[test]
fn what_a_failed_sync_covered_is_lost_though_the_next_one_succeeds() {
    let (files, _, path) = with_file();
    let file = files.open(path).unwrap();
    file.write_at(0, b"gone").unwrap();
    files.fail_after(1);
    assert!(file.sync().is_err());
    file.sync().unwrap();
    assert_eq!(read_whole(&files, path, 100).unwrap(), b"goneed", "the cache shows it still");
    file.write_at(5, b"X").unwrap();
    file.sync().unwrap();
    file.drop_cache().unwrap();
    assert_eq!(read_whole(&files, path, 100).unwrap(), b"synceX", "what was written since is there");
    files.power_cut();
    assert_eq!(read_whole(&files, path, 100).unwrap(), b"synceX");
}

#[test]
fn a_stopped_disk_stays_stopped_until_the_power_cut() {
    let (files, dir, path) = with_file();
    files.stop_after(2);
    let file = files.open(path).unwrap();
    file.write_at(0, b"first").unwrap();
    assert!(file.sync().is_err());
    assert!(files.sync_dir(dir).is_err());
    files.power_cut();
    files.sync_dir(dir).unwrap();
}

#[test]
fn a_kill_leaves_what_was_written_and_takes_what_was_open() {
    let (files, dir, path) = with_file();
    let mark = files.boot_mark(dir).unwrap();
    let file = files.open(path).unwrap();
    let lock = files.lock(&dir.join("lock")).unwrap();
    file.write_at(0, b"cached").unwrap();
    files.create(&dir.join("unsynced")).unwrap();
    files.kill();
    assert_eq!(read_whole(&files, path, 100).unwrap(), b"cached");
    assert!(files.exists(&dir.join("unsynced")).unwrap());
    assert_eq!(files.boot_mark(dir).unwrap(), mark, "the machine went on");
    assert!(file.write_at(0, b"zombie").is_err() && file.read_at(0, &mut [0]).is_err());
    let second = files.lock(&dir.join("lock")).unwrap();
    drop(lock);
    assert!(files.lock(&dir.join("lock")).is_err(), "the lock of the dead doesn't free that of the living");
    drop(second);
    files.power_cut();
    assert_eq!(read_whole(&files, path, 100).unwrap(), b"synced");
}

#[test]
fn a_power_cut_that_keeps_everything_still_loses_what_a_failed_sync_covered() {
    let (files, dir, path) = with_file();
    let file = files.open(path).unwrap();
    file.write_at(0, b"gone").unwrap();
    files.fail_after(1);
    assert!(file.sync().is_err());
    file.write_at(5, b"X").unwrap();
    files.create(&dir.join("unsynced")).unwrap().write_at(0, b"kept").unwrap();
    files.power_cut_kept();
    assert_eq!(read_whole(&files, path, 100).unwrap(), b"synceX");
    assert_eq!(read_whole(&files, &dir.join("unsynced"), 100).unwrap(), b"kept");
}

#[test]
fn a_torn_power_cut_keeps_the_first_changes_of_a_directory() {
    let mut counts = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let (files, dir, path) = with_file();
        files.rename(path, &dir.join("1")).unwrap();
        files.rename(&dir.join("1"), &dir.join("2")).unwrap();
        files.create(&dir.join("3")).unwrap();
        files.remove(&dir.join("2")).unwrap();
        files.power_cut_torn(seed);
        let names: Vec<_> = files.list(dir).unwrap();
        let prefixes = [
            vec![path.to_owned()],
            vec![dir.join("1")],
            vec![dir.join("2")],
            vec![dir.join("2"), dir.join("3")],
            vec![dir.join("3")],
        ];
        let count = prefixes.iter().position(|prefix| *prefix == names);
        counts.insert(count.unwrap_or_else(|| panic!("seed {seed}: {names:?}")));
    }
    assert_eq!(counts.len(), 5, "each prefix comes about");
}

#[test]
fn a_removed_directory_comes_back_unless_the_one_above_was_synced() {
    for synced in [false, true] {
        let (files, dir, path) = with_file();
        files.remove_dir(dir).unwrap();
        assert!(!files.exists(dir).unwrap() && !files.exists(path).unwrap());
        if synced {
            files.sync_dir(Path::new("/")).unwrap();
        }
        files.power_cut();
        assert_eq!(files.exists(dir).unwrap(), !synced);
        assert_eq!(files.exists(path).unwrap(), !synced);
    }
    let (files, dir, path) = with_file();
    files.remove_dir(dir).unwrap();
    files.create_dir(dir).unwrap();
    files.power_cut();
    assert!(
        files.list(dir).unwrap().is_empty(),
        "a directory made anew doesn't bring {} back",
        path.display()
    );
}

#[test]
fn a_full_disk_takes_what_fits_and_says_how_much_is_left() {
    let (files, dir, path) = with_file();
    files.set_capacity(Some(10));
    assert_eq!((files.space(dir).unwrap().total, files.space(dir).unwrap().free), (10, 4));
    let file = files.open(path).unwrap();
    file.write_at(0, b"SYNCED").unwrap();
    assert_eq!(file.write_at(6, b"no room").unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(read_whole(&files, path, 100).unwrap(), b"SYNCEDno r");
    assert_eq!(file.set_len(11).unwrap_err().kind(), ErrorKind::StorageFull);
    file.set_len(2).unwrap();
    assert_eq!(files.space(dir).unwrap().free, 8);
    files.remove(path).unwrap();
    assert_eq!(files.space(dir).unwrap().free, 8, "an open file takes its room");
    drop(file);
    assert_eq!(files.space(dir).unwrap().free, 10);
}

#[test]
fn faults_come_at_their_operation_and_in_their_kind() {
    let fault = |after, on, kind, lasting| Fault { after, on, kind, lasting };
    let (files, _, path) = with_file();
    let file = files.open(path).unwrap();
    files.inject(fault(2, Counted::Changes, FaultKind::NoSpace, false));
    file.write_at(0, b"abcd").unwrap();
    let full = file.write_at(0, b"ABCD").unwrap_err();
    assert_eq!((full.kind(), full.raw_os_error()), (ErrorKind::StorageFull, Some(28)));
    assert_eq!(read_whole(&files, path, 100).unwrap(), b"ABcded", "half of it was written");
    file.write_at(0, b"abcd").unwrap();

    files.inject(fault(1, Counted::Reads, FaultKind::Io, true));
    assert_eq!(file.read_at(0, &mut [0]).unwrap_err().raw_os_error(), Some(5));
    assert!(files.open(path).is_err() && files.list(Path::new("/node")).is_err());
    file.write_at(0, b"ABCD").unwrap();
    files.heal();
    file.sync().unwrap();

    files.inject(fault(1, Counted::Changes, FaultKind::CrashWithin, false));
    assert!(file.write_at(0, b"abcd").is_err());
    assert!(file.write_at(0, b"1234").is_err(), "nothing is done after the end of the process");
    files.kill();
    assert_eq!(read_whole(&files, path, 100).unwrap(), b"abCDed");
}

#[test]
fn a_sync_that_the_end_of_the_process_interrupted_has_not_failed() {
    let (files, _, path) = with_file();
    let file = files.open(path).unwrap();
    file.write_at(0, b"cached").unwrap();
    files.inject(Fault { after: 1, on: Counted::Changes, kind: FaultKind::Crash, lasting: true });
    assert!(file.sync().is_err());
    files.kill();
    files.open(path).unwrap().sync().unwrap();
    files.power_cut();
    assert_eq!(read_whole(&files, path, 100).unwrap(), b"cached");
}

#[test]
fn a_disk_that_lies_about_a_sync_loses_what_it_covered() {
    let (files, dir, path) = with_file();
    files.ignore_syncs(|path| path.ends_with("file"));
    let file = files.open(path).unwrap();
    file.write_at(0, b"cached").unwrap();
    file.sync().unwrap();
    write_whole(&files, &dir.join("other"), b"synced too").unwrap();
    files.power_cut();
    assert_eq!(read_whole(&files, path, 100).unwrap(), b"synced");
    assert_eq!(read_whole(&files, &dir.join("other"), 100).unwrap(), b"synced too");
}

#[test]
fn a_stalled_operation_goes_on_when_the_disk_does() {
    let (files, _, path) = with_file();
    files.stall_after(1);
    let file = files.open(path).unwrap();
    assert!(!files.wait_stalled(Duration::ZERO));
    let stalled = std::thread::spawn({
        let file = file.clone();
        move || file.write_at(0, b"slow")
    });
    assert!(files.wait_stalled(Duration::from_secs(30)));
    assert_eq!(read_whole(&files, path, 100).unwrap(), b"synced", "reads are not held up");
    files.heal();
    stalled.join().unwrap().unwrap();
    assert_eq!(read_whole(&files, path, 100).unwrap(), b"slowed");

    files.stall_after(1);
    let killed = std::thread::spawn(move || file.write_at(0, b"dead"));
    assert!(files.wait_stalled(Duration::from_secs(30)));
    files.kill();
    assert!(killed.join().unwrap().is_err());
    assert_eq!(read_whole(&files, path, 100).unwrap(), b"slowed");
}

#[test]
fn an_image_holds_every_file_and_becomes_a_disk_again() {
    let (files, dir, path) = with_file();
    write_whole(&files, &dir.join("other"), b"second").unwrap();
    let mut image = files.image();
    assert_eq!(image.files().count(), 2);
    image.bytes_mut(path).unwrap()[0] = b'S';
    assert!(image.swap(path, &dir.join("other")) && image.truncate(path, 3));
    assert!(image.rename(path, &dir.join("renamed")) && !image.remove(path));
    let copy = MemoryFiles::from_image(&image);
    copy.power_cut();
    assert_eq!(read_whole(&copy, &dir.join("renamed"), 100).unwrap(), b"sec");
    assert_eq!(read_whole(&copy, &dir.join("other"), 100).unwrap(), b"Synced");
    assert_eq!(read_whole(&files, path, 100).unwrap(), b"synced", "the first disk is as it was");
    assert!(image.remove_dir(dir));
    assert_eq!(image.files().count(), 0);
}

#[test]
fn a_fork_goes_its_own_way_and_keeps_what_was_planned() {
    let (files, dir, path) = with_file();
    let file = files.open(path).unwrap();
    let _lock = files.lock(&dir.join("lock")).unwrap();
    file.write_at(0, b"before").unwrap();
    files.stop_after(1);
    let fork = files.fork();
    files.heal();
    file.write_at(0, b"after!").unwrap();
    fork.lock(&dir.join("lock")).unwrap();
    assert_eq!(read_whole(&fork, path, 100).unwrap(), b"before");
    assert!(fork.open(path).unwrap().sync().is_err());
    fork.power_cut();
    assert_eq!(read_whole(&fork, path, 100).unwrap(), b"synced");
}

#[test]
fn noted_operations_tell_where_a_crash_would_be() {
    let (files, dir, path) = with_file();
    let before = files.operations();
    files.note_operations();
    files.open(path).unwrap().write_at(3, b"xyz").unwrap();
    files.sync_dir(dir).unwrap();
    let noted = files.noted_operations();
    let kinds: Vec<_> = noted.iter().map(|operation| operation.kind).collect();
    assert_eq!(kinds, [OperationKind::Write, OperationKind::SyncDir]);
    assert_eq!(noted[0].number, before + 1);
    assert_eq!(noted[0].to_string(), format!("operation {}: Write /node/file at 3, 3 bytes", before + 1));
}
