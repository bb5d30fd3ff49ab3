//! Stock.

use stockade_proto::v1;
use stockade_proto::v1::mutation::Request as Mutated;
use stockade_proto::v1::mutation_result::Response as Mutation;
use stockade_proto::v1::stock_service_server::StockService;
use stockade_state_machine::StockKey;
use stockade_state_machine::ids::{LocationId, SkuId};
use stockade_state_machine::rejection::Resource;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::convert;
use crate::core::Core;
use crate::failure::Failure;
use crate::pages::{self, Scope};
use crate::validate::Violations;

/// Between the two parts of a key in a page token: ids are visible ASCII and never hold it.
const KEY_SEPARATOR: char = '\n';

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
        let sku = violations.sku("sku_id", &request.sku_id);
        let location = violations.location("location_id", &request.location_id);
        let (Some(sku), Some(location)) = (sku, location) else { return Err(violations.into()) };
        let key = StockKey { sku, location };
        let read = self.0.read(metadata, |view| view.sku(&key.sku).map(|_| view.stock(&key)));
        let (stock, answering) = read.await?;
        let stock = stock.ok_or_else(|| Failure::Missing(Resource::Sku(key.sku.clone())))?;
        let header = Some(answering.read(stock.revision));
        Ok(v1::GetStockResponse { header, stock: Some(convert::stock(&key, &stock)) })
    }

    async fn list(
        &self,
        metadata: &MetadataMap,
        request: &v1::ListStockRequest,
    ) -> Result<v1::ListStockResponse, Failure> {
        let mut violations = Violations::default();
        let size = pages::size(request.page_size, &mut violations);
        let of_sku = match request.sku_id.as_str() {
            "" => None,
            sku_id => violations.sku("sku_id", sku_id),
        };
        violations.into_result()?;
        let scope = Scope::new("stock", &[&request.sku_id]);
        let after = scope.last_key(&request.page_token)?;
        let after = after.map(|key| parse_key(&key).ok_or(Failure::PageTokenInvalid)).transpose()?;
        let read = self.0.read(metadata, |view| match &of_sku {
            None => view.stock_after(after.as_ref(), size),
            Some(sku) => view.stock_of(sku, after.as_ref().map(|key| &key.location), size),
        });
        let (rows, answering) = read.await?;
        let last = rows.last().filter(|_| rows.len() == size);
        let token = last.map(|(key, _)| scope.token(&format!("{}{KEY_SEPARATOR}{}", key.sku, key.location)));
        Ok(v1::ListStockResponse {
            header: Some(answering.read(answering.served)),
            next_page_token: token.unwrap_or_default(),
            stock: rows.iter().map(|(key, stock)| convert::stock(key, stock)).collect(),
        })
    }
}

fn parse_key(text: &str) -> Option<StockKey> {
    let (sku, location) = text.split_once(KEY_SEPARATOR)?;
    Some(StockKey { sku: SkuId::new(sku).ok()?, location: LocationId::new(location).ok()? })
}

#[tonic::async_trait]
impl StockService for StockKeeping {
    async fn receive_stock(
        &self,
        request: Request<v1::ReceiveStockRequest>,
    ) -> Result<Response<v1::ReceiveStockResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let unwrap =
            |response| if let Mutation::ReceiveStock(response) = response { Some(response) } else { None };
        self.0.mutate(&metadata, Mutated::ReceiveStock(message), unwrap).await
    }

    async fn adjust_stock(
        &self,
        request: Request<v1::AdjustStockRequest>,
    ) -> Result<Response<v1::AdjustStockResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let unwrap =
            |response| if let Mutation::AdjustStock(response) = response { Some(response) } else { None };
        self.0.mutate(&metadata, Mutated::AdjustStock(message), unwrap).await
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
