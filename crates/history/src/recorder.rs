//! Writing a history while calls are made.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use prost::Message as _;
use stockade_proto::v1::{LogEntry, ResponseHeader};

use crate::VERSION;
use crate::call::{Asked, Call, Headed};
use crate::line::{
    Beginning, Consistency, Ending, Fate, Header, NodeState, Recording, Written, WrittenEntry, WrittenInvoke,
    WrittenReturn,
};

type NowNs = Box<dyn Fn() -> u64 + Send + Sync>;

/// Writes calls down as they begin and end. Cheap to clone; clones write to one place.
///
/// A write that fails doesn't hold up the calls: nothing more is written, and [`Recorder::finish`] tells.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

struct Inner {
    id: String,
    now_ns: NowNs,
    next_op: AtomicU64,
    place: Mutex<Place>,
}

struct Place {
    to: Box<dyn Write + Send>,
    /// Of the last answer.
    cluster_id: String,
    failed: Option<String>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("id", &self.0.id).finish_non_exhaustive()
    }
}

/// The same where they write to the same place.
impl PartialEq for Recorder {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Recorder {}

impl Recorder {
    /// Goes on with a history, or begins one where the place is empty. Each line is one `write_all`, unbuffered: what
    /// was written outlives the process, and recorders of several processes can append to one file.
    ///
    /// `now_ns` tells the time of `recording.clock` and never goes back.
    pub fn new(
        mut to: Box<dyn Write + Send>,
        is_new: bool,
        recording: Recording,
        now_ns: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> io::Result<Self> {
        if is_new {
            let beginning = Beginning { version: VERSION, complete: false };
            to.write_all(&line(&Written::History(beginning)))?;
        }
        let id = recording.id.clone();
        to.write_all(&line(&Written::Recorder(recording)))?;
        let place = Mutex::new(Place { to, cluster_id: String::new(), failed: None });
        Ok(Self(Arc::new(Inner { id, now_ns: Box::new(now_ns), next_op: AtomicU64::new(1), place })))
    }

    /// A call begins. To be called before anything of it is sent.
    pub fn invoke<Request: Call>(&self, request: &Request) -> Op {
        let consistency = Consistency::of(request.read_options());
        let (id, words) = (request.request_id(), request.words());
        let number = self.begin(Request::KIND, id, consistency, &request.encode_to_vec(), &words);
        Op { recorder: self.clone(), number, is_trial: request.is_trial() }
    }

    /// A call begins, whichever it is.
    pub fn invoke_any(&self, asked: &Asked) -> Op {
        let consistency = Consistency::of(asked.read_options());
        let (id, words) = (asked.request_id(), asked.words());
        let number = self.begin(asked.kind(), id, consistency, &asked.encode(), &words);
        Op { recorder: self.clone(), number, is_trial: asked.is_trial() }
    }

    fn begin(
        &self,
        kind: &str,
        request_id: &str,
        consistency: Consistency,
        request: &[u8],
        text: &str,
    ) -> u64 {
        let (named, at_least, max_staleness_ns) = match consistency {
            // Said by leaving it out, as histories did before there was a choice.
            Consistency::Linearizable => (None, None, None),
            Consistency::Lease => (Some("lease"), None, None),
            Consistency::Bounded(age_ns) => (Some("bounded"), None, Some(age_ns)),
            Consistency::AtLeast(revision) => (Some("at_least"), Some(revision), None),
            Consistency::Local => (Some("local"), None, None),
        };
        let op = self.0.next_op.fetch_add(1, Ordering::Relaxed);
        let request = STANDARD.encode(request);
        self.write(&Written::Invoke(WrittenInvoke {
            recorder: Cow::Borrowed(&self.0.id),
            op,
            at: (self.0.now_ns)(),
            kind: Cow::Borrowed(kind),
            request_id: Cow::Borrowed(request_id),
            consistency: named.map(Cow::Borrowed),
            at_least,
            max_staleness_ns,
            request: Cow::Borrowed(&request),
            text: Cow::Borrowed(text),
        }));
        op
    }

    fn write(&self, written: &Written<'_>) {
        let line = line(written);
        let mut place = self.0.place.lock();
        if place.failed.is_none()
            && let Err(error) = place.to.write_all(&line)
        {
            place.failed = Some(error.to_string());
        }
    }

    /// Ends the recording; says whether all of it was written.
    pub fn finish(&self) -> io::Result<()> {
        let mut place = self.0.place.lock();
        match &place.failed {
            Some(error) => Err(io::Error::other(error.clone())),
            None => place.to.flush(),
        }
    }

    /// The header as it is written: with the cluster's id where the reader doesn't know it yet.
    fn header(&self, header: &ResponseHeader) -> Header {
        let mut place = self.0.place.lock();
        let mut written = Header::of(header);
        if place.cluster_id != header.cluster_id {
            place.cluster_id.clone_from(&header.cluster_id);
            written.cluster_id = Some(header.cluster_id.clone());
        }
        written
    }
}

/// A call that has begun. One that is dropped without an end is one whose end nobody saw.
#[derive(Debug)]
#[must_use = "a call that has no end in the history has an unknown fate"]
pub struct Op {
    recorder: Recorder,
    number: u64,
    /// Of a mutation that is only to be tried.
    is_trial: bool,
}

impl Op {
    /// It was answered.
    pub fn answered(self, response: &impl Headed) {
        self.answered_with(response.header(), &response.encode_to_vec());
    }

    /// It was answered with a message of these bytes.
    pub fn answered_with(self, header: Option<&ResponseHeader>, response: &[u8]) {
        let at = (self.recorder.0.now_ns)();
        let response = STANDARD.encode(response);
        let header = header.map(|header| self.recorder.header(header));
        self.end(WrittenReturn { header, response: Some(Cow::Owned(response)), ..blank(at, Ending::Ok) });
    }

    /// A node said no.
    pub fn refused(
        self,
        header: Option<&ResponseHeader>,
        reason: &str,
        message: &str,
        metadata: BTreeMap<String, String>,
        fate: Option<Fate>,
    ) {
        let at = (self.recorder.0.now_ns)();
        // Of refusals only those of the log have a log time, and those of a trial, which is not in the log.
        let logged = !self.is_trial && header.is_some_and(|header| header.log_time.is_some());
        // What is only tried has no effect whatever comes.
        let fate = fate.filter(|_| !self.is_trial);
        let header = header.map(|header| self.recorder.header(header));
        self.end(WrittenReturn {
            header,
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            metadata,
            logged,
            fate,
            ..blank(at, Ending::Refused)
        });
    }

    /// Of a write: nobody told how it ended. Of one that was only tried that is a failure.
    pub fn unknown(self, message: &str) {
        if self.is_trial {
            return self.failed(message);
        }
        let at = (self.recorder.0.now_ns)();
        self.end(WrittenReturn { message: Some(message.to_owned()), ..blank(at, Ending::Unknown) });
    }

    /// Nobody answered, and nothing was done nor will be.
    pub fn failed(self, message: &str) {
        let at = (self.recorder.0.now_ns)();
        self.end(WrittenReturn { message: Some(message.to_owned()), ..blank(at, Ending::Failed) });
    }

    fn end(&self, written: WrittenReturn<'_>) {
        let recorder = Cow::Borrowed(self.recorder.0.id.as_str());
        self.recorder.write(&Written::Return(WrittenReturn { recorder, op: self.number, ..written }));
    }
}

fn blank(at: u64, result: Ending) -> WrittenReturn<'static> {
    WrittenReturn {
        recorder: Cow::Borrowed(""),
        op: 0,
        at,
        result,
        header: None,
        response: None,
        reason: None,
        message: None,
        metadata: BTreeMap::new(),
        logged: false,
        fate: None,
    }
}

fn line(written: &Written<'_>) -> Vec<u8> {
    let mut line = serde_json::to_vec(written).expect("texts, numbers and maps of texts are JSON");
    line.push(b'\n');
    line
}

/// The line of a log entry.
pub fn entry_line(entry: &LogEntry) -> Vec<u8> {
    let log_entry = Cow::Owned(STANDARD.encode(entry.encode_to_vec()));
    let (index, term, commands) = (entry.index, entry.term, entry.commands.len());
    line(&Written::Entry(WrittenEntry { index, term, commands, log_entry }))
}

/// The line of what a node said of its state.
pub fn state_line(state: &NodeState) -> Vec<u8> {
    line(&Written::State(state.clone()))
}
