//! The file layer: the real one and the one in memory behave alike, and the one in memory forgets as a disk does.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::ErrorKind;
use std::path::Path;

use stockade_storage::file::{DiskFiles, Files, MemoryFiles, read_whole, write_whole};

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
