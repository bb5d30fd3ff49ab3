//! The Rust client of Stockade.
//!
//! A [`Client`] needs one address of a living node. It discovers the others, prefers the leader, and follows it when it
//! changes: calls in flight during a failover show no error, they are sent again under the same request id until they
//! are decided or their deadline is over. Concurrent mutations share one `Submit` stream, which costs a node some thirty
//! times less than a call each.
//!
//! This crate deliberately knows nothing of Raft, storage or the rules of orders and stock.
//!
//! Invariants:
//! - A mutation is sent under one request id, however often it is sent.
//! - A write whose fate is not known is reported as [`Error::OutcomeUnknown`], never as failed.
//!
//! Start reading at `submit.rs` (the way of a mutation), then `failover.rs` (where a client finds the new leader).

mod call;
mod channels;
mod config;
mod error;
mod failover;
mod lead;
mod ledger;
pub mod limits;
mod members;
mod mutations;
mod policy;
mod reads;
mod record;
mod snapshot;
mod stream;
mod submit;

pub use config::Config;
pub use error::{Error, Refusal};
pub use ledger::VerifiedLedger;
pub use policy::{Consistency, ReadFrom, ReadPolicy};
pub use snapshot::SnapshotPieces;
pub use stockade_credentials::{Bearer, CallerTls};
pub use stockade_history::Recorder;

use std::sync::Arc;

use stockade_env::Env;
use stockade_proto::{Connection, Dialer};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use crate::channels::Channels;
use crate::failover::Failover;
use crate::lead::Listening;
use crate::policy::Seen;
use crate::submit::Pipeline;

/// What a call comes to.
pub type Result<T> = std::result::Result<T, Error>;

/// A client of a cluster. Cheap to clone; clones share connections and the pipeline. Its tasks end when the last
/// clone is gone.
#[derive(Debug, Clone)]
pub struct Client(Arc<Shared>, Arc<ReadPolicy>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) env: Env,
    pub(crate) config: Config,
    pub(crate) channels: Channels,
    pub(crate) failover: Failover,
    pub(crate) listening: Listening,
    pub(crate) pipeline: Pipeline,
    /// What answers told of, for sessions.
    pub(crate) seen: Seen,
    /// Room for reads in flight.
    pub(crate) reads: Semaphore,
    /// Asks for a look at the members now.
    pub(crate) wake_refresh: Arc<Notify>,
}

impl Client {
    /// Finds the members from the first address that answers. Errors: `Invalid`, `Unavailable` where none answers
    /// within the timeout.
    pub async fn connect(env: &Env, config: Config) -> Result<Self> {
        Self::connect_through(env, config, None).await
    }

    /// The same, with what opens connections in the place of sockets: for simulations.
    pub async fn connect_through(env: &Env, config: Config, dialer: Option<Arc<dyn Dialer>>) -> Result<Self> {
        let config = config.checked()?;
        let shared = Arc::new(Shared {
            env: env.clone(),
            channels: Channels::new(dialer, config.tls.as_ref(), config.token.clone()),
            failover: Failover::new(config.addresses.clone()),
            listening: Listening::default(),
            pipeline: Pipeline::new(config.max_in_flight),
            seen: Seen::default(),
            reads: Semaphore::new(limits::MAX_READS),
            wake_refresh: Arc::new(Notify::new()),
            config,
        });
        members::discover(&shared, Instant::now() + shared.config.timeout).await?;
        env.tasks.spawn("client members", members::keep_fresh(Arc::downgrade(&shared)));
        let policy = Arc::new(shared.config.reads.clone());
        Ok(Self(shared, policy))
    }

    /// The same client, whose reads follow another policy. Cheap; both share connections, and what a session has seen.
    #[must_use]
    pub fn with_reads(&self, policy: impl Into<ReadPolicy>) -> Self {
        Self(Arc::clone(&self.0), Arc::new(policy.into()))
    }

    /// The newest revision that this client was told of, by whichever of its handles: what a read with
    /// [`Consistency::Session`] sees at least. To be handed to another process that is to see as much.
    pub fn seen_revision(&self) -> u64 {
        self.0.seen.revision()
    }

    /// Shows this token from the next call on: one that took over from another that will soon be over. A stream that is
    /// open goes on under the older one, until the node ends it.
    pub fn set_token(&self, token: Bearer) {
        self.0.channels.set_token(token);
    }

    /// A new request id, for callers that want to repeat a mutation beyond its deadline.
    pub fn new_request_id(&self) -> String {
        self.0.env.random.request_id(&self.0.env.clock).to_string()
    }

    /// The addresses that are known, those given at the start included.
    pub fn addresses(&self) -> Vec<String> {
        self.0.failover.addresses()
    }

    /// This client's connection to a node, `host:port`: for calls that are made without its retries. Errors: `Invalid`.
    pub fn connection_to(&self, address: &str) -> Result<Connection> {
        self.0.channels.to(address)
    }

    /// The leader's address, where it is known.
    pub fn leader(&self) -> Option<String> {
        self.0.failover.leader()
    }
}
