//! The mutations, one method each. An empty request id is filled in; all go through the pipeline.

use stockade_proto::v1::catalog_service_client::CatalogServiceClient;
use stockade_proto::v1::mutation::Request;
use stockade_proto::v1::mutation_result::Response;
use stockade_proto::v1::order_service_client::OrderServiceClient;
use stockade_proto::v1::reservation_service_client::ReservationServiceClient;
use stockade_proto::v1::stock_service_client::StockServiceClient;
use stockade_proto::v1::transaction_service_client::TransactionServiceClient;
use stockade_proto::v1::{
    AdjustStockRequest, AdjustStockResponse, CancelOrderRequest, CancelOrderResponse, CloseOrderRequest,
    CloseOrderResponse, CommitReservationRequest, CommitReservationResponse, ConfirmOrderRequest,
    ConfirmOrderResponse, CreateLocationRequest, CreateLocationResponse, CreateReservationRequest,
    CreateReservationResponse, CreateSkuRequest, CreateSkuResponse, DeleteLocationRequest,
    DeleteLocationResponse, DeleteSkuRequest, DeleteSkuResponse, ExtendOrderRequest, ExtendOrderResponse,
    ExtendReservationRequest, ExtendReservationResponse, MoveReservationRequest, MoveReservationResponse,
    MoveStockRequest, MoveStockResponse, PlaceOrderRequest, PlaceOrderResponse, ReceiveStockRequest,
    ReceiveStockResponse, ReleaseReservationRequest, ReleaseReservationResponse, ReturnOrderRequest,
    ReturnOrderResponse, SetStockRequest, SetStockResponse, ShipOrderRequest, ShipOrderResponse,
    TransactRequest, TransactResponse, UpdateLocationRequest, UpdateLocationResponse, UpdateSkuRequest,
    UpdateSkuResponse,
};

use crate::error::Error;
use crate::policy::Plan;
use crate::{Client, Result, call, limits, record};

macro_rules! mutations {
    ($($(#[$doc:meta])* $method:ident: $client:ident/$variant:ident($request:ty) -> $response:ty;)*) => {
        impl Client {
            $(
                $(#[$doc])*
                ///
                /// Errors: `Rejected`; `OutcomeUnknown`, `NoLeader`, `Overloaded` or `Unavailable` when the time is over.
                pub async fn $method(&self, mut request: $request) -> Result<$response> {
                    if request.request_id.is_empty() {
                        request.request_id = self.new_request_id();
                    }
                    let request_id = request.request_id.clone();
                    let is_trial = request.validate_only;
                    let request = Request::$variant(request);
                    let answered = if is_trial {
                        // Large: it could be a call of any kind.
                        Box::pin(self.validate(request)).await
                    } else {
                        record::mutate(&self.0, request_id, request).await
                    };
                    match answered? {
                        Response::$variant(response) => Ok(response),
                        other => Err(mismatch(stringify!($method), &other)),
                    }
                }
            )*

            /// What a mutation would bring about if it were called now and alone; nothing takes effect.
            ///
            /// Errors: as of the mutation, but that its fate is never unknown.
            pub async fn validate(&self, request: Request) -> Result<Response> {
                match request {
                    $(
                        Request::$variant(mut request) => {
                            request.validate_only = true;
                            if request.request_id.is_empty() {
                                request.request_id = self.new_request_id();
                            }
                            let answered = call::repeat(&self.0, &request, Plan::of_leader(), None, |channel, request| async move {
                                let client = $client::new(channel);
                                client.max_decoding_message_size(limits::MAX_ANSWER_BYTES).$method(request).await
                            });
                            record::call(&self.0, &request, false, answered).await.map(Response::$variant)
                        }
                    )*
                }
            }
        }
    };
}

fn mismatch(method: &str, answer: &Response) -> Error {
    Error::Transport(format!("the answer to {method} is of another kind: {answer:?}"))
}

mutations! {
    /// Creates a SKU.
    create_sku: CatalogServiceClient/CreateSku(CreateSkuRequest) -> CreateSkuResponse;
    /// Changes a SKU.
    update_sku: CatalogServiceClient/UpdateSku(UpdateSkuRequest) -> UpdateSkuResponse;
    /// Deletes a SKU without stock.
    delete_sku: CatalogServiceClient/DeleteSku(DeleteSkuRequest) -> DeleteSkuResponse;
    /// Creates a location.
    create_location: CatalogServiceClient/CreateLocation(CreateLocationRequest) -> CreateLocationResponse;
    /// Changes a location.
    update_location: CatalogServiceClient/UpdateLocation(UpdateLocationRequest) -> UpdateLocationResponse;
    /// Deletes a location without stock.
    delete_location: CatalogServiceClient/DeleteLocation(DeleteLocationRequest) -> DeleteLocationResponse;
    /// Books goods in.
    receive_stock: StockServiceClient/ReceiveStock(ReceiveStockRequest) -> ReceiveStockResponse;
    /// Corrects a bucket by a delta.
    adjust_stock: StockServiceClient/AdjustStock(AdjustStockRequest) -> AdjustStockResponse;
    /// Sets a bucket to a quantity.
    set_stock: StockServiceClient/SetStock(SetStockRequest) -> SetStockResponse;
    /// Moves units from one bucket to another.
    move_stock: StockServiceClient/MoveStock(MoveStockRequest) -> MoveStockResponse;
    /// Takes an order and holds its units.
    place_order: OrderServiceClient/PlaceOrder(PlaceOrderRequest) -> PlaceOrderResponse;
    /// Payment was taken.
    confirm_order: OrderServiceClient/ConfirmOrder(ConfirmOrderRequest) -> ConfirmOrderResponse;
    /// Holds the units of an unpaid order for longer.
    extend_order: OrderServiceClient/ExtendOrder(ExtendOrderRequest) -> ExtendOrderResponse;
    /// Units leave.
    ship_order: OrderServiceClient/ShipOrder(ShipOrderRequest) -> ShipOrderResponse;
    /// Gives back what is not shipped.
    cancel_order: OrderServiceClient/CancelOrder(CancelOrderRequest) -> CancelOrderResponse;
    /// A shipped order is done with.
    close_order: OrderServiceClient/CloseOrder(CloseOrderRequest) -> CloseOrderResponse;
    /// Shipped units come back.
    return_order: OrderServiceClient/ReturnOrder(ReturnOrderRequest) -> ReturnOrderResponse;
    /// Holds units for orders to come.
    create_reservation: ReservationServiceClient/CreateReservation(CreateReservationRequest) -> CreateReservationResponse;
    /// Holds units for longer.
    extend_reservation: ReservationServiceClient/ExtendReservation(ExtendReservationRequest) -> ExtendReservationResponse;
    /// Gives units of a reservation to a new order.
    commit_reservation: ReservationServiceClient/CommitReservation(CommitReservationRequest) -> CommitReservationResponse;
    /// Gives units of a reservation back.
    release_reservation: ReservationServiceClient/ReleaseReservation(ReleaseReservationRequest) -> ReleaseReservationResponse;
    /// Holds units of a reservation at another location.
    move_reservation: ReservationServiceClient/MoveReservation(MoveReservationRequest) -> MoveReservationResponse;
    /// Several mutations at once, all or none.
    transact: TransactionServiceClient/Transact(TransactRequest) -> TransactResponse;
}
