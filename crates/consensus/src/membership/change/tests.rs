use openraft::errors::{Fatal, ForwardToLeader};

use super::*;

fn not_written(why: ClientWriteError<TypeConfig>) -> Result<u64, Failed> {
    outcome(Err(RaftError::APIError(why)))
}

#[test]
fn a_change_whose_leader_leads_no_more_may_be_half_done() {
    let elsewhere = ClientWriteError::ForwardToLeader(ForwardToLeader::empty());
    assert_eq!(not_written(elsewhere), Err(Failed::Unknown));
    assert_eq!(outcome(Err(RaftError::Fatal(Fatal::Stopped))), Err(Failed::Unknown));
}
