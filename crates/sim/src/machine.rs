//! A machine: a disk, a clock that may be wrong, and on it the process of a node, which comes and goes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use rand::RngExt as _;
use rand::rngs::SmallRng;
use stockade_consensus::{Config, DEFAULT_ELECTION_TIMEOUT, DEFAULT_HEARTBEAT, Join, Node};
use stockade_env::{Clock, Env, Failure, FailureKind, Place, Random, Tasks};
use stockade_gateway::{Gateway, GatewayLimits};
use stockade_storage::file::{Counted, Fault, FaultKind, Files, MemoryFiles};
use stockade_storage::{EngineKind, Identity, Options};

use crate::network::Network;
use crate::settings::Settings;
use crate::trace::{Trace, act};

/// Where simulated time begins, in microseconds since 1970.
pub(crate) const BEGINNING_US: u64 = 1_700_000_000_000_000;
const CLUSTER_ID: &str = "00112233445566778899aabbccddeeff";
const MAX_IN_FLIGHT_BYTES: usize = 16 << 20;

/// A machine. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Machine(Arc<Inner>);

struct Inner {
    id: u64,
    /// For a node that comes later.
    join: Option<Join>,
    /// It takes a dead voter's place.
    standby: bool,
    /// Goes on whatever becomes of the process.
    clock: Clock,
    network: Network,
    settings: Settings,
    trace: Trace,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    files: MemoryFiles,
    process: Option<Process>,
    /// How many processes there were.
    starts: u64,
    /// A disk error was planned for the process: it may end over it.
    disk_may_fail: bool,
    /// The disk lost something: the node may find it at any time.
    damaged: bool,
    /// The node said so.
    found_damaged: bool,
    /// Why processes ended that should not have.
    wrong_ends: Vec<String>,
}

struct Process {
    place: Place,
    /// `None` while it starts.
    node: Option<Node>,
    paused: bool,
}

/// Where callers reach a node.
pub(crate) fn client_address(id: u64) -> String {
    format!("node-{id}:7001")
}

/// Where nodes reach a node.
pub(crate) fn peer_address(id: u64) -> String {
    format!("node-{id}:7002")
}

impl Machine {
    pub(crate) fn new(
        id: u64,
        network: Network,
        settings: &Settings,
        trace: Trace,
        join: Option<Join>,
        standby: bool,
    ) -> Self {
        let clock = Clock::of_timers(BEGINNING_US);
        let (settings, state) = (settings.clone(), Mutex::default());
        Self(Arc::new(Inner { id, join, standby, clock, network, settings, trace, state }))
    }

    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }

    /// The node, where its process runs and has started.
    pub(crate) fn node(&self) -> Option<Node> {
        self.0.state.lock().process.as_ref().and_then(|process| process.node.clone())
    }

    /// True while there is a process, started or starting.
    pub(crate) fn is_up(&self) -> bool {
        self.0.state.lock().process.is_some()
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.0.state.lock().process.as_ref().is_some_and(|process| process.paused)
    }

    /// True once the node has found what its disk had lost or changed.
    pub(crate) fn is_found_damaged(&self) -> bool {
        self.0.state.lock().found_damaged
    }

    /// Why processes of this machine ended without a reason.
    pub(crate) fn wrong_ends(&self) -> Vec<String> {
        self.0.state.lock().wrong_ends.clone()
    }

    /// Starts the process, unless there is one.
    pub(crate) fn start(&self, seed: u64) {
        let inner = &self.0;
        let (place, start) = {
            let mut state = inner.state.lock();
            if state.process.is_some() {
                return;
            }
            state.starts += 1;
            let place = Place::new(seed ^ (inner.id << 32) ^ state.starts);
            state.process = Some(Process { place: place.clone(), node: None, paused: false });
            (place, state.starts)
        };
        act!(inner.trace, "node {} starts for the {start}. time", inner.id);
        let random = Random::from_seed(seed ^ (inner.id << 40) ^ start);
        let env = Env { clock: inner.clock.clone(), random, tasks: Tasks::new() };
        let (machine, this, tasks) = (self.clone(), place.clone(), env.tasks.clone());
        place.spawn(async move {
            let failure = tokio::select! {
                biased;
                failure = tasks.failed() => failure,
                error = machine.run(env, this) => error,
            };
            machine.ended(start, &failure);
        });
    }

    /// Starts the node and leaves it running; comes back only with an error.
    async fn run(&self, env: Env, place: Place) -> Failure {
        let failed = |kind, cause: String| Failure { kind, what: "start".to_owned(), cause };
        let inner = &self.0;
        let files: Arc<dyn Files> = Arc::new(self.files());
        let storage = match stockade_storage::open(files, &env, self.options()).await {
            Ok(storage) => storage,
            Err(error) => return failed(error.failure_kind(), error.to_string()),
        };
        let node = match Node::start(&env, storage, self.config()).await {
            Ok(node) => node,
            Err(error) => return failed(FailureKind::Other, error.to_string()),
        };
        let gateway = Gateway::new(env.clone(), node.clone(), GatewayLimits::default());
        let peers = gateway.peer_routes(node.peer_routes());
        inner.network.listen(peer_address(inner.id), inner.id, place.clone(), peers);
        inner.network.listen(client_address(inner.id), inner.id, place, gateway.public_routes());
        if let Some(process) = &mut inner.state.lock().process {
            process.node = Some(node.clone());
        }
        if let Err(error) = node.initialize().await {
            return failed(FailureKind::Other, error.to_string());
        }
        std::future::pending().await
    }

    /// A process ended of itself: as its supervisor would, its machine lets it lie until it is started again.
    fn ended(&self, start: u64, failure: &Failure) {
        act!(self.0.trace, "node {} ends: {failure}", self.0.id);
        let mut state = self.0.state.lock();
        // A start may come upon what the fault left of the process before.
        let expected = match failure.kind {
            FailureKind::DiskFull
            | FailureKind::Storage
            | FailureKind::Configuration
            | FailureKind::Other => state.disk_may_fail || state.damaged,
            FailureKind::Damaged => state.damaged,
            FailureKind::Bug => false,
        };
        state.found_damaged |= state.damaged;
        if !expected {
            state.wrong_ends.push(format!("node {} ended at its {start}. start: {failure}", self.0.id));
        }
        drop(state);
        self.kill();
    }

    /// As SIGKILL.
    pub(crate) fn kill(&self) {
        let Some(process) = self.0.state.lock().process.take() else { return };
        process.place.end();
        self.0.network.hang_up(self.0.id);
        self.files().kill();
    }

    fn files(&self) -> MemoryFiles {
        self.0.state.lock().files.clone()
    }

    /// What was not synced is gone, or a part of it.
    pub(crate) fn power_cut(&self, seed: u64) {
        self.kill();
        if seed.is_multiple_of(4) { self.files().power_cut() } else { self.files().power_cut_torn(seed) }
    }

    /// The process ends, and the disk loses or changes something that was synced; says what.
    pub(crate) fn damage(&self, random: &mut SmallRng) -> String {
        self.kill();
        let mut image = self.files().image();
        let paths: Vec<PathBuf> =
            image.files().filter(|(_, bytes)| !bytes.is_empty()).map(|(path, _)| path.to_owned()).collect();
        if paths.is_empty() {
            return "it was empty".to_owned();
        }
        let path = &paths[random.random_range(0..paths.len())];
        let bytes = image.bytes_mut(path).expect("it was listed");
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
        let what = match random.random_range(0..4) {
            0 | 1 => {
                let (at, bit) = (random.random_range(0..used), random.random_range(0..8));
                bytes[at] ^= 1 << bit;
                format!("bit {bit} of byte {at} of {} turned over", path.display())
            }
            2 => {
                let from = random.random_range(0..used).max(used.saturating_sub(300));
                bytes[from..used].fill(0);
                format!("what was written to {} from byte {from} on never came there", path.display())
            }
            _ => {
                image.remove(path);
                format!("{} is gone", path.display())
            }
        };
        let mut state = self.0.state.lock();
        state.files = MemoryFiles::from_image(&image);
        state.damaged = true;
        what
    }

    /// As SIGSTOP.
    pub(crate) fn pause(&self) {
        if let Some(process) = &mut self.0.state.lock().process {
            process.paused = true;
            process.place.pause();
        }
    }

    /// As SIGCONT.
    pub(crate) fn resume(&self) {
        let place = self.0.state.lock().process.as_mut().map(|process| {
            process.paused = false;
            process.place.clone()
        });
        // Outside the lock: those that wake may look at the machine.
        if let Some(place) = place {
            place.resume();
        }
    }

    /// One of the next operations on the disk fails.
    pub(crate) fn fail_disk(&self, after: u64, no_space: bool) {
        self.0.state.lock().disk_may_fail = true;
        let kind = if no_space { FaultKind::NoSpace } else { FaultKind::Io };
        self.files().inject(Fault { after, on: Counted::Changes, kind, lasting: false });
    }

    /// The disk is in order from now on.
    pub(crate) fn heal_disk(&self) {
        self.files().heal();
    }

    /// The clock jumps.
    pub(crate) fn shift_clock(&self, by_us: i64) {
        self.0.clock.shift_us(by_us);
    }

    fn options(&self) -> Options {
        let settings = &self.0.settings;
        let identity = Identity { cluster_id: CLUSTER_ID.to_owned(), node_id: self.0.id };
        Options {
            engine: EngineKind::Memory,
            segment_bytes: settings.segment_bytes,
            snapshot_log_bytes: settings.snapshot_log_bytes,
            ..Options::new(PathBuf::from("/data"), identity)
        }
    }

    fn config(&self) -> Config {
        let settings = &self.0.settings;
        Config {
            peers: match self.0.join {
                Some(_) => BTreeMap::new(),
                None => (1..=settings.nodes).map(|id| (id, peer_address(id))).collect(),
            },
            join: self.0.join.clone(),
            peer_overrides: BTreeMap::new(),
            dialer: Some(self.0.network.dialer(self.0.id)),
            credentials: None,
            advertise_client: client_address(self.0.id),
            version: "simulated".to_owned(),
            heartbeat: DEFAULT_HEARTBEAT,
            election_timeout: DEFAULT_ELECTION_TIMEOUT,
            max_in_flight_bytes: MAX_IN_FLIGHT_BYTES,
            kept_log_entries: settings.kept_log_entries,
            lease_reads: true,
            zone: format!("zone-{}", self.0.id % 3),
            standby: self.0.standby,
            replace_dead_after: settings.replace_dead_after,
            data_dir: None,
        }
    }
}
