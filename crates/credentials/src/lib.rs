//! Certificates, tokens and roles: who is at the other end of a connection, and what a node or a caller shows of itself.
//!
//! This crate deliberately knows no service, no method and no command: it says who calls and in which role. What a role may
//! do stands in the gateway.
//!
//! Invariants:
//! - There is one stack of TLS, rustls on ring, at version 1.3; nothing else names it.
//! - Files that don't fit together are never taken into use: what was in use stays.
//! - No key and no token is ever printed, `Debug` included.
//! - Sessions are not resumed: every connection shows its certificate, and has it checked, anew.
//!
//! Start reading at [`Credentials`] for a node, [`CallerTls`] for a caller.

mod caller;
mod certificate;
mod connection;
mod connector;
mod error;
mod files;
#[cfg(any(test, feature = "issue"))]
pub mod issue;
pub mod limits;
mod lists;
mod material;
mod node;
mod node_name;
mod pem;
mod renewals;
mod revoked;
mod role;
mod tls;
mod token;

pub use caller::{Bearer, CallerTls};
pub use certificate::Certificate;
pub use connection::{ConnectionInfo, ServerStream, Shown};
pub use connector::Connector;
pub use error::Error;
pub use node::{Audience, Credentials, DaysLeft, Identified, InUse, Looked, Means, Refused};
pub use node_name::NodeName;
pub use renewals::Renewals;
pub use role::Role;
pub use token::{Claims, SigningKey, TokenError, Verified, VerifyingKeys};

/// Names of the files in a directory of certificates.
pub mod names {
    /// The authorities whose certificates are believed; several where one takes over from another.
    pub const CA_CERT: &str = "ca.crt";
    /// The authority's key: needed to sign, nowhere else.
    pub const CA_KEY: &str = "ca.key";
    /// The node's certificate, and those between it and the authority.
    pub const NODE_CERT: &str = "node.crt";
    /// The node's key.
    pub const NODE_KEY: &str = "node.key";
    /// The caller's certificate, and those between it and the authority.
    pub const CLIENT_CERT: &str = "client.crt";
    /// The caller's key.
    pub const CLIENT_KEY: &str = "client.key";
    /// The key that tokens are signed with: needed to sign, nowhere else.
    pub const TOKEN_KEY: &str = "tokens.key";
    /// The public keys that tokens are checked with.
    pub const TOKEN_KEYS: &str = "tokens.pub";
    /// Ids of tokens that are believed no more, one a line.
    pub const REVOKED_TOKENS: &str = "tokens.revoked";
    /// Serial numbers of certificates that are believed no more, one a line.
    pub const REVOKED_CERTS: &str = "certs.revoked";
}
