//! A node's certificates and what it believes, as they are now: replaced while it runs.

mod identify;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::{Mutex, RwLock};
use stockade_env::Clock;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::certificate::Certificate;
use crate::connection::{ConnectionInfo, ServerStream, Shown};
use crate::connector::{self, Connector};
use crate::error::Error;
use crate::lists::Lists;
use crate::material::{CertificateFiles, Certificates, Trust};
use crate::node_name::NodeName;
use crate::renewals::Renewals;
use crate::revoked;

pub use identify::{Identified, Means, Refused};

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

/// What tokens and revocations are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InUse {
    /// Keys that check tokens.
    pub token_keys: usize,
    /// Tokens that are believed no more.
    pub revoked_tokens: usize,
    /// Certificates that are believed no more.
    pub revoked_certificates: usize,
}

/// A node's certificates and what it believes. Cheap to clone; clones share them.
///
/// Invariants:
/// - What is in use has been checked: the key fits the certificate, which is this node's and was believed when it was read.
/// - Certificates, and tokens with revocations, are taken into use apart: a broken certificate holds up no revocation.
/// - What somebody has shown is held against what is in use now, not what was when the connection was opened.
/// - Nobody is believed again because a list was lost or is just being written, see `lists.rs`.
/// - A connection that this node opened ends with the certificate that the other end has shown, or is opened anew.
#[derive(Clone)]
pub struct Credentials(Arc<Shared>);

struct Shared {
    dir: PathBuf,
    node: NodeName,
    clock: Clock,
    certificates: RwLock<Arc<Certificates>>,
    trust: RwLock<Arc<Trust>>,
    /// What both were made of.
    files: Mutex<(CertificateFiles, Lists)>,
    /// When the first of the certificates is over that other nodes have shown on connections which this one opened.
    shown_until_s: AtomicI64,
    /// Counts the changes; told after what has changed is in use.
    changes: watch::Sender<u64>,
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
        let files = CertificateFiles::read(dir)?;
        let certificates = Certificates::new(dir, &files, &node, now_s(&clock), 0)?;
        let (lists, trust) = Lists::open(dir)?;
        Ok(Self(Arc::new(Shared {
            dir: dir.to_owned(),
            node,
            clock,
            certificates: RwLock::new(Arc::new(certificates)),
            trust: RwLock::new(Arc::new(trust)),
            files: Mutex::new((files, lists)),
            shown_until_s: AtomicI64::new(i64::MAX),
            changes: watch::Sender::new(0),
        })))
    }

    /// Looks at the files again: certificates, then token keys, revoked tokens and revoked certificates. Reads the disk.
    pub fn look(&self) -> (Looked, [Looked; 3]) {
        let shared = &*self.0;
        let mut files = shared.files.lock();
        let (known_certificates, lists) = &mut *files;
        let read = CertificateFiles::read(&shared.dir);
        let certificates = looked(read, known_certificates, |read| {
            let number = shared.certificates.read().number + 1;
            let made = Certificates::new(&shared.dir, read, &shared.node, now_s(&shared.clock), number)?;
            *shared.certificates.write() = Arc::new(made);
            Ok(())
        });
        let mut trust = Trust::clone(&shared.trust.read());
        let looked = lists.look(&shared.dir, &mut trust);
        if looked.contains(&Looked::Changed) {
            *shared.trust.write() = Arc::new(trust);
        }
        // Tokens are not what nodes show each other.
        let [_, _, revoked_certificates] = &looked;
        let changed = [&certificates, revoked_certificates].contains(&&Looked::Changed);
        if changed || self.another_has_ended() {
            shared.changes.send_modify(|count| *count += 1);
        }
        (certificates, looked)
    }

    /// True where the certificate of another node is over which it has shown on a connection that this one opened: it may
    /// have a new one, and shows that on a new connection only.
    fn another_has_ended(&self) -> bool {
        let shown_until_s = &self.0.shown_until_s;
        let ended = shown_until_s.load(Ordering::Relaxed) <= now_s(&self.0.clock);
        if ended {
            shown_until_s.store(i64::MAX, Ordering::Relaxed);
        }
        ended
    }

    /// How long the certificates in use are good for.
    pub fn days_left(&self) -> DaysLeft {
        let certificates = self.0.certificates.read();
        let now_s = now_s(&self.0.clock);
        let authority = (certificates.authority_not_after_s - now_s).div_euclid(24 * 60 * 60);
        DaysLeft { node: certificates.own.days_left(now_s), authority }
    }

    /// What tokens and revocations are in use.
    pub fn in_use(&self) -> InUse {
        let trust = self.0.trust.read();
        InUse {
            token_keys: trust.keys.len(),
            revoked_tokens: trust.revoked_tokens.len(),
            revoked_certificates: trust.revoked_certificates.len(),
        }
    }

    /// Tells from now on when what is shown or believed has changed.
    pub fn renewals(&self) -> Renewals {
        Renewals::new(self.0.changes.subscribe())
    }

    /// The server's part of the handshake on a port. On the port for peers only a node of the cluster gets through.
    pub async fn accept<IO>(&self, audience: Audience, stream: IO) -> io::Result<ServerStream<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let certificates = self.certificates();
        let settings = match audience {
            Audience::Callers => &certificates.callers,
            Audience::Peers => &certificates.peers,
            Audience::Http => &certificates.http,
        };
        let accepted = TlsAcceptor::from(Arc::clone(settings)).accept(stream).await;
        let stream = accepted.map_err(in_words)?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let shown = Shown::new(chain, certificates.number, now_s(&self.0.clock)).map_err(io::Error::other)?;
        if audience == Audience::Peers {
            self.check_shown(shown.as_ref()).map_err(io::Error::other)?;
        }
        Ok(ServerStream::new(stream, shown.map(Arc::new)))
    }

    fn certificates(&self) -> Arc<Certificates> {
        Arc::clone(&self.0.certificates.read())
    }

    /// Opens connections to a node of the cluster, or to any of them, and to nobody else.
    pub fn connector(&self, node_id: Option<u64>) -> Connector {
        let shared = Arc::clone(&self.0);
        let settings = move || Ok(Arc::clone(&shared.certificates.read().outgoing));
        let credentials = self.clone();
        Connector::new(Arc::new(settings)).with_check(Arc::new(move |chain| {
            let own = &credentials.0;
            let shown = Certificate::of_chain(chain, now_s(&own.clock))?;
            let shown = shown.ok_or("the other end has shown no certificate")?;
            credentials.check_member(&shown)?;
            connector::must_be(&shown, &own.node.cluster, node_id)?;
            own.shown_until_s.fetch_min(shown.not_after_s, Ordering::Relaxed);
            Ok(())
        }))
    }

    /// Whether who sent a message is the node that it says it is, as things are now. Errors say who it is instead. Cheap
    /// enough for every message: signatures are checked anew only after the authorities have changed.
    pub fn check_peer(&self, connection: Option<&ConnectionInfo>, node_id: u64) -> Result<(), String> {
        let name = self.check_shown(connection.and_then(|connection| connection.certificate.as_deref()))?;
        if name.node_id != node_id {
            return Err(format!("node {node_id} was named, the certificate is that of {name}"));
        }
        Ok(())
    }

    fn check_shown<'a>(&self, shown: Option<&'a Shown>) -> Result<&'a NodeName, String> {
        let shown = shown.ok_or("no certificate was shown")?;
        let name = self.check_member(shown)?;
        if !self.is_vouched_for(shown) {
            return Err(format!("the certificate of {name} is of an authority that is believed no more"));
        }
        Ok(name)
    }

    fn check_member<'a>(&self, shown: &'a Certificate) -> Result<&'a NodeName, String> {
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

    /// Whether an authority that is believed now stands behind what was shown, perhaps long ago.
    fn is_vouched_for(&self, shown: &Shown) -> bool {
        let certificates = self.certificates();
        if shown.checked.load(Ordering::Relaxed) == certificates.number {
            return true;
        }
        let vouched = certificates.vouch_for(&shown.chain, now_s(&self.0.clock));
        if vouched {
            shown.checked.store(certificates.number, Ordering::Relaxed);
        }
        vouched
    }

    fn is_revoked(&self, shown: &Certificate) -> bool {
        self.0.trust.read().revoked_certificates.has(revoked::without_zeros(&shown.serial))
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
