//! A model, a clock and a caller. After every entry nothing may be violated.

use std::hash::{DefaultHasher, Hash, Hasher};

use stockade_model::{Model, RequestLimits};
use stockade_state_machine::command::{
    CancelOrder, Command, ConfirmOrder, ContentHash, CreateLocation, CreateSku, Disposition, Entry,
    ExtendOrder, LineQuantity, LocationChange, Origin, PlaceLine, PlaceOrder, Precondition, ReceiveStock,
    Request, ReturnLine, ReturnOrder, ShipOrder, ShortagePolicy, SkuChange, Sourcing, Transact,
    UpdateLocation, UpdateSku,
};
use stockade_state_machine::ids::{DocumentId, LocationId, OrderId, Principal, RequestId, SkuId};
use stockade_state_machine::ledger::{LedgerEntry, Reason};
use stockade_state_machine::location::LocationDetails;
use stockade_state_machine::order::{Currency, Order, OrderLine, OrderState};
use stockade_state_machine::outcome::{Outcome, Reply, Source};
use stockade_state_machine::rejection::Rejection;
use stockade_state_machine::sku::SkuDetails;
use stockade_state_machine::stock::{Stock, StockKey};
use stockade_state_machine::{LogTime, Revision, Version};

pub(crate) const SECOND_US: u64 = 1_000_000;
pub(crate) const HOLD_US: u64 = 60 * SECOND_US;
/// When every world begins, in microseconds since 1970.
pub(crate) const BEGIN_US: u64 = 1_700_000_000 * SECOND_US;

pub(crate) struct World {
    pub(crate) model: Model,
    pub(crate) now_us: u64,
    pub(crate) index: u64,
    made_ids: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_limits(RequestLimits::default())
    }

    pub(crate) fn with_limits(limits: RequestLimits) -> Self {
        Self { model: Model::with_limits(limits), now_us: BEGIN_US, index: 0, made_ids: 0 }
    }

    /// A world with a SKU `mug`, the locations `a`, `b` and `c`, and so many mugs at `a`.
    pub(crate) fn with_mugs(units: i64) -> Self {
        let mut world = Self::new();
        world.run_all(vec![
            creation("mug", SkuDetails::default()),
            opening("a", LocationDetails::default()),
            opening("b", LocationDetails::default()),
            opening("c", LocationDetails::default()),
        ]);
        world.receive("mug", "a", units);
        world
    }

    pub(crate) fn wait(&mut self, micros: u64) {
        self.now_us += micros;
    }

    /// An origin of the caller `shop` that was never there before, made now.
    pub(crate) fn new_origin(&mut self) -> Origin {
        self.made_ids += 1;
        origin_at(self.now_us / 1_000, self.made_ids)
    }

    pub(crate) fn apply(&mut self, requests: Vec<Request>) -> Vec<Reply> {
        self.index += 1;
        let entry = Entry { time: LogTime::from_micros(self.now_us), requests };
        let replies = self.model.apply(Revision::new(self.index), &entry);
        assert_eq!(replies.len(), entry.requests.len());
        assert_eq!(self.model.violations(), Vec::<String>::new(), "after entry {}", self.index);
        replies
    }

    /// Runs commands of the caller in one entry, each under an id of its own.
    pub(crate) fn run_all(&mut self, commands: Vec<Command>) -> Vec<Reply> {
        let requests =
            commands.into_iter().map(|command| request(Some(self.new_origin()), command)).collect();
        self.apply(requests)
    }

    pub(crate) fn run_under(&mut self, origin: Option<Origin>, command: Command) -> Reply {
        self.apply(vec![request(origin, command)]).remove(0)
    }

    pub(crate) fn run(&mut self, command: Command) -> Outcome {
        self.run_all(vec![command]).remove(0).outcome
    }

    pub(crate) fn refusal(&mut self, command: Command) -> Rejection {
        match self.run(command) {
            Outcome::Rejected(rejection) => rejection,
            other => panic!("{other:?} was no refusal"),
        }
    }

    pub(crate) fn create(&mut self, sku: &str) {
        let details = SkuDetails { display_name: format!("The {sku}"), ..SkuDetails::default() };
        assert!(matches!(self.run(creation(sku, details)), Outcome::SkuCreated(_)));
    }

    /// Creates a SKU that is not tracked.
    pub(crate) fn create_untracked(&mut self, sku: &str) {
        let details = SkuDetails { untracked: true, ..SkuDetails::default() };
        assert!(matches!(self.run(creation(sku, details)), Outcome::SkuCreated(_)));
    }

    pub(crate) fn open(&mut self, location: &str) {
        let outcome = self.run(opening(location, LocationDetails::default()));
        assert!(matches!(outcome, Outcome::LocationCreated(_)), "{outcome:?}");
    }

    pub(crate) fn change(&mut self, sku: &str, change: SkuChange) {
        let outcome = self.run(sku_change(sku, change));
        assert!(matches!(outcome, Outcome::SkuUpdated(_)), "{outcome:?}");
    }

    pub(crate) fn disable(&mut self, location: &str) {
        let change = LocationChange { disabled: Some(true), ..LocationChange::default() };
        let outcome = self.run(location_change(location, change));
        assert!(matches!(outcome, Outcome::LocationUpdated(_)), "{outcome:?}");
    }

    pub(crate) fn receive(&mut self, sku: &str, location: &str, units: i64) {
        assert!(matches!(self.run(receipt(sku, location, units)), Outcome::StockReceived(..)));
    }

    pub(crate) fn place(&mut self, order: &str, lines: &[(&str, Option<&str>, i64)]) {
        let outcome = self.run(placement(order, lines));
        assert!(matches!(outcome, Outcome::OrderPlaced { .. }), "{outcome:?}");
    }

    pub(crate) fn confirm(&mut self, order: &str) {
        let outcome = self.run(confirmation(order));
        assert!(matches!(outcome, Outcome::OrderConfirmed { .. }), "{outcome:?}");
    }

    /// An order `o` of so many mugs from `a`, paid.
    pub(crate) fn paid_order(units: i64) -> Self {
        let mut world = Self::with_mugs(units);
        world.place("o", &[("mug", Some("a"), units)]);
        world.confirm("o");
        world
    }

    /// An order `o` of so many mugs from `a`, of which so many have shipped.
    pub(crate) fn shipped_order(units: i64, shipped: i64) -> Self {
        let mut world = Self::paid_order(units);
        let outcome = world.run(shipment("o", &[(1, shipped)]));
        assert!(matches!(outcome, Outcome::OrderShipped { .. }), "{outcome:?}");
        world
    }

    pub(crate) fn order(&self, id: &str) -> Order {
        self.model.orders().find(|order| order.id.as_str() == id).expect("the order is there").clone()
    }

    pub(crate) fn state(&self, id: &str) -> OrderState {
        Model::order_state_at(&self.order(id), LogTime::from_micros(self.now_us))
    }

    /// Of each part of an order: number of the line, where it is, ordered, held, allocated, cancelled.
    pub(crate) fn lines(&self, id: &str) -> Vec<(u32, String, [i64; 4])> {
        let units = |line: &OrderLine| [line.ordered, line.held, line.allocated, line.cancelled];
        let line = |line: &OrderLine| (line.number, place(line.location.as_ref()), units(line));
        self.order(id).lines.iter().map(line).collect()
    }

    /// The row of stock; all zero where there is none.
    pub(crate) fn stock(&self, sku: &str, location: &str) -> Stock {
        let key = key(sku, location);
        self.model.stock().find(|(found, _)| **found == key).map(|(_, stock)| *stock).unwrap_or_default()
    }

    /// Available, reserved, committed, safety stock, damaged, quality control.
    pub(crate) fn mugs(&self) -> [i64; 6] {
        self.stock("mug", "a").buckets()
    }

    /// The last movements: why, where, how many units.
    pub(crate) fn last_movements(&self, count: usize) -> Vec<(Reason, String, i64)> {
        let all = self.model.ledger().len();
        let movement = |entry: &LedgerEntry| (entry.reason, place(Some(&entry.location)), entry.quantity);
        self.model.ledger().skip(all - count).map(movement).collect()
    }

    pub(crate) fn last_movement(&self) -> LedgerEntry {
        self.model.ledger().last().expect("something moved").clone()
    }
}

/// All rows but request records, in words.
pub(crate) fn rows(model: &Model) -> String {
    fn words<T: std::fmt::Debug>(rows: impl Iterator<Item = T>) -> String {
        format!("{:?}", rows.collect::<Vec<_>>())
    }
    let catalog = [words(model.skus()), words(model.locations())];
    let booked = [words(model.stock()), words(model.documents()), words(model.ledger())];
    let held = [words(model.orders()), words(model.reservations())];
    [catalog.concat(), booked.concat(), held.concat()].concat()
}

pub(crate) fn sku_id(text: &str) -> SkuId {
    SkuId::new(text).expect("a SKU id")
}

pub(crate) fn location_id(text: &str) -> LocationId {
    LocationId::new(text).expect("a location id")
}

pub(crate) fn order_id(text: &str) -> OrderId {
    OrderId::new(text).expect("an order id")
}

/// A location; a dash for none.
pub(crate) fn place(location: Option<&LocationId>) -> String {
    location.map_or("-", LocationId::as_str).to_owned()
}

/// Units of a line at a location, a dash for none.
pub(crate) fn source(line: u32, location: &str, quantity: i64) -> Source {
    Source { line, location: (location != "-").then(|| location_id(location)), quantity }
}

pub(crate) fn document_id(text: &str) -> DocumentId {
    DocumentId::new(text).expect("a document id")
}

pub(crate) fn principal(text: &str) -> Principal {
    Principal::new(text).expect("a principal")
}

pub(crate) fn key(sku: &str, location: &str) -> StockKey {
    StockKey { sku: sku_id(sku), location: location_id(location) }
}

pub(crate) fn version(revision: u64, position: u32) -> Version {
    Version { revision: Revision::new(revision), position }
}

/// The number-th request id of a millisecond, of the caller `shop`.
pub(crate) fn origin_at(millis: u64, number: u64) -> Origin {
    let bits = (u128::from(millis) << 80) | (7 << 76) | (2 << 62) | u128::from(number);
    Origin { request: RequestId::new(bits).expect("a version 7 UUID"), principal: principal("shop") }
}

pub(crate) fn request(origin: Option<Origin>, command: Command) -> Request {
    let mut hasher = DefaultHasher::new();
    format!("{command:?}").hash(&mut hasher);
    Request { origin, content: ContentHash(u128::from(hasher.finish())), command }
}

pub(crate) fn creation(sku: &str, details: SkuDetails) -> Command {
    Command::CreateSku(CreateSku { sku: sku_id(sku), details })
}

pub(crate) fn sku_change(sku: &str, change: SkuChange) -> Command {
    Command::UpdateSku(UpdateSku { sku: sku_id(sku), expected: None, change })
}

pub(crate) fn opening(location: &str, details: LocationDetails) -> Command {
    Command::CreateLocation(CreateLocation { location: location_id(location), details })
}

pub(crate) fn location_change(location: &str, change: LocationChange) -> Command {
    Command::UpdateLocation(UpdateLocation { location: location_id(location), expected: None, change })
}

pub(crate) fn receipt(sku: &str, location: &str, quantity: i64) -> Command {
    Command::ReceiveStock(ReceiveStock {
        sku: sku_id(sku),
        location: location_id(location),
        quantity,
        document: None,
        reference: String::new(),
    })
}

/// Lines of an order or a reservation to be, at a price of 999.
pub(crate) fn new_lines(lines: &[(&str, Option<&str>, i64)]) -> Vec<PlaceLine> {
    let line = |(sku, location, quantity): &(&str, Option<&str>, i64)| PlaceLine {
        sku: sku_id(sku),
        location: location.map(location_id),
        quantity: *quantity,
        unit_price_minor: 999,
    };
    lines.iter().map(line).collect()
}

/// By priority, all or nothing.
pub(crate) fn new_order(order: &str, lines: &[(&str, Option<&str>, i64)]) -> PlaceOrder {
    PlaceOrder {
        order: order_id(order),
        customer: None,
        currency: Currency::new("EUR").expect("a currency"),
        lines: new_lines(lines),
        hold_us: HOLD_US,
        sourcing: Sourcing::Priority,
        shortage: ShortagePolicy::AllOrNothing,
    }
}

pub(crate) fn placement(order: &str, lines: &[(&str, Option<&str>, i64)]) -> Command {
    Command::PlaceOrder(new_order(order, lines))
}

/// All or nothing, with a strategy.
pub(crate) fn sourced(order: &str, sourcing: Sourcing, lines: &[(&str, Option<&str>, i64)]) -> Command {
    Command::PlaceOrder(PlaceOrder { sourcing, ..new_order(order, lines) })
}

/// What is there, with a strategy.
pub(crate) fn partial(order: &str, sourcing: Sourcing, lines: &[(&str, Option<&str>, i64)]) -> Command {
    let shortage = ShortagePolicy::Partial;
    Command::PlaceOrder(PlaceOrder { sourcing, shortage, ..new_order(order, lines) })
}

fn paid(order: &str, reacquire: bool) -> ConfirmOrder {
    let payment_reference = "paid".to_owned();
    ConfirmOrder { order: order_id(order), payment_reference, reacquire, expected: None }
}

pub(crate) fn confirmation(order: &str) -> Command {
    Command::ConfirmOrder(paid(order, false))
}

/// A confirmation that takes the units anew.
pub(crate) fn late_confirmation(order: &str) -> Command {
    Command::ConfirmOrder(paid(order, true))
}

pub(crate) fn order_extension(order: &str, hold_us: u64) -> Command {
    Command::ExtendOrder(ExtendOrder { order: order_id(order), hold_us, expected: None })
}

/// Units of lines, wherever they are.
pub(crate) fn quantities(lines: &[(u32, i64)]) -> Vec<LineQuantity> {
    let line =
        |(line, quantity): &(u32, i64)| LineQuantity { line: *line, location: None, quantity: *quantity };
    lines.iter().map(line).collect()
}

/// Units of lines at locations.
pub(crate) fn quantities_at(lines: &[(u32, &str, i64)]) -> Vec<LineQuantity> {
    let line = |(line, location, quantity): &(u32, &str, i64)| LineQuantity {
        line: *line,
        location: Some(location_id(location)),
        quantity: *quantity,
    };
    lines.iter().map(line).collect()
}

pub(crate) fn parcel(order: &str, lines: Vec<LineQuantity>) -> ShipOrder {
    ShipOrder {
        order: order_id(order),
        lines,
        tracking_number: "parcel".to_owned(),
        document: None,
        close_after_us: None,
        expected: None,
    }
}

pub(crate) fn shipment(order: &str, lines: &[(u32, i64)]) -> Command {
    Command::ShipOrder(parcel(order, quantities(lines)))
}

pub(crate) fn cancellation(order: &str) -> Command {
    cancellation_of(order, Vec::new())
}

pub(crate) fn cancellation_of(order: &str, lines: Vec<LineQuantity>) -> Command {
    Command::CancelOrder(CancelOrder { order: order_id(order), lines, expected: None })
}

pub(crate) fn transaction(preconditions: Vec<Precondition>, operations: Vec<Command>) -> Command {
    Command::Transact(Transact { preconditions, operations })
}

pub(crate) fn comeback(order: &str, lines: &[(u32, i64, Disposition)]) -> ReturnOrder {
    let line = |(line, quantity, disposition): &(u32, i64, Disposition)| ReturnLine {
        line: *line,
        quantity: *quantity,
        disposition: *disposition,
        location: None,
    };
    let lines = lines.iter().map(line).collect();
    ReturnOrder { order: order_id(order), lines, document: None, expected: None }
}

pub(crate) fn restock(order: &str, line: u32, units: i64) -> Command {
    Command::ReturnOrder(comeback(order, &[(line, units, Disposition::Restock)]))
}
