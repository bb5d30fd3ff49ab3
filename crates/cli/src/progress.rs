//! How far an import is: a bar where there is a terminal, a line every few seconds elsewhere. On standard error only.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

/// Pause between two plain progress lines.
pub(crate) const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Progress of one stage.
pub(crate) struct Progress {
    stage: &'static str,
    total: u64,
    done: AtomicU64,
    started: Instant,
    /// Milliseconds from the start to the next plain line.
    next_ms: AtomicU64,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Begins a stage of `total` `unit`s.
    pub(crate) fn begin(stage: &'static str, unit: &str, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = format!(
                "{{msg:<10}} [{{bar:40}}] {{human_pos}}/{{human_len}} {unit} {{per_sec}}, {{eta}} left"
            );
            let style = ProgressStyle::with_template(&template).expect("the template is ours and sound");
            ProgressBar::new(total).with_style(style.progress_chars("=> ")).with_message(stage)
        });
        let every = u64::try_from(PROGRESS_EVERY.as_millis()).expect("some seconds");
        let (done, next_ms) = (AtomicU64::new(0), AtomicU64::new(every));
        Self { stage, total, done, started: Instant::now(), next_ms, bar }
    }

    /// So many more are done.
    pub(crate) fn advance(&self, by: u64) {
        let done = self.done.fetch_add(by, Ordering::Relaxed) + by;
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            return;
        }
        let elapsed_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if elapsed_ms >= self.next_ms.load(Ordering::Relaxed) {
            let every = u64::try_from(PROGRESS_EVERY.as_millis()).expect("some seconds");
            self.next_ms.store(elapsed_ms + every, Ordering::Relaxed);
            eprintln!("{}", self.line(done, elapsed_ms));
        }
    }

    fn line(&self, done: u64, elapsed_ms: u64) -> String {
        let rate = done.saturating_mul(1_000) / elapsed_ms.max(1);
        let left = self.total.saturating_sub(done).checked_div(rate);
        let left = left.map_or_else(|| "unknown".to_owned(), |seconds| format!("{seconds} s"));
        format!("{}: {done} of {}, {rate} a second, time left {left}", self.stage, self.total)
    }

    /// Ends the stage.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_plain_line_tells_rate_and_time_left() {
        let progress = Progress::begin("orders", "lines", 1_000);
        assert_eq!(progress.line(250, 500), "orders: 250 of 1000, 500 a second, time left 1 s");
        assert_eq!(progress.line(0, 500), "orders: 0 of 1000, 0 a second, time left unknown");
    }
}
