//! A shop of 10,000 SKUs and orders of three lines, as log entries: shared by the benchmarks of storage.
#![allow(dead_code, unreachable_pub, reason = "each benchmark uses its own part")]

use bytes::Bytes;
use openraft::EntryPayload;
use openraft::entry::RaftEntry;
use openraft::impls::leader_id_adv::LeaderId;
use stockade_state_machine::command::{
    CreateLocation, CreateSku, PlaceLine, PlaceOrder, ReceiveStock, ShortagePolicy, Sourcing,
};
use stockade_state_machine::ids::{CustomerId, LocationId, OrderId, Principal, RequestId, SkuId};
use stockade_state_machine::limits::{DEFAULT_HOLD_US, MAX_STOCK_CHANGE};
use stockade_state_machine::location::LocationDetails;
use stockade_state_machine::order::Currency;
use stockade_state_machine::sku::SkuDetails;
use stockade_state_machine::{Command, LogTime, Origin};
use stockade_storage::{Proposal, TypeConfig, codec};

pub type LogEntry = <TypeConfig as openraft::RaftTypeConfig>::Entry;

/// Commands of an entry: as many as a leader gathers.
pub const FULL: u64 = 128;
const SKUS: u64 = 10_000;
const LINES: u64 = 3;
/// Spreads the lines over the catalogue; has no factor in common with it.
const STRIDE: u64 = 7_919;
pub const NOW: LogTime = LogTime::from_micros(1_790_000_000_000_000);

/// Makes requests, each with a number that no other has.
#[derive(Debug, Default)]
pub struct Author {
    next: u64,
}

impl Author {
    fn requests(&mut self, commands: impl IntoIterator<Item = Command>) -> Vec<(Origin, Command)> {
        let numbered = (self.next..).zip(commands);
        let requests: Vec<_> = numbered.map(|(number, command)| (origin(number), command)).collect();
        self.next += u64::try_from(requests.len()).expect("few");
        requests
    }

    /// Orders of three lines.
    pub fn orders(&mut self, orders: u64) -> Vec<(Origin, Command)> {
        let first = self.next;
        self.requests((first..first + orders).map(place))
    }

    /// What opens the shop, with so many of each SKU that none runs out.
    pub fn shop(&mut self) -> Vec<(Origin, Command)> {
        let open = Command::CreateLocation(CreateLocation {
            location: main_location(),
            details: LocationDetails::default(),
        });
        let create = |number| {
            Command::CreateSku(CreateSku { sku: sku(number), details: SkuDetails::named(String::new()) })
        };
        let receive = |number| {
            Command::ReceiveStock(ReceiveStock {
                sku: sku(number),
                location: main_location(),
                quantity: MAX_STOCK_CHANGE,
                document: None,
                reference: String::new(),
            })
        };
        self.requests([open].into_iter().chain((0..SKUS).map(create)).chain((0..SKUS).map(receive)))
    }
}

/// What an entry carries.
pub fn proposal(requests: &[(Origin, Command)]) -> Proposal {
    let encoded = requests.iter().map(|(origin, command)| codec::encode_request(Some(origin), command));
    codec::assemble_proposal(NOW, &encoded.collect::<Vec<Bytes>>())
}

/// The entry at an index.
pub fn entry(index: u64, requests: &[(Origin, Command)]) -> LogEntry {
    let log_id = openraft::LogId::new(LeaderId { term: 1, node_id: 1 }, index);
    LogEntry::new(log_id, EntryPayload::Normal(proposal(requests)))
}

pub fn origin(number: u64) -> Origin {
    let time = u128::from(NOW.micros() / 1_000) << 80;
    let request = RequestId::new(time | (7 << 76) | (2 << 62) | u128::from(number)).expect("of version 7");
    Origin { request, principal: Principal::new("checkout").expect("visible") }
}

fn place(number: u64) -> Command {
    let line = |line| PlaceLine {
        sku: sku((number * LINES + line) * STRIDE % SKUS),
        location: Some(main_location()),
        quantity: 1,
        unit_price_minor: 1_995,
    };
    Command::PlaceOrder(PlaceOrder {
        order: OrderId::new(&format!("order-{number:09}")).expect("visible"),
        customer: Some(CustomerId::new(&format!("customer-{}", number % SKUS)).expect("visible")),
        currency: Currency::new("EUR").expect("capital letters"),
        lines: (0..LINES).map(line).collect(),
        hold_us: DEFAULT_HOLD_US,
        sourcing: Sourcing::Priority,
        shortage: ShortagePolicy::AllOrNothing,
    })
}

fn sku(number: u64) -> SkuId {
    SkuId::new(&format!("sku-{number:05}")).expect("visible")
}

fn main_location() -> LocationId {
    LocationId::new("main").expect("visible")
}
