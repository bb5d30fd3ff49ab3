//! One run: a cluster, those who shop there, faults, and the time after them.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use stockade_consensus::Node;
use stockade_history::NodeState;
use stockade_storage::StateHash;
use tokio::runtime::{Builder, RngSeed};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use crate::judge::{Diary, Judgement};
use crate::machine::Machine;
use crate::members::UnderWay;
use crate::network::Network;
use crate::settings::Settings;
use crate::shoppers::{self, Market};
use crate::trace::{Trace, act, note};
use crate::watcher::Watcher;

/// Between two looks at the cluster where nothing arrives.
const LOOK: Duration = Duration::from_millis(20);
/// How long a healed cluster may take until it serves and agrees.
const HEALING: Duration = Duration::from_mins(1);

/// What became of a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) seed: u64,
    /// The same in every run of the seed.
    pub(crate) trace_hash: String,
    pub(crate) events: u64,
    /// Mutations acknowledged.
    pub(crate) accepted: u64,
    /// Calls in all.
    pub(crate) calls: u64,
    /// Acts against the cluster.
    pub(crate) acts: u64,
    pub(crate) violations: Vec<String>,
    /// What happened, shortened, where there are violations.
    pub(crate) lines: Vec<String>,
}

/// Runs a seed; `told` prints what happens as it comes.
pub(crate) fn run(seed: u64, told: bool) -> anyhow::Result<Verdict> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .rng_seed(RngSeed::from_bytes(&seed.to_le_bytes()))
        .build()?;
    runtime.block_on(async {
        let mut world = World::new(seed, told);
        let judgement = world.live().await?;
        Ok(world.verdict(judgement))
    })
}

/// A cluster and what is done to it.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) settings: Settings,
    pub(crate) random: SmallRng,
    pub(crate) trace: Trace,
    pub(crate) network: Network,
    /// Those that were not given up.
    pub(crate) machines: Vec<Machine>,
    /// Of the next machine: no id is used twice.
    pub(crate) next_id: u64,
    /// Whose disk was damaged, while it has a vote.
    pub(crate) suspect: Option<u64>,
    pub(crate) renewal: Option<UnderWay>,
    /// A node that was removed and runs on for a while, as one that nobody has stopped yet.
    pub(crate) lingers: Option<u64>,
    /// A node that was killed and stays so until all faults end.
    pub(crate) neglected: Option<u64>,
    /// What leaders told of voters that they replaced on their own.
    pub(crate) replacements: BTreeSet<String>,
    /// All nodes were ready at some time. A cluster of which one is lost before that has to be begun anew.
    pub(crate) founded: bool,
    /// Until when shoppers call without a pause.
    pub(crate) rush: watch::Sender<Instant>,
    /// Writes that were acknowledged.
    told: watch::Sender<u64>,
    /// Something happens to the leader with the next of them.
    pub(crate) ambush: bool,
    watcher: Watcher,
    diary: Diary,
    pub(crate) acts: u64,
    pub(crate) violations: Vec<String>,
}

impl World {
    fn new(seed: u64, told: bool) -> Self {
        let (settings, trace) = (Settings::of(seed), Trace::new(told));
        note!(trace, "{settings:?}");
        let network = Network::new(seed, &settings, trace.clone());
        let machines = (1..=settings.nodes)
            .map(|id| Machine::new(id, network.clone(), &settings, trace.clone(), None, false))
            .collect();
        let random = SmallRng::seed_from_u64(seed ^ 0x0077_6f72_6c64);
        let watcher = Watcher::new(trace.clone());
        let diary = Diary::new(trace.clone());
        Self {
            next_id: settings.nodes + 1,
            suspect: None,
            renewal: None,
            lingers: None,
            neglected: None,
            replacements: BTreeSet::new(),
            founded: false,
            rush: watch::Sender::new(Instant::now()),
            told: watch::Sender::new(0),
            ambush: false,
            acts: 0,
            violations: Vec::new(),
            seed,
            settings,
            random,
            trace,
            network,
            machines,
            watcher,
            diary,
        }
    }

    async fn live(&mut self) -> anyhow::Result<Judgement> {
        for machine in &self.machines {
            machine.start(self.seed);
        }
        let end = Instant::now() + self.settings.duration;
        let recorder = self.diary.recorder()?;
        let shoppers: Vec<_> = (0..self.settings.shoppers)
            .map(|number| {
                let market = Market { rush: self.rush.subscribe(), told: self.told.clone() };
                shoppers::start(
                    number,
                    self.seed,
                    &self.settings,
                    &self.network,
                    recorder.clone(),
                    market,
                    end,
                )
            })
            .collect();
        self.suffer(end).await;
        self.heal().await;
        for shopper in shoppers {
            match timeout(HEALING, shopper).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => self.violations.push(format!("a shopper broke off: {error}")),
                Err(_) => self.violations.push("a shopper still waits for an answer".to_owned()),
            }
        }
        let states = self.settle().await;
        self.violations.extend(self.watcher.violations().iter().cloned());
        for machine in &self.machines {
            self.violations.extend(machine.wrong_ends());
        }
        recorder.finish()?;
        let judgement = self.diary.judge(&self.watcher, &states);
        // Nodes know the network, which knows what they serve: left as they are they would hold each other for ever.
        for machine in &self.machines {
            machine.kill();
        }
        Ok(judgement)
    }

    /// Lets time go by, and looks at the cluster whenever something has arrived anywhere.
    async fn pass(&mut self, pause: Duration) {
        let end = Instant::now() + pause;
        let mut told = self.told.subscribe();
        while Instant::now() < end {
            tokio::select! {
                biased;
                _ = told.changed(), if self.ambush => self.spring_ambush(),
                // Where nothing arrives it is time to look all the same.
                _ = timeout_at(end, self.network.arrival()) => {}
            }
            self.watcher.look(&self.machines).await;
        }
    }

    /// Faults, one after the other, until `end`.
    async fn suffer(&mut self, end: Instant) {
        let mut next_act = self.next_act();
        while Instant::now() < end {
            self.pass(LOOK).await;
            self.look_after_members().await;
            if next_act.is_some_and(|at| at <= Instant::now()) {
                self.act();
                next_act = self.next_act();
            }
        }
    }

    fn next_act(&mut self) -> Option<Instant> {
        let pause = self.settings.pause_between_acts;
        (!pause.is_zero()).then(|| Instant::now() + self.random.random_range(Duration::ZERO..=pause))
    }

    /// All faults end.
    async fn heal(&mut self) {
        act!(self.trace, "all faults end");
        self.ambush = false;
        self.network.heal();
        self.network.calm();
        for machine in &self.machines {
            machine.heal_disk();
            machine.resume();
        }
        for machine in &self.machines {
            machine.start(self.seed);
        }
        self.watcher.look(&self.machines).await;
    }

    /// The healed cluster must serve, and all nodes must come to the same state.
    async fn settle(&mut self) -> Vec<NodeState> {
        let deadline = Instant::now() + HEALING;
        loop {
            self.pass(LOOK * 5).await;
            self.look_after_members().await;
            self.stop_who_is_no_member();
            for machine in &self.machines {
                // It may have ended over a fault of its disk that came late.
                machine.start(self.seed);
            }
            let nodes: Vec<_> = self.machines.iter().filter_map(Machine::node).collect();
            let all = nodes.len() == self.machines.len();
            let applied: Vec<u64> = nodes.iter().map(|node| node.state().applied().get()).collect();
            let committed: Vec<u64> = nodes.iter().map(|node| node.status().committed_index).collect();
            let even = applied.windows(2).all(|pair| pair[0] == pair[1]) && applied == committed;
            let led = nodes.iter().any(|node| node.watch_leader().borrow().client_address.is_some());
            if self.renewal.is_none() && all && even && led && applied.first().is_some_and(|index| *index > 0)
            {
                break;
            }
            if Instant::now() > deadline {
                self.violations.push(format!(
                    "healed, the cluster does not come to rest: applied {applied:?}, committed {committed:?}, led {led}"
                ));
                return Vec::new();
            }
        }
        let mut states = Vec::new();
        for machine in self.machines.clone() {
            let Some(node) = machine.node() else { continue };
            self.watcher.compare_log(&node).await;
            match node.state().hash(true).await {
                Ok(hash) => states.push(state_of(&node, &hash)),
                Err(error) => self.violations.push(format!("no state hash of node {}: {error}", node.id())),
            }
        }
        let told = |state: &NodeState| NodeState { node: 0, ..state.clone() };
        let differs =
            |pair: &[NodeState]| pair[0].applied == pair[1].applied && told(&pair[0]) != told(&pair[1]);
        if states.windows(2).any(differs) {
            self.violations.push(format!("healed, the nodes have different states: {states:?}"));
        }
        states
    }

    fn verdict(self, judgement: Judgement) -> Verdict {
        let Judgement { calls, accepted, wrong } = judgement;
        let violations: Vec<String> = self.violations.into_iter().chain(wrong).collect();
        Verdict {
            seed: self.seed,
            trace_hash: self.trace.hash(),
            events: self.trace.events(),
            accepted,
            calls,
            acts: self.acts,
            lines: if violations.is_empty() { Vec::new() } else { self.trace.shortened(&violations) },
            violations,
        }
    }
}

fn state_of(node: &Node, hash: &StateHash) -> NodeState {
    let hex = |bytes: &[u8; 32]| blake3::Hash::from_bytes(*bytes).to_hex().to_string();
    let (state_hash, rows) =
        hash.full.as_ref().map_or_else(Default::default, |(full, rows)| (hex(full), *rows));
    NodeState { node: node.id(), applied: hash.applied.get(), state_hash, chain_hash: hex(&hash.chain), rows }
}
