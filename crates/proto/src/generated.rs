//! What is generated from the `.proto` files.
#![allow(missing_docs, reason = "generated: the comments stand in the .proto files")]
#![allow(
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    clippy::large_enum_variant,
    unreachable_pub,
    reason = "generated code"
)]

/// The public package `stockade.v1`.
pub mod v1 {
    tonic::include_proto!("stockade.v1");
}

/// The package `stockade.internal.v1`, spoken among nodes only.
pub mod internal {
    tonic::include_proto!("stockade.internal.v1");
}
