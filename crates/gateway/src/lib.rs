//! The public gRPC services, on every node: they validate requests, route writes to the leader, read the applied state
//! behind a read barrier, and put outcomes into words that callers know.
//!
//! This crate deliberately knows nothing of Raft, of what is on disk or of sockets: a [`Node`] proposes and confirms
//! reads, and whoever composes the server mounts the routes. It decides nothing about orders and stock either: that
//! is the state machine's, in the log.
//!
//! Invariants:
//! - A mutation that failed says whether it may have taken effect. One that is past its deadline is never proposed.
//! - The same request has the same command, byte for byte: defaults are filled in before the command is frozen.
//! - Who calls, and whether it may, is decided before anything of the request is read, at the node that is called.
//! - Public statuses are built in `status.rs` only, and stay below the 8 `KiB` that callers accept as trailers.
//! - Every queue, stream, page and message has a bound, in `limits.rs`.
//!
//! Start at `validate/` for what comes in, `route.rs` for where it goes, `reply.rs` and `status.rs` for what comes back.

#[macro_use]
mod mutate;
mod access;
mod catalog;
mod cluster;
mod convert;
mod core;
mod deadline;
mod details;
mod doorstep;
mod export;
mod failure;
mod forward;
mod health;
mod ledger;
mod limits;
mod maintenance;
mod order;
mod pages;
mod reason;
mod refusals;
mod reply;
mod reservation;
mod route;
mod snapshot;
mod status;
mod stock;
mod submit;
mod transaction;
mod validate;
mod verification;

pub use access::permissions::{PERMISSIONS, Permission};
pub use export::entry as log_entry;
pub use limits::GatewayLimits;
pub use reason::Reason;

use std::time::Duration;

use stockade_consensus::Node;
use stockade_credentials::Credentials;
use stockade_env::Env;
use stockade_proto::internal::forward_service_server::ForwardServiceServer;
use stockade_proto::v1::catalog_service_server::CatalogServiceServer;
use stockade_proto::v1::cluster_service_server::ClusterServiceServer;
use stockade_proto::v1::ledger_service_server::LedgerServiceServer;
use stockade_proto::v1::maintenance_service_server::MaintenanceServiceServer;
use stockade_proto::v1::order_service_server::OrderServiceServer;
use stockade_proto::v1::reservation_service_server::ReservationServiceServer;
use stockade_proto::v1::stock_service_server::StockServiceServer;
use stockade_proto::v1::transaction_service_server::TransactionServiceServer;
use tonic::service::Routes;

use crate::core::Core;
use crate::doorstep::Doorstep;

/// The public services of a node. Cheap to clone; clones share all of it.
#[derive(Debug, Clone)]
pub struct Gateway {
    core: Core,
    health: Routes,
}

impl Gateway {
    /// Starts the gateway's tasks; callers can't reach it before [`Gateway::public_routes`] is served. Must be called on
    /// the runtime that serves them.
    pub fn new(env: Env, node: Node, limits: GatewayLimits) -> Self {
        Self::guarded(env, node, limits, None)
    }

    /// The same, where every caller is asked who it is; without credentials everybody may do everything.
    pub fn guarded(env: Env, node: Node, limits: GatewayLimits, credentials: Option<Credentials>) -> Self {
        let core = Core::new(env, node, limits, credentials);
        let health = health::start(&core);
        Self { core, health }
    }

    /// All public services, to be mounted on the port for callers.
    pub fn public_routes(&self) -> Routes {
        let core = &self.core;
        let max = core.limits().max_request_bytes;
        let catalog = CatalogServiceServer::new(catalog::Catalog(core.clone()));
        let stock = StockServiceServer::new(stock::StockKeeping(core.clone()));
        let orders = OrderServiceServer::new(order::Orders(core.clone()));
        let reservations = ReservationServiceServer::new(reservation::Reservations(core.clone()));
        let transactions = TransactionServiceServer::new(transaction::Transactions(core.clone()));
        let ledger = LedgerServiceServer::new(ledger::Ledger::new(core.clone()));
        let cluster = ClusterServiceServer::new(cluster::Cluster(core.clone()));
        let maintenance = MaintenanceServiceServer::new(maintenance::Maintenance::new(core.clone()));
        let health = self.health.clone();
        health
            .add_service(Doorstep::new(core, catalog.max_decoding_message_size(max)))
            .add_service(Doorstep::new(core, stock.max_decoding_message_size(max)))
            .add_service(Doorstep::new(core, orders.max_decoding_message_size(max)))
            .add_service(Doorstep::new(core, reservations.max_decoding_message_size(max)))
            .add_service(Doorstep::new(core, transactions.max_decoding_message_size(max)))
            .add_service(Doorstep::new(core, ledger.max_decoding_message_size(max)))
            .add_service(Doorstep::new(core, cluster.max_decoding_message_size(max)))
            .add_service(Doorstep::new(core, maintenance.max_decoding_message_size(max)))
    }

    /// The node's peer routes and with them the service that takes other nodes' commands, to be mounted on the port
    /// for peers.
    pub fn peer_routes(&self, node_routes: Routes) -> Routes {
        let server = forward::ForwardServer::new(self.core.env().clone(), self.core.node().clone());
        let service = ForwardServiceServer::new(server)
            .max_decoding_message_size(limits::MAX_FORWARD_MESSAGE_BYTES)
            .max_encoding_message_size(limits::MAX_FORWARD_MESSAGE_BYTES);
        node_routes.add_service(service)
    }

    /// Every reason with how often this node has refused a call or a mutation for it.
    pub fn refusals(&self) -> Vec<(&'static str, u64)> {
        self.core.refusals().counts()
    }

    /// Refusals that the audit log was spared, for there were too many.
    pub fn audit_left_out(&self) -> u64 {
        self.core.access().refusals_left_out()
    }

    /// The node stops. From now on its health is not serving, open streams of mutations end once what they have sent is answered, and
    /// new ones are refused. Single calls are served until the server closes its port; forwarded commands until the
    /// node's tasks are stopped.
    pub fn start_draining(&self) {
        self.core.start_draining();
    }

    /// Prepares the node for being stopped: it hands the lead over where it has it, and sends callers elsewhere as long as
    /// another leads. False where it still leads after that time.
    pub async fn drain(&self, patience: Duration) -> bool {
        self.core.drain(patience).await
    }

    /// Takes [`Gateway::drain`] back, also where it goes on yet.
    pub fn end_drain(&self) {
        self.core.end_drain();
    }

    /// Ends the streams that tell health: they would keep the port for callers open. Called when it closes.
    pub fn close(&self) {
        self.core.close();
    }

    /// True while the node sends callers elsewhere.
    pub fn is_draining(&self) -> bool {
        self.core.is_draining()
    }
}
