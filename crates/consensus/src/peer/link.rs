//! Connections to peers: lazy, one a purpose, so that no heartbeat waits behind a snapshot. The only place that opens
//! one; where a cluster is simulated, its dialer goes in here.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;
use stockade_credentials::{Credentials, Renewals};
use stockade_proto::internal::Envelope;
use stockade_proto::internal::peer_service_client::PeerServiceClient;
use stockade_proto::{Connection, Dialer};
use stockade_storage::Identity;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};

use super::acknowledged::Acknowledged;
use super::heard_from::HeardFrom;
use crate::limits;

/// For a connection to an address of which it is not known whose it is. No node has this id.
pub(crate) const NOBODY: u64 = 0;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// Log entries.
    Append,
    /// Heartbeats, votes and transfers of the lead: small and urgent.
    Heartbeat,
    /// Snapshots.
    Snapshot,
    /// Commands of callers.
    Forward,
    /// Read indexes and status.
    Query,
}

/// The address of a peer can't be understood.
#[derive(Debug, thiserror::Error)]
#[error("the address {address:?} of node {node} is none: {cause}")]
pub(crate) struct BadAddress {
    node: u64,
    address: String,
    cause: String,
}

/// The connections of a node.
///
/// Invariants:
/// - At most one connection a peer and purpose; it is replaced when the peer's address changes, and when this node shows or
///   believes something else. What is in flight on the old one ends on it.
/// - An override wins over any other address.
#[derive(Debug)]
pub(crate) struct Links {
    identity: Identity,
    overrides: BTreeMap<u64, String>,
    /// `None` for sockets.
    dialer: Option<Arc<dyn Dialer>>,
    /// `None` for plain text.
    credentials: Option<Credentials>,
    pub(crate) acknowledged: Acknowledged,
    pub(crate) heard: HeardFrom,
    /// This node began without data and has not caught up since, see `founding.rs`.
    pub(crate) founding: AtomicBool,
    renewals: Renewals,
    open: Mutex<BTreeMap<(u64, Purpose), Open>>,
}

/// A connection, and what it was opened with.
#[derive(Debug)]
struct Open {
    address: String,
    /// See [`Renewals::count`].
    renewal: u64,
    channel: Connection,
}

impl Links {
    pub(crate) fn new(
        identity: Identity,
        overrides: BTreeMap<u64, String>,
        dialer: Option<Arc<dyn Dialer>>,
        credentials: Option<Credentials>,
        founding: bool,
    ) -> Self {
        let (founding, acknowledged) = (AtomicBool::new(founding), Acknowledged::default());
        let heard = HeardFrom::default();
        let renewals = credentials.as_ref().map_or_else(Renewals::never, Credentials::renewals);
        Self {
            identity,
            overrides,
            dialer,
            credentials,
            acknowledged,
            heard,
            founding,
            renewals,
            open: Mutex::default(),
        }
    }

    /// Names both ends of a call to a peer.
    pub(crate) fn envelope(&self, to_node: u64) -> Envelope {
        let Identity { cluster_id, node_id } = &self.identity;
        Envelope { cluster_id: cluster_id.clone(), from_node: *node_id, to_node }
    }

    /// Tells from now on when connections that are open should be left for new ones. Whoever keeps one asks for this first.
    pub(crate) fn renewals(&self) -> Renewals {
        self.credentials.as_ref().map_or_else(Renewals::never, Credentials::renewals)
    }

    /// The connection to a peer for a purpose. It connects with the first call, and again after a failure.
    pub(crate) fn channel(
        &self,
        node: u64,
        address: &str,
        purpose: Purpose,
    ) -> Result<Connection, BadAddress> {
        let address = self.overrides.get(&node).map_or(address, String::as_str);
        let mut open = self.open.lock();
        // Looked at before the connection is made: one that is newer than this is replaced once too often, none too rarely.
        let renewal = self.renewals.count();
        if let Some(known) = open.get(&(node, purpose))
            && known.address == address
            && known.renewal == renewal
        {
            return Ok(known.channel.clone());
        }
        let channel = match &self.dialer {
            Some(dialer) => dialer.dial(address),
            None => Connection::Socket(self.socket(node, address).map_err(|cause| BadAddress {
                node,
                address: address.to_owned(),
                cause,
            })?),
        };
        let opened = Open { address: address.to_owned(), renewal, channel: channel.clone() };
        open.insert((node, purpose), opened);
        Ok(channel)
    }

    /// True where nobody listens at a peer's address: its process is gone.
    pub(crate) async fn refuses(&self, node: u64, address: &str) -> bool {
        let address = self.overrides.get(&node).map_or(address, String::as_str);
        match &self.dialer {
            Some(dialer) => dialer.refuses(address),
            None => connection_refused(address).await,
        }
    }

    /// Over TLS whoever answers must show the certificate of that node, or of some node where it isn't known which.
    fn socket(&self, node: u64, address: &str) -> Result<Channel, String> {
        let endpoint = endpoint(address)?;
        let Some(credentials) = &self.credentials else { return Ok(endpoint.connect_lazy()) };
        let origin = format!("https://{address}").parse().map_err(|_| "no address".to_owned())?;
        let connector = credentials.connector((node != NOBODY).then_some(node));
        let handshake = limits::CONNECT_TIMEOUT + stockade_credentials::limits::HANDSHAKE_TIMEOUT;
        Ok(endpoint.origin(origin).connect_timeout(handshake).connect_with_connector_lazy(connector))
    }

    /// [`Links::channel`] with the calls of peers on it.
    pub(crate) fn client(
        &self,
        node: u64,
        address: &str,
        purpose: Purpose,
    ) -> Result<PeerServiceClient<Connection>, BadAddress> {
        Ok(PeerServiceClient::new(self.channel(node, address, purpose)?)
            .max_decoding_message_size(limits::MAX_PEER_MESSAGE_BYTES)
            .max_encoding_message_size(limits::MAX_PEER_MESSAGE_BYTES))
    }
}

fn endpoint(address: &str) -> Result<Endpoint, String> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| error.to_string())?;
    Ok(endpoint
        .connect_timeout(limits::CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(limits::KEEPALIVE)
        .keep_alive_timeout(limits::KEEPALIVE)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES))
}

/// True where a connection is refused, and only then: who doesn't answer may still be there.
async fn connection_refused(address: &str) -> bool {
    match timeout(limits::CONNECT_TIMEOUT, TcpStream::connect(address)).await {
        Ok(Err(error)) => error.kind() == ErrorKind::ConnectionRefused,
        Ok(Ok(_)) | Err(_) => false,
    }
}
