//! CSV files of the catalogue and of stock: `export` and `import` of `stockade sku` and `stockade stock`.
//!
//! Read `records.rs` for how a file falls into records, `columns.rs` for what a record is taken for, `catalog.rs` and
//! `counts.rs` for what it leads to, `known.rs` for what the cluster has already, `output.rs` for how a file is written.
//!
//! Invariants:
//! - A file is read and checked to its last line before anything is changed.
//! - What an export of SKUs writes, an import reads as the same.

pub(crate) mod attributes;
mod catalog;
mod catalog_import;
mod columns;
mod counts;
mod counts_import;
mod export;
mod known;
mod limits;
mod output;
mod records;
mod report;

use std::path::{Path, PathBuf};

pub(crate) use catalog_import::import_skus;
pub(crate) use counts_import::import_stock;
pub(crate) use export::{export_skus, export_stock};
pub(crate) use records::{BYTE_ORDER_MARK, fields};

/// Stands for standard input and standard output.
const STANDARD: &str = "-";

/// Flags of an export.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// Where to write; `-` for standard output. A file gets its name once it is whole.
    #[arg(long, value_name = "FILE", default_value = STANDARD)]
    file: PathBuf,
}

/// Flags of an import.
#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// The CSV file; `-` for standard input.
    file: PathBuf,
    /// Only say what would change.
    #[arg(long)]
    dry_run: bool,
}

/// Reads a whole file.
async fn bytes_of(path: &Path) -> anyhow::Result<Vec<u8>> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || records::read_all(&path)).await?
}
