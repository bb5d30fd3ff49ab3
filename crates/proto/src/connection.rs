//! The connection that a generated client speaks over: a socket, or what a simulation puts in its place.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, StdError, http};
use tonic::transport::Channel;

/// Opens connections in the place of sockets.
pub trait Dialer: fmt::Debug + Send + Sync {
    /// The connection to an address, `host:port`. Nothing is sent before the first call on it.
    fn dial(&self, address: &str) -> Connection;

    /// True where a connection to the address would be refused, because nobody listens there.
    fn refuses(&self, address: &str) -> bool;
}

/// Carries calls in the place of a socket.
pub trait Carrier: fmt::Debug + Send + Sync {
    /// Makes a call; an error where no answer can be had.
    fn carry(&self, call: http::Request<Body>) -> BoxFuture<http::Response<Body>, StdError>;
}

/// A connection to a node. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub enum Connection {
    /// Over a socket.
    Socket(Channel),
    /// Not over a socket.
    Carried(Arc<dyn Carrier>),
}

impl Service<http::Request<Body>> for Connection {
    type Response = http::Response<Body>;
    type Error = StdError;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        match self {
            Self::Socket(channel) => channel.poll_ready(context).map_err(Into::into),
            Self::Carried(_) => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, call: http::Request<Body>) -> Self::Future {
        match self {
            Self::Socket(channel) => {
                let answer = channel.call(call);
                Box::pin(async move { answer.await.map_err(Into::into) })
            }
            Self::Carried(carrier) => carrier.carry(call),
        }
    }
}
