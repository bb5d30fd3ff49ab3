//! Makes certificates: an authority, and what it signs. For the command line and for tests; no node needs it.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType,
};
use rustls::pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::certificate::is_principal;
use crate::error::Error;
use crate::node_name::NodeName;
use crate::role::Role;
use crate::{files, limits, names, pem};

/// From when on certificates count before they are made: clocks differ.
const HEAD_START: Duration = Duration::minutes(5);

/// A certificate and the key to it, in PEM.
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

/// Signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// All authorities that are believed beside it, itself first, in PEM.
    pub certificates: String,
}

impl Authority {
    /// A new authority, and what its files hold.
    pub fn new(name: &str, days: i64) -> Result<(Self, Issued), Error> {
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        last(&mut params, Duration::days(days));
        let certificate = params.self_signed(&key).map_err(|error| failed(&error))?.pem();
        let issued = Issued { certificate: certificate.clone(), key: key.serialize_pem() };
        Ok((Self { issuer: Issuer::new(params, key), certificates: certificate }, issued))
    }

    /// Reads the authority of a directory: the one of `ca.crt` that `ca.key` belongs to.
    pub fn read(dir: &Path) -> Result<Self, Error> {
        let (certificates_file, key_file) = (dir.join(names::CA_CERT), dir.join(names::CA_KEY));
        let certificates = files::read(&certificates_file)?;
        let key = String::from_utf8(files::read_secret(&key_file)?).ok();
        let key = key.and_then(|key| KeyPair::from_pem(&key).ok());
        let key = key.ok_or_else(|| Error::file(&key_file, "holds no key that can sign"))?;
        let public = key.subject_public_key_info();
        let all = pem::certificates(&certificates_file, &certificates, limits::MAX_AUTHORITIES)?;
        let own = all.iter().find(|der| {
            let parsed = X509Certificate::from_der(der.as_ref());
            parsed.is_ok_and(|(_, parsed)| parsed.public_key().raw == public.as_slice())
        });
        let own: &CertificateDer<'_> =
            own.ok_or_else(|| Error::file(&certificates_file, "has no certificate that ca.key belongs to"))?;
        let issuer = Issuer::from_ca_cert_der(own, key).map_err(|error| failed(&error))?;
        let certificates = String::from_utf8(certificates);
        let certificates = certificates.map_err(|_| Error::file(&certificates_file, "is no text"))?;
        Ok(Self { issuer, certificates })
    }

    /// A node's certificate, for these DNS names and IP addresses.
    pub fn node(&self, node: &NodeName, hosts: &[String], days: i64) -> Result<Issued, Error> {
        self.node_for(node, hosts, Duration::days(days))
    }

    /// The same for seconds: for tests of what happens when it ends.
    pub fn node_for_seconds(&self, node: &NodeName, hosts: &[String], seconds: i64) -> Result<Issued, Error> {
        self.node_for(node, hosts, Duration::seconds(seconds))
    }

    fn node_for(&self, node: &NodeName, hosts: &[String], lasts: Duration) -> Result<Issued, Error> {
        let mut params = CertificateParams::new(hosts).map_err(|error| failed(&error))?;
        let uri = node.to_string().try_into().map_err(|error| failed(&error))?;
        params.subject_alt_names.push(SanType::URI(uri));
        // Nodes call nodes: each is a server to some and a client to others.
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, &format!("node {}", node.node_id), None, lasts)
    }

    /// A caller's certificate: principal and role.
    pub fn client(&self, name: &str, role: Role, days: i64) -> Result<Issued, Error> {
        self.client_for(name, role, Duration::days(days))
    }

    /// The same for seconds: for tests of what happens when it ends.
    pub fn client_for_seconds(&self, name: &str, role: Role, seconds: i64) -> Result<Issued, Error> {
        self.client_for(name, role, Duration::seconds(seconds))
    }

    fn client_for(&self, name: &str, role: Role, lasts: Duration) -> Result<Issued, Error> {
        if !is_principal(name) {
            let most = limits::MAX_NAME_BYTES;
            return Err(Error::Unfit(format!("a name has 1 to {most} visible ASCII characters")));
        }
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, name, Some(role), lasts)
    }

    fn sign(
        &self,
        mut params: CertificateParams,
        name: &str,
        role: Option<Role>,
        lasts: Duration,
    ) -> Result<Issued, Error> {
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        if let Some(role) = role {
            params.distinguished_name.push(DnType::OrganizationalUnitName, role.name());
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        last(&mut params, lasts);
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(|error| failed(&error))?;
        Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

/// Less than no time makes a certificate that is over already: for tests.
fn last(params: &mut CertificateParams, lasts: Duration) {
    let now = OffsetDateTime::now_utc();
    let end = now + lasts;
    params.not_before = now.min(end - Duration::days(1)) - HEAD_START;
    params.not_after = end;
}

fn failed(error: &dyn std::fmt::Display) -> Error {
    Error::Unfit(format!("the certificate can't be made: {error}"))
}
