//! Connections that came in over TLS, and what is known of who is at the other end.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use crate::certificate::Certificate;

/// Who is at the other end of a connection. Every call that comes over it carries this among its extensions.
#[derive(Debug, Clone, Default)]
pub struct ConnectionInfo {
    /// Where it comes from.
    pub remote: Option<SocketAddr>,
    /// What it has shown, checked against the authorities; `None` where it showed none or there is no TLS.
    pub certificate: Option<Arc<Certificate>>,
}

/// The server's end of a connection over TLS.
#[derive(Debug)]
pub struct ServerStream<IO> {
    inner: TlsStream<IO>,
    /// What the other end has shown.
    pub certificate: Option<Arc<Certificate>>,
}

impl<IO> ServerStream<IO> {
    pub(crate) fn new(inner: TlsStream<IO>, certificate: Option<Arc<Certificate>>) -> Self {
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
