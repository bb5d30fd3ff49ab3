//! Ports: bound early, with a bound on connections and on how long one may be silent.

use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{self, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::error::StartError;
use crate::limits;

/// A bound port.
#[derive(Debug)]
pub(crate) struct Port {
    listener: TcpListener,
    address: SocketAddr,
    free: Arc<Semaphore>,
    patience: Patience,
}

/// How long a connection may take.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    /// To the end of the caller's part of the HTTP/2 handshake; afterwards HTTP/2 pings watch over it.
    Handshake(Duration),
    /// From begin to end.
    Whole(Duration),
}

impl Port {
    /// Binds; an error says what the port is for.
    pub(crate) async fn bind(
        purpose: &'static str,
        address: SocketAddr,
        connections: usize,
        patience: Patience,
    ) -> Result<Self, StartError> {
        let failed = |source| StartError::Bind { purpose, address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address: bound, free: Arc::new(Semaphore::new(connections)), patience })
    }

    /// Where it is bound, with the port that the system chose.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection. Waits while as many as allowed are open.
    pub(crate) async fn next(&self) -> (Connection, SocketAddr) {
        let permit = Arc::clone(&self.free).acquire_owned().await.expect("the semaphore is never closed");
        loop {
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    // Only a hint: a connection without it is slower, not wrong.
                    let _ = stream.set_nodelay(true);
                    return (Connection::new(stream, permit, self.patience), from);
                }
                Err(error) => {
                    tracing::warn!(%error, address = %self.address, "a connection could not be accepted");
                    tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// All connections, as tonic wants them.
    pub(crate) fn connections(self) -> impl Stream<Item = io::Result<Connection>> {
        stream::unfold(self, |port| async move {
            let (connection, _) = port.next().await;
            Some((Ok(connection), port))
        })
    }
}

impl axum::serve::Listener for Port {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        self.next().await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// An accepted connection. Gives its place back when it is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    deadline: Option<Pin<Box<Sleep>>>,
    /// Bytes of the handshake that have not come yet; `None` where the deadline stands whatever comes.
    handshake_left: Option<usize>,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    fn new(stream: TcpStream, permit: OwnedSemaphorePermit, patience: Patience) -> Self {
        let (limit, handshake_left) = match patience {
            Patience::Handshake(limit) => (limit, Some(limits::HANDSHAKE_BYTES)),
            Patience::Whole(limit) => (limit, None),
        };
        let deadline = Some(Box::pin(tokio::time::sleep(limit)));
        Self { stream, deadline, handshake_left, _permit: permit }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let had = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Some(left) = &mut self.handshake_left {
            *left = left.saturating_sub(buffer.filled().len().saturating_sub(had));
            if *left == 0 {
                self.deadline = None;
            }
        }
        if polled.is_pending()
            && let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut)));
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn port(connections: usize, patience: Patience) -> Port {
        Port::bind("a test", "127.0.0.1:0".parse().unwrap(), connections, patience).await.unwrap()
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_refused_with_its_address() {
        let first = port(1, Patience::Whole(Duration::from_secs(1))).await;
        let second = Port::bind("a test", first.address(), 1, Patience::Whole(Duration::from_secs(1)))
            .await
            .unwrap_err();
        assert_eq!(second.exit(), crate::Exit::PortInUse);
        assert!(second.to_string().contains(&first.address().to_string()));
    }

    #[tokio::test]
    async fn a_silent_connection_is_given_up() {
        let port = port(1, Patience::Handshake(Duration::from_millis(20))).await;
        let _caller = TcpStream::connect(port.address()).await.unwrap();
        let (mut connection, _) = port.next().await;
        let read = connection.read(&mut [0; 8]).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_connection_that_stops_within_its_handshake_is_given_up() {
        let port = port(1, Patience::Handshake(Duration::from_millis(20))).await;
        let mut caller = TcpStream::connect(port.address()).await.unwrap();
        let (mut connection, _) = port.next().await;
        let mut bytes = [0; limits::HANDSHAKE_BYTES - 1];
        caller.write_all(&bytes).await.unwrap();
        connection.read_exact(&mut bytes).await.unwrap();
        let read = connection.read(&mut bytes).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_connection_after_its_handshake_may_be_silent() {
        let port = port(1, Patience::Handshake(Duration::from_millis(20))).await;
        let mut caller = TcpStream::connect(port.address()).await.unwrap();
        let (mut connection, _) = port.next().await;
        let mut bytes = [0; limits::HANDSHAKE_BYTES];
        caller.write_all(&bytes).await.unwrap();
        connection.read_exact(&mut bytes).await.unwrap();
        let silent = tokio::time::timeout(Duration::from_millis(100), connection.read(&mut bytes)).await;
        assert!(silent.is_err(), "{silent:?}");
    }

    #[tokio::test]
    async fn a_connection_beyond_the_limit_waits_for_a_place() {
        let port = port(1, Patience::Whole(Duration::from_secs(10))).await;
        let _one = TcpStream::connect(port.address()).await.unwrap();
        let _two = TcpStream::connect(port.address()).await.unwrap();
        let (first, _) = port.next().await;
        let mut second = Box::pin(port.next());
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        drop(first);
        tokio::time::timeout(Duration::from_secs(5), second).await.unwrap();
    }
}
