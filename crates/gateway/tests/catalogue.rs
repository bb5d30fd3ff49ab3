//! Catalogue and stock through the services: locations, etags, masks, several things at once, what orders could take.
#![allow(clippy::unwrap_used, reason = "a test's helpers may panic like the test")]

mod support;

use stockade_proto::v1;
use stockade_proto::v1::catalog_service_client::CatalogServiceClient;
use stockade_proto::v1::stock_service_client::StockServiceClient;
use support::Cluster;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// A cluster, and a node of it to call.
struct Shop {
    cluster: Cluster,
    catalog: CatalogServiceClient<Channel>,
    stock: StockServiceClient<Channel>,
}

impl Shop {
    async fn open() -> Self {
        let cluster = Cluster::start().await;
        let channel = cluster.follower_channel().await;
        let (catalog, stock) = (CatalogServiceClient::new(channel.clone()), StockServiceClient::new(channel));
        Self { cluster, catalog, stock }
    }

    async fn location(&mut self, location: v1::Location) -> v1::Location {
        let request_id = self.cluster.request_id();
        let create = v1::CreateLocationRequest {
            request_id,
            location: Some(location),
            ..v1::CreateLocationRequest::default()
        };
        self.catalog.create_location(create).await.unwrap().into_inner().location.unwrap()
    }

    async fn sku(&mut self, sku: v1::Sku) -> v1::Sku {
        let request_id = self.cluster.request_id();
        let create = v1::CreateSkuRequest { request_id, sku: Some(sku), ..v1::CreateSkuRequest::default() };
        self.catalog.create_sku(create).await.unwrap().into_inner().sku.unwrap()
    }

    async fn set(&mut self, sku_id: &str, location_id: &str, quantity: i64, expected: Option<i64>) -> Answer {
        let set = v1::SetStockRequest {
            request_id: self.cluster.request_id(),
            sku_id: sku_id.to_owned(),
            location_id: location_id.to_owned(),
            quantity,
            expected_quantity: expected,
            reason: v1::Reason::CycleCount.into(),
            ..v1::SetStockRequest::default()
        };
        self.stock.set_stock(set).await.map(|answer| answer.into_inner().stock.unwrap())
    }
}

type Answer = Result<v1::Stock, Status>;

fn named(location_id: &str) -> v1::Location {
    v1::Location { location_id: location_id.to_owned(), ..v1::Location::default() }
}

fn plain(sku_id: &str) -> v1::Sku {
    v1::Sku { sku_id: sku_id.to_owned(), ..v1::Sku::default() }
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

fn told(status: &Status, key: &str) -> String {
    let metadata = status.get_details_error_info().map(|info| info.metadata).unwrap_or_default();
    metadata.get(key).cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_location_is_changed_by_its_mask_and_its_etag() {
    let mut shop = Shop::open().await;
    let north = v1::Location { zone: "uk".to_owned(), priority: 7, ..named("north") };
    let created = shop.location(north).await;
    assert_eq!((created.zone.as_str(), created.priority, created.disabled), ("uk", 7, false));
    let mut update = v1::UpdateLocationRequest {
        request_id: shop.cluster.request_id(),
        location: Some(v1::Location { disabled: true, etag: created.etag.clone(), ..named("north") }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["disabled".to_owned()] }),
        ..v1::UpdateLocationRequest::default()
    };
    let changed = shop.catalog.update_location(update.clone()).await.unwrap().into_inner().location.unwrap();
    assert_eq!((changed.zone.as_str(), changed.priority, changed.disabled), ("uk", 7, true));
    assert_ne!(changed.etag, created.etag);
    // The etag that was read before is over, and the refusal says which one holds now.
    update.request_id = shop.cluster.request_id();
    let stale = shop.catalog.update_location(update.clone()).await.unwrap_err();
    assert_eq!((stale.code(), reason(&stale)), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    assert_eq!(told(&stale, "etag"), changed.etag);
    update.request_id = shop.cluster.request_id();
    update.location.as_mut().unwrap().etag = "not one".to_owned();
    update.update_mask = Some(prost_types::FieldMask { paths: vec!["create_time".to_owned()] });
    let wrong = shop.catalog.update_location(update).await.unwrap_err();
    let fields: Vec<_> =
        wrong.get_details_bad_request().unwrap().field_violations.into_iter().map(|one| one.field).collect();
    assert_eq!(fields, ["update_mask.paths", "location.etag"]);

    shop.location(named("south")).await;
    let page = v1::ListLocationsRequest { page_size: 1, page_token: String::new(), read: None };
    let first = shop.catalog.list_locations(page).await.unwrap().into_inner();
    let page = v1::ListLocationsRequest { page_size: 1, page_token: first.next_page_token, read: None };
    let second = shop.catalog.list_locations(page).await.unwrap().into_inner();
    assert_eq!((&*first.locations[0].location_id, &*second.locations[0].location_id), ("north", "south"));
    let delete = v1::DeleteLocationRequest {
        request_id: shop.cluster.request_id(),
        location_id: "south".to_owned(),
        etag: second.locations[0].etag.clone(),
        ..v1::DeleteLocationRequest::default()
    };
    shop.catalog.delete_location(delete).await.unwrap();
    let gone = v1::GetLocationRequest { location_id: "south".to_owned(), read: None };
    assert_eq!(shop.catalog.get_location(gone).await.unwrap_err().code(), Code::NotFound);
    shop.cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_count_sets_what_it_expected_and_units_move_between_buckets() {
    let mut shop = Shop::open().await;
    shop.location(named("main")).await;
    shop.sku(plain("A")).await;
    assert_eq!(shop.set("A", "main", 5, Some(0)).await.unwrap().available, 5);
    let stale = shop.set("A", "main", 9, Some(4)).await.unwrap_err();
    assert_eq!((stale.code(), reason(&stale)), (Code::Aborted, "QUANTITY_STALE".to_owned()));
    assert_eq!((told(&stale, "bucket"), told(&stale, "current_quantity")), ("available".into(), "5".into()));
    assert_eq!(reason(&shop.set("A", "nowhere", 9, None).await.unwrap_err()), "NOT_FOUND");
    let moved = v1::MoveStockRequest {
        request_id: shop.cluster.request_id(),
        sku_id: "A".to_owned(),
        location_id: "main".to_owned(),
        to_bucket: v1::Bucket::Damaged.into(),
        quantity: 2,
        reason: v1::Reason::Damaged.into(),
        ..v1::MoveStockRequest::default()
    };
    let stock = shop.stock.move_stock(moved).await.unwrap().into_inner().stock.unwrap();
    assert_eq!((stock.available, stock.damaged, stock.on_hand), (3, 2, 5));
    shop.cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_things_are_read_at_one_revision_and_lists_hold_what_was_asked_for() {
    let mut shop = Shop::open().await;
    for (location_id, zone) in [("main", "uk"), ("shop", "uk"), ("paris", "eu")] {
        shop.location(v1::Location { zone: zone.to_owned(), ..named(location_id) }).await;
    }
    shop.sku(plain("A")).await;
    shop.sku(plain("B")).await;
    shop.sku(v1::Sku { untracked: true, ..plain("wrap") }).await;
    for (sku_id, location_id, quantity) in [("A", "main", 4), ("A", "paris", 9), ("B", "shop", 1)] {
        shop.set(sku_id, location_id, quantity, None).await.unwrap();
    }
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let batch = v1::BatchGetSkusRequest { sku_ids: ids(&["wrap", "A", "wrap"]), read: None };
    let skus = shop.catalog.batch_get_skus(batch).await.unwrap().into_inner().skus;
    let seen: Vec<_> = skus.iter().map(|sku| (sku.sku_id.as_str(), sku.untracked)).collect();
    assert_eq!(seen, [("wrap", true), ("A", false), ("wrap", true)]);
    let missing = v1::BatchGetSkusRequest { sku_ids: ids(&["A", "Z"]), read: None };
    let missing = shop.catalog.batch_get_skus(missing).await.unwrap_err();
    assert_eq!(missing.get_details_resource_info().unwrap().resource_name, "Z");
    let name = |sku_id: &str, location_id: &str| v1::StockName {
        sku_id: sku_id.to_owned(),
        location_id: location_id.to_owned(),
    };
    let batch = v1::BatchGetStockRequest { names: vec![name("B", "shop"), name("B", "main")], read: None };
    let rows = shop.stock.batch_get_stock(batch).await.unwrap().into_inner().stock;
    // Where none was ever booked there is no etag either.
    let seen: Vec<_> = rows.iter().map(|stock| (stock.available, stock.etag.is_empty())).collect();
    assert_eq!(seen, [(1, false), (0, true)]);

    let low = v1::ListStockRequest { available_below: Some(5), page_size: 1, ..Default::default() };
    let first = shop.stock.list_stock(low.clone()).await.unwrap().into_inner();
    let rest = v1::ListStockRequest { page_token: first.next_page_token, ..low };
    let second = shop.stock.list_stock(rest).await.unwrap().into_inner();
    let place = |stock: &v1::Stock| (stock.sku_id.clone(), stock.location_id.clone());
    assert_eq!(place(&first.stock[0]), ("A".into(), "main".into()));
    assert_eq!(place(&second.stock[0]), ("B".into(), "shop".into()));
    let at = v1::ListStockRequest { location_id: "paris".to_owned(), ..Default::default() };
    assert_eq!(shop.stock.list_stock(at).await.unwrap().into_inner().stock.len(), 1);

    let asked = |zone: &str| v1::GetAvailabilityRequest {
        sku_ids: ids(&["A", "wrap"]),
        zone: zone.to_owned(),
        ..Default::default()
    };
    let all = shop.stock.get_availability(asked("")).await.unwrap().into_inner().availability;
    assert_eq!((all[0].available, all[0].locations.len(), all[1].untracked), (13, 2, true));
    let update = v1::UpdateLocationRequest {
        request_id: shop.cluster.request_id(),
        location: Some(v1::Location { disabled: true, zone: "uk".to_owned(), ..named("main") }),
        update_mask: None,
        ..v1::UpdateLocationRequest::default()
    };
    shop.catalog.update_location(update).await.unwrap();
    let all = shop.stock.get_availability(asked("")).await.unwrap().into_inner().availability;
    assert_eq!(all[0].available, 9, "a location that takes no orders has nothing to give");
    let uk = shop.stock.get_availability(asked("uk")).await.unwrap().into_inner().availability;
    assert_eq!((uk[0].available, uk[0].locations.len()), (0, 0));
    shop.cluster.stop().await;
}
