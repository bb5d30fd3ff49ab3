//! A node's certificates and what it believes, as they are now: replaced while it runs.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use rustls::ServerConfig;
use stockade_env::Clock;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use crate::certificate::Certificate;
use crate::connection::{ConnectionInfo, ServerStream};
use crate::connector::{self, Connector};
use crate::error::Error;
use crate::material::{CertificateFiles, Certificates, Trust, TrustFiles};
use crate::node_name::NodeName;
use crate::revoked;
use crate::role::Role;
use crate::token::TokenError;

/// Whom a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Callers, with a certificate or without.
    Callers,
    /// The cluster's other nodes.
    Peers,
    /// Metrics and probes.
    Http,
}

/// What a caller has shown to be itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// A certificate.
    Certificate,
    /// A token.
    Token,
}

impl Means {
    /// For people and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Token => "token",
        }
    }
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identified {
    /// The principal.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// How this is known.
    pub means: Means,
    /// Serial number of the certificate or id of the token: what it is revoked by.
    pub id: String,
    /// Seconds since 1970 after which it counts no more.
    pub expires_s: i64,
}

/// Why it is not known who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Neither a certificate nor a token was shown.
    #[error("neither a client certificate nor a token was shown")]
    Nothing,
    /// The certificate names no principal or no role: a node's for example.
    #[error("the certificate is no caller's: it names no role")]
    NoCaller,
    /// The certificate's time is over; the connection is older.
    #[error("the certificate has expired")]
    CertificateExpired,
    /// The certificate was revoked.
    #[error("the certificate was revoked")]
    CertificateRevoked,
    /// What was shown for a token is none.
    #[error("the authorization is no bearer token")]
    NoToken,
    /// The token is not believed.
    #[error("{0}")]
    Token(#[from] TokenError),
}

/// What a look at the files came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    /// They are as before.
    Same,
    /// What they hold is in use from now on.
    Changed,
    /// What they hold can't be used, for this reason: what was in use stays.
    Refused(String),
}

/// Days until something is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DaysLeft {
    /// The node's certificate.
    pub node: i64,
    /// The authority that ends first of those that have not.
    pub authority: i64,
}

/// A node's certificates and what it believes. Cheap to clone; clones share them.
///
/// Invariants:
/// - What is in use has been checked: the key fits the certificate, which is this node's and was believed when it was read.
/// - Certificates, and tokens with revocations, are taken into use apart: a broken certificate holds up no revocation.
#[derive(Clone)]
pub struct Credentials(Arc<Shared>);

struct Shared {
    dir: PathBuf,
    node: NodeName,
    clock: Clock,
    certificates: RwLock<Arc<Certificates>>,
    trust: RwLock<Arc<Trust>>,
    /// What both were made of.
    files: Mutex<(CertificateFiles, TrustFiles)>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("dir", &self.0.dir)
            .field("node", &self.0.node)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// Reads a node's directory. Errors: a file is missing, or holds what can't be used by this node now.
    pub fn open(dir: &Path, node: NodeName, clock: Clock) -> Result<Self, Error> {
        let files = (CertificateFiles::read(dir)?, TrustFiles::read(dir)?);
        let certificates = Certificates::new(dir, &files.0, &node, now_s(&clock))?;
        let trust = Trust::new(dir, &files.1)?;
        Ok(Self(Arc::new(Shared {
            dir: dir.to_owned(),
            node,
            clock,
            certificates: RwLock::new(Arc::new(certificates)),
            trust: RwLock::new(Arc::new(trust)),
            files: Mutex::new(files),
        })))
    }

    /// Looks at the files again: certificates, then tokens and revocations. Reads the disk.
    pub fn look(&self) -> (Looked, Looked) {
        let shared = &*self.0;
        let mut files = shared.files.lock();
        let certificates = looked(CertificateFiles::read(&shared.dir), &mut files.0, |read| {
            let made = Certificates::new(&shared.dir, read, &shared.node, now_s(&shared.clock))?;
            *shared.certificates.write() = Arc::new(made);
            Ok(())
        });
        let trust = looked(TrustFiles::read(&shared.dir), &mut files.1, |read| {
            *shared.trust.write() = Arc::new(Trust::new(&shared.dir, read)?);
            Ok(())
        });
        (certificates, trust)
    }

    /// How long the certificates in use are good for.
    pub fn days_left(&self) -> DaysLeft {
        let certificates = self.0.certificates.read();
        let now_s = now_s(&self.0.clock);
        let authority = (certificates.authority_not_after_s - now_s).div_euclid(24 * 60 * 60);
        DaysLeft { node: certificates.own.days_left(now_s), authority }
    }

    /// How many keys check tokens.
    pub fn token_keys(&self) -> usize {
        self.0.trust.read().keys.len()
    }

    /// The server's part of the handshake on a port. On the port for peers only a node of the cluster gets through.
    pub async fn accept<IO>(&self, audience: Audience, stream: IO) -> io::Result<ServerStream<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let accepted = TlsAcceptor::from(self.settings(audience)).accept(stream).await;
        let stream = accepted.map_err(in_words)?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let parsed = shown.map(|der| Certificate::parse(der)).transpose().map_err(io::Error::other)?;
        if audience == Audience::Peers {
            self.check_member(parsed.as_ref()).map_err(io::Error::other)?;
        }
        Ok(ServerStream::new(stream, parsed.map(Arc::new)))
    }

    fn settings(&self, audience: Audience) -> Arc<ServerConfig> {
        let certificates = self.0.certificates.read();
        Arc::clone(match audience {
            Audience::Callers => &certificates.callers,
            Audience::Peers => &certificates.peers,
            Audience::Http => &certificates.http,
        })
    }

    /// Opens connections to a node of the cluster, or to any of them, and to nobody else.
    pub fn connector(&self, node_id: Option<u64>) -> Connector {
        let shared = Arc::clone(&self.0);
        let settings = move || Ok(Arc::clone(&shared.certificates.read().outgoing));
        let meant = connector::must_be(self.0.node.cluster.clone(), node_id);
        let credentials = self.clone();
        Connector::new(Arc::new(settings)).with_check(Arc::new(move |shown| {
            credentials.check_member(Some(shown))?;
            meant(shown)
        }))
    }

    /// Whether who sent a call is the node that it says it is. Errors say who it is instead.
    pub fn check_peer(&self, connection: Option<&ConnectionInfo>, node_id: u64) -> Result<(), String> {
        let shown = connection.and_then(|connection| connection.certificate.as_deref());
        let name = self.check_member(shown)?;
        if name.node_id != node_id {
            return Err(format!("node {node_id} was named, the certificate is that of {name}"));
        }
        Ok(())
    }

    fn check_member<'a>(&self, shown: Option<&'a Certificate>) -> Result<&'a NodeName, String> {
        let shown = shown.ok_or("no certificate was shown")?;
        let name = shown.node.as_ref();
        let name = name.ok_or_else(|| format!("the certificate of `{}` is no node's", shown.name))?;
        if name.cluster != self.0.node.cluster {
            return Err(format!("the certificate is that of {name}, which is another cluster"));
        }
        if self.is_revoked(shown) {
            return Err(format!("the certificate {} of {name} was revoked", shown.serial));
        }
        if shown.not_after_s <= now_s(&self.0.clock) {
            return Err(format!("the certificate of {name} has expired"));
        }
        Ok(name)
    }

    fn is_revoked(&self, shown: &Certificate) -> bool {
        self.0.trust.read().revoked_certificates.has(revoked::without_zeros(&shown.serial))
    }

    /// Who calls: the token says it where one is shown, else the certificate.
    pub fn identify(
        &self,
        connection: Option<&ConnectionInfo>,
        authorization: Option<&str>,
    ) -> Result<Identified, Refused> {
        match authorization {
            Some(authorization) => self.by_token(authorization),
            None => self.by_certificate(connection.and_then(|connection| connection.certificate.as_deref())),
        }
    }

    /// Whether who was identified a while ago still is who it was then.
    pub fn still_holds(&self, identified: &Identified) -> Result<(), Refused> {
        let over = identified.expires_s <= now_s(&self.0.clock);
        let trust = self.0.trust.read();
        match identified.means {
            Means::Certificate if over => Err(Refused::CertificateExpired),
            Means::Certificate if trust.revoked_certificates.has(&identified.id) => {
                Err(Refused::CertificateRevoked)
            }
            Means::Token if over => Err(TokenError::Expired.into()),
            Means::Token if trust.revoked_tokens.has(&identified.id) => Err(TokenError::Revoked.into()),
            Means::Certificate | Means::Token => Ok(()),
        }
    }

    fn by_token(&self, authorization: &str) -> Result<Identified, Refused> {
        let (scheme, token) = authorization.split_once(' ').ok_or(Refused::NoToken)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refused::NoToken);
        }
        let trust = Arc::clone(&self.0.trust.read());
        let claims = trust.keys.verify(token.trim(), &self.0.node.cluster, now_s(&self.0.clock))?;
        let identified = Identified {
            name: claims.name,
            role: claims.role,
            means: Means::Token,
            id: claims.id,
            expires_s: claims.expires_s,
        };
        self.still_holds(&identified).map(|()| identified)
    }

    fn by_certificate(&self, shown: Option<&Certificate>) -> Result<Identified, Refused> {
        let shown = shown.ok_or(Refused::Nothing)?;
        let role = shown.role.filter(|_| shown.node.is_none() && shown.names_principal());
        let identified = Identified {
            name: shown.name.clone(),
            role: role.ok_or(Refused::NoCaller)?,
            means: Means::Certificate,
            id: shown.serial.clone(),
            expires_s: shown.not_after_s,
        };
        self.still_holds(&identified).map(|()| identified)
    }
}

/// Takes files into use if they have changed.
fn looked<Files: PartialEq>(
    read: Result<Files, Error>,
    known: &mut Files,
    take: impl FnOnce(&Files) -> Result<(), Error>,
) -> Looked {
    let read = match read {
        Ok(read) if read == *known => return Looked::Same,
        Ok(read) => read,
        Err(error) => return Looked::Refused(error.to_string()),
    };
    match take(&read) {
        Ok(()) => {
            *known = read;
            Looked::Changed
        }
        Err(error) => Looked::Refused(error.to_string()),
    }
}

/// What comes in plain text is to TLS a corrupt message, which tells nobody what to do.
fn in_words(error: io::Error) -> io::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidMessage(_)) => {
            io::Error::other("the other end does not speak TLS; plain text is refused")
        }
        Some(rustls::Error::NoCertificatesPresented) => {
            io::Error::other("the other end has shown no certificate")
        }
        _ => error,
    }
}

fn now_s(clock: &Clock) -> i64 {
    i64::try_from(clock.now_us() / 1_000_000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
