//! Every bound of this crate, in one place.

use std::time::Duration;

/// Bytes of a file of certificates, keys or revoked ids.
pub const MAX_FILE_BYTES: u64 = 1 << 20;
/// Authorities in one file.
pub const MAX_AUTHORITIES: usize = 16;
/// Certificates in a chain.
pub const MAX_CHAIN: usize = 8;
/// Keys that tokens are checked with.
pub const MAX_TOKEN_KEYS: usize = 16;
/// Bytes of a token.
pub const MAX_TOKEN_BYTES: usize = 2_048;
/// Bytes of a principal's name: what request ids are scoped to.
pub const MAX_NAME_BYTES: usize = 128;
/// Tokens whose signature has been checked and is remembered.
pub(crate) const MAX_VERIFIED_TOKENS: usize = 256;
/// How long a handshake over an outgoing connection may take, once the connection stands.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);
/// Days before the end of a certificate from which on somebody should look.
pub const EXPIRY_WARNING_DAYS: i64 = 14;
