//! What the codec takes: a proposal of one command and of as many as an entry has, and rows.
//!
//! `cargo bench -p stockade-storage --bench codec`

mod common;

use divan::Bencher;
use divan::counter::ItemsCount;
use stockade_state_machine::change::Change;
use stockade_state_machine::ledger::LedgerEntry;
use stockade_state_machine::order::Order;
use stockade_state_machine::request::RequestRecord;
use stockade_state_machine::{Revision, State};
use stockade_storage::codec::{self, Durable};

use common::{Author, FULL, proposal};

/// Calls of a sample: one alone is hardly longer than a look at the clock.
const TOGETHER: u32 = 100;

fn main() {
    divan::main();
}

/// Of each command with its content hash, and of all of them put together.
#[divan::bench(args = [1, FULL], sample_size = TOGETHER)]
fn encode_proposal(bencher: Bencher, commands: u64) {
    let requests = Author::default().orders(commands);
    bencher.counter(ItemsCount::new(commands)).bench(|| proposal(&requests));
}

#[divan::bench(args = [1, FULL], sample_size = TOGETHER)]
fn decode_proposal(bencher: Bencher, commands: u64) {
    let proposal = proposal(&Author::default().orders(commands));
    bencher.counter(ItemsCount::new(commands)).bench(|| codec::decode_proposal(&proposal));
}

#[divan::bench(types = [Order, LedgerEntry, RequestRecord], sample_size = TOGETHER)]
fn encode_row<T: Row>(bencher: Bencher) {
    let row = T::of_a_placed_order();
    bencher.bench_local(|| row.encode());
}

#[divan::bench(types = [Order, LedgerEntry, RequestRecord], sample_size = TOGETHER)]
fn decode_row<T: Row>(bencher: Bencher) {
    let bytes = T::of_a_placed_order().encode();
    bencher.bench_local(|| T::decode(&bytes).expect("it was encoded a moment ago"));
}

/// A row that placing an order of three lines writes.
trait Row: Durable {
    fn of(change: Change) -> Option<Self>;

    fn of_a_placed_order() -> Self {
        let (mut state, mut author) = (State::new(), Author::default());
        let mut changes = Vec::new();
        for (revision, requests) in (1..).zip([author.shop(), author.orders(1)]) {
            let entry = codec::decode_proposal(&proposal(&requests)).expect("it was encoded a moment ago");
            changes = state.execute(Revision::new(revision), &entry).changes;
        }
        changes.into_iter().find_map(Self::of).expect("an order writes all of them")
    }
}

impl Row for Order {
    fn of(change: Change) -> Option<Self> {
        if let Change::Order(_, order) = change { Some(order.as_ref().clone()) } else { None }
    }
}

impl Row for LedgerEntry {
    fn of(change: Change) -> Option<Self> {
        if let Change::Ledger(entry) = change { Some(entry) } else { None }
    }
}

impl Row for RequestRecord {
    fn of(change: Change) -> Option<Self> {
        if let Change::Request(_, record) = change { record } else { None }
    }
}
