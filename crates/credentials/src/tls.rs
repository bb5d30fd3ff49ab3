//! Settings of rustls, in one place: TLS 1.3 on ring, no resumption.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::error::Error;

/// HTTP/2, as gRPC speaks it.
pub(crate) const ALPN_H2: &[u8] = b"h2";
/// HTTP/1.1, for metrics and probes.
pub(crate) const ALPN_HTTP1: &[u8] = b"http/1.1";

/// Certificates, the owner's first, and the key to it.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Clone for Pair {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

/// Whom a server asks for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    /// Nobody.
    Nobody,
    /// Everybody; who has none may come all the same.
    Everybody,
    /// Everybody; who has none is turned away.
    Strictly,
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// What is believed.
pub(crate) fn roots(authorities: &[CertificateDer<'static>]) -> Result<Arc<RootCertStore>, Error> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        let added = roots.add(authority.clone());
        added.map_err(|error| Error::Unfit(format!("an authority's certificate can't be used: {error}")))?;
    }
    Ok(Arc::new(roots))
}

/// Checks certificates of those who connect.
pub(crate) fn verifier(
    roots: &Arc<RootCertStore>,
    optional: bool,
) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider());
    let builder = if optional { builder.allow_unauthenticated() } else { builder };
    builder.build().map_err(|error| Error::Unfit(format!("the authorities can't be used: {error}")))
}

/// Settings of a port.
pub(crate) fn server(
    roots: &Arc<RootCertStore>,
    pair: Pair,
    asks: Asks,
    alpn: &[u8],
) -> Result<Arc<ServerConfig>, Error> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring has suites of TLS 1.3");
    let builder = match asks {
        Asks::Nobody => builder.with_no_client_auth(),
        Asks::Everybody => builder.with_client_cert_verifier(verifier(roots, true)?),
        Asks::Strictly => builder.with_client_cert_verifier(verifier(roots, false)?),
    };
    let mut config = builder.with_single_cert(pair.chain, pair.key).map_err(|error| unfit(&error))?;
    config.alpn_protocols = vec![alpn.to_vec()];
    // A resumed session would show the certificate of the first one, however long ago that was checked.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Settings of outgoing connections, over which HTTP/2 is spoken.
pub(crate) fn client(roots: &Arc<RootCertStore>, pair: Option<Pair>) -> Result<Arc<ClientConfig>, Error> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring has suites of TLS 1.3")
        .with_root_certificates(Arc::clone(roots));
    let mut config = match pair {
        Some(pair) => builder.with_client_auth_cert(pair.chain, pair.key).map_err(|error| unfit(&error))?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn unfit(error: &rustls::Error) -> Error {
    Error::Unfit(format!("certificate and key don't fit together: {error}"))
}
