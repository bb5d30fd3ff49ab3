//! Types and services generated from the `.proto` files at the top level under `proto/`.
//!
//! This crate holds no logic but [`Connection`], which the generated clients speak over. `v1` is the public surface: its comments speak to callers and its field numbers
//! are for ever. `internal` is what nodes say to nodes.

mod connection;

pub use connection::{Carrier, Connection, Dialer};

/// The public package `stockade.v1`.
#[allow(missing_docs, reason = "generated: the comments stand in the .proto files")]
#[allow(
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    unreachable_pub,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("stockade.v1");
}

/// The package `stockade.internal.v1`, spoken among nodes only.
#[allow(missing_docs, reason = "generated: the comments stand in the .proto files")]
#[allow(
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    unreachable_pub,
    reason = "generated code"
)]
pub mod internal {
    tonic::include_proto!("stockade.internal.v1");
}
