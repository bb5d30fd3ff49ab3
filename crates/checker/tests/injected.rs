//! One error put into a sound history: each kind is found, by the check that is there for it, and said in words.

mod support;

use stockade_checker::{Check, CheckError, Ended, History, Operation, Options, Report, check};
use stockade_history::{Answer, Asked, Consistency, Fate, Outcome, Served};
use stockade_proto::v1;
use support::{Cluster, Fault, Memory, Shape};

fn text(seed: u64, fault: Fault) -> Vec<u8> {
    let shape = Shape { operations: 400, skus: 3, overlap: 4, units: 12, rich: true, fault };
    let memory = Memory::default();
    Cluster::record(seed, shape, memory.clone()).expect("memory takes all");
    memory.take()
}

fn sound(seed: u64) -> History {
    History::read(text(seed, Fault::None).as_slice()).expect("a sound history")
}

fn report(history: &History) -> Report {
    check(history, Options::default()).expect("it has a log")
}

/// The check finds it, and one of its violations says all of these words.
#[track_caller]
fn finds(history: &History, options: Options, expected: Check, words: &[&str]) {
    let report = check(history, options).expect("it has a log");
    let said = |text: &str| words.iter().all(|word| text.contains(word));
    let found = report.violations.iter().any(|found| found.check == expected && said(&found.text));
    assert!(found, "{expected:?} {words:?} is not among {:#?}", report.violations);
}

fn end(operation: &mut Operation) -> &mut Ended {
    operation.ended.as_mut().expect("it has ended")
}

/// Where mutations stand that were applied, and not repeated.
fn applied(history: &History) -> Vec<usize> {
    let is_applied = |operation: &Operation| {
        let is_for_good = operation.asked.is_mutation() && !operation.asked.is_trial();
        let ended = operation.ended.as_ref().filter(|_| is_for_good);
        ended.is_some_and(|ended| {
            matches!(ended.outcome, Outcome::Ok(_))
                && ended.header.as_ref().is_some_and(|header| !header.replayed)
        })
    };
    let alone =
        |id: &str| history.operations.iter().filter(|other| other.asked.request_id() == id).count() == 1;
    let operations = history.operations.iter().enumerate();
    let found =
        operations.filter(|(_, operation)| is_applied(operation) && alone(operation.asked.request_id()));
    found.map(|(at, _)| at).collect()
}

/// Where the log has a request: entry and command.
fn logged(history: &History, id: &str) -> (usize, usize) {
    let entries = history.entries.iter().enumerate();
    let mut found = entries.flat_map(|(at, (_, entry))| {
        entry.commands.iter().enumerate().map(move |(command, logged)| (at, command, logged))
    });
    let (entry, command, _) = found.find(|(_, _, logged)| logged.request_id == id).expect("it is in the log");
    (entry, command)
}

#[test]
fn a_sound_history_holds_and_everything_was_looked_at() {
    for seed in 0..20 {
        let history = sound(seed);
        let report = check(&history, Options { complete: false }).expect("it has a log");
        assert!(report.holds(), "seed {seed}: {:#?}", report.violations);
        for check in Check::ALL {
            assert!(report.count(check).checked > 0, "{check:?} looked at nothing");
        }
    }
}

#[test]
fn a_hole_in_the_log_is_found() {
    let mut history = sound(1);
    let index = history.entries.remove(20).1.index;
    let words = [&format!("entry {} comes after entry {}", index + 1, index - 1), "hole"];
    finds(&history, Options::default(), Check::A, &words.map(|word| -> &str { word }));
}

#[test]
fn a_term_that_falls_is_found() {
    let mut history = sound(1);
    history.entries[20].1.term = 9;
    finds(&history, Options::default(), Check::A, &["is of term 1", "of term 9", "terms never fall"]);
}

#[test]
fn two_entries_at_one_index_are_found_and_the_same_one_told_twice_is_not() {
    let mut history = sound(1);
    let mut again = history.entries[20].clone();
    history.entries.push(again.clone());
    assert!(report(&history).holds());
    again.1.term = 2;
    history.entries.push(again);
    finds(&history, Options::default(), Check::A, &["two nodes hold different entries at one index"]);
}

#[test]
fn a_request_that_took_effect_twice_is_found() {
    let mut history = sound(1);
    let at = applied(&history)[5];
    let mut again = history.operations[at].clone();
    end(&mut again).header.as_mut().expect("it has one").revision += 1;
    history.operations.push(again);
    finds(&history, Options::default(), Check::A, &["took effect at", "and again at", "a request runs once"]);
}

#[test]
fn a_log_that_ends_before_what_was_acknowledged_is_found() {
    let mut history = sound(1);
    history.entries.truncate(history.entries.len() - 3);
    finds(&history, Options::default(), Check::A, &["the log of the history ends at entry", "is lost"]);
}

#[test]
fn answers_of_two_clusters_are_found() {
    let mut history = sound(1);
    history.clusters.push((77, "another".to_owned()));
    finds(&history, Options::default(), Check::A, &["cluster another answered here"]);
}

#[test]
fn a_lost_write_is_found() {
    let mut history = sound(1);
    let at = applied(&history)[5];
    let id = history.operations[at].asked.request_id().to_owned();
    let (entry, command) = logged(&history, &id);
    history.entries[entry].1.commands.remove(command);
    for (position, logged) in (0..).zip(&mut history.entries[entry].1.commands) {
        logged.position = position;
    }
    finds(&history, Options::default(), Check::B, &[&id, "nowhere: what was acknowledged is lost"]);
}

#[test]
fn swapped_revisions_are_found() {
    let mut history = sound(1);
    let (one, other) = (applied(&history)[5], applied(&history)[9]);
    let header = |history: &History, at: usize| history.operations[at].ended.as_ref().unwrap().header.clone();
    let (first, second) = (header(&history, one), header(&history, other));
    assert_ne!(first, second);
    end(&mut history.operations[one]).header = second;
    end(&mut history.operations[other]).header = first;
    finds(&history, Options::default(), Check::B, &["was acknowledged at", "but the log has it at"]);
}

#[test]
fn other_content_in_the_log_is_found() {
    let mut history = sound(1);
    let receipts = applied(&history);
    let is_receipt = |at: &&usize| matches!(history.operations[**at].asked, Asked::ReceiveStock(_));
    let at = *receipts.iter().find(is_receipt).expect("a receipt");
    let Asked::ReceiveStock(request) = &mut history.operations[at].asked else { unreachable!() };
    request.quantity += 1;
    finds(&history, Options::default(), Check::B, &["stands in the log", "with other content"]);
}

#[test]
fn an_effect_that_was_denied_is_found() {
    let mut history = sound(1);
    let at = applied(&history)[5];
    let denied = |reason: &str| Outcome::Refused {
        reason: reason.to_owned(),
        message: String::new(),
        metadata: std::collections::BTreeMap::new(),
        logged: false,
        fate: Some(Fate::NotApplied),
    };
    end(&mut history.operations[at]).outcome = denied("OVERLOADED");
    finds(&history, Options::default(), Check::B, &["OVERLOADED", "will have no effect, but the log has it"]);
    end(&mut history.operations[at]).outcome = Outcome::Failed { message: String::new() };
    finds(&history, Options::default(), Check::B, &["no answer", "but the log has it"]);
    end(&mut history.operations[at]).outcome = denied("INSUFFICIENT_STOCK");
    finds(&history, Options::default(), Check::B, &["which the log alone can decide"]);
}

#[test]
fn an_entry_that_nobody_asked_for_is_found_where_the_history_is_complete() {
    let mut history = sound(1);
    let at = applied(&history)[5];
    let id = history.operations.remove(at).asked.request_id().to_owned();
    assert!(report(&history).holds());
    let complete = Options { complete: true };
    finds(&history, complete, Check::B, &[&id, "which nobody asked for in this history"]);
}

#[test]
fn a_fate_that_was_never_settled_is_found_where_the_history_is_complete() {
    let mut history = sound(1);
    let at = applied(&history)[5];
    let mut unknown = history.operations[at].clone();
    let Some(id) = (match &mut unknown.asked {
        Asked::CreateSku(request) => Some(&mut request.request_id),
        Asked::ReceiveStock(request) => Some(&mut request.request_id),
        Asked::PlaceOrder(request) => Some(&mut request.request_id),
        Asked::AdjustStock(request) => Some(&mut request.request_id),
        Asked::ConfirmOrder(request) => Some(&mut request.request_id),
        Asked::ShipOrder(request) => Some(&mut request.request_id),
        Asked::CancelOrder(request) => Some(&mut request.request_id),
        Asked::ReturnOrder(request) => Some(&mut request.request_id),
        Asked::SetStock(request) => Some(&mut request.request_id),
        Asked::MoveStock(request) => Some(&mut request.request_id),
        Asked::CreateLocation(request) => Some(&mut request.request_id),
        Asked::CreateReservation(request) => Some(&mut request.request_id),
        Asked::ExtendReservation(request) => Some(&mut request.request_id),
        Asked::CommitReservation(request) => Some(&mut request.request_id),
        Asked::ReleaseReservation(request) => Some(&mut request.request_id),
        Asked::MoveReservation(request) => Some(&mut request.request_id),
        Asked::ExtendOrder(request) => Some(&mut request.request_id),
        Asked::CloseOrder(request) => Some(&mut request.request_id),
        Asked::Transact(request) => Some(&mut request.request_id),
        _ => None,
    }) else {
        panic!("a mutation")
    };
    "018bcfe5-6800-7000-8000-00000000ffff".clone_into(id);
    unknown.ended = None;
    history.operations.push(unknown);
    let found = report(&history);
    assert!(found.holds(), "{:#?}", found.violations);
    assert_eq!(found.unsettled, 1);
    assert_eq!(history.unknown_requests().iter().filter(|id| id.ends_with("ffff")).count(), 1);
    let complete = Options { complete: true };
    finds(&history, complete, Check::B, &["ffff", "was not settled", "it was not abandoned"]);
}

#[test]
fn a_stale_read_is_found() {
    let mut found = 0;
    for seed in 0..10 {
        let history = History::read(text(seed, Fault::StaleRead(120)).as_slice()).expect("it can be read");
        let report = report(&history);
        found += usize::from(report.violations.iter().any(|violation| {
            violation.check == Check::C
                && violation.text.starts_with("stale read: ")
                && violation.text.contains("it should have been served at")
        }));
        assert_eq!(report.count(Check::D).violations, 0, "it tells which state it is from");
    }
    assert!(found >= 8, "found in {found} of 10");
}

#[test]
fn a_stale_read_that_hides_its_age_is_found() {
    let mut found = 0;
    for seed in 0..20 {
        let history =
            History::read(text(seed, Fault::HiddenStaleRead(120)).as_slice()).expect("it can be read");
        found +=
            usize::from(report(&history).violations.iter().any(|violation| {
                violation.check == Check::D && violation.text.contains("it should have seen")
            }));
    }
    // Where what was read hadn't changed meanwhile, an old state tells the same.
    assert!(found >= 5, "found in {found} of 20");
}

#[test]
fn a_read_at_an_asked_revision_is_held_against_that_one() {
    let mut history = sound(1);
    let is_read = |operation: &Operation| matches!(operation.asked, Asked::GetStock(_));
    let at = history.operations.iter().rposition(is_read).expect("a read");
    history.operations[at].consistency = Consistency::AtLeast(1);
    assert!(report(&history).holds());
    history.operations[at].consistency = Consistency::AtLeast(1_000_000);
    finds(&history, Options::default(), Check::C, &["it asked for revision 1000000 at least"]);
}

/// A sound history, a read in it that was served before something that had been returned when it was called, and since when.
fn a_stale_read() -> (History, usize, u64) {
    for seed in 0..20 {
        let history = History::read(text(seed, Fault::StaleRead(120)).as_slice()).expect("it can be read");
        let Some(violation) = report(&history).violations.into_iter().find(|found| found.check == Check::C)
        else {
            continue;
        };
        let is_it = |operation: &Operation| {
            operation.ended.as_ref().is_some_and(|ended| ended.line == violation.line)
        };
        let at = history.operations.iter().position(is_it).expect("the line of a call");
        let served = served_revision(&history.operations[at]);
        let newer = history.operations.iter().filter(|operation| served_revision(operation) > served);
        let first = newer.filter_map(|operation| Some(operation.ended.as_ref()?.at_ns)).min();
        return (history, at, first.expect("something newer was returned"));
    }
    panic!("no stale read in 20 histories")
}

fn served_revision(operation: &Operation) -> u64 {
    let header = operation.ended.as_ref().and_then(|ended| ended.header.as_ref());
    header.map_or(0, |header| header.served_revision.max(header.revision))
}

#[test]
fn each_read_is_held_against_what_it_was_promised() {
    let (mut history, at, outdated_ns) = a_stale_read();
    let age_ns = history.operations[at].invoked_ns - outdated_ns;
    let stale: &[&str] = &["stale read: "];
    for (consistency, is_wrong) in [
        (Consistency::Linearizable, true),
        (Consistency::Lease, true),
        // What was returned at that very instant need not be in it.
        (Consistency::Bounded(age_ns), false),
        (Consistency::Bounded(age_ns - 1), true),
        (Consistency::Bounded(u64::MAX), false),
        (Consistency::Local, false),
    ] {
        history.operations[at].consistency = consistency;
        if is_wrong {
            finds(&history, Options::default(), Check::C, stale);
        } else {
            let line = end(&mut history.operations[at]).line;
            let found = report(&history).violations;
            assert!(found.iter().all(|found| found.line != line), "{consistency:?}: {found:#?}");
        }
    }
}

#[test]
fn an_answer_that_says_more_than_it_keeps_is_found() {
    let (mut history, at, _) = a_stale_read();
    history.operations[at].consistency = Consistency::Bounded(u64::MAX);
    let line = end(&mut history.operations[at]).line;
    let mut served_as = |served| {
        let header = end(&mut history.operations[at]).header.as_mut();
        header.expect("a read has one").served_consistency = Some(served);
        report(&history).violations.into_iter().find(|found| found.line == line).map(|found| found.text)
    };
    assert_eq!(served_as(Served::Bounded), None);
    let found = served_as(Served::Linearizable).expect("it is older than that");
    assert!(found.starts_with("stale read: "), "{found}");
    let found = served_as(Served::Local).expect("it promises less than was asked for");
    assert!(found.contains("was served as Local"), "{found}");
}

#[test]
fn a_node_that_had_not_got_there_may_say_so() {
    let mut history = sound(1);
    let is_read = |operation: &Operation| matches!(operation.asked, Asked::GetStock(_));
    let at = history.operations.iter().rposition(is_read).expect("a read");
    history.operations[at].consistency = Consistency::AtLeast(1_000_000);
    let mut refuse_at = |applied: u64| {
        let ended = end(&mut history.operations[at]);
        ended.outcome = Outcome::Refused {
            reason: "REVISION_AHEAD".to_owned(),
            message: String::new(),
            metadata: [("applied_revision".to_owned(), applied.to_string())].into(),
            logged: false,
            fate: None,
        };
        report(&history)
    };
    assert!(refuse_at(7).holds());
    assert!(!refuse_at(1_000_000).holds(), "it had got there");
}

#[test]
fn a_write_that_is_decided_in_the_past_is_found() {
    let mut history = sound(1);
    // It is called after everything else has been answered, and is decided before it.
    let at = applied(&history)[5];
    let last = history.operations.iter().filter_map(|operation| Some(operation.ended.as_ref()?.at_ns)).max();
    let last = last.expect("calls end");
    history.operations[at].invoked_ns = last + 1;
    end(&mut history.operations[at]).at_ns = last + 2;
    let words = ["was decided at revision", "before it was called", "it should have a larger revision"];
    finds(&history, Options::default(), Check::C, &words);
    // By another clock nobody can tell.
    history.operations[at].clock = 1;
    assert!(report(&history).holds());
}

#[test]
fn a_wrong_response_is_found() {
    let mut history = sound(1);
    let receipts = applied(&history);
    let is_receipt = |at: &&usize| matches!(history.operations[**at].asked, Asked::ReceiveStock(_));
    let at = *receipts.iter().find(is_receipt).expect("a receipt");
    let Outcome::Ok(Answer::ReceiveStock(answer)) = &mut end(&mut history.operations[at]).outcome else {
        unreachable!()
    };
    answer.stock.as_mut().expect("it has stock").available += 1;
    finds(&history, Options::default(), Check::D, &["was answered with", "the log, run again, decides at"]);
}

#[test]
fn a_refusal_for_another_reason_or_with_other_numbers_is_found() {
    let sound = sound(1);
    let is_short = |operation: &Operation| {
        let ended = operation.ended.as_ref();
        ended.is_some_and(
            |ended| matches!(&ended.outcome, Outcome::Refused { reason, .. } if reason == "INSUFFICIENT_STOCK"),
        )
    };
    let at = sound.operations.iter().position(is_short).expect("stock runs short");
    let change = |change: fn(&mut String, &mut std::collections::BTreeMap<String, String>)| {
        let mut history = sound.clone();
        let Outcome::Refused { reason, metadata, .. } = &mut end(&mut history.operations[at]).outcome else {
            unreachable!()
        };
        change(reason, metadata);
        history
    };
    let other_reason = change(|reason, _| "NOT_FOUND".clone_into(reason));
    finds(
        &other_reason,
        Options::default(),
        Check::D,
        &["the refusal NOT_FOUND", "the refusal INSUFFICIENT_STOCK"],
    );
    let other_number = change(|_, metadata| {
        metadata.insert("available".to_owned(), "1000000".to_owned());
    });
    finds(&other_number, Options::default(), Check::D, &["1000000", "the log, run again, decides"]);
    let fewer_details = change(|_, metadata| metadata.clear());
    assert!(report(&fewer_details).holds(), "a recorder may leave details out");
}

#[test]
fn a_double_effect_is_found_wherever_it_makes_a_difference() {
    let mut found = 0;
    for seed in 0..40 {
        let twice = text(seed, Fault::ApplyTwice(60));
        let report = report(&History::read(twice.as_slice()).expect("it can be read"));
        let is_found = report.count(Check::D).violations + report.count(Check::E).violations > 0;
        // Some commands can't run twice: neither their answers nor the state tell that they were tried again.
        assert_eq!(is_found, twice != text(seed, Fault::None), "seed {seed}: {:?}", report.violations);
        found += usize::from(is_found);
    }
    assert!(found >= 5, "found in {found} of 40");
}

#[test]
fn a_wrong_state_hash_is_found() {
    let mut history = sound(1);
    history.states[1].1.state_hash = "00".repeat(32);
    finds(
        &history,
        Options::default(),
        Check::E,
        &["node 2 told state hash 0000", "the log, run again, gives"],
    );
}

#[test]
fn chain_hashes_that_differ_are_found() {
    let mut history = sound(1);
    history.states[2].1.chain_hash = "abcd".to_owned();
    finds(&history, Options::default(), Check::E, &["node 3 told chain hash abcd", "different changes"]);
}

#[test]
fn an_outcome_that_was_told_wrongly_is_found() {
    let mut history = sound(1);
    let at = applied(&history)[5];
    let request_id = history.operations[at].asked.request_id().to_owned();
    let last = history.entries.last().expect("a log").1.index;
    let mut asked = history.operations[at].clone();
    asked.asked = v1::GetOutcomeRequest { request_id }.into();
    let ended = end(&mut asked);
    let header = ended.header.as_mut().expect("it has one");
    (header.revision, header.served_revision) = (last, last);
    let not_seen = v1::GetOutcomeResponse {
        state: v1::OutcomeState::NotSeen.into(),
        ..v1::GetOutcomeResponse::default()
    };
    ended.outcome = Outcome::Ok(not_seen.into());
    history.operations.push(asked);
    finds(&history, Options::default(), Check::D, &["get_outcome", "NOT_SEEN", "OUTCOME_STATE_DECIDED"]);
}

#[test]
fn a_history_without_the_beginning_of_its_log_is_not_judged() {
    let mut history = sound(1);
    history.entries.drain(..5);
    assert_eq!(check(&history, Options::default()).err(), Some(CheckError::LogBeginsLate { first: 6 }));
    history.entries.clear();
    assert_eq!(check(&history, Options::default()).err(), Some(CheckError::NoLog));
}

#[test]
fn a_line_that_was_cut_off_is_passed_over_and_said() {
    let mut text = text(1, Fault::None);
    text.extend_from_slice(b"{\"invoke\":{\"recor");
    let history = History::read(text.as_slice()).expect("the rest is sound");
    assert!(history.notes[0].contains("was cut off"), "{:?}", history.notes);
    assert!(report(&history).holds());
}

#[test]
fn lines_that_make_no_sense_are_told_by_their_number() {
    for (lines, said) in [
        ("", "the first line of a history"),
        ("{\"history\":{\"version\":2}}\n", "version 2"),
        ("{\"history\":{\"version\":1}}\nnonsense\n", "line 2"),
        (
            "{\"history\":{\"version\":1}}\n{\"return\":{\"recorder\":\"x\",\"op\":1,\"at\":2,\"result\":\"failed\"}}\n",
            "recorder `x` was not introduced",
        ),
    ] {
        let error = History::read(lines.as_bytes()).expect_err("it can't be read").to_string();
        assert!(error.contains(said), "{error}");
    }
}
