//! What a certificate or a token says.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use prost_types::Timestamp;
use serde_json::{Value, json};
use stockade_credentials::{Certificate, Claims, NodeName, Role};

use crate::output::{self, Output};

#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// File with certificates in PEM, or with a token.
    file: PathBuf,
}

pub(super) fn run(args: &ShowArgs, output: Output) -> anyhow::Result<()> {
    let text = read(&args.file).with_context(|| format!("reading {}", args.file.display()))?;
    if let Some(claims) = Claims::unverified(text.trim()) {
        output.print(&json!({ "token": token(&claims) }), || token_text(&claims));
        return Ok(());
    }
    let certificates = Certificate::parse_pem(&args.file, text.as_bytes());
    let certificates = certificates.context("this is neither a token nor a file of certificates")?;
    let objects: Vec<Value> = certificates.iter().map(certificate).collect();
    output.print(&json!({ "certificates": objects }), || {
        certificates.iter().map(certificate_text).collect::<Vec<_>>().join("\n")
    });
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(stockade_credentials::limits::MAX_FILE_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

fn certificate(certificate: &Certificate) -> Value {
    json!({
        "name": certificate.name,
        "role": certificate.role.map(Role::name),
        "node": certificate.node.as_ref().map(ToString::to_string),
        "hosts": certificate.hosts,
        "authority": certificate.is_authority,
        "serial": certificate.serial,
        "not_before": time(certificate.not_before_s),
        "not_after": time(certificate.not_after_s),
    })
}

fn certificate_text(certificate: &Certificate) -> String {
    let kind = match (&certificate.node, certificate.role, certificate.is_authority) {
        (Some(NodeName { cluster, node_id }), _, _) => format!("node {node_id} of cluster {cluster}"),
        (None, _, true) => "authority".to_owned(),
        (None, Some(role), false) => format!("caller, role {role}"),
        (None, None, false) => "neither a node's nor a caller's: it names no role".to_owned(),
    };
    output::record(&[
        ("name", certificate.name.clone()),
        ("of", kind),
        ("hosts", certificate.hosts.join(", ")),
        ("serial", certificate.serial.clone()),
        ("from", time(certificate.not_before_s)),
        ("until", time(certificate.not_after_s)),
    ])
}

/// What a token says, without the token.
pub(super) fn token(claims: &Claims) -> Value {
    json!({
        "name": claims.name,
        "role": claims.role.name(),
        "cluster": claims.cluster,
        "id": claims.id,
        "issued": time(claims.issued_s),
        "expires": time(claims.expires_s),
    })
}

/// The same for people.
pub(super) fn token_text(claims: &Claims) -> String {
    let Claims { name, role, cluster, id, expires_s, .. } = claims;
    format!("token {id} of {name}, role {role}, for cluster {cluster}, until {}", time(*expires_s))
}

fn time(seconds: i64) -> String {
    Timestamp { seconds, nanos: 0 }.to_string()
}
