//! The calls that a history holds, by their names, and their messages.

use prost::Message;
use stockade_proto::v1::{self, ReadOptions, ResponseHeader, mutation, mutation_result};

/// Why a call could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The call's name is none that is known.
    #[error("`{0}` is no call that this version knows")]
    Kind(String),
    /// The message is none.
    #[error("the message of a {kind} can't be decoded: {source}")]
    Message {
        /// The call's name.
        kind: &'static str,
        /// What is wrong with it.
        source: prost::DecodeError,
    },
}

/// A request message of a call that is recorded.
pub trait Call: Message {
    /// The call's name, as in the interface, in lower case.
    const KIND: &'static str;
    /// The request id; empty where the call has none.
    fn request_id(&self) -> &str;
    /// True where it is to be tried only (`validate_only`): nothing takes effect, and no fate is to be settled.
    fn is_trial(&self) -> bool;
    /// How a read is to be served; `None` of what is no read, and where it says nothing.
    fn read_options(&self) -> Option<&ReadOptions>;
    /// What it asks for, short.
    fn words(&self) -> String;
}

/// A response message, which has a header.
pub trait Headed: Message {
    /// Who answered, and from which state.
    fn header(&self) -> Option<&ResponseHeader>;
}

macro_rules! calls {
    ($($(#[$doc:meta])* $variant:ident, $kind:literal, $request:ident => $response:ident $(, $id:ident $(, $trial:ident)?)? $(with $read:ident)?;)*) => {
        /// What was asked.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Asked {
            $($(#[$doc])* $variant(v1::$request),)*
        }

        /// What was answered.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Answer {
            $($(#[$doc])* $variant(v1::$response),)*
        }

        impl Asked {
            /// The call's name.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $kind,)*
                }
            }

            /// The request id; empty where the call has none.
            pub fn request_id(&self) -> &str {
                match self {
                    $(Self::$variant(request) => Call::request_id(request),)*
                }
            }

            /// True of a mutation that is to be tried only (`validate_only`): nothing takes effect, and no fate is to be settled.
            pub fn is_trial(&self) -> bool {
                match self {
                    $(Self::$variant(request) => Call::is_trial(request),)*
                }
            }

            /// How a read is to be served; `None` of what is no read, and where it says nothing.
            pub fn read_options(&self) -> Option<&ReadOptions> {
                match self {
                    $(Self::$variant(request) => Call::read_options(request),)*
                }
            }

            /// What it asks for, short.
            pub fn words(&self) -> String {
                match self {
                    $(Self::$variant(request) => Call::words(request),)*
                }
            }

            /// The message's bytes.
            pub fn encode(&self) -> Vec<u8> {
                match self {
                    $(Self::$variant(request) => request.encode_to_vec(),)*
                }
            }

            /// The request of a call of this name.
            pub fn decode(kind: &str, bytes: &[u8]) -> Result<Self, Unreadable> {
                match kind {
                    $($kind => v1::$request::decode(bytes).map(Self::$variant)
                        .map_err(|source| Unreadable::Message { kind: $kind, source }),)*
                    other => Err(Unreadable::Kind(other.to_owned())),
                }
            }

            /// The response to this call, from its bytes.
            pub fn decode_answer(&self, bytes: &[u8]) -> Result<Answer, Unreadable> {
                match self {
                    $(Self::$variant(_) => v1::$response::decode(bytes).map(Answer::$variant)
                        .map_err(|source| Unreadable::Message { kind: $kind, source }),)*
                }
            }
        }

        impl Answer {
            /// The message's bytes.
            pub fn encode(&self) -> Vec<u8> {
                match self {
                    $(Self::$variant(response) => response.encode_to_vec(),)*
                }
            }

            /// Who answered, and from which state.
            pub fn header(&self) -> Option<&ResponseHeader> {
                match self {
                    $(Self::$variant(response) => response.header.as_ref(),)*
                }
            }

            /// Takes the header out.
            pub fn take_header(&mut self) -> Option<ResponseHeader> {
                match self {
                    $(Self::$variant(response) => response.header.take(),)*
                }
            }
        }

        $(
            impl Call for v1::$request {
                const KIND: &'static str = $kind;

                fn request_id(&self) -> &str {
                    calls!(@id self $($id)?)
                }

                fn is_trial(&self) -> bool {
                    calls!(@trial self $($($trial)?)?)
                }

                fn read_options(&self) -> Option<&ReadOptions> {
                    calls!(@read self $($read)?)
                }

                fn words(&self) -> String {
                    let words = crate::words::Words::words(self);
                    if Call::is_trial(self) { format!("try to {words}") } else { words }
                }
            }

            impl Headed for v1::$response {
                fn header(&self) -> Option<&ResponseHeader> {
                    self.header.as_ref()
                }
            }

            impl From<v1::$request> for Asked {
                fn from(request: v1::$request) -> Self {
                    Self::$variant(request)
                }
            }

            impl From<v1::$response> for Answer {
                fn from(response: v1::$response) -> Self {
                    Self::$variant(response)
                }
            }
        )*
    };
    (@id $self:ident $id:ident) => { &$self.$id };
    (@id $self:ident) => { "" };
    (@trial $self:ident $trial:ident) => { $self.$trial };
    (@trial $self:ident) => { false };
    (@read $self:ident $read:ident) => { $self.$read.as_ref() };
    (@read $self:ident) => { None };
}

calls! {
    /// A SKU is created.
    CreateSku, "create_sku", CreateSkuRequest => CreateSkuResponse, request_id, validate_only;
    /// A SKU is changed.
    UpdateSku, "update_sku", UpdateSkuRequest => UpdateSkuResponse, request_id, validate_only;
    /// A SKU is deleted.
    DeleteSku, "delete_sku", DeleteSkuRequest => DeleteSkuResponse, request_id, validate_only;
    /// A location is created.
    CreateLocation, "create_location", CreateLocationRequest => CreateLocationResponse, request_id, validate_only;
    /// A location is changed.
    UpdateLocation, "update_location", UpdateLocationRequest => UpdateLocationResponse, request_id, validate_only;
    /// A location is deleted.
    DeleteLocation, "delete_location", DeleteLocationRequest => DeleteLocationResponse, request_id, validate_only;
    /// Goods come in.
    ReceiveStock, "receive_stock", ReceiveStockRequest => ReceiveStockResponse, request_id, validate_only;
    /// A bucket is corrected.
    AdjustStock, "adjust_stock", AdjustStockRequest => AdjustStockResponse, request_id, validate_only;
    /// A bucket is set.
    SetStock, "set_stock", SetStockRequest => SetStockResponse, request_id, validate_only;
    /// Units change their bucket.
    MoveStock, "move_stock", MoveStockRequest => MoveStockResponse, request_id, validate_only;
    /// An order is taken.
    PlaceOrder, "place_order", PlaceOrderRequest => PlaceOrderResponse, request_id, validate_only;
    /// An order is paid.
    ConfirmOrder, "confirm_order", ConfirmOrderRequest => ConfirmOrderResponse, request_id, validate_only;
    /// An unpaid order holds its units for longer.
    ExtendOrder, "extend_order", ExtendOrderRequest => ExtendOrderResponse, request_id, validate_only;
    /// Units leave.
    ShipOrder, "ship_order", ShipOrderRequest => ShipOrderResponse, request_id, validate_only;
    /// What is not shipped is given back, or a part of it.
    CancelOrder, "cancel_order", CancelOrderRequest => CancelOrderResponse, request_id, validate_only;
    /// A shipped order is done with.
    CloseOrder, "close_order", CloseOrderRequest => CloseOrderResponse, request_id, validate_only;
    /// Shipped units come back.
    ReturnOrder, "return_order", ReturnOrderRequest => ReturnOrderResponse, request_id, validate_only;
    /// Units are held for a cart.
    CreateReservation, "create_reservation", CreateReservationRequest => CreateReservationResponse, request_id, validate_only;
    /// They are held for longer.
    ExtendReservation, "extend_reservation", ExtendReservationRequest => ExtendReservationResponse, request_id, validate_only;
    /// An order takes units that were held.
    CommitReservation, "commit_reservation", CommitReservationRequest => CommitReservationResponse, request_id, validate_only;
    /// Units that were held are given back.
    ReleaseReservation, "release_reservation", ReleaseReservationRequest => ReleaseReservationResponse, request_id, validate_only;
    /// Units are held at another location instead.
    MoveReservation, "move_reservation", MoveReservationRequest => MoveReservationResponse, request_id, validate_only;
    /// Several mutations at once, all or none.
    Transact, "transact", TransactRequest => TransactResponse, request_id, validate_only;
    /// The fate of a request is settled.
    AbandonRequest, "abandon_request", AbandonRequestRequest => AbandonRequestResponse, request_id;
    /// What became of a request is read.
    GetOutcome, "get_outcome", GetOutcomeRequest => GetOutcomeResponse, request_id;
    /// A SKU is read.
    GetSku, "get_sku", GetSkuRequest => GetSkuResponse with read;
    /// Several SKUs are read at once.
    BatchGetSkus, "batch_get_skus", BatchGetSkusRequest => BatchGetSkusResponse with read;
    /// A location is read.
    GetLocation, "get_location", GetLocationRequest => GetLocationResponse with read;
    /// A page of locations is read.
    ListLocations, "list_locations", ListLocationsRequest => ListLocationsResponse with read;
    /// A page of SKUs is read.
    ListSkus, "list_skus", ListSkusRequest => ListSkusResponse with read;
    /// The stock at a location is read.
    GetStock, "get_stock", GetStockRequest => GetStockResponse with read;
    /// The stock of several SKUs at locations is read at once.
    BatchGetStock, "batch_get_stock", BatchGetStockRequest => BatchGetStockResponse with read;
    /// What orders could take is read.
    GetAvailability, "get_availability", GetAvailabilityRequest => GetAvailabilityResponse with read;
    /// A page of stock is read.
    ListStock, "list_stock", ListStockRequest => ListStockResponse with read;
    /// An order is read.
    GetOrder, "get_order", GetOrderRequest => GetOrderResponse with read;
    /// Several orders are read at once.
    BatchGetOrders, "batch_get_orders", BatchGetOrdersRequest => BatchGetOrdersResponse with read;
    /// A page of orders is read.
    ListOrders, "list_orders", ListOrdersRequest => ListOrdersResponse with read;
    /// A reservation is read.
    GetReservation, "get_reservation", GetReservationRequest => GetReservationResponse with read;
    /// A page of reservations is read.
    ListReservations, "list_reservations", ListReservationsRequest => ListReservationsResponse with read;
    /// A page of the ledger is read.
    ListLedgerEntries, "list_ledger_entries", ListLedgerEntriesRequest => ListLedgerEntriesResponse with read;
    /// What was in stock at a moment in the past is read.
    GetStockAsOf, "get_stock_as_of", GetStockAsOfRequest => GetStockAsOfResponse with read;
}

macro_rules! mutations {
    ($($variant:ident),*) => {
        impl Asked {
            /// The mutation that this call is; `None` for reads, and for `AbandonRequest`, which settles another.
            pub fn mutation(&self) -> Option<mutation::Request> {
                match self {
                    $(Self::$variant(request) => Some(mutation::Request::$variant(request.clone())),)*
                    Self::AbandonRequest(_)
                    | Self::GetOutcome(_)
                    | Self::GetSku(_)
                    | Self::BatchGetSkus(_)
                    | Self::GetLocation(_)
                    | Self::ListLocations(_)
                    | Self::ListSkus(_)
                    | Self::GetStock(_)
                    | Self::BatchGetStock(_)
                    | Self::GetAvailability(_)
                    | Self::ListStock(_)
                    | Self::GetOrder(_)
                    | Self::BatchGetOrders(_)
                    | Self::ListOrders(_)
                    | Self::GetReservation(_)
                    | Self::ListReservations(_)
                    | Self::ListLedgerEntries(_)
                    | Self::GetStockAsOf(_) => None,
                }
            }

            /// True of mutations, also of those that are only to be tried; `AbandonRequest` is not counted.
            pub fn is_mutation(&self) -> bool {
                matches!(self, $(Self::$variant(_))|*)
            }
        }

        /// The request id of a mutation.
        pub fn request_id_of(request: &mutation::Request) -> &str {
            match request {
                $(mutation::Request::$variant(request) => &request.request_id,)*
            }
        }

        /// True of a mutation that is to be tried only (`validate_only`).
        pub fn is_trial(request: &mutation::Request) -> bool {
            match request {
                $(mutation::Request::$variant(request) => request.validate_only,)*
            }
        }

        impl From<mutation::Request> for Asked {
            fn from(request: mutation::Request) -> Self {
                match request {
                    $(mutation::Request::$variant(request) => Self::$variant(request),)*
                }
            }
        }

        impl From<mutation_result::Response> for Answer {
            fn from(response: mutation_result::Response) -> Self {
                match response {
                    $(mutation_result::Response::$variant(response) => Self::$variant(response),)*
                }
            }
        }
    };
}

mutations!(
    CreateSku,
    UpdateSku,
    DeleteSku,
    CreateLocation,
    UpdateLocation,
    DeleteLocation,
    ReceiveStock,
    AdjustStock,
    SetStock,
    MoveStock,
    PlaceOrder,
    ConfirmOrder,
    ExtendOrder,
    ShipOrder,
    CancelOrder,
    CloseOrder,
    ReturnOrder,
    CreateReservation,
    ExtendReservation,
    CommitReservation,
    ReleaseReservation,
    MoveReservation,
    Transact
);
