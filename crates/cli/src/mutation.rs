//! Changes, from what a command asks for to what is said of the answer. A request is built apart from sending it, so that a
//! line of a transaction means what the same command means alone.

use stockade_client::{Client, Error};
use stockade_proto::v1::mutation::Request;
use stockade_proto::v1::mutation_result::Response;

use crate::changed::Changed;
use crate::connect::{ClusterArgs, RequestArgs};
use crate::output::Output;

/// A change that was asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Without a request id: what names a call is no part of what it asks for.
    pub(crate) request: Request,
    pub(crate) by: RequestArgs,
}

impl Asked {
    pub(crate) fn new(request: Request, by: RequestArgs) -> Self {
        Self { request, by }
    }
}

macro_rules! kinds {
    ($($kind:ident: $method:ident;)*) => {
        /// Makes a change, or with `--validate-only` has the cluster say what it would come to.
        pub(crate) async fn send(client: &Client, asked: Asked) -> Result<Response, Error> {
            let Asked { request, by } = asked;
            match request {
                $(Request::$kind(mut request) => {
                    (request.request_id, request.validate_only) = (by.request_id, by.validate_only);
                    client.$method(request).await.map(Response::$kind)
                })*
            }
        }
    };
}

kinds! {
    CreateSku: create_sku;
    UpdateSku: update_sku;
    DeleteSku: delete_sku;
    CreateLocation: create_location;
    UpdateLocation: update_location;
    DeleteLocation: delete_location;
    ReceiveStock: receive_stock;
    AdjustStock: adjust_stock;
    SetStock: set_stock;
    MoveStock: move_stock;
    PlaceOrder: place_order;
    ConfirmOrder: confirm_order;
    ExtendOrder: extend_order;
    ShipOrder: ship_order;
    CancelOrder: cancel_order;
    CloseOrder: close_order;
    ReturnOrder: return_order;
    CreateReservation: create_reservation;
    ExtendReservation: extend_reservation;
    CommitReservation: commit_reservation;
    ReleaseReservation: release_reservation;
    MoveReservation: move_reservation;
    Transact: transact;
}

/// Makes a change and prints what it came to.
pub(crate) async fn run(cluster: &ClusterArgs, asked: Asked, output: Output) -> anyhow::Result<()> {
    let (request, validate_only) = (asked.request.clone(), asked.by.validate_only);
    let answer = send(&cluster.connect().await?, asked).await?;
    Changed { validate_only, ..Changed::of(&request, answer)? }.print(output);
    Ok(())
}
