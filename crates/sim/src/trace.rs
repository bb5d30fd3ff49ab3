//! What happened, as a hash that two runs of one seed must agree on, and in words.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Of the end of a run, in the report of a failure.
const LAST_LINES: usize = 60;
/// Of all lines in such a report.
const MOST_LINES: usize = 400;

/// The trace of a run. Clones share it.
#[derive(Clone)]
pub(crate) struct Trace(Arc<Mutex<State>>);

struct State {
    begun: Instant,
    hash: blake3::Hasher,
    events: u64,
    lines: Vec<Line>,
    told: bool,
}

struct Line {
    text: String,
    /// Done to the cluster, or by it as a whole: few, and each may be the cause.
    is_act: bool,
}

impl Trace {
    /// Begins now; `told` prints every line as it comes.
    pub(crate) fn new(told: bool) -> Self {
        let state =
            State { begun: Instant::now(), hash: blake3::Hasher::new(), events: 0, lines: Vec::new(), told };
        Self(Arc::new(Mutex::new(state)))
    }

    /// An event worth a line.
    pub(crate) fn note(&self, is_act: bool, event: fmt::Arguments<'_>) {
        let mut state = self.0.lock();
        let text = format!("{:>12} us  {event}", state.begun.elapsed().as_micros());
        state.hash.update(text.as_bytes());
        state.events += 1;
        if state.told {
            eprintln!("{text}");
        }
        state.lines.push(Line { text, is_act });
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

    /// What a reader needs to begin with: the acts, the end, and what has to do with the things that violations name.
    pub(crate) fn shortened(&self, violations: &[String]) -> Vec<String> {
        let state = self.0.lock();
        let named: Vec<&str> = violations.iter().flat_map(|violation| names_in(violation)).collect();
        let last = state.lines.len().saturating_sub(LAST_LINES);
        let wanted = |(number, line): &(usize, &Line)| {
            line.is_act || *number >= last || named.iter().any(|name| line.text.contains(name))
        };
        let lines = state.lines.iter().enumerate().filter(wanted);
        let mut lines: Vec<String> = lines.map(|(_, line)| line.text.clone()).collect();
        if lines.len() > MOST_LINES {
            let left_out = lines.len() - MOST_LINES;
            lines.drain(..left_out);
            lines.insert(0, format!("({left_out} earlier lines are left out; all of them with --trace)"));
        }
        lines
    }
}

/// The ids in a sentence: what has a digit and a hyphen, or is as long as a request id.
fn names_in(sentence: &str) -> impl Iterator<Item = &str> {
    let words = sentence.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    words.filter(|word| {
        let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
        has_digit && (word.trim_matches('-').contains('-') || word.len() >= 20)
    })
}

/// Notes an event in a trace.
macro_rules! note {
    ($trace:expr, $($event:tt)*) => { $trace.note(false, format_args!($($event)*)) };
}
pub(crate) use note;

/// Notes an act in a trace.
macro_rules! act {
    ($trace:expr, $($event:tt)*) => { $trace.note(true, format_args!($($event)*)) };
}
pub(crate) use act;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_shortened_trace_has_the_acts_the_end_and_what_is_named() {
        let trace = Trace::new(false);
        act!(trace, "node 1 is killed");
        note!(trace, "order-3-17 is placed");
        for number in 0..100 {
            note!(trace, "something else {number}");
        }
        let lines = trace.shortened(&["of order-3-17 nothing is left".to_owned()]);
        assert_eq!(lines.len(), 2 + LAST_LINES);
        assert!(lines[0].ends_with("node 1 is killed") && lines[1].ends_with("order-3-17 is placed"));
        assert!(lines.last().is_some_and(|line| line.ends_with("something else 99")));
    }
}
