//! The ledger through its service: what moved, and what there was at any moment.
#![allow(clippy::unwrap_used, reason = "a test's helpers may panic like the test")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, stream};
use stockade_proto::v1;
use stockade_proto::v1::get_stock_as_of_request::AsOf;
use stockade_proto::v1::ledger_service_client::LedgerServiceClient;
use support::Cluster;
use support::story::{self, Told, UNMOVED, micros, timestamp};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// A cluster in which the story happened at the leader, and the ledger of a node that follows.
struct Archive {
    cluster: Cluster,
    ledger: LedgerServiceClient<Channel>,
    told: Vec<Told>,
}

impl Archive {
    async fn open() -> Self {
        let cluster = Cluster::start().await;
        let ledger = LedgerServiceClient::new(cluster.follower_channel().await);
        let told = story::tell(&cluster, &cluster.leader_channel().await).await;
        Self { cluster, ledger, told }
    }

    fn last_revision(&self) -> u64 {
        self.told.last().unwrap().revision
    }

    async fn page(&mut self, list: &List) -> Result<v1::ListLedgerEntriesResponse, Status> {
        self.ledger.list_ledger_entries(list.clone()).await.map(tonic::Response::into_inner)
    }

    /// All pages of a list, one after the other.
    async fn list(&self, list: &List, page_size: i32) -> Vec<v1::LedgerEntry> {
        let (mut ledger, mut list) = (self.ledger.clone(), List { page_size, ..list.clone() });
        let mut entries = Vec::new();
        loop {
            let page = ledger.list_ledger_entries(list.clone()).await.unwrap().into_inner();
            assert!(page.entries.len() <= usize::try_from(page_size).unwrap());
            let header = page.header.unwrap();
            assert!(header.revision >= self.last_revision() && header.revision == header.served_revision);
            entries.extend(page.entries);
            if page.next_page_token.is_empty() {
                return entries;
            }
            list.page_token = page.next_page_token;
        }
    }

    async fn everything(&self) -> Vec<v1::LedgerEntry> {
        self.list(&List::default(), 1_000).await
    }

    async fn as_of(&self, sku: &str, location: &str, moment: AsOf) -> Result<Past, Status> {
        let asked = v1::GetStockAsOfRequest {
            sku_id: sku.to_owned(),
            location_id: location.to_owned(),
            as_of: Some(moment),
            ..v1::GetStockAsOfRequest::default()
        };
        self.ledger.clone().get_stock_as_of(asked).await.map(tonic::Response::into_inner)
    }

    /// Looks at a moment, at each place and at each SKU as a whole, and finds what was told then.
    async fn look(&self, moment: AsOf, revision: u64, then: &Told) {
        for ((sku, location), expected) in &then.stock {
            let past = self.as_of(sku, location, moment).await.unwrap();
            assert_eq!(past.stock, std::slice::from_ref(expected), "{sku} at {location}, {moment:?}");
            assert_eq!((past.as_of_revision, past.next_page_token.as_str()), (revision, ""));
            let header = past.header.unwrap();
            assert_eq!(header.revision, expected.revision);
            assert!(header.served_revision >= self.last_revision());
        }
        for sku in ["A", "B"] {
            let of_it = then.stock.values().filter(|stock| stock.sku_id == sku && stock.revision > 0);
            let expected: Vec<_> = of_it.cloned().collect();
            let past = self.as_of(sku, "", moment).await.unwrap();
            assert_eq!((past.as_of_revision, &past.stock), (revision, &expected), "{sku}, {moment:?}");
            let newest = expected.iter().map(|stock| stock.revision).max().unwrap_or_default();
            assert_eq!(past.header.unwrap().revision, newest);
        }
    }
}

/// Lists that are asked for at once: they share their read barriers.
const AT_ONCE: usize = 32;

type List = v1::ListLedgerEntriesRequest;
type Past = v1::GetStockAsOfResponse;

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

fn wrong_fields(status: &Status) -> Vec<String> {
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations.into_iter().map(|violation| violation.field).collect()
}

fn place(entry: &v1::LedgerEntry) -> (u64, u32) {
    (entry.revision, entry.position)
}

/// Whether a list's filters take an entry.
fn takes(list: &List, entry: &v1::LedgerEntry) -> bool {
    let is = |asked: &str, is: &str| asked.is_empty() || asked == is;
    let time = micros(entry.time.as_ref());
    is(&list.sku_id, &entry.sku_id)
        && is(&list.location_id, &entry.location_id)
        && is(&list.order_id, &entry.order_id)
        && is(&list.reservation_id, &entry.reservation_id)
        && entry.revision >= list.from_revision
        && (list.to_revision == 0 || entry.revision <= list.to_revision)
        && list.start_time.as_ref().is_none_or(|start| time >= micros(Some(start)))
        && list.end_time.as_ref().is_none_or(|end| time < micros(Some(end)))
}

/// Every combination of filters, both ways round.
fn lists(told: &[Told]) -> Vec<List> {
    let (early, late) = (&told[4], &told[told.len() - 4]);
    let (start, end) = (Some(timestamp(early.time)), Some(timestamp(late.time)));
    let within = [
        List::default(),
        List { from_revision: early.revision, ..List::default() },
        List { to_revision: late.revision, ..List::default() },
        List { from_revision: late.revision, to_revision: late.revision, ..List::default() },
        List { start_time: start, ..List::default() },
        List { end_time: end, ..List::default() },
        List { start_time: start, end_time: end, from_revision: early.revision + 1, ..List::default() },
    ];
    let mut lists = Vec::new();
    for sku in ["", "A", "B"] {
        for location in ["", "main", "shop"] {
            for (order, reservation) in [("", ""), ("O-1", ""), ("O-2", ""), ("", "R-1")] {
                for (period, newest_first) in within.iter().flat_map(|one| [(one, false), (one, true)]) {
                    lists.push(List {
                        sku_id: sku.to_owned(),
                        location_id: location.to_owned(),
                        order_id: order.to_owned(),
                        reservation_id: reservation.to_owned(),
                        newest_first,
                        ..period.clone()
                    });
                }
            }
        }
    }
    lists
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_entry_follows_from_those_before_it_and_the_last_ones_are_the_stock() {
    let archive = Archive::open().await;
    let entries = archive.everything().await;
    assert!(entries.is_sorted_by_key(place), "by revision, then position");
    let mut stock: BTreeMap<(String, String), v1::Stock> = BTreeMap::new();
    for entry in &entries {
        let key = (entry.sku_id.clone(), entry.location_id.clone());
        let (sku_id, location_id) = key.clone();
        let now = stock.entry(key).or_insert(v1::Stock { sku_id, location_id, ..v1::Stock::default() });
        *bucket(now, entry.from_bucket()) -= entry.quantity;
        *bucket(now, entry.to_bucket()) += entry.quantity;
        let buckets = [now.available, now.reserved, now.committed, now.damaged, now.quality_control];
        now.on_hand = buckets.into_iter().sum::<i64>() + now.safety_stock;
        now.revision = entry.revision;
        assert_eq!(entry.balances.as_ref(), Some(&*now), "{entry:?}");
        let told = archive.told.iter().find(|told| told.revision == entry.revision).unwrap();
        assert_eq!(micros(entry.time.as_ref()), told.time);
        assert!(entry.actor == "anonymous" && entry.request_id.len() == 36);
    }
    let last = &archive.told.last().unwrap().stock;
    let booked = last.values().filter(|stock| stock.revision > 0);
    assert_eq!(stock.into_values().collect::<Vec<_>>(), booked.cloned().collect::<Vec<_>>());

    let shipped = entries.iter().find(|entry| entry.reason() == v1::Reason::Shipment).unwrap();
    let of_it = [&shipped.order_id, &shipped.document_id, &shipped.reference, &shipped.reservation_id];
    assert_eq!(of_it, ["O-1", "P-1", "T-1", ""]);
    let adjusted = entries.iter().find(|entry| entry.reason() == v1::Reason::Shrinkage).unwrap();
    let of_it = [&adjusted.order_id, &adjusted.document_id, &adjusted.reference];
    assert_eq!(of_it, ["", "D-1", "shelf 4"]);
    archive.cluster.stop().await;
}

/// The bucket of that name; where there is none, units that are outside, of which there is no count.
fn bucket(stock: &mut v1::Stock, bucket: v1::Bucket) -> &mut i64 {
    match bucket {
        v1::Bucket::Unspecified => &mut stock.on_hand,
        v1::Bucket::Available => &mut stock.available,
        v1::Bucket::Reserved => &mut stock.reserved,
        v1::Bucket::Committed => &mut stock.committed,
        v1::Bucket::SafetyStock => &mut stock.safety_stock,
        v1::Bucket::Damaged => &mut stock.damaged,
        v1::Bucket::QualityControl => &mut stock.quality_control,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_holds_what_its_filters_take_whatever_the_size_of_its_pages() {
    let archive = Archive::open().await;
    let entries = archive.everything().await;
    let (archive_ref, entries_ref) = (&archive, &entries);
    let check = async |(number, list): (usize, List)| {
        let taken = entries_ref.iter().filter(|entry| takes(&list, entry));
        let mut expected: Vec<_> = taken.cloned().collect();
        if list.newest_first {
            expected.reverse();
        }
        assert_eq!(archive_ref.list(&list, 1_000).await, expected, "{list:?}");
        let page_size = if number % 4 < 2 { 1 } else { 2 };
        assert_eq!(archive_ref.list(&list, page_size).await, expected, "{list:?} in pages of {page_size}");
        expected.len()
    };
    let lists = stream::iter(lists(&archive.told).into_iter().enumerate());
    let found: BTreeSet<_> = lists.map(check).buffer_unordered(AT_ONCE).collect().await;
    assert!(found.contains(&0) && found.contains(&entries.len()) && found.len() > 5, "{found:?}");
    archive.cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_goes_on_with_its_own_list_only() {
    let mut archive = Archive::open().await;
    let first = List { page_size: 1, ..List::default() };
    let page_token = archive.page(&first).await.unwrap().next_page_token;
    let next = List { page_token: page_token.clone(), ..List::default() };
    assert_eq!(archive.page(&next).await.unwrap().entries, archive.everything().await[1..]);
    let time = Some(timestamp(1));
    let others = [
        List { sku_id: "A".to_owned(), ..next.clone() },
        List { location_id: "main".to_owned(), ..next.clone() },
        List { order_id: "O-1".to_owned(), ..next.clone() },
        List { reservation_id: "O-1".to_owned(), ..next.clone() },
        List { from_revision: 1, ..next.clone() },
        List { to_revision: 1_000, ..next.clone() },
        List { start_time: time, ..next.clone() },
        List { end_time: time, ..next.clone() },
        List { newest_first: true, ..next.clone() },
    ];
    for other in others {
        let refused = archive.page(&other).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused)), (Code::InvalidArgument, "PAGE_TOKEN_INVALID".into()));
    }
    let last = archive.last_revision();
    let mut asked = v1::GetStockAsOfRequest {
        sku_id: "A".to_owned(),
        page_size: 1,
        as_of: Some(AsOf::Revision(last)),
        ..v1::GetStockAsOfRequest::default()
    };
    let whole = archive.as_of("A", "", AsOf::Revision(last)).await.unwrap().stock;
    let mut rows = Vec::new();
    loop {
        let page = archive.ledger.get_stock_as_of(asked.clone()).await.unwrap().into_inner();
        assert!(page.stock.len() <= 1);
        rows.extend(page.stock);
        if page.next_page_token.is_empty() {
            break;
        }
        asked.page_token = page.next_page_token;
    }
    assert_eq!((&rows, rows.len()), (&whole, 2));
    let others = [
        v1::GetStockAsOfRequest { sku_id: "B".to_owned(), ..asked.clone() },
        v1::GetStockAsOfRequest { location_id: "shop".to_owned(), ..asked.clone() },
        v1::GetStockAsOfRequest { as_of: Some(AsOf::Revision(last - 1)), ..asked.clone() },
        v1::GetStockAsOfRequest { as_of: Some(AsOf::Time(timestamp(1))), ..asked.clone() },
        v1::GetStockAsOfRequest { page_token, ..asked.clone() },
    ];
    for other in others {
        assert_eq!(reason(&archive.ledger.get_stock_as_of(other).await.unwrap_err()), "PAGE_TOKEN_INVALID");
    }
    archive.cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wrong_field_is_named_at_once() {
    let cluster = Cluster::start().await;
    let mut ledger = LedgerServiceClient::new(cluster.follower_channel().await);
    let before_1970 = prost_types::Timestamp { seconds: -1, nanos: 0 };
    let no_time = prost_types::Timestamp { seconds: 1, nanos: 1_000_000_000 };
    let bad = List {
        page_size: -1,
        sku_id: "two words".to_owned(),
        location_id: "\u{e9}".to_owned(),
        order_id: "x".repeat(129),
        reservation_id: "two words".to_owned(),
        from_revision: 5,
        to_revision: 4,
        start_time: Some(before_1970),
        end_time: Some(no_time),
        ..List::default()
    };
    let expected = [
        "page_size",
        "sku_id",
        "location_id",
        "order_id",
        "reservation_id",
        "reservation_id",
        "to_revision",
        "start_time",
        "end_time",
    ];
    let refused = ledger.list_ledger_entries(bad).await.unwrap_err();
    assert_eq!(
        (reason(&refused).as_str(), wrong_fields(&refused)),
        ("INVALID_ARGUMENT", expected.map(str::to_owned).to_vec())
    );
    let contradicting = List {
        order_id: "O-1".to_owned(),
        reservation_id: "R-1".to_owned(),
        from_revision: 4,
        to_revision: 4,
        start_time: Some(timestamp(7)),
        end_time: Some(timestamp(7)),
        ..List::default()
    };
    let refused = ledger.list_ledger_entries(contradicting).await.unwrap_err();
    assert_eq!(wrong_fields(&refused), ["reservation_id", "end_time"]);

    let nothing = v1::GetStockAsOfRequest::default();
    let refused = ledger.get_stock_as_of(nothing).await.unwrap_err();
    assert_eq!(wrong_fields(&refused), ["sku_id", "as_of"]);
    let bad = v1::GetStockAsOfRequest {
        location_id: "two words".to_owned(),
        as_of: Some(AsOf::Time(before_1970)),
        page_size: -1,
        ..v1::GetStockAsOfRequest::default()
    };
    let refused = ledger.get_stock_as_of(bad).await.unwrap_err();
    assert_eq!(wrong_fields(&refused), ["page_size", "sku_id", "location_id", "time"]);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_every_moment_there_was_what_was_told_then() {
    let archive = Archive::open().await;
    let (told, last) = (&archive.told, archive.last_revision());
    let at = |is_past: &dyn Fn(&Told) -> bool| told.iter().rfind(|told| is_past(told)).unwrap();
    let by_revision = (0..=last).map(|revision| {
        let then = at(&|told| told.revision <= revision);
        (AsOf::Revision(revision), revision, then)
    });
    let entries = archive.everything().await;
    let moved_by = |time: i64| {
        let past = entries.iter().filter(|entry| micros(entry.time.as_ref()) <= time);
        past.map(|entry| entry.revision).max().unwrap_or_default()
    };
    let moments = told.iter().flat_map(|told| [told.time - 1, told.time]).filter(|time| *time >= 0);
    let hour = 3_600 * 1_000_000;
    let by_time = moments.chain([told.last().unwrap().time + hour]).map(|time| {
        let then = at(&|told| told.time <= time);
        (AsOf::Time(timestamp(time)), moved_by(time), then)
    });
    let looks =
        by_revision.chain(by_time).map(|(moment, revision, then)| archive.look(moment, revision, then));
    stream::iter(looks).buffer_unordered(AT_ONCE).collect::<()>().await;
    archive.cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_yet_to_come_and_what_never_was_is_refused() {
    let archive = Archive::open().await;
    let ahead = archive.last_revision() + 1_000;
    let refused = archive.as_of("A", "", AsOf::Revision(ahead)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::OutOfRange, "REVISION_AHEAD".to_owned()));
    let applied = &refused.get_details_error_info().unwrap().metadata["applied_revision"];
    let applied: u64 = applied.parse().unwrap();
    assert!((archive.last_revision()..ahead).contains(&applied), "{applied}");
    // A SKU that isn't there either is looked for once the revision is there.
    let both = archive.as_of("Z", "", AsOf::Revision(ahead)).await.unwrap_err();
    assert_eq!(reason(&both), "REVISION_AHEAD");
    let missing = archive.as_of("Z", "main", AsOf::Revision(applied)).await.unwrap_err();
    assert_eq!((missing.code(), reason(&missing)), (Code::NotFound, "NOT_FOUND".to_owned()));
    assert_eq!(missing.get_details_resource_info().unwrap().resource_name, "Z");

    let unmoved = archive.as_of(UNMOVED, "", AsOf::Revision(applied)).await.unwrap();
    assert_eq!((unmoved.stock.len(), unmoved.header.unwrap().revision), (0, 0));
    let nowhere = archive.as_of(UNMOVED, "nowhere", AsOf::Revision(applied)).await.unwrap().stock;
    let (sku_id, location_id) = (UNMOVED.to_owned(), "nowhere".to_owned());
    assert_eq!(nowhere, [v1::Stock { sku_id, location_id, ..v1::Stock::default() }]);
    archive.cluster.stop().await;
}
