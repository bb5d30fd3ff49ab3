//! The two ways to call: each call for itself, or all of a client on its one stream.

use std::sync::Arc;

use stockade_client::{Client, Config};
use stockade_env::Env;
use stockade_proto::Connection;
use stockade_proto::v1::order_service_client::OrderServiceClient;
use stockade_proto::v1::stock_service_client::StockServiceClient;
use stockade_proto::v1::{
    ConfirmOrderRequest, GetOrderRequest, GetStockRequest, Order, OrderState, ShipOrderRequest,
};
use tonic::{Code, Status};

use crate::bench::Mode;
use crate::bench::fill::LOCATION;
use crate::bench::speed::script::Script;

/// What came of a call that was not answered as it should be.
#[derive(Debug)]
pub(super) enum Failure {
    /// Refused because something that was named is not there.
    NotFound,
    /// Anything else. It may have taken effect.
    Other(String),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        match status.code() {
            Code::NotFound => Self::NotFound,
            code => Self::Other(format!("{code:?}: {}", status.message())),
        }
    }
}

impl From<stockade_client::Error> for Failure {
    fn from(error: stockade_client::Error) -> Self {
        match error.reason() {
            "NOT_FOUND" => Self::NotFound,
            _ => Self::Other(error.to_string()),
        }
    }
}

type Answer<T> = Result<T, Failure>;

/// Calls the cluster.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    client: Client,
    /// Where each call goes for itself, to the leader.
    each: Option<(OrderServiceClient<Connection>, StockServiceClient<Connection>)>,
    script: Arc<Script>,
}

impl Caller {
    /// So many callers, each with connections of its own. Calls that go each for itself go to this leader.
    pub(super) async fn connect(
        env: &Env,
        config: &Config,
        (mode, leader): (Mode, &str),
        connections: usize,
        script: &Arc<Script>,
    ) -> anyhow::Result<Vec<Self>> {
        let mut callers = Vec::new();
        for _ in 0..connections {
            let client = Client::connect(env, config.clone()).await?;
            let each = match mode {
                Mode::Stream => None,
                Mode::Unary => {
                    let connection = client.connection_to(leader)?;
                    Some((OrderServiceClient::new(connection.clone()), StockServiceClient::new(connection)))
                }
            };
            callers.push(Self { client, each, script: Arc::clone(script) });
        }
        Ok(callers)
    }

    pub(super) async fn place(&self, order: u64) -> Answer<()> {
        let request = self.script.place(order, self.client.new_request_id());
        match &self.each {
            Some((orders, _)) => drop(orders.clone().place_order(request).await?),
            None => drop(self.client.place_order(request).await?),
        }
        Ok(())
    }

    pub(super) async fn confirm(&self, order: u64) -> Answer<()> {
        let request = ConfirmOrderRequest {
            request_id: self.client.new_request_id(),
            order_id: self.script.order_id(order),
            ..ConfirmOrderRequest::default()
        };
        match &self.each {
            Some((orders, _)) => drop(orders.clone().confirm_order(request).await?),
            None => drop(self.client.confirm_order(request).await?),
        }
        Ok(())
    }

    /// Ships all of an order.
    pub(super) async fn ship(&self, order: u64) -> Answer<()> {
        let request = ShipOrderRequest {
            request_id: self.client.new_request_id(),
            order_id: self.script.order_id(order),
            ..ShipOrderRequest::default()
        };
        match &self.each {
            Some((orders, _)) => drop(orders.clone().ship_order(request).await?),
            None => drop(self.client.ship_order(request).await?),
        }
        Ok(())
    }

    /// Reads an order of one's own; what was acknowledged of it must be seen.
    pub(super) async fn read_order(&self, order: u64, paid: bool) -> Answer<()> {
        let request = GetOrderRequest { order_id: self.script.order_id(order), ..GetOrderRequest::default() };
        let answer = match &self.each {
            Some((orders, _)) => orders.clone().get_order(request).await?.into_inner(),
            None => self.client.get_order(request).await?,
        };
        let state = answer.order.as_ref().map(Order::state);
        if paid && state == Some(OrderState::PendingPayment) {
            return Err(Failure::Other(format!("order {order} was paid and is read as unpaid")));
        }
        Ok(())
    }

    pub(super) async fn read_stock(&self, sku: u64) -> Answer<()> {
        let request = GetStockRequest {
            sku_id: self.script.sku_id(sku),
            location_id: LOCATION.to_owned(),
            ..GetStockRequest::default()
        };
        match &self.each {
            Some((_, stock)) => drop(stock.clone().get_stock(request).await?),
            None => drop(self.client.get_stock(request).await?),
        }
        Ok(())
    }
}
