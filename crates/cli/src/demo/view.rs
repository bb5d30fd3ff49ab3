//! How the demo looks: on a terminal a line per node that changes in place, elsewhere plain lines.

use std::time::Duration;

use console::{Style, Term, style};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use crate::local_cluster::Observation;
use crate::output::grouped;

/// Between two plain lines about the nodes.
const PLAIN_EVERY: Duration = Duration::from_secs(2);

/// What is drawn, on standard error.
#[derive(Debug)]
pub(crate) struct View {
    live: Option<Live>,
    started: Instant,
    last_plain: Instant,
}

#[derive(Debug)]
struct Live {
    all: MultiProgress,
    nodes: Vec<ProgressBar>,
    totals: ProgressBar,
}

/// Counts for the line below the nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) acked: u64,
    pub(crate) per_second: u64,
    pub(crate) rejected: u64,
}

impl View {
    /// Draws nothing yet.
    pub(crate) fn new(nodes: u64) -> Self {
        let live = Term::stderr().is_term().then(|| Live::new(nodes));
        let now = Instant::now();
        Self { live, started: now, last_plain: now }
    }

    /// A line that stays.
    pub(crate) fn say(&self, text: &str) {
        match &self.live {
            // A terminal that can't be written to is no reason to stop.
            Some(live) => drop(live.all.println(text)),
            None => eprintln!("{}", console::strip_ansi_codes(text)),
        }
    }

    /// A step of a failover, with its time since the kill.
    pub(crate) fn step(&self, since_kill: Duration, text: &str) {
        let at = format!("{:>6} ms", since_kill.as_millis());
        self.say(&format!("    {}  {text}", style(at).dim()));
    }

    /// The nodes as they are now; `None` for one that does not answer.
    pub(crate) fn update(&mut self, nodes: &[(u64, Option<Observation>)], totals: Totals) {
        match &self.live {
            Some(live) => {
                for ((id, seen), bar) in nodes.iter().zip(&live.nodes) {
                    bar.set_message(node_line(*id, *seen));
                }
                live.totals.set_message(totals_line(totals));
            }
            None if self.last_plain.elapsed() >= PLAIN_EVERY => {
                self.last_plain = Instant::now();
                let seconds = self.started.elapsed().as_secs();
                let parts: Vec<String> = nodes.iter().map(|(id, seen)| short(*id, *seen)).collect();
                self.say(&format!("{seconds:>4} s  {}  |  {}", parts.join("  "), totals_line(totals)));
            }
            None => {}
        }
    }

    /// Takes the lines that change away.
    pub(crate) fn finish(&self) {
        if let Some(live) = &self.live {
            for bar in live.nodes.iter().chain([&live.totals]) {
                bar.finish_and_clear();
            }
        }
    }
}

impl Live {
    fn new(nodes: u64) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let line = || {
            let bar = all.add(ProgressBar::new_spinner());
            bar.set_style(ProgressStyle::with_template("  {msg}").expect("the template is sound"));
            bar
        };
        let nodes = (0..nodes).map(|_| line()).collect();
        let totals = line();
        Self { all, nodes, totals }
    }
}

fn node_line(id: u64, seen: Option<Observation>) -> String {
    let (mark, colour, role) = part(seen);
    let head = colour.apply_to(format!("{mark} node {id}  {role:<9}"));
    match seen {
        Some(seen) => format!("{head}  term {:>3}   applied {:>10}", seen.term, grouped(seen.applied)),
        None => head.to_string(),
    }
}

fn part(seen: Option<Observation>) -> (char, Style, &'static str) {
    match seen {
        None => ('✗', Style::new().red(), "down"),
        Some(seen) if seen.leads => ('●', Style::new().green().bold(), "leader"),
        Some(seen) if seen.leader_id == 0 => ('◌', Style::new().yellow(), "candidate"),
        Some(_) => ('○', Style::new(), "follower"),
    }
}

fn short(id: u64, seen: Option<Observation>) -> String {
    let (_, _, role) = part(seen);
    match seen {
        Some(seen) => format!("node {id}: {role}, term {}, applied {}", seen.term, seen.applied),
        None => format!("node {id}: {role}"),
    }
}

fn totals_line(totals: Totals) -> String {
    format!(
        "{} orders acknowledged, {} a second, {} refused for want of stock",
        grouped(totals.acked),
        grouped(totals.per_second),
        grouped(totals.rejected)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(12_345_678), "12,345,678");
    }

    #[test]
    fn a_node_without_a_leader_shows_as_candidate() {
        let seen = Observation { term: 4, applied: 9, ..Observation::default() };
        assert_eq!(short(2, Some(seen)), "node 2: candidate, term 4, applied 9");
        assert_eq!(short(2, None), "node 2: down");
    }
}
