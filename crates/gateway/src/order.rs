//! Orders.

use stockade_proto::v1;
use stockade_proto::v1::order_service_server::OrderService;
use stockade_state_machine::LogTime;
use stockade_state_machine::ids::OrderId;
use stockade_state_machine::order::{Order, OrderState};
use stockade_state_machine::rejection::Resource;
use stockade_storage::{OrderFilter, OrderKey, View};
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

impl Orders {
    async fn get(
        &self,
        metadata: &MetadataMap,
        request: &v1::GetOrderRequest,
    ) -> Result<v1::GetOrderResponse, Failure> {
        let mut violations = Violations::default();
        let consistency = violations.consistency(request.read.as_ref());
        let Some(id) = violations.order("order_id", &request.order_id) else { return Err(violations.into()) };
        violations.into_result()?;
        let ((order, now), answering) =
            self.0.read(metadata, consistency, |view| (view.order(&id), view.clock().now)).await?;
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
        let consistency = violations.consistency(request.read.as_ref());
        let ids = violations.several("order_ids", &request.order_ids, limits::MAX_ORDER_BATCH, OrderId::new);
        violations.into_result()?;
        let read = self.0.read(metadata, consistency, |view| -> Result<_, Failure> {
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
        let consistency = violations.consistency(request.read.as_ref());
        let size = pages::size(request.page_size, &mut violations);
        let filter = filter(request, &mut violations);
        violations.into_result()?;
        let scope = scope(request, &filter);
        let after = scope.last_key(&request.page_token)?;
        let after = after.map(|key| parse_key(&key).ok_or(Failure::PageTokenInvalid)).transpose()?;
        // A filter of several parts looks at more orders than it takes, so that few matches don't mean many calls.
        let rows = if filter.parts() > 1 { limits::MAX_PAGE_SIZE } else { size };
        let read = |view: &View<'_>| (view.list_orders(&filter, after.as_ref(), rows), view.clock().now);
        let ((seen, now), answering) = self.0.read(metadata, consistency, read).await?;
        let seen = seen.map_err(|error| Failure::storage(&error))?;
        // More follow where storage says so, however many it gave.
        let asked = if seen.has_more { seen.orders.len() } else { usize::MAX };
        let page = pages::fill(&seen.orders, size, asked, |order| {
            filter.takes(order, now).then(|| convert::order(order, now))
        });
        Ok(v1::ListOrdersResponse {
            header: Some(answering.read(answering.served)),
            next_page_token: page.last.map(|order| scope.token(&key(order))).unwrap_or_default(),
            orders: page.items,
        })
    }
}

/// Which orders a list holds, and in which direction.
fn filter(request: &v1::ListOrdersRequest, violations: &mut Violations) -> OrderFilter {
    let is_it = |state: &OrderState| i32::from(convert::order_state(*state)) == request.state;
    let state = OrderState::ALL.into_iter().find(is_it);
    if state.is_none() && request.state != i32::from(v1::OrderState::Unspecified) {
        violations.add("state", "is not known");
    }
    let customer = violations.customer("customer_id", &request.customer_id);
    let sku = violations.optional_sku("sku_id", &request.sku_id);
    let (start, end) = violations.period(request.start_time.as_ref(), request.end_time.as_ref());
    OrderFilter { state, customer, sku, start, end, newest_first: request.newest_first }
}

fn scope(request: &v1::ListOrdersRequest, filter: &OrderFilter) -> Scope {
    let filters = [
        &request.state.to_string(),
        &request.customer_id,
        &request.sku_id,
        &pages::time(filter.start),
        &pages::time(filter.end),
        &filter.newest_first.to_string(),
    ];
    Scope::new("orders", &filters.map(String::as_str))
}

fn key(order: &Order) -> String {
    pages::key(&order.created.micros(), &order.id)
}

fn parse_key(text: &str) -> Option<OrderKey> {
    let (created, id) = pages::parts(text)?;
    Some((LogTime::from_micros(created.parse().ok()?), OrderId::new(id).ok()?))
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
        self.0.answer(self.get(request.metadata(), request.get_ref()).await)
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
