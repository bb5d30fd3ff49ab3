//! Connections: one a node, made when first used.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use stockade_credentials::{Bearer, CallerTls, Connector};
use stockade_proto::{Carrier, Connection, Dialer};
use tonic::body::Body;
use tonic::codegen::http::header::AUTHORIZATION;
use tonic::codegen::{BoxFuture, Service as _, StdError, http};
use tonic::transport::{Channel, Endpoint};

use crate::error::Error;
use crate::limits;

/// The connections of a client. A connection that breaks is made anew by the next call on it.
#[derive(Debug)]
pub(crate) struct Channels {
    /// `None` for sockets.
    dialer: Option<Arc<dyn Dialer>>,
    /// `None` for plain text.
    connector: Option<Connector>,
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
        let connector = tls.map(CallerTls::connector);
        Self { dialer, connector, token: Arc::new(RwLock::new(token)), open: Mutex::default() }
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
        let channel = match (&self.dialer, &self.connector) {
            (Some(dialer), _) => dialer.dial(address),
            (None, None) => Connection::Socket(endpoint(address, "http")?.connect_lazy()),
            (None, Some(connector)) => {
                let channel = endpoint(address, "https")?.connect_with_connector_lazy(connector.clone());
                Connection::Carried(Arc::new(Shown { channel, token: Arc::clone(&self.token) }))
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

/// A connection over TLS on which the token is shown, where there is one.
#[derive(Debug)]
struct Shown {
    channel: Channel,
    token: Token,
}

impl Carrier for Shown {
    fn carry(&self, mut call: http::Request<Body>) -> BoxFuture<http::Response<Body>, StdError> {
        if let Some(token) = &*self.token.read() {
            call.headers_mut().insert(AUTHORIZATION, token.header());
        }
        let mut channel = self.channel.clone();
        Box::pin(async move {
            poll_fn(|context| channel.poll_ready(context)).await?;
            Ok(channel.call(call).await?)
        })
    }
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
