//! Types and services generated from the `.proto` files at the top level under `proto/`.
//!
//! This crate holds no logic but [`Connection`], which the generated clients speak over. `v1` is the public surface: its
//! comments speak to callers and its field numbers are for ever. `internal` is what nodes say to nodes.

mod connection;
mod generated;

pub use connection::{Carrier, Connection, Dialer};
pub use generated::{internal, v1};
