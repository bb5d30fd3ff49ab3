//! Connections: one a node, made when first used.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use stockade_credentials::{Bearer, CallerTls};
use stockade_proto::{Carrier, Connection, Dialer};
use tonic::body::Body;
use tonic::codegen::http::header::AUTHORIZATION;
use tonic::codegen::{BoxFuture, Service as _, StdError, http};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::error::Error;
use crate::limits;

/// The connections of a client. A connection that breaks is made anew by the next call on it, and so is one whose certificate
/// a node takes no more, once there is another in its place.
#[derive(Debug)]
pub(crate) struct Channels {
    /// `None` for sockets.
    dialer: Option<Arc<dyn Dialer>>,
    /// `None` for plain text.
    tls: Option<CallerTls>,
    /// Counts connections that were given up for new certificates.
    renewed: Arc<AtomicU64>,
    /// Shared with the connections that show it.
    token: Token,
    open: Mutex<BTreeMap<String, Connection>>,
}

type Token = Arc<RwLock<Option<Bearer>>>;

impl Channels {
    pub(crate) fn new(
        dialer: Option<Arc<dyn Dialer>>,
        tls: Option<&CallerTls>,
        token: Option<Bearer>,
    ) -> Self {
        let token = Arc::new(RwLock::new(token));
        Self { dialer, tls: tls.cloned(), renewed: Arc::default(), token, open: Mutex::default() }
    }

    /// How many connections were given up for new certificates. Who was refused while this grew may come again.
    pub(crate) fn renewed(&self) -> u64 {
        self.renewed.load(Ordering::Acquire)
    }

    pub(crate) fn set_token(&self, token: Bearer) {
        *self.token.write() = Some(token);
    }

    /// The connection to an address. Nothing is dialled before the first call on it.
    pub(crate) fn to(&self, address: &str) -> Result<Connection, Error> {
        let mut channels = self.open.lock();
        if let Some(channel) = channels.get(address) {
            return Ok(channel.clone());
        }
        let channel = match (&self.dialer, &self.tls) {
            (Some(dialer), _) => dialer.dial(address),
            (None, None) => Connection::Socket(endpoint(address, "http")?.connect_lazy()),
            (None, Some(tls)) => {
                let dial = Dial { endpoint: endpoint(address, "https")?, tls: tls.clone() };
                let (token, renewed) = (Arc::clone(&self.token), Arc::clone(&self.renewed));
                let channel = Arc::new(Mutex::new(dial.dial()));
                Connection::Carried(Arc::new(Shown { dial, channel, token, renewed }))
            }
        };
        channels.insert(address.to_owned(), channel.clone());
        Ok(channel)
    }

    /// Forgets the connections to addresses that are no longer in use.
    pub(crate) fn keep_only(&self, addresses: &[String]) {
        self.open.lock().retain(|address, _| addresses.contains(address));
    }
}

/// How a connection over TLS is opened.
#[derive(Debug, Clone)]
struct Dial {
    endpoint: Endpoint,
    tls: CallerTls,
}

/// A connection, and the state of the files before it was opened.
#[derive(Debug, Clone)]
struct Dialled {
    channel: Channel,
    mark: Option<[u8; 32]>,
}

impl Dial {
    fn dial(&self) -> Dialled {
        let mark = self.tls.mark();
        Dialled { channel: self.endpoint.connect_with_connector_lazy(self.tls.connector()), mark }
    }
}

/// A connection over TLS on which the token is shown, where there is one.
#[derive(Debug)]
struct Shown {
    dial: Dial,
    channel: Arc<Mutex<Dialled>>,
    token: Token,
    renewed: Arc<AtomicU64>,
}

impl Carrier for Shown {
    fn carry(&self, mut call: http::Request<Body>) -> BoxFuture<http::Response<Body>, StdError> {
        if let Some(token) = &*self.token.read() {
            call.headers_mut().insert(AUTHORIZATION, token.header());
        }
        let (dial, current) = (self.dial.clone(), Arc::clone(&self.channel));
        let renewed = Arc::clone(&self.renewed);
        let Dialled { mut channel, mark } = current.lock().clone();
        Box::pin(async move {
            poll_fn(|context| channel.poll_ready(context)).await?;
            let response = channel.call(call).await?;
            if is_unauthenticated(&response) && dial.tls.mark() != mark {
                let mut current = current.lock();
                // Of several calls that were refused the first one dials.
                if current.mark == mark {
                    *current = dial.dial();
                }
                renewed.fetch_add(1, Ordering::Release);
            }
            Ok(response)
        })
    }
}

/// True of a call that is refused at the door because of who makes it: then its status is in the headers.
fn is_unauthenticated(response: &http::Response<Body>) -> bool {
    let status = Status::from_header_map(response.headers());
    status.is_some_and(|status| status.code() == Code::Unauthenticated)
}

fn endpoint(address: &str, scheme: &str) -> Result<Endpoint, Error> {
    let no_address =
        |error: &dyn std::fmt::Display| Error::Invalid(format!("`{address}` is no address: {error}"));
    let origin: http::Uri = format!("{scheme}://{address}").parse().map_err(|error| no_address(&error))?;
    // A connector of ours does what is to be done for TLS; tonic's own must not look for another.
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| no_address(&error))?;
    let handshake =
        if scheme == "https" { stockade_credentials::limits::HANDSHAKE_TIMEOUT } else { Duration::ZERO };
    Ok(endpoint
        .origin(origin)
        .connect_timeout(limits::CONNECT_TIMEOUT + handshake)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(limits::KEEPALIVE)
        .keep_alive_timeout(limits::KEEPALIVE)
        // Bulk loads outgrow HTTP/2's default windows of 64 KiB.
        .http2_adaptive_window(true))
}
