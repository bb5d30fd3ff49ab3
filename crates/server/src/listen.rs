//! Ports: bound early, so that one that is listened on already is told at once, and listened on once calls can be answered: until then
//! connections are refused, and nobody waits for answers. There is a bound on connections and on how long one may be silent.
//!
//! Invariants:
//! - Handshakes of TLS run side by side, so that none waits for another. Of too many the one that has taken longest is
//!   given up: who says nothing loses its place to who comes next.
//! - One address holds a part of the places at most, however many connections it opens.

use std::collections::BTreeMap;
use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{AbortHandle, BoxFuture, FutureExt as _, abortable};
use futures_util::stream::{self, FuturesUnordered, Stream};
use stockade_credentials::{Audience, ConnectionInfo, Credentials, ServerStream};
use stockade_env::Throttle;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, timeout};
use tonic::transport::server::Connected;

use crate::error::StartError;
use crate::limits;
use crate::places::{Place, Places};

/// A port that connections are refused on as yet.
pub(crate) struct BoundPort {
    purpose: &'static str,
    socket: TcpSocket,
    address: SocketAddr,
    connections: usize,
    patience: Patience,
}

/// A port that is listened on.
pub(crate) struct Port {
    purpose: &'static str,
    listener: TcpListener,
    free: Arc<Semaphore>,
    /// By address, once they are past the handshake of TLS. Without TLS all come from this machine, or from a network that is trusted,
    /// and none is bounded by itself.
    places: Places,
    told: Throttle,
    patience: Patience,
    /// `None` for plain text.
    tls: Option<Handshakes>,
    refused: Arc<AtomicU64>,
}

/// How long a connection may take.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    /// To the end of the caller's part of the HTTP/2 handshake; afterwards HTTP/2 pings watch over it.
    Handshake(Duration),
    /// The same, and from the end of the handshake to the end.
    HandshakeAndLife(Duration, Duration),
    /// From begin to end.
    Whole(Duration),
}

impl BoundPort {
    /// Binds; an error says what the port is for.
    pub(crate) fn bind(
        purpose: &'static str,
        address: SocketAddr,
        connections: usize,
        patience: Patience,
    ) -> Result<Self, StartError> {
        let failed = |source| StartError::Bind { purpose, address, source };
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = socket.map_err(failed)?;
        // Or what is left of the connections of a run before would keep this one from it.
        socket.set_reuseaddr(true).map_err(failed)?;
        socket.bind(address).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { purpose, socket, address, connections, patience })
    }

    /// Where it is bound, with the port that the system chose.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes connections from now on. An error where another process began to listen meanwhile.
    pub(crate) fn listen(self) -> Result<Port, StartError> {
        let Self { purpose, socket, address, connections, patience } = self;
        let failed = |source| StartError::Bind { purpose, address, source };
        let listener = socket.listen(limits::BACKLOG).map_err(failed)?;
        let free = Arc::new(Semaphore::new(connections));
        let places = Places::new(connections);
        let told = Throttle::new(limits::REFUSED_HANDSHAKES_TOLD, limits::REFUSED_HANDSHAKES_EVERY);
        let refused = Arc::default();
        Ok(Port { purpose, listener, free, places, told, patience, tls: None, refused })
    }
}

impl Port {
    /// Takes connections over TLS alone from now on.
    pub(crate) fn secure(&mut self, credentials: &Credentials, audience: Audience) {
        let connections = self.free.available_permits();
        self.places = Places::new((connections / limits::ADDRESS_SHARE).max(1));
        let at_most = (connections / limits::HANDSHAKE_SHARE).max(1);
        self.tls = Some(Handshakes::new(credentials.clone(), audience, at_most));
    }

    /// How many connections were refused in their handshake, as it counts on.
    pub(crate) fn refused(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.refused)
    }

    /// The next connection. Waits while as many as allowed are open.
    pub(crate) async fn next(&mut self) -> (Connection, SocketAddr) {
        loop {
            let (stream, from, permit) = self.through_tls().await;
            if let Some(place) = self.places.take(from) {
                return (Connection::new(stream, permit, place, self.patience), from);
            }
            self.refused.fetch_add(1, Ordering::Relaxed);
            if let Some(untold) = self.told.pass() {
                let port = self.purpose;
                tracing::warn!(port, %from, untold, "a connection is refused: its address has as many as one may have");
            }
        }
    }

    /// The next connection that is through its handshake, where there is one.
    async fn through_tls(&mut self) -> (Transport, SocketAddr, OwnedSemaphorePermit) {
        loop {
            let Some(tls) = &mut self.tls else {
                let (stream, from, permit) = accept(&self.listener, &self.free).await;
                return (Transport::Plain(stream), from, permit);
            };
            let (shaken, from) = tokio::select! {
                shaken = tls.next() => shaken,
                (stream, from, permit) = accept(&self.listener, &self.free) => {
                    tls.begin(stream, from, permit);
                    continue;
                }
            };
            match shaken {
                Ok((stream, permit)) => return (Transport::Tls(Box::new(stream)), from, permit),
                Err(error) => {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                    tls.tell(self.purpose, from, &error);
                }
            }
        }
    }

    /// All connections, as tonic wants them.
    pub(crate) fn connections(self) -> impl Stream<Item = io::Result<Connection>> {
        stream::unfold(self, |mut port| async move {
            let (connection, _) = port.next().await;
            Some((Ok(connection), port))
        })
    }
}

/// The next connection that the system has, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    free: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let permit = Arc::clone(free).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                // Only a hint: a connection without it is slower, not wrong.
                let _ = stream.set_nodelay(true);
                return (stream, from, permit);
            }
            Err(error) => {
                let address = listener.local_addr().ok();
                tracing::warn!(%error, ?address, "a connection could not be accepted");
                tokio::time::sleep(limits::ACCEPT_PAUSE).await;
            }
        }
    }
}

type Shaken = io::Result<(ServerStream<TcpStream>, OwnedSemaphorePermit)>;

/// Handshakes of TLS under way.
///
/// Invariants:
/// - `running` has a handle for each handshake that has not ended, by its number: the lowest is the oldest.
struct Handshakes {
    credentials: Credentials,
    audience: Audience,
    at_most: usize,
    begun: u64,
    running: BTreeMap<u64, AbortHandle>,
    ending: FuturesUnordered<BoxFuture<'static, (u64, SocketAddr, Shaken)>>,
    told: Throttle,
}

impl Handshakes {
    fn new(credentials: Credentials, audience: Audience, at_most: usize) -> Self {
        Self {
            credentials,
            audience,
            at_most,
            begun: 0,
            running: BTreeMap::new(),
            ending: FuturesUnordered::new(),
            told: Throttle::new(limits::REFUSED_HANDSHAKES_TOLD, limits::REFUSED_HANDSHAKES_EVERY),
        }
    }

    fn begin(&mut self, stream: TcpStream, from: SocketAddr, permit: OwnedSemaphorePermit) {
        if self.running.len() >= self.at_most
            && let Some((_, oldest)) = self.running.pop_first()
        {
            oldest.abort();
        }
        let number = self.begun;
        self.begun += 1;
        let (credentials, audience) = (self.credentials.clone(), self.audience);
        let (handshake, handle) = abortable(async move {
            let shaking = credentials.accept(audience, stream);
            let late = |_| io::Error::from(io::ErrorKind::TimedOut);
            let stream = timeout(limits::HANDSHAKE_TIMEOUT, shaking).await.map_err(late)??;
            Ok((stream, permit))
        });
        self.running.insert(number, handle);
        let crowded_out = || io::Error::other("others came while it said nothing");
        let ended = handshake.map(move |ended| (number, from, ended.unwrap_or_else(|_| Err(crowded_out()))));
        self.ending.push(ended.boxed());
    }

    /// The next handshake that ends, well or not.
    async fn next(&mut self) -> (Shaken, SocketAddr) {
        match self.ending.next().await {
            Some((number, from, shaken)) => {
                self.running.remove(&number);
                (shaken, from)
            }
            None => std::future::pending().await,
        }
    }

    /// A caller who comes wrongly is its own business; a peer that does so is the operator's.
    fn tell(&self, port: &str, from: SocketAddr, error: &io::Error) {
        if self.audience != Audience::Peers {
            tracing::debug!(port, %from, %error, "a connection is refused");
        } else if let Some(untold) = self.told.pass() {
            tracing::warn!(
                port, %from, %error, untold,
                "a connection from a peer is refused; do all nodes have TLS, certificates of one authority, and their own id in them?"
            );
        }
    }
}

impl axum::serve::Listener for Port {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        self.next().await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// What a connection's bytes go through.
enum Transport {
    Plain(TcpStream),
    Tls(Box<ServerStream<TcpStream>>),
}

impl Transport {
    fn info(&self) -> ConnectionInfo {
        match self {
            Self::Plain(stream) => ConnectionInfo { remote: stream.peer_addr().ok(), certificate: None },
            Self::Tls(stream) => ConnectionInfo {
                remote: stream.get_ref().peer_addr().ok(),
                certificate: stream.certificate.clone(),
            },
        }
    }
}

/// Does the same with either.
macro_rules! either {
    ($transport:expr, $stream:ident => $what:expr) => {
        match $transport {
            Transport::Plain($stream) => $what,
            Transport::Tls($stream) => $what,
        }
    };
}

/// An accepted connection. Gives its place back when it is dropped.
pub(crate) struct Connection {
    stream: Transport,
    deadline: Option<Pin<Box<Sleep>>>,
    /// Bytes of the handshake that have not come yet; `None` where the deadline stands whatever comes.
    handshake_left: Option<usize>,
    /// From the end of the handshake.
    life: Option<Duration>,
    _permit: OwnedSemaphorePermit,
    _place: Place,
}

impl Connection {
    fn new(stream: Transport, permit: OwnedSemaphorePermit, place: Place, patience: Patience) -> Self {
        let (limit, handshake_left, life) = match patience {
            Patience::Handshake(limit) => (limit, Some(limits::HANDSHAKE_BYTES), None),
            Patience::HandshakeAndLife(limit, life) => (limit, Some(limits::HANDSHAKE_BYTES), Some(life)),
            Patience::Whole(limit) => (limit, None, None),
        };
        let deadline = Some(Box::pin(tokio::time::sleep(limit)));
        Self { stream, deadline, handshake_left, life, _permit: permit, _place: place }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let had = buffer.filled().len();
        let polled = either!(&mut self.stream, stream => Pin::new(stream).poll_read(context, buffer));
        if let Some(left) = &mut self.handshake_left {
            *left = left.saturating_sub(buffer.filled().len().saturating_sub(had));
            if *left == 0 {
                self.handshake_left = None;
                self.deadline = self.life.map(|life| Box::pin(tokio::time::sleep(life)));
            }
        }
        if polled.is_pending()
            && let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut)));
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(&mut self.stream, stream => Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(&mut self.stream, stream => Pin::new(stream).poll_write_vectored(context, buffers))
    }

    fn is_write_vectored(&self) -> bool {
        either!(&self.stream, stream => stream.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(&mut self.stream, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(&mut self.stream, stream => Pin::new(stream).poll_shutdown(context))
    }
}

impl Connected for Connection {
    type ConnectInfo = ConnectionInfo;

    fn connect_info(&self) -> ConnectionInfo {
        self.stream.info()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn bound(connections: usize, patience: Patience) -> BoundPort {
        BoundPort::bind("a test", "127.0.0.1:0".parse().unwrap(), connections, patience).unwrap()
    }

    fn port(connections: usize, patience: Patience) -> (Port, SocketAddr) {
        let bound = bound(connections, patience);
        let address = bound.address();
        (bound.listen().unwrap(), address)
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_refused_with_its_address() {
        let patience = Patience::Whole(Duration::from_secs(1));
        let (_first, address) = port(1, patience);
        let second = BoundPort::bind("a test", address, 1, patience).map(|_| ()).unwrap_err();
        assert_eq!(second.exit(), crate::Exit::PortInUse);
        assert!(second.to_string().contains(&address.to_string()));
    }

    #[tokio::test]
    async fn nobody_waits_at_a_port_whose_calls_are_not_answered_yet() {
        let bound = bound(1, Patience::Whole(Duration::from_secs(1)));
        let address = bound.address();
        let refused = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let _port = bound.listen().unwrap();
        TcpStream::connect(address).await.unwrap();
    }

    #[tokio::test]
    async fn a_silent_connection_is_given_up() {
        let (mut port, address) = port(1, Patience::Handshake(Duration::from_millis(20)));
        let _caller = TcpStream::connect(address).await.unwrap();
        let (mut connection, _) = port.next().await;
        let read = connection.read(&mut [0; 8]).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_connection_that_stops_within_its_handshake_is_given_up() {
        let (mut port, address) = port(1, Patience::Handshake(Duration::from_millis(20)));
        let mut caller = TcpStream::connect(address).await.unwrap();
        let (mut connection, _) = port.next().await;
        let mut bytes = [0; limits::HANDSHAKE_BYTES - 1];
        caller.write_all(&bytes).await.unwrap();
        connection.read_exact(&mut bytes).await.unwrap();
        let read = connection.read(&mut bytes).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_connection_after_its_handshake_may_be_silent() {
        let (mut port, address) = port(1, Patience::Handshake(Duration::from_millis(20)));
        let mut caller = TcpStream::connect(address).await.unwrap();
        let (mut connection, _) = port.next().await;
        let mut bytes = [0; limits::HANDSHAKE_BYTES];
        caller.write_all(&bytes).await.unwrap();
        connection.read_exact(&mut bytes).await.unwrap();
        let silent = tokio::time::timeout(Duration::from_millis(100), connection.read(&mut bytes)).await;
        assert!(silent.is_err(), "{silent:?}");
    }

    #[tokio::test]
    async fn a_connection_whose_time_is_over_ends_whatever_it_does() {
        let life = Duration::from_millis(20);
        let (mut port, address) = port(1, Patience::HandshakeAndLife(Duration::from_mins(1), life));
        let mut caller = TcpStream::connect(address).await.unwrap();
        let (mut connection, _) = port.next().await;
        let mut bytes = [0; limits::HANDSHAKE_BYTES];
        caller.write_all(&bytes).await.unwrap();
        connection.read_exact(&mut bytes).await.unwrap();
        let ended = timeout(Duration::from_secs(10), connection.read(&mut bytes)).await;
        assert_eq!(ended.expect("it ends").unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_connection_beyond_the_limit_waits_for_a_place() {
        let (mut port, address) = port(1, Patience::Whole(Duration::from_secs(10)));
        let _one = TcpStream::connect(address).await.unwrap();
        let _two = TcpStream::connect(address).await.unwrap();
        let (first, _) = port.next().await;
        let mut second = Box::pin(port.next());
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        drop(first);
        tokio::time::timeout(Duration::from_secs(5), second).await.unwrap();
    }

    #[tokio::test]
    async fn an_address_with_as_many_connections_as_one_may_have_is_refused_and_others_are_not() {
        let (mut port, address) = port(8, Patience::Whole(Duration::from_mins(1)));
        port.places = Places::new(2);
        let refused = port.refused();
        let from = async |ip: &str| {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind(format!("{ip}:0").parse().unwrap()).unwrap();
            socket.connect(address).await.unwrap()
        };
        let mut greedy = Vec::new();
        for _ in 0..3 {
            greedy.push(from("127.0.0.1").await);
        }
        let honest = from("127.0.0.2").await;
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(timeout(limits::HANDSHAKE_TIMEOUT, port.next()).await.expect("a place is free"));
        }
        assert_eq!(held[2].1, honest.local_addr().unwrap(), "the third of the other address is passed over");
        assert_eq!(refused.load(Ordering::Relaxed), 1);
        assert_eq!(greedy[2].read(&mut [0; 1]).await.unwrap(), 0, "it is closed");
        // A place that is given back can be taken again.
        held.remove(0);
        let again = tokio::net::TcpStream::connect(address).await.unwrap();
        let (_taken, who) = timeout(limits::HANDSHAKE_TIMEOUT, port.next()).await.expect("a place is free");
        assert_eq!(who, again.local_addr().unwrap());
    }

    /// The certificates of node 1, and how somebody connects who believes them.
    fn certificates(dir: &std::path::Path) -> (Credentials, stockade_credentials::Connector) {
        use std::os::unix::fs::PermissionsExt as _;
        use stockade_credentials::{CallerTls, NodeName, issue::Authority, names};
        let (authority, _) = Authority::new("an authority", 30).unwrap();
        let name = NodeName { cluster: "test".to_owned(), node_id: 1 };
        let own = authority.node(&name, &["localhost".to_owned()], 30).unwrap();
        std::fs::write(dir.join(names::CA_CERT), &authority.certificates).unwrap();
        std::fs::write(dir.join(names::NODE_CERT), own.certificate).unwrap();
        std::fs::write(dir.join(names::NODE_KEY), own.key).unwrap();
        std::fs::set_permissions(dir.join(names::NODE_KEY), std::fs::Permissions::from_mode(0o600)).unwrap();
        let credentials = Credentials::open(dir, name, stockade_env::Env::real().clock).unwrap();
        (credentials, CallerTls::in_dir(dir).connector())
    }

    #[tokio::test]
    async fn who_says_nothing_in_a_handshake_holds_nobody_up() {
        use tonic::codegen::Service as _;
        let dir = tempfile::tempdir().unwrap();
        let (credentials, mut connector) = certificates(dir.path());
        let (mut port, address) = port(8, Patience::Handshake(Duration::from_mins(1)));
        port.secure(&credentials, Audience::Callers);
        let refused = port.refused();
        let mut silent = Vec::new();
        for _ in 0..20 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let uri = format!("https://localhost:{}", address.port()).parse().unwrap();
        // Far less than a silent one may take: nobody waits for it.
        let ((connection, _), called) =
            timeout(limits::HANDSHAKE_TIMEOUT / 2, async { tokio::join!(port.next(), connector.call(uri)) })
                .await
                .expect("it gets through");
        called.unwrap();
        assert!(connection.stream.info().remote.is_some());
        assert!(refused.load(Ordering::Relaxed) >= 18, "the oldest were given up");
    }
}
