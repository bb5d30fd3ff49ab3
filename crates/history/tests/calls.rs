//! Calls on their way through a file: what is read is what was recorded.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use stockade_history::{Answer, Asked, Lines, Outcome, Record, Recorder, Recording};
use stockade_proto::v1;

/// Bytes that can be looked at after they were written.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics while writing").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Each call of a reservation, and an answer to it.
fn calls() -> Vec<(Asked, Answer, &'static str)> {
    let request_id = || "01900000-0000-7000-8000-000000000001".to_owned();
    let id = || "cart".to_owned();
    let header = || Some(v1::ResponseHeader { revision: 7, ..v1::ResponseHeader::default() });
    let lines = || vec![v1::LineQuantity { line: 1, quantity: 2 }];
    vec![
        (
            v1::CreateReservationRequest {
                request_id: request_id(),
                reservation_id: id(),
                lines: vec![v1::NewOrderLine { quantity: 2, ..v1::NewOrderLine::default() }],
                ..v1::CreateReservationRequest::default()
            }
            .into(),
            v1::CreateReservationResponse { header: header(), reservation_id: id(), ..Default::default() }
                .into(),
            "reserve 1 lines as cart",
        ),
        (
            v1::ExtendReservationRequest {
                request_id: request_id(),
                reservation_id: id(),
                hold_duration: Some(prost_types::Duration { seconds: 9, nanos: 0 }),
            }
            .into(),
            v1::ExtendReservationResponse { header: header(), reservation_id: id(), ..Default::default() }
                .into(),
            "extend reservation cart",
        ),
        (
            v1::CommitReservationRequest {
                request_id: request_id(),
                reservation_id: id(),
                order_id: "order".to_owned(),
                lines: lines(),
                ..v1::CommitReservationRequest::default()
            }
            .into(),
            v1::CommitReservationResponse { header: header(), committed: 2, ..Default::default() }.into(),
            "make order order of reservation cart",
        ),
        (
            v1::ReleaseReservationRequest { request_id: request_id(), reservation_id: id(), lines: lines() }
                .into(),
            v1::ReleaseReservationResponse { header: header(), released: 2, ..Default::default() }.into(),
            "release reservation cart",
        ),
        (
            v1::MoveReservationRequest {
                request_id: request_id(),
                reservation_id: id(),
                lines: vec![1],
                location_id: "main".to_owned(),
            }
            .into(),
            v1::MoveReservationResponse { header: header(), reservation_id: id(), moved: 2 }.into(),
            "move reservation cart to main",
        ),
        (
            v1::GetReservationRequest { reservation_id: id() }.into(),
            v1::GetReservationResponse { header: header(), reservation: Some(v1::Reservation::default()) }
                .into(),
            "read reservation cart",
        ),
        (
            v1::ListReservationsRequest { customer_id: "ann".to_owned(), ..Default::default() }.into(),
            v1::ListReservationsResponse { header: header(), ..Default::default() }.into(),
            "list reservations of ann",
        ),
    ]
}

#[test]
fn calls_of_reservations_are_read_as_they_were_recorded() {
    let memory = Memory::default();
    let recording = Recording { id: "r".to_owned(), clock: "c".to_owned(), by: String::new() };
    let recorder = Recorder::new(Box::new(memory.clone()), true, recording, || 1).expect("memory takes all");
    for (asked, answer, _) in calls() {
        recorder.invoke_any(&asked).answered_with(answer.header(), &answer.encode());
    }
    recorder.finish().expect("memory takes all");
    let text = memory.0.lock().expect("nobody panics while writing").clone();

    let mut read = Vec::new();
    let mut asked = None;
    for line in Lines::new(text.as_slice()) {
        match line.expect("a sound history").1 {
            Record::Invoke(invoke) => asked = Some(invoke.asked),
            Record::Return(ended) => {
                let asked = asked.take().expect("it began");
                let Outcome::Ok(bytes) = ended.outcome else { panic!("it was answered") };
                let answer = asked.decode_answer(&bytes).expect("an answer to it");
                read.push((asked, answer));
            }
            Record::Beginning(_) | Record::Recording(_) | Record::Entry(_) | Record::State(_) => {}
        }
    }
    let all: Vec<_> = calls().into_iter().map(|(asked, answer, _)| (asked, answer)).collect();
    assert_eq!(read, all);
    for (asked, _, words) in calls() {
        assert_eq!(asked.words(), words);
    }
}

#[test]
fn what_changes_a_reservation_is_a_mutation_and_a_read_is_none() {
    let mut mutations = Vec::new();
    for (asked, ..) in calls() {
        assert_eq!(asked.is_mutation(), asked.mutation().is_some(), "{}", asked.kind());
        if let Some(mutation) = asked.mutation() {
            assert!(!asked.request_id().is_empty(), "{} runs once", asked.kind());
            assert_eq!(Asked::from(mutation), asked);
            mutations.push(asked.kind());
        } else {
            assert!(asked.request_id().is_empty(), "a read has no request id");
        }
    }
    assert_eq!(
        mutations,
        [
            "create_reservation",
            "extend_reservation",
            "commit_reservation",
            "release_reservation",
            "move_reservation"
        ]
    );
}
