//! What a certificate says of its owner.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::error::Error;
use crate::node_name::NodeName;
use crate::role::Role;
use crate::{limits, pem};

/// What a certificate says. Whether it is to be believed is another matter: TLS has checked that by then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The common name: of a caller its principal. Empty where there is not exactly one.
    pub name: String,
    /// The role, where the only organizational unit names one.
    pub role: Option<Role>,
    /// The node whose certificate it is, where it is a node's.
    pub node: Option<NodeName>,
    /// DNS names and IP addresses.
    pub hosts: Vec<String>,
    /// Hexadecimal digits.
    pub serial: String,
    /// Seconds since 1970 from which on it counts.
    pub not_before_s: i64,
    /// Seconds since 1970 after which it counts no more.
    pub not_after_s: i64,
    /// True of an authority's.
    pub is_authority: bool,
}

impl Certificate {
    /// Reads a certificate in DER.
    pub fn parse(der: &[u8]) -> Result<Self, String> {
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
        if !rest.is_empty() {
            return Err("something follows the certificate".to_owned());
        }
        let subject = parsed.subject();
        let name = only(subject.iter_common_name().map(|part| part.as_str().unwrap_or_default().to_owned()));
        let unit =
            only(subject.iter_organizational_unit().map(|part| part.as_str().unwrap_or_default().to_owned()));
        let alternatives = parsed.subject_alternative_name().map_err(|error| error.to_string())?;
        let mut hosts = Vec::new();
        let mut uris = Vec::new();
        for name in alternatives.iter().flat_map(|names| &names.value.general_names) {
            match name {
                GeneralName::DNSName(host) => hosts.push((*host).to_owned()),
                GeneralName::IPAddress(bytes) => hosts.extend(ip(bytes)),
                GeneralName::URI(uri) => uris.push((*uri).to_owned()),
                _ => {}
            }
        }
        Ok(Self {
            name: name.unwrap_or_default(),
            role: unit.and_then(|unit| unit.parse().ok()),
            node: only(uris.into_iter()).and_then(|uri| NodeName::from_uri(&uri)),
            hosts,
            serial: hex(parsed.raw_serial()),
            not_before_s: parsed.validity().not_before.timestamp(),
            not_after_s: parsed.validity().not_after.timestamp(),
            is_authority: parsed.is_ca(),
        })
    }

    /// Reads what was shown in a handshake, the owner's certificate first; `None` where nothing was. It counts no longer than
    /// those between it and the authority: the first of them to end is its end. One that had ended by then is not needed,
    /// or the handshake would have failed.
    pub(crate) fn of_chain(chain: &[CertificateDer<'_>], now_s: i64) -> Result<Option<Self>, String> {
        let Some((first, between)) = chain.split_first() else { return Ok(None) };
        let mut certificate = Self::parse(first)?;
        let ends = between.iter().filter_map(|der| Some(Self::parse(der).ok()?.not_after_s));
        let first_end = ends.filter(|not_after_s| *not_after_s > now_s).min();
        certificate.not_after_s = certificate.not_after_s.min(first_end.unwrap_or(i64::MAX));
        Ok(Some(certificate))
    }

    /// Reads a file of certificates in PEM, at least one.
    pub fn parse_pem(path: &Path, bytes: &[u8]) -> Result<Vec<Self>, Error> {
        let all = pem::certificates(path, bytes, limits::MAX_AUTHORITIES)?;
        let parsed = all.iter().map(|der| Self::parse(der));
        parsed.collect::<Result<_, _>>().map_err(|error| Error::file(path, error))
    }

    /// True where the name can be a principal.
    pub(crate) fn names_principal(&self) -> bool {
        is_principal(&self.name)
    }

    /// Whole days that are left, less than none once it is over.
    pub fn days_left(&self, now_s: i64) -> i64 {
        (self.not_after_s - now_s).div_euclid(24 * 60 * 60)
    }
}

/// True of what can be a principal: visible ASCII characters, and not too many.
pub(crate) fn is_principal(name: &str) -> bool {
    (1..=limits::MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The one item that there is. Of two nobody can say which counts.
fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.next().is_none().then_some(first)
}

fn ip(bytes: &[u8]) -> Option<String> {
    let four = <[u8; 4]>::try_from(bytes).ok().map(|octets| std::net::IpAddr::from(octets).to_string());
    four.or_else(|| <[u8; 16]>::try_from(bytes).ok().map(|octets| std::net::IpAddr::from(octets).to_string()))
}

/// As digits, without the zero byte that keeps a number positive.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let bytes = if bytes.len() > 1 && bytes[0] == 0 { &bytes[1..] } else { bytes };
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}
