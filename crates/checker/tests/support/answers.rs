//! Reads, as a node answers them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use stockade_checker::convert;
use stockade_history::{Answer, Asked, Outcome};
use stockade_proto::v1;
use stockade_state_machine::ids::{LocationId, OrderId, SkuId};
use stockade_state_machine::{State, StockKey};

/// A read as a node answers it: the revision of its header, and its ending.
pub(crate) fn read(state: &State, asked: &Asked, served: u64) -> (u64, Outcome<Answer>) {
    let missing = || Outcome::Refused {
        reason: "NOT_FOUND".to_owned(),
        message: String::new(),
        metadata: BTreeMap::new(),
        logged: false,
        fate: None,
    };
    match asked {
        Asked::GetSku(request) => match state.sku(&SkuId::new(&request.sku_id).expect("a sound id")) {
            Some(sku) => {
                let answer = v1::GetSkuResponse { header: None, sku: Some(convert::sku(sku)) };
                (sku.revision.get(), Outcome::Ok(answer.into()))
            }
            None => (served, missing()),
        },
        Asked::GetStock(request) => {
            let sku = SkuId::new(&request.sku_id).expect("a sound id");
            if state.sku(&sku).is_none() {
                return (served, missing());
            }
            let key = StockKey { sku, location: LocationId::new(&request.location_id).expect("a sound id") };
            let stock = state.stock(&key);
            let answer = v1::GetStockResponse { header: None, stock: Some(convert::stock(&key, &stock)) };
            (stock.revision.get(), Outcome::Ok(answer.into()))
        }
        Asked::GetOrder(request) => {
            match state.order(&OrderId::new(&request.order_id).expect("a sound id")) {
                Some(order) => {
                    let answer = v1::GetOrderResponse { header: None, order: Some(convert::order(order)) };
                    (order.revision.get(), Outcome::Ok(answer.into()))
                }
                None => (served, missing()),
            }
        }
        Asked::ListStock(_) => {
            let rows: Vec<_> = state.stock_after(None).take(2).collect();
            let stock = rows.iter().map(|(key, stock)| convert::stock(key, stock)).collect();
            let next_page_token = match rows[..] {
                [_, (last, _)] => token(&format!("{}\n{}", last.sku, last.location)),
                _ => String::new(),
            };
            (served, Outcome::Ok(v1::ListStockResponse { header: None, stock, next_page_token }.into()))
        }
        other => unreachable!("no read that is made up here: {other:?}"),
    }
}

fn token(key: &str) -> String {
    let mut bytes = vec![1];
    bytes.extend_from_slice(key.as_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}
