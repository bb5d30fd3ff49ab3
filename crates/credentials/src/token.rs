//! Tokens: JSON Web Tokens in the compact form (RFC 7519), signed with Ed25519 (RFC 8037) and nothing else.
//!
//! One algorithm, fixed here and not taken from the token, is what RFC 8725 asks for first. What a token says is believed
//! once its signature has been checked, and not a word of it before.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::certificate::is_principal;
use crate::error::Error;
use crate::role::Role;
use crate::{limits, pem, revoked};

/// The one algorithm.
const ALGORITHM: &str = "EdDSA";
/// What stands before an Ed25519 key in a `SubjectPublicKeyInfo` (RFC 8410, section 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// Bytes of a token's id.
const ID_BYTES: usize = 16;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The principal.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Name of the cluster that it is for.
    pub cluster: String,
    /// Seconds since 1970.
    pub issued_s: i64,
    /// Seconds since 1970 from which on it counts no more.
    pub expires_s: i64,
    /// Hexadecimal digits: what it is revoked by.
    pub id: String,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

#[derive(Serialize, Deserialize)]
struct Payload {
    sub: String,
    role: String,
    aud: String,
    iat: i64,
    exp: i64,
    jti: String,
}

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is none.
    #[error("the token is malformed")]
    Malformed,
    /// No key that this node has checks its signature.
    #[error("the token is not signed with a key that this node knows")]
    Signature,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// It is for another cluster.
    #[error("the token is for another cluster")]
    Cluster,
    /// It was revoked.
    #[error("the token was revoked")]
    Revoked,
}

impl Claims {
    fn decode(payload: &[u8]) -> Option<Self> {
        let payload: Payload = serde_json::from_slice(payload).ok()?;
        let claims = Self {
            role: payload.role.parse().ok()?,
            name: payload.sub,
            cluster: payload.aud,
            issued_s: payload.iat,
            expires_s: payload.exp,
            id: revoked::token_id(&payload.jti)?,
        };
        is_principal(&claims.name).then_some(claims)
    }

    /// What a token says of itself. Nothing was checked: for people who want to know which one they hold.
    pub fn unverified(token: &str) -> Option<Self> {
        let (_, payload, _) = parts(token)?;
        Self::decode(&URL_SAFE_NO_PAD.decode(payload).ok()?)
    }

    /// A new id for a token.
    pub fn new_id() -> String {
        let mut bytes = [0; ID_BYTES];
        SystemRandom::new().fill(&mut bytes).expect("the system gives random bytes");
        hex(&bytes)
    }
}

/// Header, payload and signature of a token, still encoded.
fn parts(token: &str) -> Option<(&str, &str, &str)> {
    if token.len() > limits::MAX_TOKEN_BYTES {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    (!payload.contains('.')).then_some((header, payload, signature))
}

/// Signs tokens.
pub struct SigningKey(Ed25519KeyPair);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.id()).finish()
    }
}

impl SigningKey {
    /// A new key, and what its file holds.
    pub fn generate() -> (Self, String) {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        let document = document.expect("the system gives random bytes");
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("it was made just now");
        (Self(pair), as_pem("PRIVATE KEY", document.as_ref()))
    }

    /// Reads a key's file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let key = pem::private_key(path, &crate::files::read_secret(path)?)?;
        let pair = Ed25519KeyPair::from_pkcs8(key.secret_der());
        pair.map(Self)
            .map_err(|_| Error::file(path, "holds no Ed25519 key, as `stockade cert token-key` makes it"))
    }

    /// What of it goes to the nodes, as `tokens.pub` holds it.
    pub fn public_pem(&self) -> String {
        as_pem("PUBLIC KEY", &[&SPKI_PREFIX, self.0.public_key().as_ref()].concat())
    }

    /// Names the key.
    pub fn id(&self) -> String {
        key_id(self.0.public_key().as_ref())
    }

    /// A token that says this.
    pub fn sign(&self, claims: &Claims) -> String {
        let encode = |json: serde_json::Result<Vec<u8>>| {
            URL_SAFE_NO_PAD.encode(json.expect("texts and numbers become JSON"))
        };
        let header = Header { alg: ALGORITHM.to_owned(), typ: "JWT".to_owned(), kid: self.id() };
        let payload = Payload {
            sub: claims.name.clone(),
            role: claims.role.name().to_owned(),
            aud: claims.cluster.clone(),
            iat: claims.issued_s,
            exp: claims.expires_s,
            jti: claims.id.clone(),
        };
        let signed =
            format!("{}.{}", encode(serde_json::to_vec(&header)), encode(serde_json::to_vec(&payload)));
        let signature = URL_SAFE_NO_PAD.encode(self.0.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

/// Checks tokens: public keys, the newest and those that are still to be believed beside it.
///
/// Invariants:
/// - Of a remembered token only the signature is taken as checked: time and revocation are looked at each time.
#[derive(Debug, Default)]
pub struct VerifyingKeys {
    keys: BTreeMap<String, Vec<u8>>,
    /// By the token's SHA-256.
    verified: Mutex<BTreeMap<[u8; 32], Verified>>,
}

/// A token that is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What it says.
    pub claims: Claims,
    /// Names the key that it is signed with.
    pub key: String,
}

impl VerifyingKeys {
    /// Reads the file of public keys.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let mut keys = BTreeMap::new();
        for der in pem::public_keys(path, bytes)? {
            let key = der.strip_prefix(&SPKI_PREFIX).filter(|key| key.len() == 32);
            let key = key.ok_or_else(|| Error::file(path, "holds a key that is no Ed25519 key"))?;
            keys.insert(key_id(key), key.to_vec());
        }
        Ok(Self { keys, verified: Mutex::default() })
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True where no token can be believed.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// True of a key, by its name, that tokens are checked with.
    pub fn has(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    /// What a token says, where it is signed with one of the keys, for this cluster and still in time. Whether it was
    /// revoked is looked up elsewhere.
    pub fn verify(&self, token: &str, cluster: &str, now_s: i64) -> Result<Verified, TokenError> {
        let verified = self.signed(token)?;
        if verified.claims.cluster != cluster {
            return Err(TokenError::Cluster);
        }
        if verified.claims.expires_s <= now_s {
            return Err(TokenError::Expired);
        }
        Ok(verified)
    }

    /// What a token says that is signed with one of the keys.
    fn signed(&self, token: &str) -> Result<Verified, TokenError> {
        if token.len() > limits::MAX_TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let hash = digest(&SHA256, token.as_bytes());
        let hash: [u8; 32] = hash.as_ref().try_into().expect("SHA-256 has 32 bytes");
        if let Some(verified) = self.verified.lock().get(&hash) {
            return Ok(verified.clone());
        }
        let verified = self.check_signature(token)?;
        let mut remembered = self.verified.lock();
        if remembered.len() >= limits::MAX_VERIFIED_TOKENS {
            remembered.clear();
        }
        remembered.insert(hash, verified.clone());
        Ok(verified)
    }

    fn check_signature(&self, token: &str) -> Result<Verified, TokenError> {
        let malformed = TokenError::Malformed;
        let (header, payload, signature) = parts(token).ok_or(malformed)?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed);
        let signature = decode(signature)?;
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| malformed)?;
        if header.alg != ALGORITHM {
            return Err(malformed);
        }
        let key = self.keys.get(&header.kid).ok_or(TokenError::Signature)?;
        let signed = &token[..token.rfind('.').ok_or(malformed)?];
        let key = UnparsedPublicKey::new(&ED25519, key);
        key.verify(signed.as_bytes(), &signature).map_err(|_| TokenError::Signature)?;
        let claims = Claims::decode(&decode(payload)?).ok_or(malformed)?;
        Ok(Verified { claims, key: header.kid })
    }
}

fn key_id(public: &[u8]) -> String {
    hex(&digest(&SHA256, public).as_ref()[..8])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

fn as_pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in STANDARD.encode(der).as_bytes().chunks(64) {
        text.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
        text.push('\n');
    }
    writeln!(text, "-----END {label}-----").expect("a String takes everything");
    text
}

#[cfg(test)]
mod tests;
