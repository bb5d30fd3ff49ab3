//! How long a large history takes to be judged: `cargo run --release -p stockade-checker --example million [OPERATIONS [SKUS
//! [FILE]]]`. With a file the history is kept there, for `stockade check FILE`.

#[path = "../tests/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "made for the tests, of which this needs a part")]
mod support;

use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::PathBuf;
use std::time::Instant;

use stockade_checker::{Check, History, Options, check};
use support::{Cluster, Fault, Shape};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let operations = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse())?;
    let skus = std::env::args().nth(2).map_or(Ok(1_000), |text| text.parse())?;
    let kept = std::env::args_os().nth(3).map(PathBuf::from);
    let aside = || std::env::temp_dir().join(format!("stockade-million-{}.jsonl", std::process::id()));
    let path = kept.clone().unwrap_or_else(aside);
    let shape = Shape { operations, skus, overlap: 64, units: 1_000_000, rich: false, fault: Fault::None };
    Cluster::record(1, shape, BufWriter::with_capacity(1 << 20, File::create(&path)?))?;
    let bytes = std::fs::metadata(&path)?.len();

    let begun = Instant::now();
    let history = History::read(BufReader::with_capacity(1 << 20, File::open(&path)?))?;
    let read = begun.elapsed();
    let report = check(&history, Options::default())?;
    let all = begun.elapsed();
    if kept.is_none() {
        std::fs::remove_file(&path)?;
    }

    let mut out = std::io::stdout().lock();
    writeln!(out, "{} operations, {} entries, {bytes} bytes", report.operations, report.entries)?;
    for of in Check::ALL {
        writeln!(out, "{}: {} looked at", of.letter(), report.count(of).checked)?;
    }
    writeln!(out, "{} violations", report.violation_count())?;
    writeln!(out, "read in {read:.1?}, judged in {:.1?}, all in {all:.1?}", all.saturating_sub(read))?;
    Ok(())
}
