//! An order's way through the cluster, from wherever an earlier run left it.

use stockade_proto::v1::{
    ConfirmOrderRequest, NewOrderLine, Order as PlacedOrder, OrderState, PlaceOrderRequest, ShipOrderRequest,
};

use super::execute::{Done, Run, count};
use super::limits;
use super::plan::Order;
use crate::batch::persist;

impl Run<'_> {
    /// Places, confirms and ships an order, or what of that is left to do.
    pub(super) async fn order(&self, order: &Order) -> anyhow::Result<Done> {
        let request = self.placement(order);
        let placed = persist(|| self.client.place_order(request.clone())).await;
        let mut state = match placed {
            Ok(_) => {
                count(&self.tally.new_effects);
                OrderState::PendingPayment
            }
            Err(error) if error.reason() == "ALREADY_EXISTS" => {
                let placed = self.read(&order.id).await?;
                if !self.is_same(order, &placed) {
                    self.tally.conflict(|| format!("{}: another order goes by this id", order.id));
                    return Ok(Done::NotShipped);
                }
                placed.state()
            }
            Err(error) => {
                self.tally.refused(&order.id, error)?;
                return Ok(Done::NotShipped);
            }
        };
        for _ in 0..limits::MAX_REREADS {
            let step = match state {
                OrderState::PendingPayment => self.confirm(&order.id).await,
                OrderState::Confirmed | OrderState::PartiallyShipped => self.ship(&order.id).await,
                OrderState::Shipped
                | OrderState::PartiallyReturned
                | OrderState::Returned
                | OrderState::Closed => {
                    count(&self.tally.orders);
                    return Ok(Done::Shipped);
                }
                OrderState::Cancelled | OrderState::Expired | OrderState::Unspecified => {
                    self.tally.conflict(|| format!("{} is {}", order.id, state.as_str_name()));
                    return Ok(Done::NotShipped);
                }
            };
            state = match step {
                Ok(state) => {
                    count(&self.tally.new_effects);
                    state
                }
                // Another run works on it too, or its hold is over: its state tells.
                Err(error) if ["ILLEGAL_TRANSITION", "RESERVATION_EXPIRED"].contains(&error.reason()) => {
                    self.read(&order.id).await?.state()
                }
                Err(error) => {
                    self.tally.refused(&order.id, error)?;
                    return Ok(Done::NotShipped);
                }
            };
        }
        self.tally.conflict(|| format!("{} is changed by others all the time", order.id));
        Ok(Done::NotShipped)
    }

    async fn confirm(&self, order_id: &str) -> Result<OrderState, stockade_client::Error> {
        let request_id = self.client.new_request_id();
        let order_id = order_id.to_owned();
        let request = ConfirmOrderRequest { request_id, order_id, ..ConfirmOrderRequest::default() };
        persist(|| self.client.confirm_order(request.clone())).await.map(|answer| answer.state())
    }

    async fn ship(&self, order_id: &str) -> Result<OrderState, stockade_client::Error> {
        let request_id = self.client.new_request_id();
        let request =
            ShipOrderRequest { request_id, order_id: order_id.to_owned(), ..ShipOrderRequest::default() };
        persist(|| self.client.ship_order(request.clone())).await.map(|answer| answer.state())
    }

    fn placement(&self, order: &Order) -> PlaceOrderRequest {
        let line = |line: &super::plan::OrderLine| NewOrderLine {
            sku_id: self.plan.skus[line.sku].id.clone(),
            quantity: line.quantity,
            location_id: self.location.to_owned(),
            unit_price_minor: line.price_minor,
        };
        PlaceOrderRequest {
            request_id: self.client.new_request_id(),
            order_id: order.id.clone(),
            customer_id: order.customer.clone().unwrap_or_default(),
            currency_code: "GBP".to_owned(),
            lines: order.lines.iter().map(line).collect(),
            hold_duration: Some(prost_types::Duration::try_from(limits::HOLD).expect("30 days fit")),
            ..PlaceOrderRequest::default()
        }
    }

    /// True where the placed order is the one of the file.
    fn is_same(&self, order: &Order, placed: &PlacedOrder) -> bool {
        placed.customer_id == order.customer.as_deref().unwrap_or_default()
            && placed.lines.len() == order.lines.len()
            && placed.lines.iter().zip(&order.lines).all(|(placed, line)| {
                placed.sku_id == self.plan.skus[line.sku].id
                    && placed.ordered == line.quantity
                    && placed.unit_price_minor == line.price_minor
            })
    }
}
