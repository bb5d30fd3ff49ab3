//! Round trips of what nodes say to nodes.

use super::*;

fn log_id(term: u64, node_id: u64, index: u64) -> LogIdOf<TypeConfig> {
    LogId::new(LeaderId { term, node_id }, index)
}

fn membership() -> Membership<u64, BasicNode> {
    let configs = vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([2, 3, 4])];
    let node = |id: u64| (id, BasicNode { addr: format!("127.0.0.1:{}", 7_000 + id) });
    Membership::new(configs, BTreeMap::from([node(1), node(2), node(3), node(4), node(5)])).unwrap()
}

#[test]
fn a_vote_comes_back_as_it_was_sent() {
    for vote in [Vote::new(7, 2), Vote::new_committed(7, 2)] {
        assert_eq!(vote_from_wire(Some(vote_to_wire(&vote))), Ok(vote));
    }
    assert_eq!(vote_from_wire(None), Err(Malformed("no vote")));
}

#[test]
fn a_vote_request_keeps_that_the_lead_is_handed_over() {
    let mut request = VoteRequest::<TypeConfig>::new(Vote::new(3, 1), Some(log_id(2, 2, 40)));
    request.leadership_transfer = true;
    let sent = vote_request_to_wire(&request, wire::Envelope::default(), true, false);
    assert!(sent.pre_vote);
    assert_eq!(vote_request_from_wire(&sent), Ok(request));
}

#[test]
fn a_vote_response_comes_back_as_it_was_sent() {
    let response = VoteResponse::<TypeConfig>::new(Vote::new_committed(3, 1), None, true);
    assert_eq!(vote_response_from_wire(vote_response_to_wire(&response)), Ok(response));
}

#[test]
fn an_append_keeps_entries_of_every_kind() {
    let payloads = [
        EntryPayload::Blank,
        EntryPayload::Normal(Proposal(bytes::Bytes::from_static(b"commands"))),
        EntryPayload::Membership(membership()),
    ];
    let entries: Vec<LogEntry> = (11..)
        .zip(payloads)
        .map(|(index, payload)| LogEntry { log_id: log_id(5, 1, index), payload })
        .collect();
    let request = AppendEntriesRequest::<TypeConfig> {
        vote: Vote::new_committed(5, 1),
        prev_log_id: Some(log_id(4, 2, 10)),
        entries,
        leader_commit: Some(log_id(4, 2, 9)),
    };
    let back = append_from_wire(append_to_wire(request.clone())).unwrap();
    assert_eq!(format!("{back:?}"), format!("{request:?}"));
    assert_eq!(back.entries, request.entries);
}

#[test]
fn an_append_with_a_gap_is_refused() {
    let entry = LogEntry { log_id: log_id(5, 1, 12), payload: EntryPayload::Blank };
    let request = AppendEntriesRequest::<TypeConfig> {
        vote: Vote::new_committed(5, 1),
        prev_log_id: Some(log_id(4, 2, 10)),
        entries: vec![entry],
        leader_commit: None,
    };
    assert_eq!(append_from_wire(append_to_wire(request)).unwrap_err(), Malformed("entries with a gap"));
}

#[test]
fn an_append_result_comes_back_as_it_was_sent() {
    let results: [StreamAppendResult<TypeConfig>; 4] = [
        Ok(None),
        Ok(Some(log_id(5, 1, 12))),
        Err(StreamAppendError::Conflict(log_id(5, 1, 11))),
        Err(StreamAppendError::HigherVote(Vote::new(9, 3))),
    ];
    for result in results {
        assert_eq!(append_result_from_wire(append_result_to_wire(&result, 160)), Ok(Ok(result)));
    }
}

#[test]
fn a_stored_membership_comes_back_as_it_was_sent() {
    for stored in [
        StoredMembershipOf::<TypeConfig>::new(Some(log_id(1, 1, 0)), membership()),
        StoredMembershipOf::<TypeConfig>::default(),
    ] {
        let (log_id, membership) = stored_membership_to_wire(&stored);
        assert_eq!(stored_membership_from_wire(log_id, Some(membership)), Ok(stored));
    }
}
