//! Which of the other voters is to have the lead, where the leader chooses. Pure: from what they told of themselves a moment
//! ago.

use std::collections::BTreeSet;

use stockade_storage::{AlarmKind, SpaceLevel};

use crate::status::NodeStatus;

/// What keeps a leader from leading well.
const STALLS: [AlarmKind; 2] = [AlarmKind::DiskSlow, AlarmKind::ApplyStalled];

/// Those with the most room of the voters that are ready, don't stall, are not about to be stopped, and have enough room:
/// a leader that was relieved of one trouble must not go to another.
pub(crate) fn successors(others: &[NodeStatus], enough: impl Fn(SpaceLevel) -> bool) -> BTreeSet<u64> {
    let fit = || {
        others.iter().filter(|other| other.ready && !other.draining && !stalls(other) && enough(other.disk))
    };
    let most = fit().map(|other| other.disk).min();
    fit().filter(|other| Some(other.disk) == most).map(|other| other.node_id).collect()
}

fn stalls(status: &NodeStatus) -> bool {
    let kinds = STALLS.map(AlarmKind::name);
    status.alarms.iter().any(|alarm| kinds.contains(&alarm.kind.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::NodeAlarm;

    fn other(node_id: u64, disk: SpaceLevel) -> NodeStatus {
        NodeStatus { node_id, disk, ready: true, reachable: true, ..NodeStatus::default() }
    }

    fn stalled(other: NodeStatus, kind: AlarmKind) -> NodeStatus {
        let alarm = NodeAlarm { kind: kind.name().to_owned(), ..NodeAlarm::default() };
        NodeStatus { alarms: vec![alarm], ..other }
    }

    fn among(others: &[NodeStatus], enough: impl Fn(SpaceLevel) -> bool) -> Vec<u64> {
        successors(others, enough).into_iter().collect()
    }

    #[test]
    fn a_leader_without_room_is_not_followed_by_one_that_stalls() {
        for kind in STALLS {
            let others = [
                stalled(other(2, SpaceLevel::Enough), kind),
                other(3, SpaceLevel::Low),
                other(4, SpaceLevel::Full),
            ];
            assert_eq!(among(&others, |room| room < SpaceLevel::Full), [3], "{kind:?}");
            assert!(among(&others, |room| room < SpaceLevel::Low).is_empty(), "{kind:?}");
        }
        let slow_link = stalled(other(2, SpaceLevel::Enough), AlarmKind::LinkLost);
        assert_eq!(among(&[slow_link], |room| room < SpaceLevel::Low), [2]);
    }

    #[test]
    fn a_leader_that_stalls_is_not_followed_by_one_with_less_room() {
        let others = [other(2, SpaceLevel::Low), other(3, SpaceLevel::Enough), other(4, SpaceLevel::Enough)];
        assert_eq!(among(&others, |room| room <= SpaceLevel::Enough), [3, 4]);
        assert_eq!(among(&others[..1], |room| room <= SpaceLevel::Low), [2]);
        assert!(among(&others[..1], |room| room <= SpaceLevel::Enough).is_empty());
    }

    #[test]
    fn who_is_not_ready_or_is_about_to_be_stopped_is_not_chosen() {
        let starting = NodeStatus { ready: false, ..other(2, SpaceLevel::Enough) };
        let draining = NodeStatus { draining: true, ..other(3, SpaceLevel::Enough) };
        assert!(among(&[starting, draining], |_| true).is_empty());
    }
}
