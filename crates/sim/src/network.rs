//! The network: calls travel as messages with a delay, links are cut and heal, connections to a dead process break. The
//! gRPC services and clients are the real ones; what lies between them is this.
//!
//! Within a call the order of messages stands, as it does on a connection; among calls it doesn't. What a cut link
//! holds back arrives when it heals, or the connection breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use stockade_env::{Place, place};
use stockade_proto::{Carrier, Connection, Dialer};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, StdError, http};
use tonic::service::Routes;

use crate::settings::Settings;
use crate::trace::Trace;

/// A connection breaks when nothing has come through for so long.
const KEEPALIVE: Duration = Duration::from_secs(2);
/// Messages of a call on their way.
const WINDOW: usize = 16;

/// The network. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Network(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Rises with every change of what is cut or listening.
    changes: watch::Sender<u64>,
    arrivals: Notify,
    trace: Trace,
}

struct State {
    random: SmallRng,
    latency: (Duration, Duration),
    late_per_mille: u32,
    repeated_per_mille: u32,
    ports: BTreeMap<String, Port>,
    /// Directed.
    cuts: BTreeSet<(u64, u64)>,
}

/// What listens at an address.
#[derive(Clone)]
struct Port {
    node: u64,
    place: Place,
    routes: Routes,
}

/// A part of a call on its way.
enum Piece<Head> {
    Head(Head),
    Frame(Frame<Bytes>),
    Failed(Status),
    End,
}

/// Takes the pieces of one direction of a call, each with the time when it was sent.
type Sending<Head> = mpsc::Sender<(Instant, Piece<Head>)>;

impl Network {
    pub(crate) fn new(seed: u64, settings: &Settings, trace: Trace) -> Self {
        let state = State {
            random: SmallRng::seed_from_u64(seed ^ 0x6e65_7477),
            latency: settings.latency,
            late_per_mille: settings.late_per_mille,
            repeated_per_mille: settings.repeated_per_mille,
            ports: BTreeMap::new(),
            cuts: BTreeSet::new(),
        };
        let changes = watch::Sender::new(0);
        Self(Arc::new(Shared { state: Mutex::new(state), changes, arrivals: Notify::new(), trace }))
    }

    /// Waits until something has arrived anywhere since this was last asked.
    pub(crate) async fn arrival(&self) {
        self.0.arrivals.notified().await;
    }

    /// What opens connections for a host.
    pub(crate) fn dialer(&self, from: u64) -> Arc<dyn Dialer> {
        Arc::new(HostDialer { network: self.clone(), from })
    }

    /// A process listens from now on.
    pub(crate) fn listen(&self, address: String, node: u64, place: Place, routes: Routes) {
        self.0.state.lock().ports.insert(address, Port { node, place, routes });
        self.changed();
    }

    /// A node's process is gone.
    pub(crate) fn hang_up(&self, node: u64) {
        self.0.state.lock().ports.retain(|_, port| port.node != node);
        self.changed();
    }

    /// Nothing gets from one host to another any more.
    pub(crate) fn cut(&self, from: u64, to: u64) {
        self.0.state.lock().cuts.insert((from, to));
        self.changed();
    }

    /// All links are as they should be.
    pub(crate) fn heal(&self) {
        self.0.state.lock().cuts.clear();
        self.changed();
    }

    /// No message is late any more, and no call comes twice.
    pub(crate) fn calm(&self) {
        let mut state = self.0.state.lock();
        (state.late_per_mille, state.repeated_per_mille) = (0, 0);
    }

    /// When a call comes a second time; `None` for most.
    fn repeated_after(&self) -> Option<Duration> {
        let mut state = self.0.state.lock();
        let often = state.repeated_per_mille;
        if state.random.random_range(0..1_000) >= often {
            return None;
        }
        Some(Duration::from_millis(state.random.random_range(0..2_000)))
    }

    fn changed(&self) {
        self.0.changes.send_modify(|changes| *changes += 1);
    }

    fn delay(&self) -> Duration {
        let mut state = self.0.state.lock();
        let (shortest, longest) = state.latency;
        let mut delay = state.random.random_range(shortest..=longest);
        let late = state.late_per_mille;
        if state.random.random_range(0..1_000) < late {
            // As after a loss, when the other end asks for it again.
            delay += Duration::from_millis(state.random.random_range(200..1_200));
        }
        delay
    }

    fn port(&self, address: &str) -> Option<Port> {
        self.0.state.lock().ports.get(address).filter(|port| !port.place.has_ended()).cloned()
    }

    /// The host is reached, and says that nobody listens there.
    fn refuses(&self, from: u64, address: &str) -> bool {
        let to = Self::host_of(address);
        let is_cut = |from, to| self.0.state.lock().cuts.contains(&(from, to));
        self.port(address).is_none() && !is_cut(from, to) && !is_cut(to, from)
    }

    /// Who has an address, listening or not: links are cut between hosts.
    fn host_of(address: &str) -> u64 {
        let name = address.split(':').next().unwrap_or_default();
        name.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// Waits until a message may pass; false where the connection breaks before.
    async fn passes(&self, from: u64, to: u64) -> bool {
        let mut changes = self.0.changes.subscribe();
        let open = async {
            loop {
                if !self.0.state.lock().cuts.contains(&(from, to)) {
                    return;
                }
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        timeout(KEEPALIVE, open).await.is_ok()
    }

    /// Carries the pieces of one direction of a call. Ends when either end is gone.
    async fn carry<Head>(
        self,
        (from, to): (u64, u64),
        mut sent: mpsc::Receiver<(Instant, Piece<Head>)>,
        arrived: mpsc::Sender<Piece<Head>>,
    ) {
        let reset = || Piece::Failed(Status::unavailable("the connection broke"));
        let mut due = Instant::now();
        loop {
            let next = tokio::select! {
                biased;
                () = arrived.closed() => return,
                next = sent.recv() => next,
            };
            // The process that sent ended in the middle of the call.
            let (at, piece) = next.unwrap_or_else(|| (Instant::now(), reset()));
            due = due.max(at + self.delay());
            sleep_until(due).await;
            let piece = if self.passes(from, to).await { piece } else { reset() };
            if let Piece::Frame(frame) = &piece
                && let Some(data) = frame.data_ref()
            {
                self.0.trace.message(from, to, data);
            }
            let last = matches!(piece, Piece::End | Piece::Failed(_));
            let gone = arrived.send(piece).await.is_err();
            self.0.arrivals.notify_one();
            if gone || last {
                return;
            }
        }
    }

    /// A direction of a call: what to send into, and what arrives.
    fn line<Head: Send + 'static>(&self, ends: (u64, u64)) -> (Sending<Head>, mpsc::Receiver<Piece<Head>>) {
        let (sender, sent) = mpsc::channel(WINDOW);
        let (arrived, receiver) = mpsc::channel(1);
        // In no place: what is on the wire outlives who sent it.
        let network = self.clone();
        drop(place::outside(network.carry(ends, sent, arrived)));
        (sender, receiver)
    }

    async fn call(
        self,
        from: u64,
        address: String,
        call: http::Request<Body>,
    ) -> Result<http::Response<Body>, StdError> {
        let to = Self::host_of(&address);
        let (asking, mut asked) = self.line::<()>((from, to));
        let (parts, body) = call.into_parts();
        // What asks for the way there travels like any message.
        if asking.send((Instant::now(), Piece::Head(()))).await.is_err() {
            return Err("the connection broke".into());
        }
        place::spawn(send_body(body, asking));
        match asked.recv().await {
            Some(Piece::Head(())) => {}
            _ => return Err("the host does not answer".into()),
        }
        let Some(port) = self.port(&address) else {
            sleep(self.delay()).await;
            return Err("connection refused".into());
        };
        let (answering, mut answer) = self.line::<http::response::Parts>((to, from));
        let body = match self.repeated_after() {
            Some(later) => self.also_later(later, &address, &parts, asked),
            None => body_of(asked),
        };
        let request = http::Request::from_parts(parts, body);
        port.place.spawn(serve(port.routes.clone(), request, answering));
        match answer.recv().await {
            Some(Piece::Head(parts)) => Ok(http::Response::from_parts(parts, body_of(answer))),
            _ => Err("the connection broke".into()),
        }
    }
}

impl Network {
    /// Passes a call's content on, and has the whole call arrive once more after its end, as a proxy may that thinks it
    /// lost. Nobody hears what is answered then. A call that breaks off, or never ends, comes once.
    fn also_later(
        &self,
        later: Duration,
        address: &str,
        parts: &http::request::Parts,
        mut asked: mpsc::Receiver<Piece<()>>,
    ) -> Body {
        let (passed, pieces) = mpsc::channel(1);
        let (network, address, parts) = (self.clone(), address.to_owned(), parts.clone());
        drop(place::outside(async move {
            let mut copy: Vec<Bytes> = Vec::new();
            let whole = loop {
                let next = tokio::select! {
                    biased;
                    () = passed.closed() => None,
                    next = asked.recv() => next,
                };
                let Some(piece) = next else { break false };
                if let Piece::Frame(frame) = &piece {
                    copy.extend(frame.data_ref().cloned());
                }
                let last = matches!(piece, Piece::End | Piece::Failed(_));
                let whole = matches!(piece, Piece::End);
                if passed.send(piece).await.is_err() || last {
                    break whole;
                }
            };
            sleep(later).await;
            let Some(port) = network.port(&address).filter(|_| whole) else { return };
            let frames = copy.into_iter().map(|data| Ok::<_, Status>(Frame::data(data)));
            let request = http::Request::from_parts(parts, Body::new(StreamBody::new(stream::iter(frames))));
            let (answering, mut unheard) = mpsc::channel(WINDOW);
            port.place.spawn(serve(port.routes.clone(), request, answering));
            while unheard.recv().await.is_some() {}
        }));
        body_of(pieces)
    }
}

/// Serves a call in the place of the process that was called, until it is answered or nobody waits for it any more.
async fn serve(
    mut routes: Routes,
    request: http::Request<Body>,
    answering: mpsc::Sender<(Instant, Piece<http::response::Parts>)>,
) {
    let given_up = answering.clone();
    let answer = async {
        let Ok(()) =
            poll_fn(|context| Service::<http::Request<Body>>::poll_ready(&mut routes, context)).await;
        let Ok(response) = routes.call(request).await;
        let (parts, body) = response.into_parts();
        if answering.send((Instant::now(), Piece::Head(parts))).await.is_ok() {
            send_body(body, answering).await;
        }
    };
    tokio::select! {
        biased;
        () = answer => {}
        () = given_up.closed() => {}
    }
}

async fn send_body<Head>(mut body: Body, line: mpsc::Sender<(Instant, Piece<Head>)>) {
    loop {
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = line.closed() => return,
        };
        let (piece, last) = match frame {
            Some(Ok(frame)) => (Piece::Frame(frame), false),
            Some(Err(status)) => (Piece::Failed(status), true),
            None => (Piece::End, true),
        };
        if line.send((Instant::now(), piece)).await.is_err() || last {
            return;
        }
    }
}

fn body_of<Head: Send + 'static>(pieces: mpsc::Receiver<Piece<Head>>) -> Body {
    let frames = stream::unfold(Some(pieces), |pieces| async {
        let mut pieces = pieces?;
        match pieces.recv().await {
            Some(Piece::Frame(frame)) => Some((Ok(frame), Some(pieces))),
            Some(Piece::End | Piece::Head(_)) => None,
            Some(Piece::Failed(status)) => Some((Err(status), None)),
            None => Some((Err(Status::unavailable("the connection broke")), None)),
        }
    });
    Body::new(StreamBody::new(frames))
}

struct HostDialer {
    network: Network,
    from: u64,
}

impl Dialer for HostDialer {
    fn dial(&self, address: &str) -> Connection {
        let (network, from) = (self.network.clone(), self.from);
        Connection::Carried(Arc::new(Line { network, from, address: address.to_owned() }))
    }

    fn refuses(&self, address: &str) -> bool {
        self.network.refuses(self.from, address)
    }
}

struct Line {
    network: Network,
    from: u64,
    address: String,
}

impl Carrier for Line {
    fn carry(&self, call: http::Request<Body>) -> BoxFuture<http::Response<Body>, StdError> {
        Box::pin(self.network.clone().call(self.from, self.address.clone(), call))
    }
}

impl fmt::Debug for HostDialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostDialer(from {})", self.from)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({} to {})", self.from, self.address)
    }
}
