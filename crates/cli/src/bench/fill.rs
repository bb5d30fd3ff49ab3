//! Fills the shelves before anything is measured.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use stockade_client::Client;
use stockade_proto::v1::{CreateLocationRequest, CreateSkuRequest, Location, ReceiveStockRequest, Sku};

/// Where the stock is kept.
pub(super) const LOCATION: &str = "main";
/// Units of each SKU: none runs out.
pub(super) const UNITS: i64 = 1_000_000_000;
/// Calls at once.
const AT_ONCE: usize = 512;

/// Makes the location, where there is none, and SKUs with their stock.
pub(super) async fn fill(client: &Client, sku_ids: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let location = Location {
        location_id: LOCATION.to_owned(),
        display_name: "Benchmark warehouse".to_owned(),
        ..Location::default()
    };
    let request = CreateLocationRequest { location: Some(location), ..CreateLocationRequest::default() };
    match client.create_location(request).await {
        Ok(_) => {}
        Err(error) if error.reason() == "ALREADY_EXISTS" => {}
        Err(error) => return Err(error.into()),
    }
    let filled = stream::iter(sku_ids).map(|sku_id| async move {
        let sku = Sku { sku_id: sku_id.clone(), display_name: sku_id.clone(), ..Sku::default() };
        client.create_sku(CreateSkuRequest { sku: Some(sku), ..CreateSkuRequest::default() }).await?;
        let receipt = ReceiveStockRequest {
            sku_id,
            location_id: LOCATION.to_owned(),
            quantity: UNITS,
            ..ReceiveStockRequest::default()
        };
        client.receive_stock(receipt).await?;
        anyhow::Ok(())
    });
    filled.buffer_unordered(AT_ONCE).try_collect().await
}
