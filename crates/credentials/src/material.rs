//! What a node reads from its directory: all that belongs together is read and checked together.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, ServerConfig};

use crate::certificate::Certificate;
use crate::error::Error;
use crate::node_name::NodeName;
use crate::revoked::Revoked;
use crate::tls::{self, Asks, Pair};
use crate::token::VerifyingKeys;
use crate::{files, limits, names, pem};

/// The bytes that certificates were made of, to see when they change.
#[derive(PartialEq, Eq)]
pub(crate) struct CertificateFiles {
    ca: Vec<u8>,
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl CertificateFiles {
    pub(crate) fn read(dir: &Path) -> Result<Self, Error> {
        Ok(Self {
            ca: files::read(&dir.join(names::CA_CERT))?,
            certificate: files::read(&dir.join(names::NODE_CERT))?,
            key: files::read_secret(&dir.join(names::NODE_KEY))?,
        })
    }
}

/// A node's certificates, ready for use.
pub(crate) struct Certificates {
    /// Tells them from those that were in use before.
    pub(crate) number: u64,
    verifier: Arc<dyn ClientCertVerifier>,
    pub(crate) callers: Arc<ServerConfig>,
    pub(crate) peers: Arc<ServerConfig>,
    pub(crate) http: Arc<ServerConfig>,
    pub(crate) outgoing: Arc<ClientConfig>,
    /// The node's own.
    pub(crate) own: Certificate,
    /// The authority's whose end comes first.
    pub(crate) authority_not_after_s: i64,
}

impl Certificates {
    /// Makes what the files hold ready, unless they don't fit together, to this node, or to the time.
    pub(crate) fn new(
        dir: &Path,
        files: &CertificateFiles,
        node: &NodeName,
        now_s: i64,
        number: u64,
    ) -> Result<Self, Error> {
        let (ca_file, own_file) = (dir.join(names::CA_CERT), dir.join(names::NODE_CERT));
        let authorities = pem::certificates(&ca_file, &files.ca, limits::MAX_AUTHORITIES)?;
        let chain = pem::certificates(&own_file, &files.certificate, limits::MAX_CHAIN)?;
        let own = parse(&own_file, &chain[0])?;
        if own.node.as_ref() != Some(node) {
            let is = own.node.as_ref().map_or_else(|| format!("`{}`", own.name), ToString::to_string);
            return Err(Error::file(own_file, format!("is the certificate of {is}, this node is {node}")));
        }
        let mut authority_not_after_s = i64::MAX;
        for authority in &authorities {
            let authority = parse(&ca_file, authority)?;
            // One that is over does no harm beside the one that took over from it.
            if authority.not_after_s > now_s {
                authority_not_after_s = authority_not_after_s.min(authority.not_after_s);
            }
        }
        let roots = tls::roots(&authorities)?;
        let verifier = tls::verifier(&roots, false)?;
        let believed = verify(&*verifier, &chain, now_s);
        believed.map_err(|error| Error::file(&own_file, format!("would not be believed: {error}")))?;
        let key = pem::private_key(&dir.join(names::NODE_KEY), &files.key)?;
        let pair = Pair { chain, key };
        Ok(Self {
            number,
            verifier,
            callers: tls::server(&roots, pair.clone(), Asks::Everybody, tls::ALPN_H2)?,
            peers: tls::server(&roots, pair.clone(), Asks::Strictly, tls::ALPN_H2)?,
            http: tls::server(&roots, pair.clone(), Asks::Nobody, tls::ALPN_HTTP1)?,
            outgoing: tls::client(&roots, Some(pair))?,
            own,
            authority_not_after_s,
        })
    }

    /// Whether an authority that is believed vouches for what somebody has shown.
    pub(crate) fn vouch_for(&self, chain: &[CertificateDer<'_>], now_s: i64) -> bool {
        verify(&*self.verifier, chain, now_s).is_ok()
    }
}

fn verify(
    verifier: &dyn ClientCertVerifier,
    chain: &[CertificateDer<'_>],
    now_s: i64,
) -> Result<(), rustls::Error> {
    let (first, between) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now_s.unsigned_abs()));
    verifier.verify_client_cert(first, between, now).map(|_| ())
}

fn parse(file: &Path, der: &CertificateDer<'_>) -> Result<Certificate, Error> {
    Certificate::parse(der).map_err(|error| Error::file(file, format!("is no certificate: {error}")))
}

/// Which tokens are believed, and what is believed no more.
#[derive(Clone, Default)]
pub(crate) struct Trust {
    pub(crate) keys: Arc<VerifyingKeys>,
    pub(crate) revoked_tokens: Arc<Revoked>,
    pub(crate) revoked_certificates: Arc<Revoked>,
}
