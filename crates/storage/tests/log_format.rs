//! The format of the log as the docs show it: every byte of the files of a small log stands there, with what it means.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod log_common;

use std::path::Path;
use std::sync::Arc;

use log_common::{Vote, append, content, first_segment, id, options, watermark};
use openraft::storage::RaftLogStorage;
use openraft::{Entry, EntryPayload};
use stockade_env::Env;
use stockade_state_machine::command::CreateSku;
use stockade_state_machine::ids::SkuId;
use stockade_state_machine::sku::SkuDetails;
use stockade_state_machine::{Command, LogTime};
use stockade_storage::file::MemoryFiles;
use stockade_storage::{LogStore, codec};

const PAGE: &str = "../../docs/internals/data_format_wal.md";

/// The bytes of a dump in the page: lines of offset, bytes, two spaces, and what they are. Where gaps are allowed, zeros
/// stand in them.
fn dumped(page: &str, title: &str, gaps: bool) -> Vec<u8> {
    let (_, rest) = page.split_once(title).unwrap_or_else(|| panic!("no {title:?} in the page"));
    let (_, rest) = rest.split_once("```\n").unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    let mut bytes = Vec::new();
    for line in block.lines() {
        let (offset, rest) = line.split_once("  ").unwrap_or_else(|| panic!("{line:?}"));
        let (hex, meaning) = rest.split_once("  ").unwrap_or_else(|| panic!("unexplained: {line:?}"));
        assert!(!meaning.trim().is_empty(), "unexplained: {line:?}");
        let offset = usize::from_str_radix(offset, 16).unwrap();
        assert!(offset == bytes.len() || gaps && offset > bytes.len(), "out of order: {line:?}");
        bytes.resize(offset, 0);
        bytes.extend(hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()));
    }
    bytes
}

fn plain(bytes: &[u8]) -> String {
    let rows = bytes.chunks(16).enumerate().filter(|(_, row)| row.iter().any(|byte| *byte != 0));
    let hex = |row: &[u8]| row.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    rows.map(|(at, row)| format!("{:04x}  {}", at * 16, hex(row))).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_page_shows_every_byte_of_a_small_log() {
    let files = MemoryFiles::default();
    let env = Env::simulated(0, 2_026);
    let log = LogStore::open_inline(Arc::new(files.clone()), &env, options(4_096)).unwrap();
    log.clone().save_vote(&Vote::new(1, 1)).await.unwrap();
    let mug = CreateSku { sku: SkuId::new("mug").unwrap(), details: SkuDetails::named("Mug") };
    let request = codec::encode_request(None, &Command::CreateSku(mug));
    let proposal = codec::assemble_proposal(LogTime::from_micros(1_700_000_000_000_000), &[request]);
    let entries = vec![
        Entry { log_id: id(1, 1), payload: EntryPayload::Blank },
        Entry { log_id: id(1, 2), payload: EntryPayload::Normal(proposal) },
    ];
    append(&log, entries).await.unwrap();

    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)).unwrap();
    for (title, path) in [("### The segment", first_segment()), ("### The watermark beside it", watermark())]
    {
        let written = content(&files, &path);
        let mut shown = dumped(&page, title, path == watermark());
        shown.resize(written.len(), 0);
        assert_eq!(plain(&shown), plain(&written), "{title}: not what was written:\n{}", plain(&written));
    }
}
