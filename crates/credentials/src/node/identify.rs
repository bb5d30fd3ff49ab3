//! Who a caller is, by what it shows, and whether that still holds a while later.

use std::sync::Arc;

use super::{Credentials, now_s};
use crate::connection::{ConnectionInfo, Shown};
use crate::revoked::without_zeros;
use crate::role::Role;
use crate::token::{TokenError, Verified};

/// What a caller has shown to be itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Means {
    /// A certificate.
    Certificate(Arc<Shown>),
    /// A token that is signed with the key of this name.
    Token {
        /// Names the key.
        key: String,
    },
}

impl Means {
    /// For people and logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Certificate(_) => "certificate",
            Self::Token { .. } => "token",
        }
    }
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identified {
    /// The principal.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// How this is known.
    pub means: Means,
    /// Serial number of the certificate or id of the token: what it is revoked by.
    pub id: String,
    /// Seconds since 1970 after which it counts no more.
    pub expires_s: i64,
}

/// Why it is not known who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Neither a certificate nor a token was shown.
    #[error("neither a client certificate nor a token was shown")]
    Nothing,
    /// The certificate names no principal or no role: a node's for example.
    #[error("the certificate is no caller's: it names no role")]
    NoCaller,
    /// The certificate's time is over; the connection is older.
    #[error("the certificate has expired")]
    CertificateExpired,
    /// The certificate was revoked.
    #[error("the certificate was revoked")]
    CertificateRevoked,
    /// Since the connection was opened, the authority behind the certificate was taken out.
    #[error("the certificate is of an authority that is believed no more")]
    CertificateAuthority,
    /// What was shown for a token is none.
    #[error("the authorization is no bearer token")]
    NoToken,
    /// The token is not believed.
    #[error("{0}")]
    Token(#[from] TokenError),
}

impl Credentials {
    /// Who calls: the token says it where one is shown, else the certificate. What was believed once and is no more is refused.
    pub fn identify(
        &self,
        connection: Option<&ConnectionInfo>,
        authorization: Option<&str>,
    ) -> Result<Identified, Refused> {
        let identified = self.named(connection, authorization)?;
        self.still_holds(&identified).map(|()| identified)
    }

    /// Who is named by what is shown. Whether that still counts is another matter, see [`Credentials::still_holds`]: whoever
    /// writes down who was refused asks for both apart.
    pub fn named(
        &self,
        connection: Option<&ConnectionInfo>,
        authorization: Option<&str>,
    ) -> Result<Identified, Refused> {
        match authorization {
            Some(authorization) => self.by_token(authorization),
            None => Self::by_certificate(connection.and_then(|connection| connection.certificate.as_ref())),
        }
    }

    /// Whether who was identified a while ago still is who it was then.
    pub fn still_holds(&self, identified: &Identified) -> Result<(), Refused> {
        let over = identified.expires_s <= now_s(&self.0.clock);
        let trust = self.0.trust.read();
        match &identified.means {
            Means::Certificate(_) if over => Err(Refused::CertificateExpired),
            Means::Certificate(_) if trust.revoked_certificates.has(without_zeros(&identified.id)) => {
                Err(Refused::CertificateRevoked)
            }
            Means::Certificate(shown) if !self.is_vouched_for(shown) => Err(Refused::CertificateAuthority),
            Means::Token { .. } if over => Err(TokenError::Expired.into()),
            Means::Token { .. } if trust.revoked_tokens.has(&identified.id) => {
                Err(TokenError::Revoked.into())
            }
            Means::Token { key } if !trust.keys.has(key) => Err(TokenError::Signature.into()),
            Means::Certificate(_) | Means::Token { .. } => Ok(()),
        }
    }

    fn by_token(&self, authorization: &str) -> Result<Identified, Refused> {
        let (scheme, token) = authorization.split_once(' ').ok_or(Refused::NoToken)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refused::NoToken);
        }
        let trust = Arc::clone(&self.0.trust.read());
        let Verified { claims, key } =
            trust.keys.verify(token.trim(), &self.0.node.cluster, now_s(&self.0.clock))?;
        Ok(Identified {
            name: claims.name,
            role: claims.role,
            means: Means::Token { key },
            id: claims.id,
            expires_s: claims.expires_s,
        })
    }

    fn by_certificate(shown: Option<&Arc<Shown>>) -> Result<Identified, Refused> {
        let shown = shown.ok_or(Refused::Nothing)?;
        let role = shown.role.filter(|_| shown.node.is_none() && shown.names_principal());
        Ok(Identified {
            name: shown.name.clone(),
            role: role.ok_or(Refused::NoCaller)?,
            means: Means::Certificate(Arc::clone(shown)),
            id: shown.serial.clone(),
            expires_s: shown.not_after_s,
        })
    }
}
