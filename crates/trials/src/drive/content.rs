//! Log entries that follow from their log id alone, so that what is read back can be compared.

use std::collections::{BTreeMap, BTreeSet};

use openraft::entry::RaftEntry;
use openraft::impls::leader_id_adv::LeaderId;
use openraft::{BasicNode, EntryPayload, Membership, RaftTypeConfig};
use stockade_state_machine::command::{
    CancelOrder, CommitReservation, ConfirmOrder, CreateLocation, CreateReservation, CreateSku, LineQuantity,
    Payment, PlaceLine, PlaceOrder, ReceiveStock, ReleaseReservation, ShipOrder, ShortagePolicy, Sourcing,
    Transact,
};
use stockade_state_machine::ids::{
    DocumentId, LocationId, OrderId, Principal, RequestId, ReservationId, SkuId,
};
use stockade_state_machine::location::LocationDetails;
use stockade_state_machine::order::Currency;
use stockade_state_machine::sku::SkuDetails;
use stockade_state_machine::{Command, LogTime, Origin};
use stockade_storage::{TypeConfig, codec};

pub(crate) type LogEntry = <TypeConfig as RaftTypeConfig>::Entry;
pub(crate) type LogId = openraft::LogId<LeaderId<u64, u64>>;
pub(crate) type Vote = openraft::impls::Vote<LeaderId<u64, u64>>;

/// When the world begins, in microseconds since 1970.
pub(crate) const START_US: u64 = 1_700_000_000_000_000;
/// Commands of the large entry: their rows need more than one batch.
const LARGE_COMMANDS: u64 = 120;

/// A log id. Which node led is of no interest here: always the first.
pub(crate) fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(LeaderId { term, node_id: 1 }, index)
}

/// The entry of a log id. With `large`, the sixth entry has many commands.
pub(crate) fn entry(term: u64, index: u64, large: bool) -> LogEntry {
    let payload = match index {
        0 => EntryPayload::Membership(membership(&[1])),
        1 | 17 => EntryPayload::Blank,
        13 => EntryPayload::Membership(membership(&[1, 2, 3])),
        _ => proposal(term, index, large),
    };
    LogEntry::new(log_id(term, index), payload)
}

fn membership(voters: &[u64]) -> Membership<u64, BasicNode> {
    let nodes: BTreeMap<u64, BasicNode> =
        voters.iter().map(|id| (*id, BasicNode { addr: format!("10.0.0.{id}:7101") })).collect();
    let voters = voters.iter().copied().collect::<BTreeSet<u64>>();
    Membership::new(vec![voters], nodes).expect("every voter has an address")
}

fn proposal(term: u64, index: u64, large: bool) -> EntryPayload<stockade_storage::Proposal, u64, BasicNode> {
    let commands = commands(term, index, large);
    let principal = Principal::new("trial").expect("a sound name");
    let requests: Vec<_> = (0..)
        .zip(&commands)
        .map(|(position, command)| {
            let time = u128::from((START_US + index) / 1_000) << 80;
            let bits = time | (7 << 76) | (2 << 62) | u128::from((term << 40) | (index << 16) | position);
            let request = RequestId::new(bits).expect("a UUID of version 7");
            codec::encode_request(Some(&Origin { request, principal: principal.clone() }), command)
        })
        .collect();
    EntryPayload::Normal(codec::assemble_proposal(LogTime::from_micros(START_US + index * 1_000), &requests))
}

fn main_location() -> LocationId {
    LocationId::new("main").expect("a sound id")
}

fn commands(term: u64, index: u64, large: bool) -> Vec<Command> {
    let sku = |name: &str| SkuId::new(name).expect("a sound id");
    let reservation = |index: u64| ReservationId::new(&format!("cart-{index}")).expect("a sound id");
    let order = |index: u64| OrderId::new(&format!("order-{index}")).expect("a sound id");
    let create = |name: &str| {
        Command::CreateSku(CreateSku {
            sku: sku(name),
            details: SkuDetails::named(format!("the {name} of term {term}")),
        })
    };
    let receive = |name: &str, quantity: i64| {
        Command::ReceiveStock(ReceiveStock {
            sku: sku(name),
            location: main_location(),
            quantity,
            document: Some(DocumentId::new(&format!("doc-{index}-{name}")).expect("a sound id")),
            reference: String::new(),
        })
    };
    let quantity = i64::try_from(1 + (index + term) % 5).expect("below six");
    let line = PlaceLine { sku: sku("a"), location: None, quantity, unit_price_minor: 100 };
    let currency = Currency::new("GBP").expect("a currency");
    let reserve = Command::CreateReservation(CreateReservation {
        reservation: reservation(index),
        customer: None,
        currency,
        lines: vec![line.clone(), line.clone()],
        hold_us: 60_000_000,
        sourcing: Sourcing::Priority,
    });
    let place = Command::PlaceOrder(PlaceOrder {
        order: order(index),
        customer: None,
        currency,
        lines: vec![line],
        hold_us: 60_000_000,
        shortage: ShortagePolicy::AllOrNothing,
        sourcing: Sourcing::Priority,
    });
    match index {
        2 => {
            let (location, details) = (main_location(), LocationDetails::default());
            let open = Command::CreateLocation(CreateLocation { location, details });
            vec![create("a"), create("b"), open, receive("a", 10_000)]
        }
        5 if large => (0..LARGE_COMMANDS).map(|number| create(&format!("bulk-{number}"))).collect(),
        _ => match index % 4 {
            3 => vec![place],
            0 => {
                let payment_reference = format!("paid in term {term}");
                vec![
                    Command::ConfirmOrder(ConfirmOrder {
                        order: order(index - 1),
                        payment_reference,
                        expected: None,
                        reacquire: false,
                    }),
                    reserve,
                ]
            }
            1 => vec![
                Command::ShipOrder(ShipOrder {
                    order: order(index - 2),
                    lines: Vec::new(),
                    tracking_number: format!("track-{term}-{index}"),
                    close_after_us: None,
                    document: None,
                    expected: None,
                }),
                receive("b", quantity),
                Command::CommitReservation(CommitReservation {
                    reservation: reservation(index - 1),
                    order: order(index),
                    customer: None,
                    lines: vec![LineQuantity { line: 2, quantity, location: None }],
                    payment: Payment::Pending { hold_us: 60_000_000 },
                    expected: None,
                }),
            ],
            // What is left of the reservation of two entries ago ends.
            2 if index % 8 == 2 => vec![
                place,
                Command::ReleaseReservation(ReleaseReservation {
                    reservation: reservation(index - 2),
                    lines: Vec::new(),
                    expected: None,
                }),
            ],
            _ => {
                let (order, lines) = (order(index), Vec::new());
                let cancel = Command::CancelOrder(CancelOrder { order, lines, expected: None });
                let (preconditions, operations) = (Vec::new(), vec![place, cancel]);
                vec![Command::Transact(Transact { preconditions, operations })]
            }
        },
    }
}
