//! A node's storage without Raft: what openraft would ask of it is asked by hand, in the order that openraft would, over
//! files that fail on purpose.

mod content;
mod held;
mod life;
mod record;
mod script;

pub(crate) use content::{LogEntry, START_US, Vote, entry, log_id};
pub(crate) use held::{Difference, Held};
pub(crate) use life::{Life, Setup};
pub(crate) use record::{Asked, Record};
pub(crate) use script::{Reference, Run, Script, Step};

use std::future::Future;
use std::time::Duration;

/// Of virtual time: whoever waits longer waits for something that never comes.
const HANGS_AFTER: Duration = Duration::from_hours(1);

/// Runs something on one thread, in virtual time; `None` where it waits for ever.
///
/// Virtual time passes only while nothing can go on, so that an hour of it takes no time, and shows a deadlock at once.
pub(crate) fn run_alone<T>(work: impl Future<Output = T>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime =
        runtime.expect("a runtime without a driver of its own needs no resources that could be missing");
    runtime.block_on(async { tokio::time::timeout(HANGS_AFTER, work).await.ok() })
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    format!("it panicked: {}", text.unwrap_or("without a word"))
}
