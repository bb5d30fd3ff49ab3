//! PEM files into DER.

use std::path::Path;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer};

use crate::error::Error;
use crate::limits;

/// The certificates of a file, at least one.
pub(crate) fn certificates(
    path: &Path,
    bytes: &[u8],
    at_most: usize,
) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let certificates = read.map_err(|error| Error::file(path, format!("is no PEM file: {error}")))?;
    if certificates.is_empty() || certificates.len() > at_most {
        return Err(Error::file(
            path,
            format!("has {} certificates, 1 to {at_most} should be there", certificates.len()),
        ));
    }
    Ok(certificates)
}

/// The private key of a file. What is wrong with it is said without a word of it.
pub(crate) fn private_key(path: &Path, bytes: &[u8]) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_slice(bytes).map_err(|_| Error::file(path, "holds no private key in PEM"))
}

/// The public keys of a file, in DER.
pub(crate) fn public_keys(path: &Path, bytes: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let read: Result<Vec<_>, _> = SubjectPublicKeyInfoDer::pem_slice_iter(bytes).collect();
    let keys = read.map_err(|error| Error::file(path, format!("is no PEM file: {error}")))?;
    if keys.len() > limits::MAX_TOKEN_KEYS {
        return Err(Error::file(path, format!("has more than {} keys", limits::MAX_TOKEN_KEYS)));
    }
    Ok(keys.into_iter().map(|key| key.as_ref().to_vec()).collect())
}
