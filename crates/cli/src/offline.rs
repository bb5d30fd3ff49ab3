//! What the commands share that look at a data directory which no node uses.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use prost_types::Timestamp;
use serde_json::{Value, json};
use stockade_server::StartError;
use stockade_storage::file::{DiskFiles, Files};
use stockade_storage::{CommandsInWords, RequestInWords};
use tokio::time::Instant;

/// Between two lines of progress where there is no terminal.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// The data directory of a node that doesn't run.
#[derive(Debug, clap::Args)]
pub(crate) struct DataDir {
    /// The node's data directory. No node may be running on it.
    #[arg(long, value_name = "DIR", env = "STOCKADE_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
}

/// The file system.
pub(crate) fn files() -> Arc<dyn Files> {
    Arc::new(DiskFiles)
}

/// An error of storage, which carries its exit code.
pub(crate) fn storage(error: stockade_storage::Error) -> anyhow::Error {
    StartError::from(error).into()
}

/// A file's path as seen from the data directory: what is left is what a person looks for.
pub(crate) fn short(dir: &Path, path: &Path) -> String {
    path.strip_prefix(dir).unwrap_or(path).display().to_string()
}

/// Bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).expect("below 16");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Log time for people.
pub(crate) fn log_time(micros: u64) -> String {
    let seconds = i64::try_from(micros / 1_000_000).unwrap_or(i64::MAX);
    let nanos = i32::try_from(micros % 1_000_000 * 1_000).expect("below a second");
    crate::print::time(Some(&Timestamp { seconds, nanos }))
}

/// The commands of an entry for programs.
pub(crate) fn request_objects(commands: &CommandsInWords) -> Value {
    let object = |request: &RequestInWords| {
        let RequestInWords { request_id, principal, command } = request;
        json!({ "request_id": request_id, "principal": principal, "command": command })
    };
    commands.requests.iter().map(object).collect()
}

/// The commands of an entry for people, each on a line.
pub(crate) fn request_text(commands: &CommandsInWords, indent: &str) -> String {
    let line = |request: &RequestInWords| match (&request.request_id, &request.principal) {
        (Some(id), Some(principal)) => format!("{indent}{id} of {principal}: {}\n", request.command),
        _ => format!("{indent}the system: {}\n", request.command),
    };
    commands.requests.iter().map(line).collect()
}

/// How many bytes were read: a bar where there is a terminal, a line every few seconds elsewhere. On standard error only.
pub(crate) struct BytesRead {
    what: &'static str,
    total: u64,
    done: u64,
    next_line: Instant,
    bar: Option<ProgressBar>,
}

impl BytesRead {
    /// Begins at nothing of `total`.
    pub(crate) fn begin(what: &'static str, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template =
                "{msg:<10} [{bar:40}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}, {eta} left";
            let style = ProgressStyle::with_template(template).expect("the template is ours and sound");
            ProgressBar::new(total).with_style(style.progress_chars("=> ")).with_message(what)
        });
        Self { what, total, done: 0, next_line: Instant::now() + PROGRESS_EVERY, bar }
    }

    /// So many more were read.
    pub(crate) fn advance(&mut self, bytes: u64) {
        self.done += bytes;
        if let Some(bar) = &self.bar {
            bar.set_position(self.done);
        } else if Instant::now() >= self.next_line {
            self.next_line = Instant::now() + PROGRESS_EVERY;
            eprintln!("{}: {} of {} bytes", self.what, self.done, self.total);
        }
    }

    /// Ends it; gives the bytes read.
    pub(crate) fn finish(self) -> u64 {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.done
    }
}

/// Bytes of the files in a directory and those below; what can't be looked at counts nothing.
pub(crate) fn bytes_below(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let of_entry = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(of_entry).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_time_is_printed_as_a_date() {
        assert_eq!(log_time(1_700_000_000_000_001), "2023-11-14T22:13:20.000001Z");
        assert!(!log_time(u64::MAX).is_empty());
    }

    #[test]
    fn a_path_is_shown_from_the_data_directory_on() {
        assert_eq!(short(Path::new("/d"), Path::new("/d/wal/1.wal")), "wal/1.wal");
        assert_eq!(short(Path::new("/d"), Path::new("/e")), "/e");
    }

    #[test]
    fn the_bytes_of_files_below_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("wal")).unwrap();
        std::fs::write(dir.path().join("wal/1"), b"abc").unwrap();
        std::fs::write(dir.path().join("IDENTITY"), b"de").unwrap();
        assert_eq!(bytes_below(dir.path()), 5);
        assert_eq!(bytes_below(&dir.path().join("nothing")), 0);
    }
}
