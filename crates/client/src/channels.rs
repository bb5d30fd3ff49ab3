//! Connections: one a node, made when first used.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use stockade_proto::{Connection, Dialer};
use tonic::transport::{Channel, Endpoint};

use crate::error::Error;
use crate::limits;

/// The connections of a client. A connection that breaks is made anew by the next call on it.
#[derive(Debug)]
pub(crate) struct Channels {
    /// `None` for sockets.
    dialer: Option<Arc<dyn Dialer>>,
    open: Mutex<BTreeMap<String, Connection>>,
}

impl Channels {
    pub(crate) fn new(dialer: Option<Arc<dyn Dialer>>) -> Self {
        Self { dialer, open: Mutex::default() }
    }

    /// The connection to an address. Nothing is dialled before the first call on it.
    pub(crate) fn to(&self, address: &str) -> Result<Connection, Error> {
        let mut channels = self.open.lock();
        if let Some(channel) = channels.get(address) {
            return Ok(channel.clone());
        }
        let channel = match &self.dialer {
            Some(dialer) => dialer.dial(address),
            None => Connection::Socket(socket(address)?),
        };
        channels.insert(address.to_owned(), channel.clone());
        Ok(channel)
    }

    /// Forgets the connections to addresses that are no longer in use.
    pub(crate) fn keep_only(&self, addresses: &[String]) {
        self.open.lock().retain(|address, _| addresses.contains(address));
    }
}

fn socket(address: &str) -> Result<Channel, Error> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| Error::Invalid(format!("`{address}` is no address: {error}")))?;
    Ok(endpoint
        .connect_timeout(limits::CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(limits::KEEPALIVE)
        .keep_alive_timeout(limits::KEEPALIVE)
        // Bulk loads outgrow HTTP/2's default windows of 64 KiB.
        .http2_adaptive_window(true)
        .connect_lazy())
}
