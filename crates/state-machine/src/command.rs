//! Commands: what a caller or the system wants done. The gateway reports every field that is out of bounds at once;
//! execution checks the bounds again ([`Command::check`]), because it must not panic whatever stands in the log.

use crate::ids::{CustomerId, DocumentId, LocationId, OrderId, Principal, RequestId, SkuId};
use crate::ledger::Reason;
use crate::limits;
use crate::order::Currency;
use crate::stock::Bucket;
use crate::time::LogTime;

/// One entry of the log: commands that share an index and a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When, by the clock of the leader that proposed it.
    pub time: LogTime,
    /// What, in order.
    pub requests: Vec<Request>,
}

/// A command and on whose behalf it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `None` for what the system proposes itself.
    pub origin: Option<Origin>,
    /// Hash of the command's content, made once where it entered: two requests with one id must agree on it.
    pub content: ContentHash,
    /// What is to be done.
    pub command: Command,
}

/// Who asked, and under which id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The caller's id of the request. Stands first: records leave in its order.
    pub request: RequestId,
    /// The caller.
    pub principal: Principal,
}

/// The first 128 bits of a SHA-256 over the frozen form of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ContentHash(pub u128);

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A SKU is born.
    CreateSku(CreateSku),
    /// A SKU changes.
    UpdateSku(UpdateSku),
    /// A SKU goes.
    DeleteSku(DeleteSku),
    /// Goods come in.
    ReceiveStock(ReceiveStock),
    /// A bucket is corrected.
    AdjustStock(AdjustStock),
    /// An order is taken, its units held.
    PlaceOrder(PlaceOrder),
    /// An order is paid.
    ConfirmOrder(ConfirmOrder),
    /// Units leave.
    ShipOrder(ShipOrder),
    /// What is not shipped is given back.
    CancelOrder(CancelOrder),
    /// Shipped units come back.
    ReturnOrder(ReturnOrder),
    /// By the system: what is due expires.
    ExpireDue(ExpireDue),
    /// The fate of the request in the origin is settled: where it was not seen, it never will be.
    AbandonRequest,
}

/// See [`Command::CreateSku`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSku {
    /// Its name.
    pub sku: SkuId,
    /// For people.
    pub display_name: String,
}

/// See [`Command::UpdateSku`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateSku {
    /// Which.
    pub sku: SkuId,
    /// The new name; `None` leaves it.
    pub display_name: Option<String>,
}

/// See [`Command::DeleteSku`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteSku {
    /// Which.
    pub sku: SkuId,
}

/// See [`Command::ReceiveStock`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiveStock {
    /// What.
    pub sku: SkuId,
    /// Where to.
    pub location: LocationId,
    /// Units, 1 to [`MAX_STOCK_CHANGE`](crate::limits::MAX_STOCK_CHANGE).
    pub quantity: i64,
    /// The caller's number.
    pub document: Option<DocumentId>,
    /// Kept in the ledger.
    pub reference: String,
}

/// See [`Command::AdjustStock`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdjustStock {
    /// What.
    pub sku: SkuId,
    /// Where.
    pub location: LocationId,
    /// Not `Reserved` or `Committed`: those belong to orders.
    pub bucket: Bucket,
    /// Units, not 0.
    pub delta: i64,
    /// One that a caller may give.
    pub reason: Reason,
    /// The caller's number.
    pub document: Option<DocumentId>,
    /// Kept in the ledger.
    pub reference: String,
}

/// See [`Command::PlaceOrder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceOrder {
    /// Its name.
    pub order: OrderId,
    /// Whose it is.
    pub customer: Option<CustomerId>,
    /// Of the prices.
    pub currency: Currency,
    /// 1 to [`MAX_LINES`](crate::limits::MAX_LINES).
    pub lines: Vec<PlaceLine>,
    /// How long the units are held, in microseconds.
    pub hold_us: u64,
}

/// A line of [`PlaceOrder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceLine {
    /// What.
    pub sku: SkuId,
    /// From where; `None` for the first location that covers the line.
    pub location: Option<LocationId>,
    /// Units, 1 to [`MAX_LINE_QUANTITY`](crate::limits::MAX_LINE_QUANTITY).
    pub quantity: i64,
    /// Price of one unit in minor units.
    pub unit_price_minor: i64,
}

/// See [`Command::ConfirmOrder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfirmOrder {
    /// Which.
    pub order: OrderId,
    /// The caller's reference of the payment; may be empty.
    pub payment_reference: String,
}

/// See [`Command::ShipOrder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShipOrder {
    /// Which.
    pub order: OrderId,
    /// What leaves; empty for all that is owed. No line twice.
    pub lines: Vec<LineQuantity>,
    /// The carrier's number; may be empty.
    pub tracking_number: String,
}

/// Some units of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineQuantity {
    /// Number of the line in the order, from 1.
    pub line: u32,
    /// Units, at least 1.
    pub quantity: i64,
}

/// See [`Command::CancelOrder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelOrder {
    /// Which.
    pub order: OrderId,
}

/// See [`Command::ReturnOrder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnOrder {
    /// Which.
    pub order: OrderId,
    /// What came back: 1 to [`MAX_LINES`](crate::limits::MAX_LINES). A line may stand several times, with other dispositions.
    pub lines: Vec<ReturnLine>,
    /// The caller's number.
    pub document: Option<DocumentId>,
}

/// Some returned units of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReturnLine {
    /// Number of the line in the order, from 1.
    pub line: u32,
    /// Units, at least 1.
    pub quantity: i64,
    /// What becomes of them.
    pub disposition: Disposition,
}

/// What becomes of a returned unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// Back to `available`.
    Restock,
    /// To `damaged`.
    Damaged,
    /// Thrown away: on hand stays as it is.
    Scrap,
}

/// See [`Command::ExpireDue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpireDue {
    /// At most so many orders, and at most [`MAX_EXPIRE_BATCH`](crate::limits::MAX_EXPIRE_BATCH).
    pub limit: u32,
}

impl Command {
    /// The order that the command is about.
    pub fn order(&self) -> Option<&OrderId> {
        match self {
            Self::PlaceOrder(command) => Some(&command.order),
            Self::ConfirmOrder(command) => Some(&command.order),
            Self::ShipOrder(command) => Some(&command.order),
            Self::CancelOrder(command) => Some(&command.order),
            Self::ReturnOrder(command) => Some(&command.order),
            Self::CreateSku(_)
            | Self::UpdateSku(_)
            | Self::DeleteSku(_)
            | Self::ReceiveStock(_)
            | Self::AdjustStock(_)
            | Self::ExpireDue(_)
            | Self::AbandonRequest => None,
        }
    }

    /// The document that the command books.
    pub fn document(&self) -> Option<&DocumentId> {
        match self {
            Self::ReceiveStock(command) => command.document.as_ref(),
            Self::AdjustStock(command) => command.document.as_ref(),
            Self::ReturnOrder(command) => command.document.as_ref(),
            Self::CreateSku(_)
            | Self::UpdateSku(_)
            | Self::DeleteSku(_)
            | Self::PlaceOrder(_)
            | Self::ConfirmOrder(_)
            | Self::ShipOrder(_)
            | Self::CancelOrder(_)
            | Self::ExpireDue(_)
            | Self::AbandonRequest => None,
        }
    }

    /// Checks every bound that doesn't depend on state; says which one is broken.
    pub fn check(&self) -> Result<(), &'static str> {
        match self {
            Self::CreateSku(command) => check_display_name(&command.display_name),
            Self::UpdateSku(command) => command.display_name.as_deref().map_or(Ok(()), check_display_name),
            Self::ReceiveStock(command) => {
                ensure((1..=limits::MAX_STOCK_CHANGE).contains(&command.quantity), "quantity out of range")?;
                check_reference(&command.reference)
            }
            Self::AdjustStock(command) => {
                let range = -limits::MAX_STOCK_CHANGE..=limits::MAX_STOCK_CHANGE;
                ensure(command.delta != 0 && range.contains(&command.delta), "delta out of range")?;
                ensure(
                    !matches!(command.bucket, Bucket::Reserved | Bucket::Committed),
                    "bucket belongs to orders",
                )?;
                ensure(!command.reason.is_system(), "reason is the system's")?;
                check_reference(&command.reference)
            }
            Self::PlaceOrder(command) => {
                check_line_count(command.lines.len())?;
                let hold = limits::MIN_HOLD_US..=limits::MAX_HOLD_US;
                ensure(hold.contains(&command.hold_us), "hold out of range")?;
                command.lines.iter().try_for_each(|line| {
                    check_quantity(line.quantity)?;
                    let price = 0..=limits::MAX_UNIT_PRICE_MINOR;
                    ensure(price.contains(&line.unit_price_minor), "price out of range")
                })
            }
            Self::ConfirmOrder(command) => check_reference(&command.payment_reference),
            Self::ShipOrder(command) => {
                ensure(command.lines.len() <= limits::MAX_LINES, "too many lines")?;
                check_reference(&command.tracking_number)?;
                command.lines.iter().try_for_each(|line| check_quantity(line.quantity))
            }
            Self::ReturnOrder(command) => {
                check_line_count(command.lines.len())?;
                command.lines.iter().try_for_each(|line| check_quantity(line.quantity))
            }
            Self::DeleteSku(_) | Self::CancelOrder(_) | Self::ExpireDue(_) | Self::AbandonRequest => Ok(()),
        }
    }
}

/// Every rule that [`Command::check`] can name. Refusals are kept with the rule's text, so a text never changes and
/// never leaves the list.
pub const MALFORMED_RULES: [&str; 11] = [
    "display name too long",
    "quantity out of range",
    "reference too long",
    "delta out of range",
    "bucket belongs to orders",
    "reason is the system's",
    "number of lines out of range",
    "hold out of range",
    "quantity of a line out of range",
    "price out of range",
    "too many lines",
];

fn ensure(holds: bool, rule: &'static str) -> Result<(), &'static str> {
    debug_assert!(MALFORMED_RULES.contains(&rule), "the list lacks {rule:?}");
    if holds { Ok(()) } else { Err(rule) }
}

fn check_display_name(name: &str) -> Result<(), &'static str> {
    ensure(name.len() <= limits::MAX_DISPLAY_NAME_LEN, "display name too long")
}

fn check_reference(reference: &str) -> Result<(), &'static str> {
    ensure(reference.len() <= limits::MAX_REFERENCE_LEN, "reference too long")
}

fn check_line_count(count: usize) -> Result<(), &'static str> {
    ensure((1..=limits::MAX_LINES).contains(&count), "number of lines out of range")
}

fn check_quantity(quantity: i64) -> Result<(), &'static str> {
    ensure((1..=limits::MAX_LINE_QUANTITY).contains(&quantity), "quantity of a line out of range")
}
