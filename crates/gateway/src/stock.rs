//! Stock.

use std::collections::BTreeSet;

use stockade_proto::v1;
use stockade_proto::v1::stock_service_server::StockService;
use stockade_state_machine::ids::{LocationId, SkuId};
use stockade_state_machine::location::{Location, LocationDetails};
use stockade_state_machine::rejection::Resource;
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{Stock, StockKey};
use stockade_storage::View;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::convert;
use crate::core::Core;
use crate::failure::Failure;
use crate::limits;
use crate::pages::{self, Scope};
use crate::validate::Violations;

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct StockKeeping(pub(crate) Core);

impl StockKeeping {
    async fn get(
        &self,
        metadata: &MetadataMap,
        request: &v1::GetStockRequest,
    ) -> Result<v1::GetStockResponse, Failure> {
        let mut violations = Violations::default();
        let consistency = violations.consistency(request.read.as_ref());
        let sku = violations.sku("sku_id", &request.sku_id);
        let location = violations.location("location_id", &request.location_id);
        let (Some(sku), Some(location)) = (sku, location) else { return Err(violations.into()) };
        violations.into_result()?;
        let key = StockKey { sku, location };
        let (stock, answering) = self.0.read(metadata, consistency, |view| stock_at(view, &key)).await?;
        let stock = stock?;
        let header = Some(answering.read(stock.version.revision));
        Ok(v1::GetStockResponse { header, stock: Some(convert::stock(&key, &stock)) })
    }

    async fn batch_get(
        &self,
        metadata: &MetadataMap,
        request: &v1::BatchGetStockRequest,
    ) -> Result<v1::BatchGetStockResponse, Failure> {
        let mut violations = Violations::default();
        let consistency = violations.consistency(request.read.as_ref());
        violations.check_count("names", request.names.len(), limits::MAX_BATCH);
        let mut keys = Vec::new();
        for (number, name) in request.names.iter().take(limits::MAX_BATCH).enumerate() {
            let sku = violations.sku(&format!("names[{number}].sku_id"), &name.sku_id);
            let location = violations.location(&format!("names[{number}].location_id"), &name.location_id);
            keys.extend(sku.zip(location).map(|(sku, location)| StockKey { sku, location }));
        }
        violations.into_result()?;
        let read = self.0.read(metadata, consistency, |view| -> Result<Vec<Stock>, Failure> {
            keys.iter().map(|key| stock_at(view, key)).collect()
        });
        let (rows, answering) = read.await?;
        let rows = rows?;
        let revision = rows.iter().map(|stock| stock.version.revision).max().unwrap_or_default();
        let stock = keys.iter().zip(&rows).map(|(key, stock)| convert::stock(key, stock)).collect();
        Ok(v1::BatchGetStockResponse { header: Some(answering.read(revision)), stock })
    }

    async fn list(
        &self,
        metadata: &MetadataMap,
        request: &v1::ListStockRequest,
    ) -> Result<v1::ListStockResponse, Failure> {
        let mut violations = Violations::default();
        let consistency = violations.consistency(request.read.as_ref());
        let size = pages::size(request.page_size, &mut violations);
        let filter = Filter {
            sku: violations.optional_sku("sku_id", &request.sku_id),
            location: violations.optional_location("location_id", &request.location_id),
            below: request.available_below,
        };
        violations.into_result()?;
        let below = filter.below.map(|below| below.to_string()).unwrap_or_default();
        let scope = Scope::new("stock", &[&request.sku_id, &request.location_id, &below]);
        let after = scope.last_key(&request.page_token)?;
        let after = after.map(|key| parse_key(&key).ok_or(Failure::PageTokenInvalid)).transpose()?;
        // A filter looks at more rows than it takes, so that few matches don't mean many calls.
        let most = if filter.below.is_some() { limits::MAX_PAGE_SIZE } else { size };
        let (rows, answering) =
            self.0.read(metadata, consistency, |view| filter.rows_after(view, after.as_ref(), most)).await?;
        let mut page = Vec::new();
        let mut last = None;
        for (key, stock) in &rows {
            if page.len() == size {
                break;
            }
            if filter.below.is_none_or(|below| stock.get(Bucket::Available) < below) {
                page.push(convert::stock(key, stock));
            }
            last = Some(key);
        }
        let all_seen = last == rows.last().map(|(key, _)| key) && rows.len() < most;
        let token = last.filter(|_| !all_seen);
        let token = token.map(|key| scope.token(&pages::key(&key.sku, &key.location)));
        Ok(v1::ListStockResponse {
            header: Some(answering.read(answering.served)),
            next_page_token: token.unwrap_or_default(),
            stock: page,
        })
    }

    async fn availability(
        &self,
        metadata: &MetadataMap,
        request: &v1::GetAvailabilityRequest,
    ) -> Result<v1::GetAvailabilityResponse, Failure> {
        let mut violations = Violations::default();
        let consistency = violations.consistency(request.read.as_ref());
        let skus =
            violations.several("sku_ids", &request.sku_ids, limits::MAX_AVAILABILITY_BATCH, SkuId::new);
        let ids = &request.location_ids;
        let among = if ids.is_empty() {
            Vec::new()
        } else {
            violations.several("location_ids", ids, limits::MAX_BATCH, LocationId::new)
        };
        violations.label("zone", &request.zone);
        violations.into_result()?;
        let among: BTreeSet<LocationId> = among.into_iter().collect();
        let asked = Asked { among, zone: request.zone.clone() };
        let read = self.0.read(metadata, consistency, |view| -> Result<Vec<v1::Availability>, Failure> {
            if let Some(id) = asked.among.iter().find(|id| view.location(id).is_none()) {
                return Err(Failure::Missing(Resource::Location(id.clone())));
            }
            skus.iter().map(|sku| asked.availability(view, sku)).collect()
        });
        let (availability, answering) = read.await?;
        // As of a list: what is not counted any more changed the answer as well.
        let header = Some(answering.read(answering.served));
        Ok(v1::GetAvailabilityResponse { header, availability: availability? })
    }
}

/// The stock of a SKU and a location that exist.
fn stock_at(view: &View<'_>, key: &StockKey) -> Result<Stock, Failure> {
    view.sku(&key.sku).ok_or_else(|| Failure::Missing(Resource::Sku(key.sku.clone())))?;
    view.location(&key.location).ok_or_else(|| Failure::Missing(Resource::Location(key.location.clone())))?;
    Ok(view.stock(key))
}

/// Which stock a list holds.
struct Filter {
    sku: Option<SkuId>,
    location: Option<LocationId>,
    /// Units available.
    below: Option<i64>,
}

impl Filter {
    /// Rows of the SKU and the location after a key, in order, whatever is available there.
    fn rows_after(&self, view: &View<'_>, after: Option<&StockKey>, limit: usize) -> Vec<(StockKey, Stock)> {
        match (&self.sku, &self.location) {
            (None, None) => view.stock_after(after, limit),
            (Some(sku), None) => view.stock_of(sku, after.map(|key| &key.location), limit),
            (None, Some(location)) => view.stock_at(location, after.map(|key| &key.sku), limit),
            (Some(sku), Some(location)) => {
                let key = StockKey { sku: sku.clone(), location: location.clone() };
                let stock = view.stock(&key);
                let booked = stock != Stock::default() && after.is_none();
                if booked { vec![(key, stock)] } else { Vec::new() }
            }
        }
    }
}

/// Where to look for what an order could take.
struct Asked {
    /// Everywhere where it is empty.
    among: BTreeSet<LocationId>,
    /// Everywhere where it is empty.
    zone: String,
}

impl Asked {
    fn takes(&self, location: &Location) -> bool {
        let LocationDetails { zone, disabled, .. } = &location.details;
        let named = self.among.is_empty() || self.among.contains(&location.id);
        named && !disabled && (self.zone.is_empty() || *zone == self.zone)
    }

    /// What an order could take of a SKU.
    fn availability(&self, view: &View<'_>, id: &SkuId) -> Result<v1::Availability, Failure> {
        let sku = view.sku(id).ok_or_else(|| Failure::Missing(Resource::Sku(id.clone())))?;
        let mut told = v1::Availability { sku_id: id.to_string(), ..v1::Availability::default() };
        if sku.details.untracked {
            told.untracked = true;
            return Ok(told);
        }
        for (key, stock) in view.stock_of(id, None, usize::MAX) {
            if !view.location(&key.location).is_some_and(|location| self.takes(&location)) {
                continue;
            }
            let available = stock.get(Bucket::Available);
            told.available = told.available.saturating_add(available);
            if available > 0 && told.locations.len() < limits::MAX_AVAILABILITY_LOCATIONS {
                let location_id = key.location.to_string();
                told.locations.push(v1::LocationAvailability { location_id, available });
            }
        }
        Ok(told)
    }
}

fn parse_key(text: &str) -> Option<StockKey> {
    let (sku, location) = pages::parts(text)?;
    Some(StockKey { sku: SkuId::new(sku).ok()?, location: LocationId::new(location).ok()? })
}

#[tonic::async_trait]
impl StockService for StockKeeping {
    async fn receive_stock(
        &self,
        request: Request<v1::ReceiveStockRequest>,
    ) -> Result<Response<v1::ReceiveStockResponse>, Status> {
        mutate!(self.0, request, ReceiveStock)
    }

    async fn adjust_stock(
        &self,
        request: Request<v1::AdjustStockRequest>,
    ) -> Result<Response<v1::AdjustStockResponse>, Status> {
        mutate!(self.0, request, AdjustStock)
    }

    async fn set_stock(
        &self,
        request: Request<v1::SetStockRequest>,
    ) -> Result<Response<v1::SetStockResponse>, Status> {
        mutate!(self.0, request, SetStock)
    }

    async fn move_stock(
        &self,
        request: Request<v1::MoveStockRequest>,
    ) -> Result<Response<v1::MoveStockResponse>, Status> {
        mutate!(self.0, request, MoveStock)
    }

    async fn batch_get_stock(
        &self,
        request: Request<v1::BatchGetStockRequest>,
    ) -> Result<Response<v1::BatchGetStockResponse>, Status> {
        self.0.answer(self.batch_get(request.metadata(), request.get_ref()).await)
    }

    async fn get_availability(
        &self,
        request: Request<v1::GetAvailabilityRequest>,
    ) -> Result<Response<v1::GetAvailabilityResponse>, Status> {
        self.0.answer(self.availability(request.metadata(), request.get_ref()).await)
    }

    async fn get_stock(
        &self,
        request: Request<v1::GetStockRequest>,
    ) -> Result<Response<v1::GetStockResponse>, Status> {
        self.0.answer(self.get(request.metadata(), request.get_ref()).await)
    }

    async fn list_stock(
        &self,
        request: Request<v1::ListStockRequest>,
    ) -> Result<Response<v1::ListStockResponse>, Status> {
        self.0.answer(self.list(request.metadata(), request.get_ref()).await)
    }
}
