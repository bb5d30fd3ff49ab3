//! A node's storage without Raft: entries are appended and applied by hand, in the order that openraft would.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use openraft::entry::RaftEntry;
use openraft::storage::{RaftLogStorage, RaftLogStorageExt, RaftSnapshotBuilder, RaftStateMachine};
use openraft::type_config::alias::{EntryOf, LogIdOf};
use openraft::{EntryPayload, LogId};
use stockade_env::Env;
use stockade_state_machine::command::{
    CancelOrder, CommitReservation, ConfirmOrder, CreateLocation, CreateReservation, CreateSku, LineQuantity,
    Payment, PlaceLine, PlaceOrder, ReceiveStock, ReleaseReservation, ShipOrder, ShortagePolicy, Sourcing,
};
use stockade_state_machine::ids::{
    DocumentId, LocationId, OrderId, Principal, RequestId, ReservationId, SkuId,
};
use stockade_state_machine::location::LocationDetails;
use stockade_state_machine::order::Currency;
use stockade_state_machine::request::RequestStatus;
use stockade_state_machine::sku::SkuDetails;
use stockade_state_machine::{Command, LogTime, Origin, Outcome, Request};
use stockade_storage::codec::Durable;
use stockade_storage::file::{DiskFiles, Files};
use stockade_storage::{Error, Identity, Options, SnapshotFile, Storage, TypeConfig, codec};

pub(crate) const START_US: u64 = 1_700_000_000_000_000;

pub(crate) fn log_id(index: u64) -> LogIdOf<TypeConfig> {
    LogId::new(openraft::impls::leader_id_adv::LeaderId { term: 1, node_id: 1 }, index)
}

pub(crate) struct Node {
    pub(crate) storage: Storage,
    pub(crate) env: Env,
    pub(crate) options: Options,
    pub(crate) files: Arc<dyn Files>,
    pub(crate) next: u64,
    requests: u64,
    /// How long log time went on without an entry.
    pub(crate) pause: Duration,
}

impl Node {
    pub(crate) async fn open(dir: &Path) -> Self {
        // A killed node's writer lets go of the directory when its thread has noticed.
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            match Self::try_open(Self::options(dir), Arc::new(DiskFiles)).await {
                Err(Error::InUse(_)) if tokio::time::Instant::now() < deadline => {
                    tokio::task::yield_now().await;
                }
                opened => return opened.unwrap(),
            }
        }
    }

    pub(crate) fn options(dir: &Path) -> Options {
        let identity = Identity { cluster_id: "0123456789abcdef".repeat(2), node_id: 1 };
        Options { segment_bytes: 1 << 20, ..Options::new(dir.to_owned(), identity) }
    }

    pub(crate) async fn try_open(options: Options, files: Arc<dyn Files>) -> Result<Self, Error> {
        let env = Env::simulated(START_US, 1);
        let storage = stockade_storage::open(Arc::clone(&files), &env, options.clone()).await?;
        let next = storage.log.last_index() + 1;
        Ok(Self { storage, env, options, files, next, requests: next * 1_000, pause: Duration::ZERO })
    }

    /// Appends an entry of commands and applies it.
    pub(crate) async fn run(&mut self, commands: Vec<Command>) -> u64 {
        let index = self.append(commands).await;
        self.apply(index, index).await;
        index
    }

    /// Appends a command in an entry of its own and applies it; says what became of it.
    pub(crate) async fn decide(&mut self, command: Command) -> Outcome {
        self.run(vec![command]).await;
        match self.storage.state.read(|view| view.request_status(&self.origin(self.requests))) {
            RequestStatus::Decided(record) => record.outcome,
            other => panic!("decided, and now {other:?}"),
        }
    }

    /// What would become of a command in the next entry.
    pub(crate) fn preview(&self, command: &Command) -> Outcome {
        let bytes = codec::encode_request(Some(&self.origin(self.requests + 1)), command);
        let request = Request::decode(&bytes).unwrap();
        self.storage.state.read(|view| view.preview(&request, self.time_of(self.next)).unwrap())
    }

    pub(crate) async fn append(&mut self, commands: Vec<Command>) -> u64 {
        let index = self.next;
        self.next += 1;
        let requests: Vec<_> = commands
            .iter()
            .map(|command| {
                self.requests += 1;
                codec::encode_request(Some(&self.origin(self.requests)), command)
            })
            .collect();
        let proposal = codec::assemble_proposal(self.time_of(index), &requests);
        let entry = EntryOf::<TypeConfig>::new(log_id(index), EntryPayload::Normal(proposal));
        self.storage.log.blocking_append([entry]).await.unwrap();
        index
    }

    fn origin(&self, number: u64) -> Origin {
        let time_ms = u128::from(START_US / 1_000) + self.pause.as_millis();
        let bits = (time_ms << 80) | (7 << 76) | (2 << 62);
        let request = RequestId::new(bits | u128::from(number)).unwrap();
        Origin { request, principal: Principal::new("tester").unwrap() }
    }

    fn time_of(&self, index: u64) -> LogTime {
        let pause = u64::try_from(self.pause.as_micros()).unwrap();
        LogTime::from_micros(START_US + index + pause)
    }

    /// Applies entries that are in the log.
    pub(crate) async fn apply(&mut self, from: u64, to: u64) {
        use openraft::storage::RaftLogReader;
        let entries = self.storage.log.try_get_log_entries(from..=to).await.unwrap();
        assert_eq!(entries.len() as u64, to - from + 1, "entries {from} to {to} are in the log");
        let entries: Vec<_> = entries.into_iter().map(|entry| Ok((entry, None))).collect();
        self.storage.state_machine.apply(stream::iter(entries)).await.unwrap();
    }

    /// Applies what the log has beyond the applied state, as openraft does at its start.
    pub(crate) async fn catch_up(&mut self) -> u64 {
        let applied = self.storage.state_machine.applied_state().await.unwrap().0.map_or(0, |id| id.index);
        let last = self.storage.log.last_index();
        if applied < last {
            self.apply(applied + 1, last).await;
        }
        applied
    }

    pub(crate) async fn snapshot(&mut self) -> SnapshotFile {
        let mut builder = self.storage.state_machine.get_snapshot_builder().await;
        builder.build_snapshot().await.unwrap().snapshot
    }

    pub(crate) async fn purge(&mut self, index: u64) {
        self.storage.log.purge(log_id(index)).await.unwrap();
        self.storage.log.barrier().await.unwrap();
    }

    /// Chain hash and hash over all rows.
    pub(crate) async fn hashes(&self) -> ([u8; 32], [u8; 32]) {
        let hash = self.storage.state.hash(true).await.unwrap();
        assert_eq!(hash.applied, self.storage.state.applied());
        (hash.chain, hash.full.unwrap().0)
    }

    /// As a kill does: nothing is written any more, nothing is told to stop.
    pub(crate) async fn kill(self) -> PathBuf {
        self.storage.log.shutdown().await;
        self.options.dir.clone()
    }

    /// As SIGTERM does.
    pub(crate) async fn stop(self) -> PathBuf {
        self.storage.state.stop().await.unwrap();
        self.storage.log.shutdown().await;
        self.options.dir.clone()
    }
}

pub(crate) fn sku(name: &str) -> SkuId {
    SkuId::new(name).unwrap()
}

pub(crate) fn order(name: &str) -> OrderId {
    OrderId::new(name).unwrap()
}

pub(crate) fn reservation(name: &str) -> ReservationId {
    ReservationId::new(name).unwrap()
}

/// The location of all stock.
pub(crate) fn main_location() -> Command {
    let location = LocationId::new("main").unwrap();
    Command::CreateLocation(CreateLocation { location, details: LocationDetails::default() })
}

pub(crate) fn create(name: &str) -> Command {
    Command::CreateSku(CreateSku { sku: sku(name), details: SkuDetails::named(format!("the {name}")) })
}

pub(crate) fn receive(name: &str, quantity: i64, document: &str) -> Command {
    Command::ReceiveStock(ReceiveStock {
        sku: sku(name),
        location: LocationId::new("main").unwrap(),
        quantity,
        document: Some(DocumentId::new(document).unwrap()),
        reference: String::new(),
    })
}

fn lines(wanted: &[(&str, i64)]) -> Vec<PlaceLine> {
    let line = |(name, quantity): &(&str, i64)| PlaceLine {
        sku: sku(name),
        location: None,
        quantity: *quantity,
        unit_price_minor: 100,
    };
    wanted.iter().map(line).collect()
}

pub(crate) fn place(id: &str, wanted: &[(&str, i64)]) -> Command {
    Command::PlaceOrder(PlaceOrder {
        order: order(id),
        customer: None,
        currency: Currency::new("GBP").unwrap(),
        lines: lines(wanted),
        hold_us: 60_000_000,
        sourcing: Sourcing::Priority,
        shortage: ShortagePolicy::AllOrNothing,
    })
}

/// Holds units for a cart, for longer than an order waits for its payment.
pub(crate) fn hold(id: &str, wanted: &[(&str, i64)]) -> Command {
    Command::CreateReservation(CreateReservation {
        reservation: reservation(id),
        customer: None,
        currency: Currency::new("GBP").unwrap(),
        lines: lines(wanted),
        hold_us: 900_000_000,
        sourcing: Sourcing::Priority,
    })
}

/// A paid order of units of a reservation's first line.
pub(crate) fn take(id: &str, order_id: &str, quantity: i64) -> Command {
    Command::CommitReservation(CommitReservation {
        reservation: reservation(id),
        order: order(order_id),
        customer: None,
        lines: vec![LineQuantity { line: 1, location: None, quantity }],
        payment: Payment::Taken { reference: "paid".to_owned() },
        expected: None,
    })
}

/// Gives all that a reservation holds back.
pub(crate) fn let_go(id: &str) -> Command {
    Command::ReleaseReservation(ReleaseReservation {
        reservation: reservation(id),
        lines: Vec::new(),
        expected: None,
    })
}

pub(crate) fn confirm(id: &str) -> Command {
    Command::ConfirmOrder(ConfirmOrder {
        order: order(id),
        payment_reference: "paid".to_owned(),
        reacquire: false,
        expected: None,
    })
}

pub(crate) fn ship(id: &str) -> Command {
    Command::ShipOrder(ShipOrder {
        order: order(id),
        lines: Vec::new(),
        tracking_number: String::new(),
        document: None,
        close_after_us: None,
        expected: None,
    })
}

pub(crate) fn cancel(id: &str) -> Command {
    Command::CancelOrder(CancelOrder { order: order(id), lines: Vec::new(), expected: None })
}

/// A shop with a thousand units of two SKUs.
pub(crate) async fn open_shop(dir: &Path) -> Node {
    let mut node = Node::open(dir).await;
    let skus = [create("a"), create("b"), receive("a", 1_000, "r1"), receive("b", 1_000, "r2")];
    node.run(std::iter::once(main_location()).chain(skus).collect()).await;
    node
}
