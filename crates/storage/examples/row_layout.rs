//! Measures layouts of the applied state on sled: a row for everything against packed pages, and an index as rows
//! against an index as sorted runs in pages. The figures stand in `docs/internals/adr/0008-row-layout.md`.
//!
//! `cargo run --release -p stockade-storage --example row_layout -- [ORDERS]`
#![allow(clippy::print_stdout, reason = "prints its table")]
#![allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures for people")]

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use stockade_storage::engine::{Engine, RowWrite, SledEngine};

/// Orders of three lines that one window of a second holds.
const WINDOW_ORDERS: u64 = 10_000;
/// The same, as an iterator steps.
const WINDOW_STEP: usize = 10_000;
const SKUS: u64 = 10_000;
const CUSTOMERS: u64 = 30_000;
const BATCH_ROWS: usize = 200;
const PAGE_BYTES: usize = 4_096;
/// Frozen sizes in bytes, measured on the real types.
const ORDER_BYTES: usize = 220;
const STOCK_BYTES: usize = 32;
const LEDGER_BYTES: usize = 90;
const REQUEST_BYTES: usize = 90;
/// Place, confirm and ship move three lines each.
const MOVEMENTS: u64 = 9;
/// Place, confirm and ship.
const REQUESTS: u64 = 3;

/// Deterministic numbers, spread evenly.
fn mix(number: u64) -> u64 {
    let mixed = (number ^ (number >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 8
}

type Window = BTreeMap<Bytes, Option<Bytes>>;

fn put(window: &mut Window, kind: u8, name: &[u8], len: usize) {
    let mut key = vec![kind];
    key.extend_from_slice(name);
    // Values that don't compress and differ.
    let seed = name.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    let value: Vec<u8> = (0..=len as u64 / 8).flat_map(|n| mix(seed.wrapping_add(n)).to_le_bytes()).collect();
    window.insert(key.into(), Some(Bytes::from(value).slice(..len)));
}

fn orders_and_stock(window: &mut Window, first: u64) {
    for order in first..first + WINDOW_ORDERS {
        put(window, b'o', format!("order-{:016x}", mix(order)).as_bytes(), ORDER_BYTES);
        for line in 0..3 {
            let sku = mix(order * 3 + line) % SKUS;
            put(window, b's', format!("sku-{sku:06}\0main").as_bytes(), STOCK_BYTES);
        }
    }
}

fn ledger_rows(window: &mut Window, first: u64) {
    for order in first..first + WINDOW_ORDERS {
        for movement in 0..MOVEMENTS {
            put(window, b'l', &(order * MOVEMENTS + movement).to_be_bytes(), LEDGER_BYTES);
        }
        for request in 0..REQUESTS {
            put(window, b'r', &(order * REQUESTS + request).to_be_bytes(), REQUEST_BYTES);
        }
    }
}

fn pages(window: &mut Window, kind: u8, first: u64, count: u64, item_bytes: usize) {
    let a_page = (PAGE_BYTES / (item_bytes + 16)) as u64;
    for page in 0..count.div_ceil(a_page) {
        put(window, kind, &(first + page * a_page).to_be_bytes(), PAGE_BYTES);
    }
}

fn ledger_pages(window: &mut Window, first: u64) {
    pages(window, b'l', first * MOVEMENTS, WINDOW_ORDERS * MOVEMENTS, LEDGER_BYTES);
    pages(window, b'r', first * REQUESTS, WINDOW_ORDERS * REQUESTS, REQUEST_BYTES);
}

fn index_rows(window: &mut Window, first: u64) {
    for order in first..first + WINDOW_ORDERS {
        let (customer, id) = (mix(order.wrapping_add(77)) % CUSTOMERS, mix(order));
        put(window, b'c', format!("customer-{customer:06}\0order-{id:016x}").as_bytes(), 0);
    }
}

/// One sorted run a window; runs of a size are merged by eights, so each entry is written once a level.
fn index_runs(window: &mut Window, first: u64) {
    const ENTRY_BYTES: usize = 40;
    let number = first / WINDOW_ORDERS + 1;
    let mut size = WINDOW_ORDERS;
    pages(window, b'c', first, size, ENTRY_BYTES);
    let mut merged = number;
    while merged.is_multiple_of(8) {
        merged /= 8;
        size *= 8;
        pages(window, b'C', first ^ size.rotate_left(32), size, ENTRY_BYTES);
    }
}

fn measure(name: &str, orders: u64, fill: &[fn(&mut Window, u64)]) {
    let dir = tempfile::tempdir().expect("a directory for the measurement");
    let engine = SledEngine::open(dir.path(), 256 << 20).expect("sled opens");
    let (mut rows, mut seconds) = (0_usize, 0.0);
    for first in (0..orders).step_by(WINDOW_STEP) {
        let mut window = Window::new();
        for fill in fill {
            fill(&mut window, first);
        }
        let batch: Vec<RowWrite> = window.into_iter().collect();
        rows += batch.len();
        let start = Instant::now();
        for part in batch.chunks(BATCH_ROWS) {
            engine.write(part).expect("sled writes");
        }
        engine.flush().expect("sled flushes");
        seconds += start.elapsed().as_secs_f64();
    }
    drop(engine);
    let disk: u64 = walk(dir.path());
    println!(
        "{name:<44} {:>7.3} rows  {:>7.2} us  {:>7.0} bytes on disk, an order",
        rows as f64 / orders as f64,
        seconds * 1e6 / orders as f64,
        disk as f64 / orders as f64
    );
}

fn walk(dir: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(dir).expect("the directory is ours");
    let sizes = entries.map(|entry| {
        let entry = entry.expect("the directory is ours");
        let meta = entry.metadata().expect("the file is ours");
        if meta.is_dir() { walk(&entry.path()) } else { meta.len() }
    });
    sizes.sum()
}

fn main() {
    let orders =
        std::env::args().nth(1).map_or(200_000, |orders| orders.parse().expect("a number of orders"));
    println!(
        "{orders} orders of three lines, placed, confirmed and shipped within a window of {WINDOW_ORDERS}"
    );
    measure("orders and stock alone", orders, &[orders_and_stock]);
    measure("and a row a movement and request", orders, &[orders_and_stock, ledger_rows]);
    measure("and pages of movements and requests", orders, &[orders_and_stock, ledger_pages]);
    measure("and these, and an index row an order", orders, &[orders_and_stock, ledger_pages, index_rows]);
    measure("and these, and an index in sorted runs", orders, &[orders_and_stock, ledger_pages, index_runs]);
}
