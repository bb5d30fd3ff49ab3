//! Looking at a log from outside.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod log_common;

use std::ops::ControlFlow;
use std::path::Path;

use log_common::{
    DIR, Vote, append, append_range, entry, examined, first_segment, id, open, segments, watermark,
};
use openraft::storage::RaftLogStorage;
use openraft::{BasicNode, Entry, EntryPayload, Membership};
use stockade_storage::file::{Files, MemoryFiles};
use stockade_storage::log::{EntryId, EntryKind, Examination, ProblemKind, examine};

/// What a visitor notes: segment's name, offset, type, sequence, detail.
type Visited = (String, u64, &'static str, u64, String);

fn visited(files: &MemoryFiles) -> (Examination, Vec<Visited>) {
    let mut records = Vec::new();
    let found = examine(files, Path::new(DIR), &mut |record| {
        let name = record.path.file_name().unwrap().to_str().unwrap().to_owned();
        records.push((name, record.offset, record.type_name, record.sequence, record.detail()));
        ControlFlow::Continue(())
    });
    (found.unwrap(), records)
}

#[tokio::test]
async fn every_record_is_shown_in_order_and_nothing_is_changed() {
    let files = MemoryFiles::default();
    let log = open(&files, 1 << 20);
    log.clone().save_vote(&Vote::new_committed(3, 2)).await.unwrap();
    let nodes = std::collections::BTreeMap::from([(1, BasicNode::new("a:1")), (2, BasicNode::new("b:2"))]);
    let membership = EntryPayload::Membership(Membership::new(vec![[1, 2].into()], nodes).unwrap());
    let entries = vec![
        Entry { log_id: id(3, 0), payload: membership },
        Entry { log_id: id(3, 1), payload: EntryPayload::Blank },
        entry(3, 2, 10),
    ];
    append(&log, entries.clone()).await.unwrap();
    log.clone().save_committed(Some(id(3, 1))).await.unwrap();
    log.clone().truncate_after(Some(id(3, 1))).await.unwrap();
    log.clone().purge(id(3, 0)).await.unwrap();
    log.barrier().await.unwrap();
    drop(log);
    files.kill();
    let half_made = Path::new(DIR).join("00000000000000ff.new");
    files.create(&half_made).unwrap();
    let (before, operations) = (files.image(), files.operations());

    let (found, records) = visited(&files);
    assert_eq!((files.image(), files.operations()), (before, operations));
    assert!(found.is_sound() && found.complete && found.all_problems().count() == 0, "{found:?}");
    let types: Vec<_> = records.iter().map(|record| (record.2, record.3)).collect();
    let expected =
        [("checkpoint", 1), ("vote", 2), ("entries", 3), ("committed", 4), ("truncate", 5), ("purge", 6)];
    assert_eq!(types, expected);
    let details: Vec<_> = records.iter().map(|record| record.4.as_str()).collect();
    assert_eq!(
        details[1..],
        [
            "vote for node 2 in term 3, granted by a majority",
            "entries 0 (term 3, node 1) to 2 (term 3, node 1)",
            "committed up to 1 (term 3, node 1)",
            "the entries after 1 (term 3, node 1) are no more",
            "the entries up to 0 (term 3, node 1) are no more",
        ]
    );
    assert!(
        details[0].starts_with("segment 1 behind 0 bytes of stamp 0000000000000000; no vote"),
        "{}",
        details[0]
    );
    let vote = found.vote.unwrap();
    assert_eq!((vote.term, vote.node_id, vote.committed), (3, 2, true));
    let at = |index| Some(EntryId { term: 3, node_id: 1, index });
    assert_eq!((found.purged, found.committed, found.last), (at(0), at(1), at(1)));
    let watermark = found.watermark.unwrap();
    assert_eq!((watermark.durable, watermark.segment, watermark.sound_slots), (6, 1, 2));
    let segment = &found.segments[0];
    assert_eq!((segment.number, segment.records), (1, 6));
    assert_eq!((segment.first_sequence, segment.last_sequence), (Some(1), Some(6)));
    assert_eq!((segment.first_entry, segment.last_entry), (at(0), at(2)));
    assert_eq!((segment.used_bytes, segment.file_bytes), (595, 1 << 20));
}

#[tokio::test]
async fn the_entries_of_a_record_are_shown_one_by_one() {
    let files = MemoryFiles::default();
    let log = open(&files, 1 << 20);
    let blank = Entry { log_id: id(1, 0), payload: EntryPayload::Blank };
    append(&log, vec![blank, entry(1, 1, 10)]).await.unwrap();
    drop(log);
    let bytes = log_common::content(&files, &first_segment());
    let mut views = Vec::new();
    examine(&files, Path::new(DIR), &mut |record| {
        views.extend(record.entries().unwrap());
        ControlFlow::Continue(())
    })
    .unwrap();
    let [blank, commands] = &views[..] else { panic!("{views:?}") };
    assert_eq!((blank.kind, commands.kind), (EntryKind::Blank, EntryKind::Commands));
    assert!(blank.proposal().is_none());
    assert_eq!(commands.proposal().unwrap().0.len(), 10);
    assert_eq!((commands.id.index, commands.detail().as_str()), (1, "10 bytes of commands"));
    for view in &views {
        let frame = usize::try_from(view.offset).unwrap();
        assert_eq!(bytes[frame + 4..frame + 8], view.crc().to_le_bytes());
        assert_eq!(bytes[frame + 8..frame + 8 + view.body.len()], view.body);
        assert_eq!(view.sha256().len(), 64);
    }
}

#[tokio::test]
async fn an_examination_goes_on_behind_damage_and_ends_where_the_visitor_says() {
    let files = MemoryFiles::default();
    let log = open(&files, 600);
    for round in 0..6 {
        append_range(&log, 1, round * 6..round * 6 + 6).await;
    }
    log.clone().save_vote(&Vote::new(2, 2)).await.unwrap();
    log.shutdown().await;
    let paths = segments(&files);
    assert!(paths.len() > 3, "{paths:?}");
    let (sound, all) = visited(&files);

    // In a record behind the checkpoint of the second one.
    files.flip_bit(&paths[1], 230, 1).unwrap();
    let (found, seen) = visited(&files);
    assert!(!found.is_sound() && found.complete);
    let problems: Vec<_> = found.all_problems().collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!((&problems[0].file, problems[0].kind), (&paths[1], ProblemKind::Damage));
    assert_eq!(found.segments.len(), sound.segments.len());
    assert_eq!(found.segments[2..], sound.segments[2..], "the others are examined as before");
    assert_eq!((found.vote, found.last, found.purged), (sound.vote, sound.last, sound.purged));
    assert!(seen.iter().all(|record| all.contains(record)) && seen.len() < all.len());

    // Now its checkpoint as well, so that nothing says where the first one ends.
    files.flip_bit(&paths[1], 20, 1).unwrap();
    let (found, _) = visited(&files);
    assert_eq!(found.all_problems().map(|problem| &problem.file).collect::<Vec<_>>(), [&paths[1]]);
    assert_eq!(found.segments[1].stamp, None);

    let mut image = files.image();
    image.remove(&paths[1]);
    let gone = examined(&MemoryFiles::from_image(&image));
    let problems: Vec<_> = gone.all_problems().collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(
        (&problems[0].file, problems[0].what.as_str()),
        (&paths[1], "this segment of the log is missing")
    );

    let mut seen = 0;
    let found = examine(&files, Path::new(DIR), &mut |_| {
        seen += 1;
        if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((found.unwrap().complete, seen), (false, 3));
}

#[tokio::test]
async fn what_is_missing_beside_the_segments_is_noted() {
    let files = MemoryFiles::default();
    let log = open(&files, 600);
    append_range(&log, 1, 0..30).await;
    append_range(&log, 1, 30..60).await;
    log.shutdown().await;
    let last = segments(&files).pop().unwrap();
    let without = |paths: &[&Path]| {
        let mut image = files.image();
        for path in paths {
            assert!(image.remove(path));
        }
        let problems: Vec<_> = examined(&MemoryFiles::from_image(&image)).all_problems().cloned().collect();
        assert_eq!(problems.len(), 1, "{problems:?}");
        (problems[0].file.clone(), problems[0].what.clone())
    };
    let what = "this segment of the log is missing: it was the last one".to_owned();
    assert_eq!(without(&[&last]), (last.clone(), what));
    let what = "the file is missing, and there is a log beside it".to_owned();
    assert_eq!(without(&[&watermark()]), (watermark(), what));
    let what = "entries before the first segment are missing, though they were not purged".to_owned();
    assert_eq!(without(&[&first_segment()]), (Path::new(DIR).to_owned(), what));

    let empty = MemoryFiles::default();
    empty.create_dir(Path::new(DIR)).unwrap();
    let found = examined(&empty);
    assert!(found.is_sound() && found.segments.is_empty() && found.watermark.is_none());
}
