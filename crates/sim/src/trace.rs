//! What happened, as a hash that two runs of one seed must agree on, and the end of it in words.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Lines kept for the report of a failure.
const KEPT_LINES: usize = 200;

/// The trace of a run. Clones share it.
#[derive(Clone)]
pub(crate) struct Trace(Arc<Mutex<State>>);

struct State {
    begun: Instant,
    hash: blake3::Hasher,
    events: u64,
    lines: VecDeque<String>,
    told: bool,
}

impl Trace {
    /// Begins now; `told` prints every line as it comes.
    pub(crate) fn new(told: bool) -> Self {
        let state = State {
            begun: Instant::now(),
            hash: blake3::Hasher::new(),
            events: 0,
            lines: VecDeque::new(),
            told,
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// An event worth a line.
    pub(crate) fn note(&self, event: fmt::Arguments<'_>) {
        let mut state = self.0.lock();
        let line = format!("{:>12} us  {event}", state.begun.elapsed().as_micros());
        state.hash.update(line.as_bytes());
        state.events += 1;
        if state.told {
            eprintln!("{line}");
        }
        if state.lines.len() == KEPT_LINES {
            state.lines.pop_front();
        }
        state.lines.push_back(line);
    }

    /// A message that arrives: too many for words.
    pub(crate) fn message(&self, from: u64, to: u64, content: &[u8]) {
        let mut state = self.0.lock();
        let at = u64::try_from(state.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        // Not the order of its bytes: the details of errors are maps, which every run of a process orders in its own way.
        let sum: u64 = content.iter().map(|byte| u64::from(*byte)).sum();
        for number in [at, from, to, content.len() as u64, sum] {
            state.hash.update(&number.to_le_bytes());
        }
        state.events += 1;
        if state.told {
            eprintln!("{at:>12} us  {from} to {to}: {} bytes, sum {sum}", content.len());
        }
    }

    /// Over all that happened.
    pub(crate) fn hash(&self) -> String {
        self.0.lock().hash.finalize().to_hex()[..16].to_owned()
    }

    /// How much happened.
    pub(crate) fn events(&self) -> u64 {
        self.0.lock().events
    }

    /// The last lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().lines.iter().cloned().collect()
    }
}

/// Notes an event in a trace.
macro_rules! note {
    ($trace:expr, $($event:tt)*) => { $trace.note(format_args!($($event)*)) };
}
pub(crate) use note;
