//! The mutations, one method each. An empty request id is filled in; all go through the pipeline.

use stockade_proto::v1::mutation::Request;
use stockade_proto::v1::mutation_result::Response;
use stockade_proto::v1::{
    AdjustStockRequest, AdjustStockResponse, CancelOrderRequest, CancelOrderResponse,
    CommitReservationRequest, CommitReservationResponse, ConfirmOrderRequest, ConfirmOrderResponse,
    CreateLocationRequest, CreateLocationResponse, CreateReservationRequest, CreateReservationResponse,
    CreateSkuRequest, CreateSkuResponse, DeleteLocationRequest, DeleteLocationResponse, DeleteSkuRequest,
    DeleteSkuResponse, ExtendReservationRequest, ExtendReservationResponse, MoveReservationRequest,
    MoveReservationResponse, MoveStockRequest, MoveStockResponse, PlaceOrderRequest, PlaceOrderResponse,
    ReceiveStockRequest, ReceiveStockResponse, ReleaseReservationRequest, ReleaseReservationResponse,
    ReturnOrderRequest, ReturnOrderResponse, SetStockRequest, SetStockResponse, ShipOrderRequest,
    ShipOrderResponse, UpdateLocationRequest, UpdateLocationResponse, UpdateSkuRequest, UpdateSkuResponse,
};

use crate::error::Error;
use crate::{Client, Result, record};

macro_rules! mutations {
    ($($(#[$doc:meta])* $method:ident: $variant:ident($request:ty) -> $response:ty;)*) => {
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
                    match record::mutate(&self.0, request_id, Request::$variant(request)).await? {
                        Response::$variant(response) => Ok(response),
                        other => Err(mismatch(stringify!($method), &other)),
                    }
                }
            )*
        }
    };
}

fn mismatch(method: &str, answer: &Response) -> Error {
    Error::Transport(format!("the answer to {method} is of another kind: {answer:?}"))
}

mutations! {
    /// Creates a SKU.
    create_sku: CreateSku(CreateSkuRequest) -> CreateSkuResponse;
    /// Changes a SKU.
    update_sku: UpdateSku(UpdateSkuRequest) -> UpdateSkuResponse;
    /// Deletes a SKU without stock.
    delete_sku: DeleteSku(DeleteSkuRequest) -> DeleteSkuResponse;
    /// Creates a location.
    create_location: CreateLocation(CreateLocationRequest) -> CreateLocationResponse;
    /// Changes a location.
    update_location: UpdateLocation(UpdateLocationRequest) -> UpdateLocationResponse;
    /// Deletes a location without stock.
    delete_location: DeleteLocation(DeleteLocationRequest) -> DeleteLocationResponse;
    /// Books goods in.
    receive_stock: ReceiveStock(ReceiveStockRequest) -> ReceiveStockResponse;
    /// Corrects a bucket by a delta.
    adjust_stock: AdjustStock(AdjustStockRequest) -> AdjustStockResponse;
    /// Sets a bucket to a quantity.
    set_stock: SetStock(SetStockRequest) -> SetStockResponse;
    /// Moves units from one bucket to another.
    move_stock: MoveStock(MoveStockRequest) -> MoveStockResponse;
    /// Takes an order and holds its units.
    place_order: PlaceOrder(PlaceOrderRequest) -> PlaceOrderResponse;
    /// Payment was taken.
    confirm_order: ConfirmOrder(ConfirmOrderRequest) -> ConfirmOrderResponse;
    /// Units leave.
    ship_order: ShipOrder(ShipOrderRequest) -> ShipOrderResponse;
    /// Gives back what is not shipped.
    cancel_order: CancelOrder(CancelOrderRequest) -> CancelOrderResponse;
    /// Shipped units come back.
    return_order: ReturnOrder(ReturnOrderRequest) -> ReturnOrderResponse;
    /// Holds units for orders to come.
    create_reservation: CreateReservation(CreateReservationRequest) -> CreateReservationResponse;
    /// Holds units for longer.
    extend_reservation: ExtendReservation(ExtendReservationRequest) -> ExtendReservationResponse;
    /// Gives units of a reservation to a new order.
    commit_reservation: CommitReservation(CommitReservationRequest) -> CommitReservationResponse;
    /// Gives units of a reservation back.
    release_reservation: ReleaseReservation(ReleaseReservationRequest) -> ReleaseReservationResponse;
    /// Holds units of a reservation at another location.
    move_reservation: MoveReservation(MoveReservationRequest) -> MoveReservationResponse;
}
