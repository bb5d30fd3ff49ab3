//! `stockade sku export` and `stockade stock export`: page after page, to the end.

use serde_json::json;
use stockade_proto::v1::{ListSkusRequest, ListStockRequest};
use tokio::time::Instant;

use super::output::Sink;
use super::{ExportArgs, STANDARD, catalog, counts, limits};
use crate::batch::persist;
use crate::connect::ClusterArgs;
use crate::output::Output;
use crate::progress::PROGRESS_EVERY;

/// Writes all SKUs.
pub(crate) async fn export_skus(
    cluster: &ClusterArgs,
    args: &ExportArgs,
    output: Output,
) -> anyhow::Result<()> {
    let client = cluster.connect().await?;
    let mut file = Written::begin(args, "SKUs", &catalog::COLUMNS)?;
    let mut request = ListSkusRequest { page_size: limits::PAGE_ROWS, page_token: String::new(), read: None };
    loop {
        let page = persist(|| client.list_skus(request.clone())).await?;
        let more = file.add(page.skus.iter().map(catalog::record))?;
        if !more || page.next_page_token.is_empty() {
            return file.finish(output);
        }
        request.page_token = page.next_page_token;
    }
}

/// Writes all stock.
pub(crate) async fn export_stock(
    cluster: &ClusterArgs,
    args: &ExportArgs,
    output: Output,
) -> anyhow::Result<()> {
    let client = cluster.connect().await?;
    let mut file = Written::begin(args, "stock rows", &counts::EXPORTED)?;
    let mut request = ListStockRequest { page_size: limits::PAGE_ROWS, ..ListStockRequest::default() };
    loop {
        let page = persist(|| client.list_stock(request.clone())).await?;
        let more = file.add(page.stock.iter().map(counts::record))?;
        if !more || page.next_page_token.is_empty() {
            return file.finish(output);
        }
        request.page_token = page.next_page_token;
    }
}

/// A file that grows page by page.
struct Written {
    sink: Sink,
    what: &'static str,
    rows: u64,
    next_line: Instant,
}

impl Written {
    fn begin(args: &ExportArgs, what: &'static str, header: &[&str]) -> anyhow::Result<Self> {
        let next_line = Instant::now() + PROGRESS_EVERY;
        let mut written = Self { sink: Sink::create(&args.file)?, what, rows: 0, next_line };
        written.write(std::iter::once(header))?;
        Ok(written)
    }

    /// Adds a page. False where nobody reads on.
    fn add<const N: usize>(&mut self, rows: impl Iterator<Item = [String; N]>) -> anyhow::Result<bool> {
        let rows: Vec<_> = rows.collect();
        self.rows += u64::try_from(rows.len()).unwrap_or(u64::MAX);
        if Instant::now() >= self.next_line {
            eprintln!("{} {} so far", self.rows, self.what);
            self.next_line = Instant::now() + PROGRESS_EVERY;
        }
        self.write(rows.iter())
    }

    fn write<Row>(&mut self, rows: impl Iterator<Item = Row>) -> anyhow::Result<bool>
    where
        Row: IntoIterator<Item: AsRef<[u8]>>,
    {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in rows {
            writer.write_record(row)?;
        }
        let bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
        self.sink.write(&bytes)
    }

    fn finish(self, output: Output) -> anyhow::Result<()> {
        let (rows, what) = (self.rows, self.what);
        let Some(path) = self.sink.finish()? else {
            eprintln!("{rows} {what} written");
            // Standard output holds the rows: only programs that ask for the object find it behind them.
            if output == Output::Json {
                output.print(&json!({ "file": STANDARD, "rows": rows }), String::new);
            }
            return Ok(());
        };
        let name = path.display().to_string();
        output.print(&json!({ "file": name, "rows": rows }), || format!("{rows} {what} written to {name}"));
        Ok(())
    }
}
