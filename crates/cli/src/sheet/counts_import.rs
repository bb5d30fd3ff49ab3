//! `stockade stock import`.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context as _;
use parking_lot::Mutex;
use serde_json::{Value, json};
use stockade_client::Client;
use stockade_proto::v1::{Reason, SetStockRequest};

use super::counts::{self, Count, Verdict};
use super::known::Place;
use super::report::Report;
use super::{ImportArgs, bytes_of, columns, known};
use crate::batch::{at_once, persist};
use crate::connect::ClusterArgs;
use crate::output::{Output, line};
use crate::progress::Progress;
use crate::words;

const COUNTS: [&str; 4] = ["set", "unchanged", "stale", "failed"];

/// Sets each bucket of a file to the quantity that was counted.
pub(crate) async fn import_stock(
    cluster: &ClusterArgs,
    args: &ImportArgs,
    output: Output,
) -> anyhow::Result<()> {
    let sheet = read(&args.file).await?;
    let client = cluster.connect().await?;
    let places: BTreeSet<Place> = sheet.rows.iter().map(|(_, count)| count.place.clone()).collect();
    let there = known::stock(&client, places.into_iter().collect()).await?;
    let mut report = Report::new(&args.file, args.dry_run, sheet.rows.len(), &COUNTS);
    let mut to_set = Vec::new();
    for (number, count) in &sheet.rows {
        match counts::judge(count, &there) {
            Verdict::Unchanged => report.add("unchanged", 1),
            Verdict::Set(from) if args.dry_run => {
                tell(*number, count, from, output);
                report.add("set", 1);
            }
            Verdict::Set(_) => to_set.push((*number, count)),
            Verdict::Stale(is) => {
                let expected = count.expected.unwrap_or_default();
                let why = format!("{} is {is}, expected {expected}", words::bucket_name(count.bucket));
                report.refused(*number, &about(count), "stale", "QUANTITY_STALE", &why);
            }
            Verdict::Missing(why) => {
                report.refused(*number, &about(count), "failed", "NOT_FOUND", &why);
            }
        }
    }
    let progress = Progress::begin("stock", "buckets", u64::try_from(to_set.len()).unwrap_or(u64::MAX));
    {
        let shared = Mutex::new(&mut report);
        let one = |(number, count)| set(&client, number, count, &shared);
        at_once(to_set.into_iter(), one, &progress).await?;
    }
    report.print(output);
    report.verdict()
}

async fn read(file: &Path) -> anyhow::Result<columns::Sheet<Count>> {
    let bytes = bytes_of(file).await?;
    let sheet = counts::read(&bytes).with_context(|| format!("{} cannot be imported", file.display()))?;
    sheet.map_err(|bad| columns::refuse(&bad))
}

fn about(count: &Count) -> [(&'static str, Value); 3] {
    [
        ("sku_id", json!(count.place.0)),
        ("location_id", json!(count.place.1)),
        ("bucket", json!(words::bucket_name(count.bucket))),
    ]
}

/// Says what would be done.
fn tell(number: u64, count: &Count, from: i64, output: Output) {
    let ((sku, location), bucket, to) = (&count.place, words::bucket_name(count.bucket), count.quantity);
    match output {
        Output::Json => line(
            &json!({
                "line": number,
                "sku_id": sku,
                "location_id": location,
                "bucket": bucket,
                "from": from,
                "to": to,
            })
            .to_string(),
        ),
        Output::Table => line(&format!("line {number}: {bucket} of {sku} at {location} from {from} to {to}")),
    }
}

async fn set(
    client: &Client,
    number: u64,
    count: &Count,
    report: &Mutex<&mut Report>,
) -> anyhow::Result<u64> {
    let request = SetStockRequest {
        request_id: client.new_request_id(),
        sku_id: count.place.0.clone(),
        location_id: count.place.1.clone(),
        bucket: count.bucket.into(),
        quantity: count.quantity,
        expected_quantity: count.expected,
        reason: Reason::CycleCount.into(),
        ..SetStockRequest::default()
    };
    let done = persist(|| client.set_stock(request.clone())).await.map(drop);
    report.lock().done(number, &about(count), "set", done)?;
    Ok(1)
}
