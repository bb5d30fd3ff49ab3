//! What happens to a node from its first start on, as a list of steps; and what a node would come to to which nothing
//! bad happened.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use stockade_storage::file::{Fault, MemoryFiles};

use super::content::{LogEntry, Vote, entry, log_id};
use super::life::{Life, Setup, StateHashes};
use super::record::{Asked, Record};

/// Something that happens to a node.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// It votes, or follows who was elected.
    Vote { term: u64, node: u64, committed: bool },
    /// Entries of a term come behind its last.
    Append { term: u64, indexes: Range<u64> },
    /// What it has behind an index is no more.
    TruncateAfter(u64),
    /// It learns how far the cluster has committed.
    Commit(u64),
    /// It applies what is committed, up to an index.
    Apply(u64),
    /// It makes a snapshot.
    Snapshot,
    /// It drops its log up to an index.
    Purge(u64),
    /// It gets another node's snapshot.
    Install(u64),
    /// Nothing is asked of its log for a moment.
    Idle,
    /// It is stopped in order, and started.
    Stop,
    /// It is killed, and started.
    Kill,
    /// The power is cut, and comes back.
    PowerCut,
}

/// A life of a node.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
    /// The term of each entry that the cluster commits.
    pub(crate) terms: Vec<u64>,
    /// With an entry so large that its rows need more than one batch.
    pub(crate) large: bool,
}

/// What a node comes to to which nothing bad happens.
#[derive(Debug)]
pub(crate) struct Reference {
    /// After each index.
    pub(crate) hashes: Vec<StateHashes>,
    /// As another node would send them.
    snapshots: BTreeMap<u64, Vec<u8>>,
}

impl Script {
    /// The entry that the cluster commits at an index.
    pub(crate) fn committed_entry(&self, index: u64) -> Option<LogEntry> {
        let term = *self.terms.get(usize::try_from(index).ok()?)?;
        Some(entry(term, index, self.large))
    }

    /// Runs everything that the cluster commits on a node of its own.
    pub(crate) async fn reference(&self) -> anyhow::Result<Reference> {
        let files = MemoryFiles::default();
        let mut life = Life::open(Arc::new(files), &Setup::in_memory(1 << 20, u64::MAX)).await?;
        let mut record = Record::default();
        let mut reference = Reference { hashes: Vec::new(), snapshots: BTreeMap::new() };
        let installed =
            |index| self.steps.iter().any(|step| matches!(step, Step::Install(at) if *at == index));
        for index in 0..self.terms.len() as u64 {
            let entry = self.committed_entry(index).expect("within the history");
            life.ask(&Asked::Append(vec![entry]), &mut record).await?;
            life.apply(index).await?;
            reference.hashes.push(life.hashes().await?);
            if installed(index) {
                let snapshot = life.snapshot(&mut record).await?;
                let len = usize::try_from(snapshot.len()).context("a snapshot in memory")?;
                reference.snapshots.insert(index, snapshot.read_chunk(0, len)?.to_vec());
            }
        }
        life.end().await;
        Ok(reference)
    }
}

/// A script that is being run.
pub(crate) struct Run<'a> {
    script: &'a Script,
    reference: &'a Reference,
    setup: Setup,
    fault: Option<Fault>,
    lives: u64,
    /// The disk that the node uses now: a life that has ended keeps its own.
    pub(crate) files: MemoryFiles,
    pub(crate) record: Record,
    /// At its end the node is stopped in order, rather than killed.
    pub(crate) stops_in_order: bool,
}

impl<'a> Run<'a> {
    /// Begins a script on an empty disk, where something goes wrong at an operation counted from the beginning.
    pub(crate) fn new(
        script: &'a Script,
        reference: &'a Reference,
        setup: Setup,
        fault: Option<Fault>,
    ) -> Self {
        let (files, record) = (MemoryFiles::default(), Record::default());
        Self { script, reference, setup, fault, lives: 0, files, record, stops_in_order: false }
    }

    /// Runs it to its end, or to the first error, and leaves the disk as the node's process would. `each` sees the disk
    /// after every step.
    pub(crate) async fn run(&mut self, mut each: impl FnMut(usize, &MemoryFiles)) -> anyhow::Result<()> {
        let mut life = self.start().await?;
        for (at, step) in self.script.steps.iter().enumerate() {
            life = self.take(life, step).await.with_context(|| format!("step {at}, {step:?}"))?;
            each(at, &self.files);
        }
        if self.stops_in_order {
            let stopped = life.stop(&mut self.record).await;
            self.files = self.files.fork();
            return stopped;
        }
        self.files = self.files.fork();
        life.end().await;
        Ok(())
    }

    /// Where a node of this script keeps its data, in a life of its own.
    pub(crate) fn setup(&self, life: u64) -> Setup {
        Setup { seed: self.setup.seed.wrapping_mul(1_000).wrapping_add(life), ..self.setup.clone() }
    }

    async fn take(&mut self, mut life: Life, step: &Step) -> anyhow::Result<Life> {
        let taken = match step {
            Step::Stop | Step::Kill | Step::PowerCut => return self.restart(life, step).await,
            Step::Vote { .. }
            | Step::Append { .. }
            | Step::TruncateAfter(_)
            | Step::Commit(_)
            | Step::Purge(_) => {
                let asked = self.asked(step)?;
                life.ask(&asked, &mut self.record).await
            }
            Step::Apply(to) => life.apply(*to).await,
            Step::Snapshot => life.snapshot(&mut self.record).await.map(drop),
            Step::Idle => {
                life.storage.log.use_idle_moment();
                Ok(())
            }
            Step::Install(index) => {
                let bytes = self.reference.snapshots.get(index).context("no such snapshot was made")?;
                life.install(*index, bytes, &mut self.record).await
            }
        };
        if taken.is_err() {
            // What the node still did on its way down must not reach the disk that is looked at.
            self.files = self.files.fork();
            life.end().await;
            taken?;
            unreachable!("it was an error");
        }
        Ok(life)
    }

    fn asked(&mut self, step: &Step) -> anyhow::Result<Asked> {
        let now = self.record.now();
        let at = |index: u64| now.entries.get(&index).map(|entry| entry.log_id);
        Ok(match step {
            Step::Vote { term, node, committed: true } => Asked::Vote(Vote::new_committed(*term, *node)),
            Step::Vote { term, node, committed: false } => Asked::Vote(Vote::new(*term, *node)),
            Step::Append { term, indexes } => {
                ensure!(now.next_index() == indexes.start, "entries follow the last one");
                Asked::Append(indexes.clone().map(|index| entry(*term, index, self.script.large)).collect())
            }
            Step::TruncateAfter(index) => Asked::Truncate(at(*index).or(now.purged)),
            Step::Commit(index) => {
                let entry = now.entries.get(index);
                ensure!(
                    entry == self.script.committed_entry(*index).as_ref(),
                    "what is committed is the cluster's"
                );
                let committed = at(*index).context("what is committed is in the log")?;
                self.record.committed = self.record.committed.max(Some(*index));
                Asked::Committed(committed)
            }
            Step::Purge(index) => {
                let term = self.script.committed_entry(*index).context("what is purged was committed")?;
                Asked::Purge(log_id(term.log_id.committed_leader_id().term, *index))
            }
            Step::Apply(_)
            | Step::Snapshot
            | Step::Install(_)
            | Step::Idle
            | Step::Stop
            | Step::Kill
            | Step::PowerCut => {
                bail!("nothing is asked of the log")
            }
        })
    }

    async fn restart(&mut self, life: Life, how: &Step) -> anyhow::Result<Life> {
        if matches!(how, Step::Stop) {
            let stopped = life.stop(&mut self.record).await;
            self.files = self.files.fork();
            stopped?;
        } else {
            self.files = self.files.fork();
            life.end().await;
        }
        if matches!(how, Step::PowerCut) {
            self.files.power_cut();
        } else {
            self.files.kill();
        }
        self.start().await
    }

    async fn start(&mut self) -> anyhow::Result<Life> {
        if let Some(fault) = self.fault
            && fault.after > self.files.operations()
        {
            // Power cuts and kills lift what was planned.
            self.files.inject(Fault { after: fault.after - self.files.operations(), ..fault });
        }
        self.lives += 1;
        let opened = Life::open(Arc::new(self.files.clone()), &self.setup(self.lives)).await;
        let started = async {
            let mut life = opened?;
            let held = life.held().await?;
            ensure!(
                held.differs_from(&self.record.states).is_none(),
                "it came back with something else: {held}"
            );
            self.record.came_back(held);
            match life.begin(&mut self.record).await {
                Ok(()) => Ok(life),
                Err(error) => {
                    life.end().await;
                    Err(error)
                }
            }
        };
        let started = started.await;
        if started.is_err() {
            self.files = self.files.fork();
        }
        started
    }
}
