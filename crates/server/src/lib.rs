//! One node, composed: configuration, storage, consensus, gateway, the three ports, metrics and shutdown.
//!
//! This crate deliberately knows no command of the domain and no byte of a format: it only puts the parts together and
//! takes them apart again in the right order.
//!
//! Invariants:
//! - All ports are bound before the data directory is touched, so that a second start by mistake changes nothing.
//! - Raft and the peer port run on a runtime of their own, so that load on the gateway delays no heartbeat.
//! - With certificates all three ports speak TLS and nothing else.
//! - Without TLS nothing listens beyond loopback unless the operator said `insecure`.
//!
//! Start reading at [`Server`].

mod config;
mod error;
mod exit;
mod grpc;
mod http;
mod limits;
mod listen;
mod metrics;
mod places;
mod raft_runtime;
mod restore;
mod rotation;
mod server;

pub use config::{Config, Profile, Timings, cluster_id, restored_cluster_id};
pub use error::{RunError, StartError};
pub use exit::Exit;
pub use server::{Addresses, Server};
pub use stockade_consensus::{DEFAULT_KEPT_LOG_ENTRIES, DEFAULT_MAX_IN_FLIGHT_BYTES};
pub use stockade_storage::{Backup, BackupId, DEFAULT_SCRUB_BYTES_PER_SECOND, EngineKind};
