//! `stockade sku import`.

use std::path::Path;

use anyhow::Context as _;
use parking_lot::Mutex;
use prost_types::FieldMask;
use serde_json::{Value, json};
use stockade_client::Client;
use stockade_proto::v1::{CreateSkuRequest, UpdateSkuRequest};

use super::catalog::{self, Change, Plan, What};
use super::report::Report;
use super::{ImportArgs, bytes_of, columns, known};
use crate::batch::{at_once, persist};
use crate::connect::ClusterArgs;
use crate::output::{Output, line};
use crate::progress::Progress;

const COUNTS: [&str; 4] = ["created", "updated", "unchanged", "failed"];

/// Brings the SKUs of a file into the cluster. The file is the truth for the columns that it has.
pub(crate) async fn import_skus(
    cluster: &ClusterArgs,
    args: &ImportArgs,
    output: Output,
) -> anyhow::Result<()> {
    let sheet = read(&args.file).await?;
    let rows = sheet.rows.len();
    let client = cluster.connect().await?;
    let ids = sheet.rows.iter().map(|(_, sku)| sku.sku_id.clone()).collect();
    let there = known::skus(&client, ids).await?;
    let Plan { changes, unchanged, bad } = catalog::plan(sheet, &there);
    if !bad.is_empty() {
        return Err(columns::refuse(&bad));
    }
    let mut report = Report::new(&args.file, args.dry_run, rows, &COUNTS);
    report.add("unchanged", unchanged);
    if args.dry_run {
        for change in &changes {
            tell(change, output);
            report.add(counter(change), 1);
        }
    } else {
        let progress = Progress::begin("SKUs", "SKUs", u64::try_from(changes.len()).unwrap_or(u64::MAX));
        let shared = Mutex::new(&mut report);
        at_once(changes.iter(), |change| one(&client, change, &shared), &progress).await?;
    }
    report.print(output);
    report.verdict()
}

async fn read(file: &Path) -> anyhow::Result<columns::Sheet<stockade_proto::v1::Sku>> {
    let bytes = bytes_of(file).await?;
    let sheet = catalog::read(&bytes).with_context(|| format!("{} cannot be imported", file.display()))?;
    sheet.map_err(|bad| columns::refuse(&bad))
}

fn counter(change: &Change) -> &'static str {
    match change.what {
        What::Create => "created",
        What::Update(_) => "updated",
    }
}

/// Says what would be done.
fn tell(change: &Change, output: Output) {
    let (number, id) = (change.line, &change.sku.sku_id);
    let (what, fields) = match &change.what {
        What::Create => ("create", [].as_slice()),
        What::Update(fields) => ("update", fields.as_slice()),
    };
    match output {
        Output::Json => {
            line(&json!({ "line": number, "sku_id": id, "change": what, "fields": fields }).to_string());
        }
        Output::Table => line(format!("line {number}: {what} {id} {}", fields.join(", ")).trim_end()),
    }
}

async fn one(client: &Client, change: &Change, report: &Mutex<&mut Report>) -> anyhow::Result<u64> {
    let (request_id, sku) = (client.new_request_id(), Some(change.sku.clone()));
    let done = match &change.what {
        What::Create => {
            let request = CreateSkuRequest { request_id, sku, ..CreateSkuRequest::default() };
            persist(|| client.create_sku(request.clone())).await.map(drop)
        }
        What::Update(fields) => {
            let paths = fields.iter().map(|field| (*field).to_owned()).collect();
            let update_mask = Some(FieldMask { paths });
            let request = UpdateSkuRequest { request_id, sku, update_mask, ..UpdateSkuRequest::default() };
            persist(|| client.update_sku(request.clone())).await.map(drop)
        }
    };
    let about: [(&str, Value); 1] = [("sku_id", json!(change.sku.sku_id))];
    report.lock().done(change.line, &about, counter(change), done)?;
    Ok(1)
}
