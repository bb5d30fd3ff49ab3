//! What a caller shows and believes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::digest::{Context, SHA256};
use rustls::ClientConfig;
use tonic::codegen::http::HeaderValue;
#[cfg(any(test, feature = "issue"))]
use {
    rustls::pki_types::ServerName,
    std::io,
    tokio::io::{AsyncRead, AsyncWrite},
    tokio_rustls::{TlsConnector, client::TlsStream},
};

use crate::connector::Connector;
use crate::error::Error;
use crate::{files, limits, names, pem, tls};

/// How a caller connects: whom it believes, and what it shows.
#[derive(Clone, PartialEq, Eq)]
pub struct CallerTls {
    source: Source,
    server_name: Option<String>,
}

#[derive(Clone, PartialEq, Eq)]
enum Source {
    /// Read again for every connection, so that new files need no restart.
    Dir(PathBuf),
    Given {
        ca: Vec<u8>,
        pair: Option<(Vec<u8>, Vec<u8>)>,
    },
}

impl fmt::Debug for CallerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = f.debug_struct("CallerTls");
        match &self.source {
            Source::Dir(dir) => told.field("dir", dir),
            Source::Given { pair, .. } => told.field("has_certificate", &pair.is_some()),
        };
        told.field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

impl CallerTls {
    /// Believes the authorities in `ca.crt` of a directory, and shows `client.crt` where it is there. The files are read
    /// again for every new connection.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        Self { source: Source::Dir(dir.into()), server_name: None }
    }

    /// Believes these authorities, in PEM.
    pub fn with_ca(ca: impl Into<Vec<u8>>) -> Self {
        Self { source: Source::Given { ca: ca.into(), pair: None }, server_name: None }
    }

    /// Shows this certificate, with its key; both in PEM. Of a directory it does nothing: its files say what is shown.
    #[must_use]
    pub fn with_certificate(mut self, certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        if let Source::Given { pair, .. } = &mut self.source {
            *pair = Some((certificate.into(), key.into()));
        }
        self
    }

    /// Expects this name in the certificates of nodes, instead of the host that is dialled.
    #[must_use]
    pub fn with_server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Looks at what there is, so that what is wrong shows before the first call.
    pub fn check(&self) -> Result<(), Error> {
        self.settings().map(|_| ())
    }

    /// Tells one state of the files from another; `None` where there are none that could change, or they can't be read.
    pub fn mark(&self) -> Option<[u8; 32]> {
        let Source::Dir(dir) = &self.source else { return None };
        let mut all = Context::new(&SHA256);
        for name in [names::CA_CERT, names::CLIENT_CERT] {
            let bytes = files::read_if_there(&dir.join(name)).ok()?.unwrap_or_default();
            all.update(&bytes.len().to_be_bytes());
            all.update(&bytes);
        }
        all.finish().as_ref().try_into().ok()
    }

    /// Opens connections in this way.
    pub fn connector(&self) -> Connector {
        let own = self.clone();
        let settings = move || own.settings().map_err(|error| error.to_string());
        Connector::new(Arc::new(settings)).with_server_name(self.server_name.clone())
    }

    /// A connection over a stream, for what is no gRPC: HTTP/1.1 for example. For tests, which have no other stack of TLS.
    #[cfg(any(test, feature = "issue"))]
    pub async fn over<IO>(&self, name: &str, stream: IO) -> io::Result<TlsStream<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let mut settings = ClientConfig::clone(&*self.settings().map_err(io::Error::other)?);
        settings.alpn_protocols.clear();
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::new(settings)).connect(name, stream).await
    }

    fn settings(&self) -> Result<Arc<ClientConfig>, Error> {
        match &self.source {
            Source::Given { ca, pair } => {
                let pair = pair.as_ref().map(|(certificate, key)| (certificate.as_slice(), key.as_slice()));
                settings(Path::new("the given certificates"), ca, pair)
            }
            Source::Dir(dir) => {
                let ca = files::read(&dir.join(names::CA_CERT))?;
                let certificate = files::read_if_there(&dir.join(names::CLIENT_CERT))?;
                let key = match &certificate {
                    Some(_) => Some(files::read_secret(&dir.join(names::CLIENT_KEY))?),
                    None => None,
                };
                settings(dir, &ca, certificate.as_deref().zip(key.as_deref()))
            }
        }
    }
}

fn settings(from: &Path, ca: &[u8], pair: Option<(&[u8], &[u8])>) -> Result<Arc<ClientConfig>, Error> {
    let authorities = pem::certificates(&from.join(names::CA_CERT), ca, limits::MAX_AUTHORITIES)?;
    let pair = match pair {
        Some((certificate, key)) => Some(tls::Pair {
            chain: pem::certificates(&from.join(names::CLIENT_CERT), certificate, limits::MAX_CHAIN)?,
            key: pem::private_key(&from.join(names::CLIENT_KEY), key)?,
        }),
        None => None,
    };
    tls::client(&tls::roots(&authorities)?, pair)
}

/// A token that a caller shows with every call.
#[derive(Clone, PartialEq, Eq)]
pub struct Bearer(HeaderValue);

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer")
    }
}

impl Bearer {
    /// Takes a token; an error where it can't be one.
    pub fn new(token: &str) -> Result<Self, Error> {
        let token = token.trim();
        let sound = !token.is_empty()
            && token.len() <= limits::MAX_TOKEN_BYTES
            && token.bytes().all(|byte| byte.is_ascii_graphic());
        let value = if sound { HeaderValue::try_from(format!("Bearer {token}")).ok() } else { None };
        let mut value = value.ok_or_else(|| Error::Unfit("this is no token".to_owned()))?;
        // Neither logged nor kept in tables of headers.
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// The value of the header `authorization`.
    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}
