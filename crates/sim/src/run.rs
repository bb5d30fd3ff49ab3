//! One run: a cluster, those who shop there, faults, and the time after them.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use stockade_env::place;
use tokio::runtime::{Builder, RngSeed};
use tokio::time::{Instant, sleep, timeout};

use crate::judge;
use crate::machine::Machine;
use crate::network::Network;
use crate::settings::Settings;
use crate::shoppers::{self, Diary, What};
use crate::trace::{Trace, note};
use crate::watcher::Watcher;

/// Between two looks at the cluster.
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
    /// The end of what happened.
    pub(crate) lines: Vec<String>,
}

/// Runs a seed; `told` prints what happens as it comes.
pub(crate) fn run(seed: u64, told: bool) -> anyhow::Result<Verdict> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .rng_seed(RngSeed::from_bytes(&seed.to_le_bytes()))
        .build()?;
    let verdict = runtime.block_on(async {
        let mut world = World::new(seed, told);
        world.live().await;
        world.verdict()
    });
    Ok(verdict)
}

struct World {
    seed: u64,
    settings: Settings,
    random: SmallRng,
    trace: Trace,
    network: Network,
    machines: Vec<Machine>,
    watcher: Watcher,
    diary: Diary,
    acts: u64,
    violations: Vec<String>,
}

impl World {
    fn new(seed: u64, told: bool) -> Self {
        let (settings, trace) = (Settings::of(seed), Trace::new(told));
        note!(trace, "{settings:?}");
        let network = Network::new(seed, &settings, trace.clone());
        let machines = (1..=settings.nodes)
            .map(|id| Machine::new(id, network.clone(), &settings, trace.clone()))
            .collect();
        let random = SmallRng::seed_from_u64(seed ^ 0x0077_6f72_6c64);
        let watcher = Watcher::new(trace.clone());
        let (diary, violations) = (Diary::default(), Vec::new());
        Self { seed, settings, random, trace, network, machines, watcher, diary, acts: 0, violations }
    }

    async fn live(&mut self) {
        for machine in &self.machines {
            machine.start(self.seed);
        }
        let end = Instant::now() + self.settings.duration;
        let shoppers: Vec<_> = (0..self.settings.shoppers)
            .map(|number| {
                let (diary, trace) = (self.diary.clone(), self.trace.clone());
                shoppers::start(number, self.seed, &self.settings, &self.network, diary, trace, end)
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
        self.settle().await;
        self.violations.extend(self.watcher.violations().iter().cloned());
        for machine in &self.machines {
            self.violations.extend(machine.wrong_ends());
        }
        self.violations.extend(judge::judge(&self.diary.all(), self.watcher.log()));
    }

    /// Faults, one after the other, until `end`.
    async fn suffer(&mut self, end: Instant) {
        let mut next_act = self.next_act();
        while Instant::now() < end {
            sleep(LOOK).await;
            self.watcher.look(&self.machines).await;
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

    fn act(&mut self) {
        self.acts += 1;
        let settings = &self.settings;
        let weights = [
            settings.kill,
            settings.power_cut,
            settings.pause,
            settings.cut,
            settings.disk_error,
            settings.clock_jump,
            settings.resign,
            // What is broken is put right in between.
            weights_of(settings) / 2 + 1,
        ];
        let mut choice = self.random.random_range(0..weights.iter().sum());
        let mut act = 0;
        while choice >= weights[act] {
            choice -= weights[act];
            act += 1;
        }
        let number = self.random.random_range(0..self.machines.len());
        let machine = self.machines[number].clone();
        let id = machine.id();
        match act {
            0 => {
                note!(self.trace, "node {id} is killed");
                machine.kill();
            }
            1 => {
                note!(self.trace, "node {id} loses power");
                let seed = self.random.random_range(0..u64::MAX);
                machine.power_cut(seed);
            }
            2 => {
                note!(self.trace, "node {id} stands still");
                machine.pause();
            }
            3 => self.cut(id),
            4 => {
                let (after, no_space) = (self.random.random_range(1..40), self.random.random_bool(0.3));
                note!(self.trace, "the disk of node {id} fails at operation {after} from now");
                machine.fail_disk(after, no_space);
            }
            5 => {
                let by_ms: i64 = self.random.random_range(-120_000..120_000);
                note!(self.trace, "the clock of node {id} jumps by {by_ms} ms");
                machine.shift_clock(by_ms * 1_000);
            }
            6 => {
                note!(self.trace, "node {id} is asked to hand over");
                if let Some(node) = machine.node() {
                    drop(place::outside(async move { node.resign(Duration::from_secs(2)).await }));
                }
            }
            _ => self.repair(),
        }
    }

    fn cut(&mut self, id: u64) {
        let others: Vec<u64> = (1..=self.settings.nodes).filter(|other| *other != id).collect();
        let all = self.random.random_bool(0.5);
        let one = others[self.random.random_range(0..others.len())];
        let (from, to) = (self.random.random_bool(0.7), self.random.random_bool(0.7));
        note!(self.trace, "node {id} is cut off from {} (out {from}, in {to})", if all { 0 } else { one });
        for other in others.into_iter().filter(|other| all || *other == one) {
            if from {
                self.network.cut(id, other);
            }
            if to {
                self.network.cut(other, id);
            }
        }
    }

    /// Someone looks after the cluster: one thing or another is put right.
    fn repair(&mut self) {
        note!(self.trace, "repairs");
        if self.random.random_bool(0.5) {
            self.network.heal();
        }
        for number in 0..self.machines.len() {
            let machine = self.machines[number].clone();
            if machine.is_paused() && self.random.random_bool(0.7) {
                machine.resume();
            }
            if !machine.is_up() && self.random.random_bool(0.7) {
                machine.start(self.seed);
            }
        }
    }

    /// All faults end.
    async fn heal(&mut self) {
        note!(self.trace, "all faults end");
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
    async fn settle(&mut self) {
        let deadline = Instant::now() + HEALING;
        loop {
            sleep(LOOK * 5).await;
            self.watcher.look(&self.machines).await;
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
            if all && even && led && applied.first().is_some_and(|index| *index > 0) {
                break;
            }
            if Instant::now() > deadline {
                self.violations.push(format!(
                    "healed, the cluster does not come to rest: applied {applied:?}, committed {committed:?}, led {led}"
                ));
                return;
            }
        }
        let mut hashes = Vec::new();
        for machine in self.machines.clone() {
            let Some(node) = machine.node() else { continue };
            self.watcher.compare_log(&node).await;
            match node.state().hash(true).await {
                Ok(hash) => hashes.push((hash.applied.get(), hash.chain, hash.full)),
                Err(error) => self.violations.push(format!("no state hash of node {}: {error}", node.id())),
            }
        }
        let differs = |pair: &[(u64, _, _)]| pair[0].0 == pair[1].0 && pair[0] != pair[1];
        if hashes.windows(2).any(differs) {
            self.violations.push(format!("healed, the nodes have different states: {hashes:?}"));
        }
    }

    fn verdict(self) -> Verdict {
        let told = self.diary.all();
        let accepted = told.iter().filter(|told| matches!(told.what, What::Accepted { .. })).count();
        Verdict {
            seed: self.seed,
            trace_hash: self.trace.hash(),
            events: self.trace.events(),
            accepted: accepted as u64,
            calls: told.len() as u64,
            acts: self.acts,
            violations: self.violations,
            lines: self.trace.lines(),
        }
    }
}

fn weights_of(settings: &Settings) -> u32 {
    let Settings { kill, power_cut, pause, cut, disk_error, clock_jump, resign, .. } = settings;
    kill + power_cut + pause + cut + disk_error + clock_jump + resign
}
