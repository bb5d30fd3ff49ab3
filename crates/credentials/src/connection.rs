//! Connections that came in over TLS, and what is known of who is at the other end.

use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll};

use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use crate::certificate::Certificate;

/// Who is at the other end of a connection. Every call that comes over it carries this among its extensions.
#[derive(Debug, Clone, Default)]
pub struct ConnectionInfo {
    /// Where it comes from.
    pub remote: Option<SocketAddr>,
    /// What it has shown, checked against the authorities; `None` where it showed none or there is no TLS.
    pub certificate: Option<Arc<Shown>>,
}

/// A certificate that the other end has shown, with those between it and the authority: it can be checked again when the
/// authorities have changed.
#[derive(Debug)]
pub struct Shown {
    certificate: Certificate,
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// The number of the authorities that it was last checked against.
    pub(crate) checked: AtomicU64,
}

impl Shown {
    /// What was shown in a handshake a moment ago, checked against the authorities of this number; an error where it can't be
    /// read.
    pub(crate) fn new(
        chain: &[CertificateDer<'_>],
        checked: u64,
        now_s: i64,
    ) -> Result<Option<Self>, String> {
        let Some(certificate) = Certificate::of_chain(chain, now_s)? else { return Ok(None) };
        let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
        Ok(Some(Self { certificate, chain, checked: AtomicU64::new(checked) }))
    }
}

impl Deref for Shown {
    type Target = Certificate;

    fn deref(&self) -> &Certificate {
        &self.certificate
    }
}

impl PartialEq for Shown {
    fn eq(&self, other: &Self) -> bool {
        self.chain == other.chain
    }
}

impl Eq for Shown {}

/// The server's end of a connection over TLS.
#[derive(Debug)]
pub struct ServerStream<IO> {
    inner: TlsStream<IO>,
    /// What the other end has shown.
    pub certificate: Option<Arc<Shown>>,
}

impl<IO> ServerStream<IO> {
    pub(crate) fn new(inner: TlsStream<IO>, certificate: Option<Arc<Shown>>) -> Self {
        Self { inner, certificate }
    }

    /// What TLS runs over.
    pub fn get_ref(&self) -> &IO {
        self.inner.get_ref().0
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for ServerStream<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ServerStream<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
