//! The ledger: what moved, what there was at a moment in the past, and whether it is as it was written.

use std::sync::Arc;

use stockade_consensus::Consistency;
use stockade_proto::v1;
use stockade_proto::v1::get_stock_as_of_request::AsOf as Asked;
use stockade_proto::v1::ledger_service_server::LedgerService;
use stockade_state_machine::holder::Holder;
use stockade_state_machine::ids::LocationId;
use stockade_state_machine::rejection::Resource;
use stockade_state_machine::{Revision, Stock, StockKey};
use stockade_storage::{AsOf, LedgerFilter, LedgerKey, View};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::convert;
use crate::core::Core;
use crate::failure::Failure;
use crate::limits;
use crate::pages::{self, Scope};
use crate::validate::Violations;
use crate::verification::Verification;

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    core: Core,
    /// Room for verifications.
    verifications: Arc<Semaphore>,
}

type Messages = ReceiverStream<Result<v1::VerifyLedgerResponse, Status>>;

impl Ledger {
    pub(crate) fn new(core: Core) -> Self {
        Self { core, verifications: Arc::new(Semaphore::new(limits::MAX_LEDGER_VERIFICATIONS)) }
    }

    async fn list(
        &self,
        metadata: &MetadataMap,
        request: &v1::ListLedgerEntriesRequest,
    ) -> Result<v1::ListLedgerEntriesResponse, Failure> {
        let mut violations = Violations::default();
        let consistency = violations.consistency(request.read.as_ref());
        let size = pages::size(request.page_size, &mut violations);
        let filter = filter(request, &mut violations);
        violations.into_result()?;
        let scope = scope_of_list(request, &filter);
        let after = scope.last_key(&request.page_token)?;
        let after = after.map(|key| parse_place(&key).ok_or(Failure::PageTokenInvalid)).transpose()?;
        let (ledger, answering) = self.core.read_ledger(metadata, consistency).await?;
        // With the longest ids and references as many entries as a page may hold stay below its bound in bytes.
        let page = ledger.entries(&filter, after, size).map_err(|error| Failure::storage(&error))?;
        let last = page.last.map(|(revision, position)| scope.token(&pages::key(&revision, &position)));
        Ok(v1::ListLedgerEntriesResponse {
            header: Some(answering.read(answering.served)),
            entries: page.entries.iter().map(convert::ledger_entry).collect(),
            next_page_token: last.unwrap_or_default(),
        })
    }

    async fn stock_as_of(
        &self,
        metadata: &MetadataMap,
        request: &v1::GetStockAsOfRequest,
    ) -> Result<v1::GetStockAsOfResponse, Failure> {
        let mut violations = Violations::default();
        let consistency = violations.consistency(request.read.as_ref());
        let size = pages::size(request.page_size, &mut violations);
        let sku = violations.sku("sku_id", &request.sku_id);
        let location = violations.optional_location("location_id", &request.location_id);
        let moment = moment(request.as_of.as_ref(), &mut violations);
        let (Some(sku), Some(moment)) = (sku, moment) else { return Err(violations.into()) };
        violations.into_result()?;
        let scope = scope_as_of(request, moment);
        let after = scope.last_key(&request.page_token)?.map(|key| LocationId::new(&key)).transpose();
        let after = after.map_err(|_| Failure::PageTokenInvalid)?;
        // Whether the SKU exists is read first: the ledger then covers what was there.
        let exists = |view: &View<'_>| view.sku(&sku).is_some();
        let (ledger, exists, answering) = self.core.read_ledger_with(metadata, consistency, exists).await?;
        if let AsOf::Revision(revision) = moment
            && revision > ledger.revision()
        {
            return Err(Failure::RevisionAhead { applied: ledger.revision() });
        }
        let found = ledger.stock_as_of(&sku, location.as_ref(), moment, after.as_ref(), size);
        let found = found.map_err(|error| Failure::storage(&error))?;
        if !found.is_known && !exists {
            return Err(Failure::Missing(Resource::Sku(sku)));
        }
        let mut rows = found.stock;
        // Who names a location is told what was there, though it be nothing.
        if let Some(location) = location
            && rows.is_empty()
        {
            rows.push((location, Stock::default()));
        }
        let moved = rows.iter().map(|(_, stock)| stock.version.revision).max().unwrap_or_default();
        let row = |(location, stock): (LocationId, Stock)| {
            let key = StockKey { sku: sku.clone(), location };
            convert::past_stock(&key, &stock, stock.version.revision)
        };
        Ok(v1::GetStockAsOfResponse {
            header: Some(answering.read(moved)),
            as_of_revision: found.revision.get(),
            stock: rows.into_iter().map(row).collect(),
            next_page_token: found.last.map(|last| scope.token(last.as_str())).unwrap_or_default(),
        })
    }

    /// Starts a verification of everything that was acknowledged before the call.
    async fn verify(&self, metadata: &MetadataMap) -> Result<Messages, Failure> {
        let permit = Arc::clone(&self.verifications).try_acquire_owned();
        let permit = permit.map_err(|_| Failure::Overloaded)?;
        self.core.read_ledger(metadata, Consistency::Linearizable).await?;
        let (messages, receiver) = mpsc::channel(limits::STREAM_QUEUE);
        let verification = Verification { core: self.core.clone(), messages, permit };
        self.core.env().tasks.spawn("ledger verification", verification.run());
        Ok(ReceiverStream::new(receiver))
    }
}

/// Which entries a list holds, and in which direction.
fn filter(request: &v1::ListLedgerEntriesRequest, violations: &mut Violations) -> LedgerFilter {
    let sku = violations.optional_sku("sku_id", &request.sku_id);
    let location = violations.optional_location("location_id", &request.location_id);
    let order = violations.optional_order("order_id", &request.order_id);
    let reservation = violations.optional_reservation("reservation_id", &request.reservation_id);
    if !request.order_id.is_empty() && !request.reservation_id.is_empty() {
        violations.add("reservation_id", "must not be set together with order_id");
    }
    let revision = |index: u64| (index > 0).then(|| Revision::new(index));
    let (from_revision, to_revision) = (revision(request.from_revision), revision(request.to_revision));
    if from_revision.zip(to_revision).is_some_and(|(from, to)| from > to) {
        violations.add("to_revision", "must not be below from_revision");
    }
    let (start, end) = violations.period(request.start_time.as_ref(), request.end_time.as_ref());
    LedgerFilter {
        sku,
        location,
        holder: order.map(Holder::Order).or(reservation.map(Holder::Reservation)),
        from_revision,
        to_revision,
        start,
        end,
        newest_first: request.newest_first,
    }
}

fn moment(asked: Option<&Asked>, violations: &mut Violations) -> Option<AsOf> {
    match asked {
        None => {
            violations.add("as_of", "must be set");
            None
        }
        Some(Asked::Revision(revision)) => Some(AsOf::Revision(Revision::new(*revision))),
        Some(Asked::Time(time)) => violations.time("time", time).map(AsOf::Time),
    }
}

fn scope_of_list(request: &v1::ListLedgerEntriesRequest, filter: &LedgerFilter) -> Scope {
    let filters = [
        &request.sku_id,
        &request.location_id,
        &request.order_id,
        &request.reservation_id,
        &request.from_revision.to_string(),
        &request.to_revision.to_string(),
        &pages::time(filter.start),
        &pages::time(filter.end),
        &filter.newest_first.to_string(),
    ];
    Scope::new("ledger", &filters.map(String::as_str))
}

fn scope_as_of(request: &v1::GetStockAsOfRequest, moment: AsOf) -> Scope {
    let (revision, time) = match moment {
        AsOf::Revision(revision) => (revision.to_string(), String::new()),
        AsOf::Time(time) => (String::new(), pages::time(Some(time))),
    };
    Scope::new("stock as of", &[&request.sku_id, &request.location_id, &revision, &time])
}

fn parse_place(text: &str) -> Option<LedgerKey> {
    let (revision, position) = pages::parts(text)?;
    Some((Revision::new(revision.parse().ok()?), position.parse().ok()?))
}

#[tonic::async_trait]
impl LedgerService for Ledger {
    type VerifyLedgerStream = Messages;

    async fn list_ledger_entries(
        &self,
        request: Request<v1::ListLedgerEntriesRequest>,
    ) -> Result<Response<v1::ListLedgerEntriesResponse>, Status> {
        self.core.answer(self.list(request.metadata(), request.get_ref()).await)
    }

    async fn get_stock_as_of(
        &self,
        request: Request<v1::GetStockAsOfRequest>,
    ) -> Result<Response<v1::GetStockAsOfResponse>, Status> {
        self.core.answer(self.stock_as_of(request.metadata(), request.get_ref()).await)
    }

    async fn verify_ledger(
        &self,
        request: Request<v1::VerifyLedgerRequest>,
    ) -> Result<Response<Self::VerifyLedgerStream>, Status> {
        self.core.answer(self.verify(request.metadata()).await)
    }
}
