//! A small story of stock: goods come in, are ordered, shipped and returned, and a SKU comes to its end. What every step came to is noted.

use std::collections::BTreeMap;

use stockade_proto::v1;
use stockade_proto::v1::mutation::Request as Mutated;
use stockade_proto::v1::stock_service_client::StockServiceClient;
use stockade_proto::v1::transaction_service_client::TransactionServiceClient;
use tonic::transport::Channel;

use super::Cluster;

/// SKU and location.
pub(crate) type Place = (&'static str, &'static str);

/// Everything that the story moves, and where.
pub(crate) const PLACES: [Place; 4] = [("A", "main"), ("A", "shop"), ("B", "main"), ("B", "shop")];
/// A SKU of which nothing is ever moved.
pub(crate) const UNMOVED: &str = "C";

/// How things were after a step.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) revision: u64,
    /// Log time, in microseconds.
    pub(crate) time: i64,
    /// As `GetStock` had it, without etags. What was deleted stays as it was before.
    pub(crate) stock: BTreeMap<Place, v1::Stock>,
}

impl Told {
    fn before_everything() -> Self {
        let nothing = |(sku, location): Place| v1::Stock {
            sku_id: sku.to_owned(),
            location_id: location.to_owned(),
            ..v1::Stock::default()
        };
        let stock = PLACES.iter().map(|place| (*place, nothing(*place))).collect();
        Self { revision: 0, time: 0, stock }
    }
}

/// Writes through one channel and notes how things were after each step, first of all before everything.
pub(crate) async fn tell(cluster: &Cluster, channel: &Channel) -> Vec<Told> {
    let mut transactions = TransactionServiceClient::new(channel.clone());
    let mut stock = StockServiceClient::new(channel.clone());
    let mut told = vec![Told::before_everything()];
    for operations in steps() {
        let operation = |request| v1::Mutation { timeout: None, request: Some(request) };
        let request = v1::TransactRequest {
            request_id: cluster.request_id(),
            operations: operations.into_iter().map(operation).collect(),
            ..v1::TransactRequest::default()
        };
        let header = transactions.transact(request).await.unwrap().into_inner().header.unwrap();
        let mut now = told.last().unwrap().clone();
        (now.revision, now.time) = (header.revision, micros(header.log_time.as_ref()));
        for ((sku, location), seen) in &mut now.stock {
            let (sku_id, location_id) = ((*sku).to_owned(), (*location).to_owned());
            // One that was deleted keeps what it had.
            if let Ok(read) = stock.get_stock(v1::GetStockRequest { sku_id, location_id, read: None }).await {
                *seen = v1::Stock { etag: String::new(), ..read.into_inner().stock.unwrap() };
            }
        }
        told.push(now);
    }
    told
}

pub(crate) fn micros(time: Option<&prost_types::Timestamp>) -> i64 {
    time.map(|time| time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000).unwrap()
}

pub(crate) fn timestamp(micros: i64) -> prost_types::Timestamp {
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap();
    prost_types::Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}

/// Operations that happen at one revision each.
fn steps() -> Vec<Vec<Mutated>> {
    let hold = prost_types::Duration { seconds: 3_600, nanos: 0 };
    vec![
        vec![location("main"), location("shop"), sku("A"), sku("B"), sku(UNMOVED)],
        vec![receive("A", "main", 10), receive("A", "shop", 5)],
        vec![receive("B", "main", 3)],
        vec![place("O-1", &[("A", "main", 4), ("B", "main", 1)])],
        vec![confirm("O-1")],
        vec![Mutated::ShipOrder(v1::ShipOrderRequest {
            order_id: "O-1".to_owned(),
            lines: vec![v1::LineQuantity { line: 1, quantity: 3, ..v1::LineQuantity::default() }],
            tracking_number: "T-1".to_owned(),
            document_id: "P-1".to_owned(),
            ..v1::ShipOrderRequest::default()
        })],
        vec![Mutated::CancelOrder(v1::CancelOrderRequest {
            order_id: "O-1".to_owned(),
            ..v1::CancelOrderRequest::default()
        })],
        vec![Mutated::ReturnOrder(v1::ReturnOrderRequest {
            order_id: "O-1".to_owned(),
            lines: [v1::Disposition::Restock, v1::Disposition::Damaged, v1::Disposition::Scrap]
                .map(|disposition| v1::ReturnLine {
                    line: 1,
                    quantity: 1,
                    disposition: disposition.into(),
                    ..v1::ReturnLine::default()
                })
                .to_vec(),
            ..v1::ReturnOrderRequest::default()
        })],
        vec![Mutated::CreateReservation(v1::CreateReservationRequest {
            reservation_id: "R-1".to_owned(),
            currency_code: "GBP".to_owned(),
            lines: vec![line("A", "shop", 3)],
            ..v1::CreateReservationRequest::default()
        })],
        vec![Mutated::CommitReservation(v1::CommitReservationRequest {
            reservation_id: "R-1".to_owned(),
            order_id: "O-2".to_owned(),
            lines: vec![v1::LineQuantity { line: 1, quantity: 1, ..v1::LineQuantity::default() }],
            hold_duration: Some(hold),
            ..v1::CommitReservationRequest::default()
        })],
        vec![Mutated::ReleaseReservation(v1::ReleaseReservationRequest {
            reservation_id: "R-1".to_owned(),
            ..v1::ReleaseReservationRequest::default()
        })],
        vec![
            Mutated::AdjustStock(v1::AdjustStockRequest {
                sku_id: "A".to_owned(),
                location_id: "main".to_owned(),
                delta: -2,
                reason: v1::Reason::Shrinkage.into(),
                document_id: "D-1".to_owned(),
                reference: "shelf 4".to_owned(),
                ..v1::AdjustStockRequest::default()
            }),
            Mutated::MoveStock(v1::MoveStockRequest {
                sku_id: "A".to_owned(),
                location_id: "shop".to_owned(),
                to_bucket: v1::Bucket::QualityControl.into(),
                quantity: 1,
                reason: v1::Reason::QualityHold.into(),
                ..v1::MoveStockRequest::default()
            }),
        ],
        vec![Mutated::SetStock(v1::SetStockRequest {
            sku_id: "B".to_owned(),
            location_id: "main".to_owned(),
            quantity: 0,
            reason: v1::Reason::CycleCount.into(),
            ..v1::SetStockRequest::default()
        })],
        vec![Mutated::DeleteSku(v1::DeleteSkuRequest {
            sku_id: "B".to_owned(),
            ..v1::DeleteSkuRequest::default()
        })],
        vec![receive("A", "main", 1)],
    ]
}

pub(crate) fn location(location_id: &str) -> Mutated {
    let location = v1::Location { location_id: location_id.to_owned(), ..v1::Location::default() };
    Mutated::CreateLocation(v1::CreateLocationRequest {
        location: Some(location),
        ..v1::CreateLocationRequest::default()
    })
}

pub(crate) fn sku(sku_id: &str) -> Mutated {
    let sku = v1::Sku { sku_id: sku_id.to_owned(), ..v1::Sku::default() };
    Mutated::CreateSku(v1::CreateSkuRequest { sku: Some(sku), ..v1::CreateSkuRequest::default() })
}

pub(crate) fn receive(sku_id: &str, location_id: &str, quantity: i64) -> Mutated {
    Mutated::ReceiveStock(v1::ReceiveStockRequest {
        sku_id: sku_id.to_owned(),
        location_id: location_id.to_owned(),
        quantity,
        ..v1::ReceiveStockRequest::default()
    })
}

pub(crate) fn line(sku_id: &str, location_id: &str, quantity: i64) -> v1::NewOrderLine {
    v1::NewOrderLine {
        sku_id: sku_id.to_owned(),
        location_id: location_id.to_owned(),
        quantity,
        ..v1::NewOrderLine::default()
    }
}

pub(crate) fn place(order_id: &str, lines: &[(&str, &str, i64)]) -> Mutated {
    Mutated::PlaceOrder(v1::PlaceOrderRequest {
        order_id: order_id.to_owned(),
        currency_code: "GBP".to_owned(),
        lines: lines.iter().map(|(sku, location, quantity)| line(sku, location, *quantity)).collect(),
        ..v1::PlaceOrderRequest::default()
    })
}

pub(crate) fn confirm(order_id: &str) -> Mutated {
    Mutated::ConfirmOrder(v1::ConfirmOrderRequest {
        order_id: order_id.to_owned(),
        ..v1::ConfirmOrderRequest::default()
    })
}
