//! SKUs.

use stockade_proto::v1;
use stockade_proto::v1::catalog_service_server::CatalogService;
use stockade_proto::v1::mutation::Request as Mutated;
use stockade_proto::v1::mutation_result::Response as Mutation;
use stockade_state_machine::ids::SkuId;
use stockade_state_machine::rejection::Resource;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::convert;
use crate::core::Core;
use crate::failure::Failure;
use crate::pages::{self, Scope};
use crate::validate::Violations;

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Catalog(pub(crate) Core);

impl Catalog {
    async fn get(&self, metadata: &MetadataMap, sku_id: &str) -> Result<v1::GetSkuResponse, Failure> {
        let mut violations = Violations::default();
        let Some(id) = violations.sku("sku_id", sku_id) else { return Err(violations.into()) };
        let (sku, answering) = self.0.read(metadata, |view| view.sku(&id)).await?;
        let sku = sku.ok_or(Failure::Missing(Resource::Sku(id)))?;
        Ok(v1::GetSkuResponse { header: Some(answering.read(sku.revision)), sku: Some(convert::sku(&sku)) })
    }

    async fn list(
        &self,
        metadata: &MetadataMap,
        request: &v1::ListSkusRequest,
    ) -> Result<v1::ListSkusResponse, Failure> {
        let mut violations = Violations::default();
        let size = pages::size(request.page_size, &mut violations);
        violations.into_result()?;
        let scope = Scope::new("skus", &[]);
        let after = scope.last_key(&request.page_token)?.map(|key| SkuId::new(&key)).transpose();
        let after = after.map_err(|_| Failure::PageTokenInvalid)?;
        let (skus, answering) = self.0.read(metadata, |view| view.skus_after(after.as_ref(), size)).await?;
        let last = skus.last().filter(|_| skus.len() == size);
        Ok(v1::ListSkusResponse {
            header: Some(answering.read(answering.served)),
            next_page_token: last.map(|sku| scope.token(sku.id.as_str())).unwrap_or_default(),
            skus: skus.iter().map(convert::sku).collect(),
        })
    }
}

#[tonic::async_trait]
impl CatalogService for Catalog {
    async fn create_sku(
        &self,
        request: Request<v1::CreateSkuRequest>,
    ) -> Result<Response<v1::CreateSkuResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let unwrap =
            |response| if let Mutation::CreateSku(response) = response { Some(response) } else { None };
        self.0.mutate(&metadata, Mutated::CreateSku(message), unwrap).await
    }

    async fn get_sku(
        &self,
        request: Request<v1::GetSkuRequest>,
    ) -> Result<Response<v1::GetSkuResponse>, Status> {
        self.0.answer(self.get(request.metadata(), &request.get_ref().sku_id).await)
    }

    async fn update_sku(
        &self,
        request: Request<v1::UpdateSkuRequest>,
    ) -> Result<Response<v1::UpdateSkuResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let unwrap =
            |response| if let Mutation::UpdateSku(response) = response { Some(response) } else { None };
        self.0.mutate(&metadata, Mutated::UpdateSku(message), unwrap).await
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
        let (metadata, _, message) = request.into_parts();
        let unwrap =
            |response| if let Mutation::DeleteSku(response) = response { Some(response) } else { None };
        self.0.mutate(&metadata, Mutated::DeleteSku(message), unwrap).await
    }
}
