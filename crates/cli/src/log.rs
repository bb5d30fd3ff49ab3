//! What is logged, and where it goes.

use std::fs::OpenOptions;
use std::sync::Arc;

use anyhow::Context as _;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::{Cli, Command};

/// The tracing target of the audit log.
const AUDIT: &str = "audit";

/// What a node logs where nothing else is wanted. Openraft and h2 tell of each call to a peer that can't be reached, thirty a second; the alarm
/// for a lost link says it once.
const USUAL: &str = "info,openraft=error,h2=error,sled=warn";

/// A node logs what happens to it; other commands only what needs a person. What is for the audit log goes there, as JSON,
/// whatever the filter says.
pub(crate) fn init(cli: &Cli) -> anyhow::Result<()> {
    let start = match &cli.command {
        Command::Start(args) => Some(args),
        _ => None,
    };
    let usual = if start.is_some() { USUAL } else { "error" };
    let wanted = if cli.log.is_empty() { usual } else { cli.log.as_str() };
    let filter = EnvFilter::try_new(wanted).unwrap_or_else(|error| {
        eprintln!("warning: --log {wanted}: {error}; logging at `{usual}`");
        EnvFilter::new(usual)
    });
    let audit = match start {
        Some(args) => Some(match &args.audit_log {
            Some(path) => {
                let file = OpenOptions::new().create(true).append(true).open(path);
                let file = file.with_context(|| format!("opening the audit log {}", path.display()))?;
                BoxMakeWriter::new(Arc::new(file))
            }
            None => BoxMakeWriter::new(std::io::stderr),
        }),
        None => None,
    };
    // Without these hints every line of every library, down to traces, would be made before it is thrown away.
    let audit = audit.map(|writer| {
        let lines = tracing_subscriber::fmt::layer().json().flatten_event(true);
        let lines = lines.with_current_span(false).with_span_list(false).with_writer(writer);
        lines.with_filter(filter_fn(|line| line.target() == AUDIT).with_max_level_hint(LevelFilter::INFO))
    });
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let lines = lines.with_filter(
        filter.and(filter_fn(|line| line.target() != AUDIT).with_max_level_hint(LevelFilter::TRACE)),
    );
    tracing_subscriber::registry().with(lines).with(audit).init();
    Ok(())
}
