//! One node without a network, on one thread: all that a node does for an order, from the bytes of the call to the rows in
//! the engine. `cargo xtask instructions` counts what that takes.
//!
//! What is real: the call's decoding and validation, the proposer, Raft, the log on a disk, execution, the answer, the
//! writer. What is not: sockets and HTTP/2, other nodes, sled (its twin in memory takes the rows), and the allocator, which
//! is the system's. Time is virtual and a seed gives the random numbers, so that every run does the same.

mod calls;
mod node;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;

use bytes::Bytes;
use clap::Args;
use serde::Serialize;
use stockade_env::Place;
use tokio::runtime::{Builder, Runtime};

use self::node::OneNode;
use crate::{Output, print};

/// Most commands that an entry of the log takes.
const MOST_TOGETHER: u64 = 128;

/// How it goes.
#[derive(Debug, Args)]
pub(crate) struct OneNodeArgs {
    /// Orders of three lines.
    #[arg(long, default_value_t = 2_048)]
    orders: u64,
    /// Orders that are sent together, and so stand in one entry of the log; at most 128.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=MOST_TOGETHER))]
    together: u64,
    /// Chooses what is ordered.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What came out.
#[derive(Debug, Serialize)]
struct Report {
    orders: u64,
    /// Orders that were placed.
    placed: u64,
    /// Entries of the log in which they stand.
    entries: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} of {} orders placed, in {} entries", self.placed, self.orders, self.entries)
    }
}

/// A node and what it has answered.
type Served = anyhow::Result<(OneNode, Vec<Bytes>)>;

/// Tries it; a failure where an order was not placed.
pub(crate) fn run(args: &OneNodeArgs, output: Output) -> anyhow::Result<ExitCode> {
    let report = place(args)?;
    print(&report, report.placed == report.orders, output)
}

fn place(args: &OneNodeArgs) -> anyhow::Result<Report> {
    let dir = tempfile::Builder::new().prefix("stockade-one-node-").tempdir()?;
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build()?;
    // Tasks of a place have no second thread beside them.
    let home = Place::new(args.seed);
    let (path, seed, here) = (dir.path().to_owned(), args.seed, home.clone());
    let node = runtime.block_on(async move { here.spawn(OneNode::begin(path, seed)).await? })?;
    let calls = calls::orders(args.orders, args.together, node.env());
    let before = node.applied();
    let here = home.clone();
    let (node, answers) = counted(&runtime, Box::pin(async move { here.spawn(node.serve(calls)).await? }))?;
    let entries = node.applied() - before;
    home.end();
    Ok(Report { orders: args.orders, placed: calls::count_applied(&answers)?, entries })
}

/// Does what is counted, and nothing else: `cargo xtask instructions` knows it by its name.
#[inline(never)]
fn counted(runtime: &Runtime, work: Pin<Box<dyn Future<Output = Served>>>) -> Served {
    runtime.block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_is_placed_and_those_sent_together_share_an_entry() {
        let args = OneNodeArgs { orders: 200, together: 64, seed: 3 };
        let report = place(&args).unwrap();
        assert_eq!((report.placed, report.entries), (200, 4));
    }
}
