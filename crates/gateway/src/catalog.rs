//! SKUs and locations.

use stockade_proto::v1;
use stockade_proto::v1::catalog_service_server::CatalogService;
use stockade_state_machine::ids::{LocationId, SkuId};
use stockade_state_machine::rejection::Resource;
use stockade_state_machine::sku::Sku;
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
pub(crate) struct Catalog(pub(crate) Core);

impl Catalog {
    async fn get(
        &self,
        metadata: &MetadataMap,
        request: &v1::GetSkuRequest,
    ) -> Result<v1::GetSkuResponse, Failure> {
        let mut violations = Violations::default();
        let consistency = violations.consistency(request.read.as_ref());
        let Some(id) = violations.sku("sku_id", &request.sku_id) else { return Err(violations.into()) };
        violations.into_result()?;
        let (sku, answering) = self.0.read(metadata, consistency, |view| view.sku(&id)).await?;
        let sku = sku.ok_or(Failure::Missing(Resource::Sku(id)))?;
        Ok(v1::GetSkuResponse {
            header: Some(answering.read(sku.version.revision)),
            sku: Some(convert::sku(&sku)),
        })
    }

    async fn list(
        &self,
        metadata: &MetadataMap,
        request: &v1::ListSkusRequest,
    ) -> Result<v1::ListSkusResponse, Failure> {
        let mut violations = Violations::default();
        let consistency = violations.consistency(request.read.as_ref());
        let size = pages::size(request.page_size, &mut violations);
        violations.into_result()?;
        let scope = Scope::new("skus", &[]);
        let after = scope.last_key(&request.page_token)?.map(|key| SkuId::new(&key)).transpose();
        let after = after.map_err(|_| Failure::PageTokenInvalid)?;
        let (skus, answering) =
            self.0.read(metadata, consistency, |view| view.skus_after(after.as_ref(), size)).await?;
        let seen = skus.len();
        let page = pages::within_bytes(skus.iter().map(convert::sku));
        let last = skus.get(page.len().saturating_sub(1)).filter(|_| page.len() < seen || seen == size);
        Ok(v1::ListSkusResponse {
            header: Some(answering.read(answering.served)),
            next_page_token: last.map(|sku| scope.token(sku.id.as_str())).unwrap_or_default(),
            skus: page,
        })
    }

    async fn batch_get(
        &self,
        metadata: &MetadataMap,
        request: &v1::BatchGetSkusRequest,
    ) -> Result<v1::BatchGetSkusResponse, Failure> {
        let mut violations = Violations::default();
        let consistency = violations.consistency(request.read.as_ref());
        let ids = violations.several("sku_ids", &request.sku_ids, limits::MAX_SKU_BATCH, SkuId::new);
        violations.into_result()?;
        let read = self.0.read(metadata, consistency, |view| -> Result<Vec<Sku>, Failure> {
            let found = |id: &SkuId| view.sku(id).ok_or_else(|| Failure::Missing(Resource::Sku(id.clone())));
            ids.iter().map(found).collect()
        });
        let (skus, answering) = read.await?;
        let skus = skus?;
        let revision = skus.iter().map(|sku| sku.version.revision).max().unwrap_or_default();
        Ok(v1::BatchGetSkusResponse {
            header: Some(answering.read(revision)),
            skus: skus.iter().map(convert::sku).collect(),
        })
    }

    async fn location(
        &self,
        metadata: &MetadataMap,
        request: &v1::GetLocationRequest,
    ) -> Result<v1::GetLocationResponse, Failure> {
        let mut violations = Violations::default();
        let consistency = violations.consistency(request.read.as_ref());
        let Some(id) = violations.location("location_id", &request.location_id) else {
            return Err(violations.into());
        };
        violations.into_result()?;
        let (location, answering) = self.0.read(metadata, consistency, |view| view.location(&id)).await?;
        let location = location.ok_or(Failure::Missing(Resource::Location(id)))?;
        let header = Some(answering.read(location.version.revision));
        Ok(v1::GetLocationResponse { header, location: Some(convert::location(&location)) })
    }

    async fn locations(
        &self,
        metadata: &MetadataMap,
        request: &v1::ListLocationsRequest,
    ) -> Result<v1::ListLocationsResponse, Failure> {
        let mut violations = Violations::default();
        let consistency = violations.consistency(request.read.as_ref());
        let size = pages::size(request.page_size, &mut violations);
        violations.into_result()?;
        let scope = Scope::new("locations", &[]);
        let after = scope.last_key(&request.page_token)?.map(|key| LocationId::new(&key)).transpose();
        let after = after.map_err(|_| Failure::PageTokenInvalid)?;
        let read = self.0.read(metadata, consistency, |view| view.locations_after(after.as_ref(), size));
        let (locations, answering) = read.await?;
        let last = locations.last().filter(|_| locations.len() == size);
        Ok(v1::ListLocationsResponse {
            header: Some(answering.read(answering.served)),
            next_page_token: last.map(|location| scope.token(location.id.as_str())).unwrap_or_default(),
            locations: locations.iter().map(convert::location).collect(),
        })
    }
}

#[tonic::async_trait]
impl CatalogService for Catalog {
    async fn create_sku(
        &self,
        request: Request<v1::CreateSkuRequest>,
    ) -> Result<Response<v1::CreateSkuResponse>, Status> {
        mutate!(self.0, request, CreateSku)
    }

    async fn get_sku(
        &self,
        request: Request<v1::GetSkuRequest>,
    ) -> Result<Response<v1::GetSkuResponse>, Status> {
        self.0.answer(self.get(request.metadata(), request.get_ref()).await)
    }

    async fn batch_get_skus(
        &self,
        request: Request<v1::BatchGetSkusRequest>,
    ) -> Result<Response<v1::BatchGetSkusResponse>, Status> {
        self.0.answer(self.batch_get(request.metadata(), request.get_ref()).await)
    }

    async fn update_sku(
        &self,
        request: Request<v1::UpdateSkuRequest>,
    ) -> Result<Response<v1::UpdateSkuResponse>, Status> {
        mutate!(self.0, request, UpdateSku)
    }

    async fn list_skus(
        &self,
        request: Request<v1::ListSkusRequest>,
    ) -> Result<Response<v1::ListSkusResponse>, Status> {
        self.0.answer(self.list(request.metadata(), request.get_ref()).await)
    }

    async fn delete_sku(
        &self,
        request: Request<v1::DeleteSkuRequest>,
    ) -> Result<Response<v1::DeleteSkuResponse>, Status> {
        mutate!(self.0, request, DeleteSku)
    }

    async fn create_location(
        &self,
        request: Request<v1::CreateLocationRequest>,
    ) -> Result<Response<v1::CreateLocationResponse>, Status> {
        mutate!(self.0, request, CreateLocation)
    }

    async fn get_location(
        &self,
        request: Request<v1::GetLocationRequest>,
    ) -> Result<Response<v1::GetLocationResponse>, Status> {
        self.0.answer(self.location(request.metadata(), request.get_ref()).await)
    }

    async fn update_location(
        &self,
        request: Request<v1::UpdateLocationRequest>,
    ) -> Result<Response<v1::UpdateLocationResponse>, Status> {
        mutate!(self.0, request, UpdateLocation)
    }

    async fn list_locations(
        &self,
        request: Request<v1::ListLocationsRequest>,
    ) -> Result<Response<v1::ListLocationsResponse>, Status> {
        self.0.answer(self.locations(request.metadata(), request.get_ref()).await)
    }

    async fn delete_location(
        &self,
        request: Request<v1::DeleteLocationRequest>,
    ) -> Result<Response<v1::DeleteLocationResponse>, Status> {
        mutate!(self.0, request, DeleteLocation)
    }
}
