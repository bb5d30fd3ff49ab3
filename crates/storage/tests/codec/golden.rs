//! Golden bytes: what released formats look like for ever.

use std::fmt::Write as _;
use std::path::Path;

use bytes::Bytes;
use stockade_state_machine::change::Clock;
use stockade_state_machine::command::ExpireDue;
use stockade_state_machine::document::Document;
use stockade_state_machine::ledger::{LedgerEntry, Reason};
use stockade_state_machine::request::RequestRecord;
use stockade_state_machine::{Command, Outcome, Reply, Request, Revision};
use stockade_storage::codec::{Durable, assemble_proposal, encode_request};

use crate::command_samples::sample_commands;
use crate::outcome_samples::sample_outcomes;
use crate::samples::*;
use crate::strategies::REASONS;

/// Every durable type, every command, every outcome, under a name of its own.
pub(crate) fn samples() -> Vec<(String, Vec<u8>)> {
    let mut samples = Vec::new();
    for (number, command) in sample_commands().iter().enumerate() {
        let bytes = encode_request(Some(&sample_origin()), command);
        assert_eq!(&Request::decode(&bytes).expect("just encoded").command, command);
        samples.push((format!("request {number}"), bytes.to_vec()));
    }
    let system = Command::ExpireDue(ExpireDue { limit: 1_000 });
    samples.push(("request of the system".to_owned(), encode_request(None, &system).to_vec()));
    for (number, outcome) in sample_outcomes().into_iter().enumerate() {
        let record = RequestRecord { outcome, ..sample_record() };
        assert_eq!(RequestRecord::decode(&record.encode()).expect("just encoded"), record);
        samples.push((format!("record {number}"), record.encode()));
    }
    for (reason, number) in REASONS.into_iter().zip(0..) {
        let bytes = LedgerEntry { reason, position: number, ..sample_ledger_entry() }.encode();
        samples.push((format!("ledger entry {number}"), bytes));
    }
    // A return that was thrown away comes from outside and goes there.
    let scrapped = LedgerEntry { from: None, reason: Reason::Returned, ..sample_ledger_entry() };
    samples.push(("ledger entry of a scrapped return".to_owned(), scrapped.encode()));
    let outcome = Outcome::SkuDeleted;
    let reply = Reply { outcome, revision: Revision::new(7), position: 2, time: NOW, replayed: true };
    samples.push(("reply".to_owned(), reply.encode()));
    samples.push(("sku".to_owned(), sample_sku().encode()));
    samples.push(("location".to_owned(), sample_location().encode()));
    samples.push(("stock".to_owned(), sample_stock().encode()));
    let document = Document { id: document(), revision: Revision::new(7) };
    samples.push(("document".to_owned(), document.encode()));
    samples.push(("clock".to_owned(), Clock { now: NOW, horizon_ms: 300 }.encode()));
    samples.push(("order".to_owned(), sample_order().encode()));
    samples.push(("reservation".to_owned(), sample_reservation().encode()));
    let requests = [encode_request(None, &Command::AbandonRequest), Bytes::from_static(&[1, 2])];
    samples.push(("proposal".to_owned(), assemble_proposal(NOW, &requests).0.to_vec()));
    samples
}

/// The bytes of the first format never change: they are on disks. `STOCKADE_WRITE_GOLDEN=1` writes the file of a format
/// that is not released yet.
#[test]
fn the_first_format_has_its_golden_bytes() {
    let mut text = String::new();
    for (name, bytes) in samples() {
        let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a string takes all");
            hex
        });
        writeln!(text, "{name}: {hex}").expect("a string takes all");
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format_1.txt");
    if std::env::var_os("STOCKADE_WRITE_GOLDEN").is_some() {
        std::fs::write(&file, &text).expect("the golden file is written");
    }
    let golden = std::fs::read_to_string(&file).expect("the golden file stands beside the test");
    assert!(text == golden, "encoded values differ from {}:\n{text}", file.display());
}
