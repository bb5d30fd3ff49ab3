//! Compiles the `.proto` files with a compiler written in Rust: no protoc is needed.

use std::error::Error;

const FILES: &[&str] = &[
    "stockade/v1/common.proto",
    "stockade/v1/catalog.proto",
    "stockade/v1/stock.proto",
    "stockade/v1/order.proto",
    "stockade/v1/reservation.proto",
    "stockade/v1/transaction.proto",
    "stockade/v1/ledger.proto",
    "stockade/v1/cluster.proto",
    "stockade/v1/maintenance.proto",
    "stockade/internal/v1/peer.proto",
    "stockade/internal/v1/forward.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = "../../proto";
    println!("cargo:rerun-if-changed={root}");
    let descriptors = protox::compile(FILES, [root])?;
    tonic_prost_build::configure()
        // Commands and log entries travel without being copied.
        .bytes(".stockade.internal.v1")
        // One order of attributes in every node, log line and export.
        .btree_map(".stockade.v1.Sku.attributes")
        .extern_path(".google.rpc", "::tonic_types::pb")
        .compile_fds(descriptors)?;
    Ok(())
}
