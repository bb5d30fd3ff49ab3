//! Finds out that something is wrong while nothing has failed yet: a disk that stalls, entries that are not applied, queues
//! that stay near their limits, links that are lost in one direction or both, clocks that differ. Each is an alarm.
//!
//! A leader whose disk or state stalls gives the lead away: its followers are well, and the cluster would be as slow as it is.
//!
//! Invariants:
//! - Durations are measured here, look by look, on the timers' clock; nothing is judged by one look.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use stockade_proto::internal as wire;
use stockade_storage::{AlarmKind, LogStats};
use tokio::time::{Instant, interval};

use crate::limits;
use crate::node::Inner;

/// What the other members told lately, and since when they are known.
#[derive(Debug, Default)]
pub(crate) struct Answers(Mutex<BTreeMap<u64, Known>>);

#[derive(Debug)]
struct Known {
    since: Instant,
    last: Option<Answer>,
}

/// The last answer of a member.
#[derive(Debug, Clone)]
struct Answer {
    at: Instant,
    /// Its clock less this node's, in microseconds, and by how much that may be wrong.
    ahead_us: i128,
    uncertain_us: i128,
    /// Whom it hears; empty where it doesn't tell.
    hears: Vec<u64>,
}

impl Answers {
    /// A member has answered; `now_us` is this node's clock.
    pub(crate) fn note(&self, node_id: u64, answer: &wire::StatusResponse, now_us: u64, took: Duration) {
        let half_us = i128::try_from(took.as_micros() / 2).unwrap_or(i128::MAX);
        let ahead_us = i128::from(answer.clock_us) - (i128::from(now_us) - half_us);
        let known = answer.clock_us != 0;
        let answer = Answer {
            at: Instant::now(),
            ahead_us: if known { ahead_us } else { 0 },
            uncertain_us: half_us,
            hears: answer.hears.clone(),
        };
        let mut told = self.0.lock();
        let known = told.entry(node_id).or_insert_with(|| Known { since: answer.at, last: None });
        known.last = Some(answer);
    }

    /// The members that have answered lately.
    pub(crate) fn heard(&self) -> Vec<u64> {
        let told = self.0.lock();
        told.iter().filter(|(_, known)| known.lately().is_some()).map(|(node_id, _)| *node_id).collect()
    }

    /// What is wrong with the links to these members, and to nobody else from now on.
    fn lost_links(&self, me: u64, members: &BTreeMap<u64, String>) -> Option<String> {
        let mut told = self.0.lock();
        told.retain(|node_id, _| members.contains_key(node_id));
        let others = members.keys().filter(|node_id| **node_id != me);
        let wrong = others.filter_map(|node_id| {
            let known = told.entry(*node_id).or_insert_with(|| Known { since: Instant::now(), last: None });
            let silence = known.last.as_ref().map_or(known.since, |answer| answer.at).elapsed();
            if silence >= limits::LINK_PATIENCE {
                return Some(format!("node {node_id} has not answered for {} s", silence.as_secs()));
            }
            let deaf =
                known.lately().is_some_and(|answer| !answer.hears.is_empty() && !answer.hears.contains(&me));
            // It needs as long to miss this node as this node needed to be sure of it.
            (deaf && known.since.elapsed() >= limits::LINK_PATIENCE * 2).then(|| {
                format!(
                    "node {node_id} answers, but gets no answers from this node: the link works one way only"
                )
            })
        });
        let wrong: Vec<String> = wrong.collect();
        (!wrong.is_empty()).then(|| wrong.join("; "))
    }

    /// Whose clock differs most from this node's, if any does by too much.
    fn skewed(&self) -> Option<String> {
        let told = self.0.lock();
        let bound = i128::try_from(limits::CLOCK_SKEW.as_micros()).unwrap_or(i128::MAX);
        let lately = told.iter().filter_map(|(node_id, known)| Some((node_id, known.lately()?)));
        let (node_id, answer) =
            lately.max_by_key(|(_, answer)| answer.ahead_us.abs() - answer.uncertain_us)?;
        (answer.ahead_us.abs() - answer.uncertain_us > bound).then(|| {
            let (ms, which) =
                (answer.ahead_us.abs() / 1_000, if answer.ahead_us > 0 { "ahead of" } else { "behind" });
            format!(
                "the clock of node {node_id} is {ms} ms {which} this node's: holds end and request ids are judged by the \
                 leader's clock; set the clocks right (NTP)"
            )
        })
    }
}

impl Known {
    /// The last answer, if it is not long ago.
    fn lately(&self) -> Option<&Answer> {
        self.last.as_ref().filter(|answer| answer.at.elapsed() < limits::LINK_PATIENCE)
    }
}

/// Something that must not last.
#[derive(Debug, Default)]
struct Lasting {
    since: Option<Instant>,
    last: Option<Instant>,
}

impl Lasting {
    /// For how long it has been so; `None` where it is not so now.
    fn look(&mut self, is_so: bool) -> Option<Duration> {
        if !is_so {
            self.since = None;
            return None;
        }
        Some(self.since.get_or_insert_with(Instant::now).elapsed())
    }

    /// Whether there is to be an alarm: from when it has lasted too long until all has been well for a while.
    fn judge(&mut self, lasted: Option<Duration>, patience: Duration) -> Option<bool> {
        if lasted.is_some_and(|lasted| lasted >= patience) {
            self.last = Some(Instant::now());
            return Some(true);
        }
        let over = self.last.is_some_and(|last| last.elapsed() >= limits::DETECT_CALM);
        if over {
            self.last = None;
        }
        over.then_some(false)
    }
}

/// What is looked at again and again.
#[derive(Debug, Default)]
struct Watch {
    disk: Lasting,
    steps: u64,
    apply: Lasting,
    applied: u64,
    queue: Lasting,
    links: Lasting,
    clocks: Lasting,
}

impl Watch {
    /// For how long the log's thread has been at the same step.
    fn disk(&mut self, log: &LogStats) -> Option<Duration> {
        let same = log.is_busy && log.steps == self.steps;
        self.steps = log.steps;
        self.disk.look(same)
    }

    /// For how long nothing was applied though there was something to apply. What a snapshot brings is applied at once, when it
    /// is installed, and that may take long.
    fn apply(&mut self, applied: u64, committed: u64, installing: bool) -> Option<Duration> {
        let same = applied < committed && applied == self.applied && !installing;
        self.applied = applied;
        self.apply.look(same)
    }
}

/// Looks after this node until it stops.
pub(crate) async fn run(node: Arc<Inner>) {
    let begun = Instant::now();
    let mut watch = Watch::default();
    let (first_pause, longest_pause) = limits::ROOM_HANDOVER_PAUSE;
    let (mut pause, mut next_handover) = (first_pause, begun);
    let mut poll = interval(limits::DETECT_POLL);
    poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = poll.tick() => {}
            () = node.stopping() => return,
        }
        let stalled = node.look_at_itself(&mut watch);
        let lost = node.answers.lost_links(node.identity.node_id, &node.members());
        let lasted = watch.links.look(lost.is_some());
        let judged = watch.links.judge(lasted, limits::LINK_DOUBT);
        node.alarm(AlarmKind::LinkLost, judged, || lost.clone().unwrap_or_default());
        let skewed = node.answers.skewed();
        let lasted = watch.clocks.look(skewed.is_some());
        let judged = watch.clocks.judge(lasted, limits::LINK_DOUBT);
        node.alarm(AlarmKind::ClockSkew, judged, || skewed.clone().unwrap_or_default());
        if !stalled || !node.raft.is_leader() {
            pause = first_pause;
        } else if Instant::now() >= next_handover && !node.handover.is_under_way() && !node.is_stopping() {
            tracing::warn!("this node leads and stalls: the lead goes to another, if one is well");
            if !node.hand_over_to_well().await {
                // No write is taken while it tries, so it tries ever more rarely.
                next_handover = Instant::now() + pause;
                pause = (pause * 2).min(longest_pause);
            }
        }
    }
}

impl Inner {
    /// True where this node stalls.
    fn look_at_itself(&self, watch: &mut Watch) -> bool {
        let disk = watch.disk(&self.log.stats());
        let judged = watch.disk.judge(disk, limits::DISK_STALL);
        self.alarm(AlarmKind::DiskSlow, judged, || {
            let ms = disk.unwrap_or_default().as_millis();
            format!("a write or sync of the log has taken {ms} ms so far; look at the disk")
        });
        let committed =
            self.metrics(|metrics| metrics.local_committed.as_ref().map_or(0, openraft::LogId::index));
        let applied = self.state.applied().get();
        let apply = watch.apply(applied, committed, self.state.is_installing());
        let judged = watch.apply.judge(apply, limits::APPLY_STALL);
        self.alarm(AlarmKind::ApplyStalled, judged, || {
            let seconds = apply.unwrap_or_default().as_secs();
            format!("nothing was applied for {seconds} s, at log index {applied} of {committed}")
        });
        let (used, limit) = (
            self.config.max_in_flight_bytes.saturating_sub(self.proposals.room_bytes()),
            self.config.max_in_flight_bytes,
        );
        let full = used > limit / 100 * limits::QUEUE_NEAR_LIMIT || self.state.is_congested();
        let queue = watch.queue.look(full);
        let judged = watch.queue.judge(queue, limits::QUEUE_PATIENCE);
        self.alarm(AlarmKind::QueueGrowing, judged, || {
            format!(
                "{used} of {limit} bytes of commands are in flight and {} bytes wait to be written to the engine: more comes \
                 than this node can do",
                self.state.backlog_bytes()
            )
        });
        disk.is_some_and(|lasted| lasted >= limits::DISK_HANDOVER)
            || apply.is_some_and(|lasted| lasted >= limits::APPLY_STALL)
    }

    /// Raises or ends an alarm; `None` leaves it as it is.
    fn alarm(&self, kind: AlarmKind, is_on: Option<bool>, detail: impl FnOnce() -> String) {
        match is_on {
            Some(true) => self.alarms.raise(kind, detail()),
            Some(false) => self.alarms.clear(kind),
            None => {}
        }
    }

    /// The members that have answered this node lately, and itself.
    pub(crate) fn hears(&self) -> Vec<u64> {
        let mut hears = self.answers.heard();
        hears.push(self.identity.node_id);
        hears
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(clock_us: u64, hears: &[u64]) -> wire::StatusResponse {
        wire::StatusResponse { clock_us, hears: hears.to_vec(), ..wire::StatusResponse::default() }
    }

    fn members() -> BTreeMap<u64, String> {
        (1..=3).map(|node_id| (node_id, String::new())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_member_is_a_lost_link_and_one_that_does_not_hear_this_node_half_of_one() {
        let told = Answers::default();
        assert_eq!(told.lost_links(1, &members()), None, "they are known since now");
        tokio::time::advance(limits::LINK_PATIENCE * 2).await;
        told.note(2, &answer(1, &[2, 3]), 1, Duration::ZERO);
        let lost = told.lost_links(1, &members()).expect("both are lost");
        assert!(
            lost.contains("node 2 answers, but") && lost.contains("node 3 has not answered for 10 s"),
            "{lost}"
        );
        for node_id in [2, 3] {
            told.note(node_id, &answer(1, &[1, node_id]), 1, Duration::ZERO);
        }
        assert_eq!(told.lost_links(1, &members()), None);
        assert_eq!(told.heard(), [2, 3]);
        tokio::time::advance(limits::LINK_PATIENCE).await;
        assert!(told.heard().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_member_and_one_that_has_gone_are_no_lost_links() {
        let told = Answers::default();
        let two: BTreeMap<u64, String> = members().into_iter().filter(|(node_id, _)| *node_id < 3).collect();
        told.lost_links(1, &two);
        tokio::time::advance(limits::LINK_PATIENCE * 2).await;
        told.note(2, &answer(1, &[1, 2]), 1, Duration::ZERO);
        assert_eq!(told.lost_links(1, &members()), None, "node 3 has just come");
        told.note(3, &answer(1, &[3]), 1, Duration::ZERO);
        assert_eq!(told.lost_links(1, &members()), None, "it has had no time to hear this one");
        tokio::time::advance(limits::LINK_PATIENCE * 3).await;
        told.note(2, &answer(1, &[1, 2]), 1, Duration::ZERO);
        assert_eq!(told.lost_links(1, &two), None, "nobody waits for who was removed");
    }

    #[tokio::test(start_paused = true)]
    async fn clocks_differ_where_the_round_trip_does_not_explain_it() {
        let told = Answers::default();
        let now = 1_000_000_000;
        told.note(2, &answer(now + 400_000, &[]), now, Duration::from_millis(900));
        assert_eq!(told.skewed(), None);
        told.note(3, &answer(now - 700_000, &[]), now, Duration::from_millis(2));
        let said = told.skewed().expect("node 3 is behind");
        assert!(said.contains("node 3") && said.contains("behind"), "{said}");
        // Of an earlier version, which doesn't tell.
        told.note(3, &answer(0, &[]), now, Duration::ZERO);
        assert_eq!(told.skewed(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn one_step_that_takes_long_is_a_stall_and_many_short_ones_are_none() {
        let mut watch = Watch::default();
        for steps in 1..100 {
            let lasted = watch.disk(&LogStats { steps, is_busy: true, ..LogStats::default() });
            assert_eq!(lasted, None);
            tokio::time::advance(limits::DETECT_POLL).await;
        }
        let stuck = LogStats { steps: 99, is_busy: true, ..LogStats::default() };
        watch.disk(&stuck);
        tokio::time::advance(limits::DISK_STALL).await;
        let lasted = watch.disk(&stuck);
        assert_eq!(lasted, Some(limits::DISK_STALL));
        assert_eq!(watch.disk.judge(lasted, limits::DISK_STALL), Some(true));
        // It ends, but not at once.
        let idle = watch.disk(&LogStats { steps: 100, is_busy: false, ..LogStats::default() });
        assert_eq!(watch.disk.judge(idle, limits::DISK_STALL), None);
        tokio::time::advance(limits::DETECT_CALM).await;
        assert_eq!(watch.disk.judge(None, limits::DISK_STALL), Some(false));
    }

    #[tokio::test(start_paused = true)]
    async fn apply_stalls_where_there_is_something_to_apply_and_nothing_is() {
        let mut watch = Watch::default();
        watch.apply(5, 9, false);
        assert_eq!(watch.apply(6, 9, false), None);
        assert_eq!(watch.apply(6, 9, false), Some(Duration::ZERO));
        tokio::time::advance(limits::APPLY_STALL).await;
        assert_eq!(watch.apply(6, 12, false), Some(limits::APPLY_STALL));
        assert_eq!(watch.apply(12, 12, false), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_snapshot_that_is_installed_for_long_is_no_stall() {
        let mut watch = Watch::default();
        watch.apply(6, 900, false);
        for _ in 0..100 {
            let lasted = watch.apply(6, 900, true);
            assert_eq!(lasted, None);
            assert_eq!(watch.apply.judge(lasted, limits::APPLY_STALL), None);
            tokio::time::advance(limits::APPLY_STALL).await;
        }
        // What comes after it counts from then.
        assert_eq!(watch.apply(6, 900, false), Some(Duration::ZERO));
    }
}
