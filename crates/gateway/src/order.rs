//! Orders.

use stockade_proto::v1;
use stockade_proto::v1::order_service_server::OrderService;
use stockade_state_machine::LogTime;
use stockade_state_machine::ids::OrderId;
use stockade_state_machine::order::Order;
use stockade_state_machine::rejection::Resource;
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
pub(crate) struct Orders(pub(crate) Core);

/// Which orders a list holds.
struct Filter {
    state: v1::OrderState,
    customer: String,
}

impl Filter {
    fn takes(&self, order: &Order, now: LogTime) -> bool {
        let state = self.state == v1::OrderState::Unspecified
            || self.state == convert::order_state(order.state_at(now));
        let customer = order.customer.as_ref().map_or("", |customer| customer.as_str());
        state && (self.customer.is_empty() || self.customer == customer)
    }

    fn takes_all(&self) -> bool {
        self.state == v1::OrderState::Unspecified && self.customer.is_empty()
    }
}

impl Orders {
    async fn get(&self, metadata: &MetadataMap, order_id: &str) -> Result<v1::GetOrderResponse, Failure> {
        let mut violations = Violations::default();
        let Some(id) = violations.order("order_id", order_id) else { return Err(violations.into()) };
        let ((order, now), answering) =
            self.0.read(metadata, |view| (view.order(&id), view.clock().now)).await?;
        let order = order.map_err(|error| Failure::storage(&error))?;
        let order = order.ok_or(Failure::Missing(Resource::Order(id)))?;
        let header = Some(answering.read(order.version.revision));
        Ok(v1::GetOrderResponse { header, order: Some(convert::order(&order, now)) })
    }

    async fn batch_get(
        &self,
        metadata: &MetadataMap,
        request: &v1::BatchGetOrdersRequest,
    ) -> Result<v1::BatchGetOrdersResponse, Failure> {
        let mut violations = Violations::default();
        let ids = violations.several("order_ids", &request.order_ids, limits::MAX_ORDER_BATCH, OrderId::new);
        violations.into_result()?;
        let read = self.0.read(metadata, |view| -> Result<_, Failure> {
            let order = |id: &OrderId| {
                let order = view.order(id).map_err(|error| Failure::storage(&error))?;
                order.ok_or_else(|| Failure::Missing(Resource::Order(id.clone())))
            };
            let orders = ids.iter().map(order).collect::<Result<Vec<_>, _>>()?;
            Ok((orders, view.clock().now))
        });
        let (rows, answering) = read.await?;
        let (rows, now) = rows?;
        let revision = rows.iter().map(|order| order.version.revision).max().unwrap_or_default();
        let orders = rows.iter().map(|order| convert::order(order, now)).collect();
        Ok(v1::BatchGetOrdersResponse { header: Some(answering.read(revision)), orders })
    }

    async fn list(
        &self,
        metadata: &MetadataMap,
        request: &v1::ListOrdersRequest,
    ) -> Result<v1::ListOrdersResponse, Failure> {
        let mut violations = Violations::default();
        let size = pages::size(request.page_size, &mut violations);
        let state = v1::OrderState::try_from(request.state).unwrap_or_else(|_| {
            violations.add("state", "is not known");
            v1::OrderState::Unspecified
        });
        violations.customer("customer_id", &request.customer_id);
        violations.into_result()?;
        let filter = Filter { state, customer: request.customer_id.clone() };
        let scope = Scope::new("orders", &[&request.state.to_string(), &filter.customer]);
        let after = scope.last_key(&request.page_token)?.map(|key| OrderId::new(&key)).transpose();
        let after = after.map_err(|_| Failure::PageTokenInvalid)?;
        // A filter looks at more orders than it takes, so that few matches don't mean many calls.
        let rows = if filter.takes_all() { size } else { limits::MAX_PAGE_SIZE };
        let ((seen, now), answering) =
            self.0.read(metadata, |view| (view.orders_after(after.as_ref(), rows), view.clock().now)).await?;
        let seen = seen.map_err(|error| Failure::storage(&error))?;
        let page = pages::fill(&seen, size, rows, |order| {
            filter.takes(order, now).then(|| convert::order(order, now))
        });
        Ok(v1::ListOrdersResponse {
            header: Some(answering.read(answering.served)),
            next_page_token: page.last.map(|order| scope.token(order.id.as_str())).unwrap_or_default(),
            orders: page.items,
        })
    }
}

#[tonic::async_trait]
impl OrderService for Orders {
    async fn place_order(
        &self,
        request: Request<v1::PlaceOrderRequest>,
    ) -> Result<Response<v1::PlaceOrderResponse>, Status> {
        mutate!(self.0, request, PlaceOrder)
    }

    async fn confirm_order(
        &self,
        request: Request<v1::ConfirmOrderRequest>,
    ) -> Result<Response<v1::ConfirmOrderResponse>, Status> {
        mutate!(self.0, request, ConfirmOrder)
    }

    async fn ship_order(
        &self,
        request: Request<v1::ShipOrderRequest>,
    ) -> Result<Response<v1::ShipOrderResponse>, Status> {
        mutate!(self.0, request, ShipOrder)
    }

    async fn extend_order(
        &self,
        request: Request<v1::ExtendOrderRequest>,
    ) -> Result<Response<v1::ExtendOrderResponse>, Status> {
        mutate!(self.0, request, ExtendOrder)
    }

    async fn close_order(
        &self,
        request: Request<v1::CloseOrderRequest>,
    ) -> Result<Response<v1::CloseOrderResponse>, Status> {
        mutate!(self.0, request, CloseOrder)
    }

    async fn cancel_order(
        &self,
        request: Request<v1::CancelOrderRequest>,
    ) -> Result<Response<v1::CancelOrderResponse>, Status> {
        mutate!(self.0, request, CancelOrder)
    }

    async fn return_order(
        &self,
        request: Request<v1::ReturnOrderRequest>,
    ) -> Result<Response<v1::ReturnOrderResponse>, Status> {
        mutate!(self.0, request, ReturnOrder)
    }

    async fn get_order(
        &self,
        request: Request<v1::GetOrderRequest>,
    ) -> Result<Response<v1::GetOrderResponse>, Status> {
        self.0.answer(self.get(request.metadata(), &request.get_ref().order_id).await)
    }

    async fn batch_get_orders(
        &self,
        request: Request<v1::BatchGetOrdersRequest>,
    ) -> Result<Response<v1::BatchGetOrdersResponse>, Status> {
        self.0.answer(self.batch_get(request.metadata(), request.get_ref()).await)
    }

    async fn list_orders(
        &self,
        request: Request<v1::ListOrdersRequest>,
    ) -> Result<Response<v1::ListOrdersResponse>, Status> {
        self.0.answer(self.list(request.metadata(), request.get_ref()).await)
    }
}
