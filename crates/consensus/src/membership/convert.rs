//! Changes of the membership, and refusals of them, on their way between nodes.

use stockade_proto::internal as wire;
use stockade_proto::internal::change_membership_request as request;
use stockade_proto::internal::membership_refusal::Kind;

use super::{MembershipChange, MembershipRefusal, RefusalKind};

impl MembershipChange {
    pub(crate) fn to_wire(&self) -> request::Change {
        match self {
            Self::AddLearner { node_id, peer_address } => request::Change::AddLearner(request::AddLearner {
                node_id: *node_id,
                peer_address: peer_address.clone(),
            }),
            Self::Promote { node_id, replaces } => request::Change::Promote(request::Promote {
                node_id: *node_id,
                replaces: replaces.unwrap_or(0),
            }),
            Self::Remove { node_ids } => {
                request::Change::Remove(request::Remove { node_ids: node_ids.iter().copied().collect() })
            }
            Self::Transfer { to, away_from } => request::Change::Transfer(request::Transfer {
                node_id: to.unwrap_or(0),
                away_from: away_from.unwrap_or(0),
            }),
        }
    }

    pub(crate) fn from_wire(change: request::Change) -> Self {
        match change {
            request::Change::AddLearner(request::AddLearner { node_id, peer_address }) => {
                Self::AddLearner { node_id, peer_address }
            }
            request::Change::Promote(request::Promote { node_id, replaces }) => {
                Self::Promote { node_id, replaces: (replaces != 0).then_some(replaces) }
            }
            request::Change::Remove(request::Remove { node_ids }) => {
                Self::Remove { node_ids: node_ids.into_iter().collect() }
            }
            request::Change::Transfer(request::Transfer { node_id, away_from }) => Self::Transfer {
                to: (node_id != 0).then_some(node_id),
                away_from: (away_from != 0).then_some(away_from),
            },
        }
    }
}

impl MembershipRefusal {
    pub(crate) fn to_wire(&self) -> wire::MembershipRefusal {
        let kind = match self.kind {
            RefusalKind::Changing => Kind::Changing,
            RefusalKind::IdUsed => Kind::IdUsed,
            RefusalKind::NodeUnknown => Kind::NodeUnknown,
            RefusalKind::NodeUnfit => Kind::NodeUnfit,
            RefusalKind::LearnerBehind => Kind::LearnerBehind,
            RefusalKind::QuorumAtRisk => Kind::QuorumAtRisk,
        };
        wire::MembershipRefusal { kind: kind.into(), message: self.message.clone() }
    }

    pub(crate) fn from_wire(refusal: wire::MembershipRefusal) -> Self {
        let kind = match refusal.kind() {
            // A kind that only a newer leader knows: the message says what it is, and later it may be otherwise.
            Kind::Unspecified | Kind::Changing => RefusalKind::Changing,
            Kind::IdUsed => RefusalKind::IdUsed,
            Kind::NodeUnknown => RefusalKind::NodeUnknown,
            Kind::NodeUnfit => RefusalKind::NodeUnfit,
            Kind::LearnerBehind => RefusalKind::LearnerBehind,
            Kind::QuorumAtRisk => RefusalKind::QuorumAtRisk,
        };
        Self { kind, message: refusal.message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_and_refusals_come_over_as_they_were() {
        for change in [
            MembershipChange::AddLearner { node_id: 4, peer_address: "d:1".to_owned() },
            MembershipChange::Promote { node_id: 4, replaces: Some(2) },
            MembershipChange::Promote { node_id: 4, replaces: None },
            MembershipChange::Remove { node_ids: [4, 5].into() },
            MembershipChange::Transfer { to: Some(3), away_from: None },
            MembershipChange::Transfer { to: None, away_from: Some(2) },
        ] {
            assert_eq!(MembershipChange::from_wire(change.to_wire()), change);
        }
        for kind in RefusalKind::ALL {
            let refusal = MembershipRefusal { kind, message: "why".to_owned() };
            assert_eq!(MembershipRefusal::from_wire(refusal.to_wire()), refusal);
        }
    }
}
