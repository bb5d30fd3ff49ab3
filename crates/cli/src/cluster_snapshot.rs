//! `stockade cluster snapshot`: a backup of a running cluster in a file of which every byte was checked.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use stockade_client::{Client, SnapshotPieces};
use stockade_proto::v1::{SnapshotRequest, SnapshotResponse};
use stockade_server::Exit;
use stockade_storage::{Backup, Error as StorageError};
use tempfile::NamedTempFile;
use tokio::time::{Instant, timeout};

use crate::connect::ClusterArgs;
use crate::failure::Failure;
use crate::offline::{BytesRead, files, hex, log_time, storage};
use crate::one_node::OneNodeArgs;
use crate::output::{self, Output};

/// How long the next piece of a snapshot on its way may take.
const PIECE_TIMEOUT: Duration = Duration::from_mins(1);
/// The file's name while it isn't whole.
const ASIDE: (&str, &str) = (".stockade-", ".partial");

#[derive(Debug, clap::Args)]
pub(crate) struct SnapshotArgs {
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    #[command(flatten)]
    node: OneNodeArgs,
    /// Take the newest snapshot that the node has, rather than have one made. Needs no leader; may be old.
    #[arg(long)]
    existing: bool,
    /// Replace the file where it exists.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// What a node said of the snapshot that it sends.
#[derive(Debug)]
struct Told {
    cluster_id: String,
    node_id: u64,
    bytes: u64,
    index: u64,
    state_hash: Vec<u8>,
}

pub(crate) async fn run(args: SnapshotArgs, output: Output) -> anyhow::Result<()> {
    let started = Instant::now();
    if !args.force && args.to.try_exists()? {
        return Err(exists(&args.to));
    }
    let client = args.cluster.connect().await?;
    let address = args.node.address(&client).await?;
    // What is not whole goes when its handle does: Ctrl-C leaves nothing behind either.
    let (told, backup, sha256) = tokio::select! {
        kept = keep(&client, &address, &args) => kept?,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            return Err(Failure::new(Exit::Interrupted, "interrupted; no file was written").into());
        }
    };
    let object = object(&args.to, &told, &backup, sha256, started.elapsed());
    output.print(&object, || record(&object));
    Ok(())
}

fn exists(path: &Path) -> anyhow::Error {
    let what = format!("{} exists; choose another name, or give --force to replace it", path.display());
    Failure::new(Exit::Usage, what).into()
}

/// Receives a snapshot aside, checks it, and gives it its name.
async fn keep(
    client: &Client,
    address: &str,
    args: &SnapshotArgs,
) -> anyhow::Result<(Told, Backup, [u8; 32])> {
    let request = SnapshotRequest { existing: args.existing };
    let mut pieces = client.snapshot_of(address, request).await?;
    let first = pieces.next().await?.context("the node sent nothing")?;
    let told = told(first)?;
    let dir = match args.to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let aside = tempfile::Builder::new().prefix(ASIDE.0).suffix(ASIDE.1).tempfile_in(dir);
    let mut aside = aside.map_err(|source| failed(&args.to, source))?;
    let sha256 = receive(&mut pieces, &told, &mut aside, &args.to).await?;
    aside.as_file().sync_all().map_err(|source| failed(&args.to, source))?;
    let backup =
        tokio::task::block_in_place(|| stockade_storage::verify_backup(files().as_ref(), aside.path()));
    let backup = backup.map_err(storage).context("what arrived is not sound, and was not kept")?;
    compare(&told, &backup)?;
    let persisted = if args.force { aside.persist(&args.to) } else { aside.persist_noclobber(&args.to) };
    match persisted {
        Ok(_) => {}
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(exists(&args.to));
        }
        Err(error) => return Err(failed(&args.to, error.error)),
    }
    // Without this a power cut could take the name, and with it the backup.
    files().sync_dir(dir).map_err(|source| failed(dir, source))?;
    Ok((told, backup, sha256))
}

fn failed(path: &Path, source: std::io::Error) -> anyhow::Error {
    storage(StorageError::Io { file: path.to_owned(), source })
}

fn told(first: SnapshotResponse) -> anyhow::Result<Told> {
    let header = first.header.context("the node did not say what it sends")?;
    Ok(Told {
        cluster_id: header.cluster_id,
        node_id: header.node_id,
        bytes: first.total_bytes,
        index: first.log_index,
        state_hash: first.state_hash,
    })
}

/// Writes the pieces; gives the SHA-256 over them.
async fn receive(
    pieces: &mut SnapshotPieces,
    told: &Told,
    aside: &mut NamedTempFile,
    to: &Path,
) -> anyhow::Result<[u8; 32]> {
    let mut progress = BytesRead::begin("snapshot", told.bytes);
    let mut hash = Sha256::new();
    let mut arrived = 0_u64;
    while arrived < told.bytes {
        let piece = timeout(PIECE_TIMEOUT, pieces.next()).await;
        let piece = piece.map_err(|_| cut_off(told, arrived))??.ok_or_else(|| cut_off(told, arrived))?;
        let bytes = u64::try_from(piece.chunk.len())?;
        arrived += bytes;
        hash.update(&piece.chunk);
        aside.write_all(&piece.chunk).map_err(|source| failed(to, source))?;
        progress.advance(bytes);
    }
    progress.finish();
    anyhow::ensure!(arrived == told.bytes, "{arrived} bytes arrived, the node said {}", told.bytes);
    Ok(hash.finalize().into())
}

fn cut_off(told: &Told, arrived: u64) -> anyhow::Error {
    let what = format!(
        "node {} stopped sending after {arrived} of {} bytes; no file was written, ask again",
        told.node_id, told.bytes
    );
    Failure::new(Exit::Unavailable, what).into()
}

/// Holds what arrived against what the node said of it.
fn compare(told: &Told, backup: &Backup) -> anyhow::Result<()> {
    let same = told.bytes == backup.bytes
        && told.index == backup.index
        && told.state_hash.as_slice() == backup.state_hash.as_slice();
    anyhow::ensure!(
        same,
        "the file holds index {} with state hash {}, the node said index {} with {}; it was not kept",
        backup.index,
        hex(&backup.state_hash),
        told.index,
        hex(&told.state_hash)
    );
    Ok(())
}

#[allow(clippy::float_arithmetic, reason = "seconds, for people and reports")]
fn object(to: &Path, told: &Told, backup: &Backup, sha256: [u8; 32], took: Duration) -> Value {
    json!({
        "file": to.display().to_string(),
        "bytes": backup.bytes,
        "index": backup.index,
        "log_time": log_time(backup.log_time.micros()),
        "rows": backup.rows,
        "state_hash": hex(&backup.state_hash),
        "backup_id": backup.id.to_string(),
        "sha256": hex(&sha256),
        "cluster_id": told.cluster_id,
        "node_id": told.node_id,
        "seconds": took.as_secs_f64(),
    })
}

fn record(object: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let names = ["file", "bytes", "index", "log_time", "state_hash", "backup_id", "sha256"];
    output::record(&names.map(|name| (name, text(&object[name]))))
}
