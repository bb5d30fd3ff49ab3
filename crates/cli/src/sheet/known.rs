//! What the cluster has of what a file names.

use std::collections::BTreeMap;
use std::future::Future;

use parking_lot::Mutex;
use stockade_client::{Client, Error};
use stockade_proto::v1::{BatchGetSkusRequest, BatchGetStockRequest, Sku, Stock, StockName};

use super::limits;
use crate::batch::{at_once, persist};
use crate::progress::Progress;

/// What there is of what was looked up, and why there is none of the rest.
pub(super) type Known<Key, Row> = BTreeMap<Key, Result<Row, String>>;
/// A SKU and a location.
pub(super) type Place = (String, String);

/// Looks SKUs up.
pub(super) async fn skus(client: &Client, ids: Vec<String>) -> anyhow::Result<Known<String, Sku>> {
    let ask = |sku_ids: Vec<String>| async move {
        let request = BatchGetSkusRequest { sku_ids, read: None };
        persist(|| client.batch_get_skus(request.clone())).await.map(|answer| answer.skus)
    };
    look_up("SKUs", ids, limits::SKU_BATCH, ask).await
}

/// Looks stock up.
pub(super) async fn stock(client: &Client, places: Vec<Place>) -> anyhow::Result<Known<Place, Stock>> {
    let ask = |places: Vec<Place>| async move {
        let name = |(sku_id, location_id)| StockName { sku_id, location_id };
        let request = BatchGetStockRequest { names: places.into_iter().map(name).collect(), read: None };
        persist(|| client.batch_get_stock(request.clone())).await.map(|answer| answer.stock)
    };
    look_up("stock rows", places, limits::STOCK_BATCH, ask).await
}

/// Asks for many at once. Where one of them is missing the answer is no for all of them: then for each by itself.
async fn look_up<Key, Row, Answer>(
    what: &'static str,
    mut keys: Vec<Key>,
    at_most: usize,
    ask: impl Fn(Vec<Key>) -> Answer,
) -> anyhow::Result<Known<Key, Row>>
where
    Key: Ord + Clone,
    Answer: Future<Output = Result<Vec<Row>, Error>>,
{
    let known = Mutex::new(BTreeMap::new());
    for at_most in [at_most, 1] {
        let apart = Mutex::new(Vec::new());
        let batch = |keys: &[Key]| {
            let (keys, answer) = (keys.to_vec(), ask(keys.to_vec()));
            let (known, apart) = (&known, &apart);
            async move {
                let count = length(&keys);
                match answer.await {
                    Ok(rows) => known.lock().extend(keys.into_iter().zip(rows.into_iter().map(Ok))),
                    Err(Error::Rejected(refusal)) if refusal.reason == "NOT_FOUND" => {
                        if let [key] = keys.as_slice() {
                            known.lock().insert(key.clone(), Err(refusal.message));
                        } else {
                            apart.lock().extend(keys);
                        }
                    }
                    Err(error) => return Err(error.into()),
                }
                Ok(count)
            }
        };
        let progress = Progress::begin("looking up", what, length(&keys));
        at_once(keys.chunks(at_most), batch, &progress).await?;
        keys = apart.into_inner();
    }
    Ok(known.into_inner())
}

fn length<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}
