//! What a client writes down of its calls.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use stockade_client::{Client, Config, Recorder};
use stockade_env::Env;
use stockade_history::{Asked, Fate as Written, Invoke, Lines, Outcome, Record, Recording, Return};
use stockade_proto::v1::{Fate, GetStockRequest};
use tonic::Code;

use crate::fake::{Act, cluster, refusal};
use crate::{LONG, place};

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Broken;

impl Write for Broken {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The first two lines fit.
        let calls = b"{\"invoke\"";
        if bytes.starts_with(calls) { Err(io::Error::other("no room")) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn recording(
    addresses: Vec<String>,
    timeout: Duration,
    to: impl Write + Send + 'static,
) -> (Client, Recorder) {
    let ticks = std::sync::atomic::AtomicU64::new(0);
    let names = Recording { id: "r".into(), clock: "c".into(), by: "a test".into() };
    let tick = move || ticks.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let recorder = Recorder::new(Box::new(to), true, names, tick).expect("a place to write to");
    let config = Config { timeout, record: Some(recorder.clone()), ..Config::new(addresses) };
    (Client::connect(&Env::real(), config).await.expect("a node answers"), recorder)
}

/// The calls and their ends, in the order in which they were written.
fn calls(memory: &Memory) -> (Vec<Invoke>, Vec<Return>) {
    let text = memory.0.lock().clone();
    let (mut begun, mut ended) = (Vec::new(), Vec::new());
    for line in Lines::new(text.as_slice()) {
        match line.expect("the client writes sound lines").1 {
            Record::Invoke(invoke) => begun.push(*invoke),
            Record::Return(end) => ended.push(*end),
            Record::Beginning(_) | Record::Recording(_) => {}
            other => panic!("no line of a client: {other:?}"),
        }
    }
    (begun, ended)
}

#[tokio::test]
async fn each_call_is_written_with_what_its_caller_was_told() {
    let nodes = cluster(&Env::real(), 1).await;
    let memory = Memory::default();
    let (client, recorder) = recording(vec![nodes[0].address()], LONG, memory.clone()).await;
    place(&client, "o1").await.expect("placed");
    nodes[0].script([Act::Refuse(Code::FailedPrecondition, "INSUFFICIENT_STOCK", Fate::NotApplied)]);
    place(&client, "o2").await.expect_err("refused");
    client.get_stock(GetStockRequest::default()).await.expect("read");
    nodes[0].refuse_reads([refusal(Code::NotFound, "NOT_FOUND")]);
    client.get_stock(GetStockRequest::default()).await.expect_err("missing");
    recorder.finish().expect("all was written");

    let (begun, ended) = calls(&memory);
    let kinds: Vec<_> = begun.iter().map(|begun| begun.asked.kind()).collect();
    assert_eq!(kinds, ["place_order", "place_order", "get_stock", "get_stock"]);
    let Asked::PlaceOrder(first) = &begun[0].asked else { panic!("{:?}", begun[0]) };
    assert_eq!((first.order_id.as_str(), first.request_id.len()), ("o1", 36));
    assert!(begun.iter().zip(&ended).all(|(begun, ended)| begun.op == ended.op && begun.at_ns < ended.at_ns));
    assert!(matches!(ended[0].outcome, Outcome::Ok(_)));
    assert_eq!(ended[0].header.as_ref().map(|header| header.node), Some(1));
    let refused = |at: usize| match &ended[at].outcome {
        Outcome::Refused { reason, fate, logged, .. } => (reason.clone(), *fate, *logged),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(1), ("INSUFFICIENT_STOCK".to_owned(), Some(Written::NotApplied), false));
    assert!(matches!(ended[2].outcome, Outcome::Ok(_)));
    assert_eq!(refused(3), ("NOT_FOUND".to_owned(), None, false));
}

#[tokio::test]
async fn a_call_that_is_sent_again_is_one_call_and_one_without_answer_is_unknown() {
    let nodes = cluster(&Env::real(), 1).await;
    let memory = Memory::default();
    let timeout = Duration::from_millis(700);
    let (client, _recorder) = recording(vec![nodes[0].address()], timeout, memory.clone()).await;
    nodes[0].script([Act::Break]);
    place(&client, "o1").await.expect("placed");
    nodes[0].always(Act::Ignore);
    place(&client, "o2").await.expect_err("no answer");
    let (begun, ended) = calls(&memory);
    assert_eq!((begun.len(), ended.len()), (2, 2));
    assert!(matches!(ended[0].outcome, Outcome::Ok(_)));
    assert!(matches!(ended[1].outcome, Outcome::Unknown { .. }), "{:?}", ended[1]);
}

#[tokio::test]
async fn calls_go_on_where_recording_fails_and_the_end_tells() {
    let nodes = cluster(&Env::real(), 1).await;
    let (client, recorder) = recording(vec![nodes[0].address()], LONG, Broken).await;
    place(&client, "o1").await.expect("placed");
    assert!(recorder.finish().expect_err("it is not whole").to_string().contains("no room"));
}
