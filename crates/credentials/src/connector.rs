//! Opens connections over TLS, for tonic's channels: each with the certificates that are in use when it is opened.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::codegen::{BoxFuture, Service, http};

use crate::certificate::Certificate;
use crate::limits;
use crate::node_name::NodeName;

type Settings = Arc<dyn Fn() -> Result<Arc<ClientConfig>, String> + Send + Sync>;
type Check = Arc<dyn Fn(&[CertificateDer<'_>]) -> Result<(), String> + Send + Sync>;

/// Opens connections over TLS. Cheap to clone.
#[derive(Clone)]
pub struct Connector {
    settings: Settings,
    /// What the other end's certificate must name instead of the host that is dialled.
    server_name: Option<String>,
    /// Who the other end must be besides.
    check: Option<Check>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

impl Connector {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, server_name: None, check: None }
    }

    pub(crate) fn with_server_name(self, server_name: Option<String>) -> Self {
        Self { server_name, ..self }
    }

    pub(crate) fn with_check(self, check: Check) -> Self {
        Self { check: Some(check), ..self }
    }

    async fn connect(self, uri: http::Uri) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
        let host = uri.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = self.server_name.as_deref().unwrap_or(bare);
        let name = ServerName::try_from(name.to_owned());
        let name = name.map_err(|_| other(format!("`{host}` is no name that a certificate could have")))?;
        let settings = (self.settings)().map_err(other)?;
        let stream = TcpStream::connect((bare, uri.port_u16().unwrap_or(443))).await?;
        // Only a hint: a connection without it is slower, not wrong.
        let _ = stream.set_nodelay(true);
        let handshake = TlsConnector::from(settings).connect(name, stream);
        let late = || io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake took too long");
        let stream = timeout(limits::HANDSHAKE_TIMEOUT, handshake).await.map_err(|_| late())??;
        if let Some(check) = &self.check {
            check(stream.get_ref().1.peer_certificates().unwrap_or_default()).map_err(other)?;
        }
        Ok(TokioIo::new(stream))
    }
}

/// Refuses who is not a node of the cluster, or not the one that was meant.
pub(crate) fn must_be(shown: &Certificate, cluster: &str, node_id: Option<u64>) -> Result<(), String> {
    let fits =
        |name: &NodeName| name.cluster == cluster && node_id.is_none_or(|node_id| name.node_id == node_id);
    if shown.node.as_ref().is_some_and(fits) {
        return Ok(());
    }
    let meant = node_id.map_or_else(|| "a node".to_owned(), |node_id| format!("node {node_id}"));
    let is = shown.node.as_ref().map_or_else(|| format!("`{}`", shown.name), ToString::to_string);
    Err(format!("the certificate of {meant} of cluster {cluster} was expected, the other end is {is}"))
}

fn other(what: String) -> io::Error {
    io::Error::other(what)
}

impl Service<http::Uri> for Connector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = BoxFuture<Self::Response, io::Error>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}
