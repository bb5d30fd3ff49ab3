//! What the cluster has of what a file names.
//!
//! A batch says no as a whole where one of it is missing; then each of it is asked for by itself.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use stockade_client::{Client, Error};
use stockade_proto::v1::{
    BatchGetSkusRequest, BatchGetStockRequest, GetSkuRequest, GetStockRequest, Sku, Stock, StockName,
};

use super::limits;
use crate::batch::{at_once, persist};
use crate::progress::Progress;

fn length<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

/// The SKUs that are there, of these.
pub(super) async fn skus(client: &Client, ids: Vec<String>) -> anyhow::Result<BTreeMap<String, Sku>> {
    let (there, single) = (Mutex::new(BTreeMap::new()), Mutex::new(Vec::new()));
    let batch = |sku_ids: &[String]| {
        let request = BatchGetSkusRequest { sku_ids: sku_ids.to_vec() };
        let (there, single) = (&there, &single);
        async move {
            match persist(|| client.batch_get_skus(request.clone())).await {
                Ok(answer) => {
                    there.lock().extend(answer.skus.into_iter().map(|sku| (sku.sku_id.clone(), sku)));
                }
                Err(error) if error.reason() == "NOT_FOUND" => single.lock().extend(request.sku_ids.clone()),
                Err(error) => return Err(error.into()),
            }
            Ok(length(&request.sku_ids))
        }
    };
    let progress = Progress::begin("looking up", "SKUs", length(&ids));
    at_once(ids.chunks(limits::SKU_BATCH), batch, &progress).await?;
    let single = single.into_inner();
    let one = |sku_id: String| {
        let request = GetSkuRequest { sku_id };
        let there = &there;
        async move {
            match persist(|| client.get_sku(request.clone())).await {
                Ok(answer) => {
                    there.lock().extend(answer.sku.map(|sku| (sku.sku_id.clone(), sku)));
                }
                Err(error) if error.reason() == "NOT_FOUND" => {}
                Err(error) => return Err(error.into()),
            }
            Ok(1)
        }
    };
    let progress = Progress::begin("looking up", "SKUs", length(&single));
    at_once(single.into_iter(), one, &progress).await?;
    Ok(there.into_inner())
}

/// A SKU and a location.
pub(super) type Place = (String, String);

/// The stock at these places; where SKU or location is missing, why there is none.
pub(super) async fn stock(
    client: &Client,
    places: Vec<Place>,
) -> anyhow::Result<BTreeMap<Place, Result<Stock, String>>> {
    let (there, single) = (Mutex::new(BTreeMap::new()), Mutex::new(Vec::new()));
    let batch = |places: &[Place]| {
        let name = |(sku_id, location_id): &Place| StockName {
            sku_id: sku_id.clone(),
            location_id: location_id.clone(),
        };
        let request = BatchGetStockRequest { names: places.iter().map(name).collect() };
        let (there, single, places) = (&there, &single, places.to_vec());
        async move {
            let done = length(&places);
            match persist(|| client.batch_get_stock(request.clone())).await {
                Ok(answer) => there.lock().extend(places.into_iter().zip(answer.stock.into_iter().map(Ok))),
                Err(error) if error.reason() == "NOT_FOUND" => single.lock().extend(places),
                Err(error) => return Err(error.into()),
            }
            Ok(done)
        }
    };
    let progress = Progress::begin("looking up", "stock rows", length(&places));
    at_once(places.chunks(limits::STOCK_BATCH), batch, &progress).await?;
    let single = single.into_inner();
    let one = |place: Place| {
        let request = GetStockRequest { sku_id: place.0.clone(), location_id: place.1.clone() };
        let there = &there;
        async move {
            let stock = match persist(|| client.get_stock(request.clone())).await {
                Ok(answer) => Ok(answer.stock.unwrap_or_default()),
                Err(Error::Rejected(refusal)) if refusal.reason == "NOT_FOUND" => Err(refusal.message),
                Err(error) => return Err(error.into()),
            };
            there.lock().insert(place, stock);
            Ok(1)
        }
    };
    let progress = Progress::begin("looking up", "stock rows", length(&single));
    at_once(single.into_iter(), one, &progress).await?;
    Ok(there.into_inner())
}
