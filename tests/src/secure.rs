//! Clusters with certificates: an authority of their own, nodes over TLS, callers of every role.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use rustix::process::Signal;
use serde_json::Value;
use stockade_client::{Bearer, CallerTls, Client, Config};
use stockade_credentials::issue::{self, Issued};
use stockade_credentials::{Certificate, NodeName, names};
use stockade_env::Env;
use tempfile::TempDir;

use crate::{Cluster, binary};

/// An authority, and all that it has made.
#[derive(Debug)]
pub struct Authority {
    dir: TempDir,
}

impl Authority {
    /// Makes one, with a key for tokens.
    pub fn new() -> anyhow::Result<Self> {
        let authority = Self { dir: tempfile::tempdir()? };
        authority.cert(&["ca"])?;
        authority.cert(&["token-key"])?;
        Ok(authority)
    }

    /// The directory of the authority.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Runs `stockade cert`; gives the object that it prints.
    pub fn cert(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let mut command = Command::new(binary());
        command.args(["cert", "--output", "json"]).args(arguments).env("STOCKADE_CA_DIR", self.dir());
        let output = command.output().context("the binary runs")?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "cert {arguments:?}: {told}");
        let text = String::from_utf8(output.stdout)?;
        serde_json::from_str(text.lines().last().unwrap_or_default()).context("the last line is an object")
    }

    /// Where the certificates of a node are.
    pub fn node_dir(&self, id: u64) -> PathBuf {
        self.dir().join(format!("node-{id}"))
    }

    /// Makes the certificate of a node on this machine, or makes it anew.
    pub fn node(&self, id: u64) -> anyhow::Result<PathBuf> {
        let id_text = id.to_string();
        self.cert(&["node", "--node-id", &id_text, "--host", "127.0.0.1,localhost", "--force"])?;
        let dir = self.node_dir(id);
        std::fs::copy(self.dir().join("tokens.pub"), dir.join("tokens.pub"))?;
        Ok(dir)
    }

    /// A certificate of a node on this machine that lasts for seconds, with its key; nobody has it yet.
    pub fn short_lived(&self, id: u64, seconds: i64) -> anyhow::Result<Issued> {
        let name = NodeName { cluster: "stockade".to_owned(), node_id: id };
        let hosts = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        Ok(issue::Authority::read(self.dir())?.node_for_seconds(&name, &hosts, seconds)?)
    }

    /// Has a node show a certificate that lasts for seconds; gives when it ends, in seconds since 1970.
    pub fn node_for_seconds(&self, id: u64, seconds: i64) -> anyhow::Result<i64> {
        let issued = self.short_lived(id, seconds)?;
        replace_pair(&self.node_dir(id), [names::NODE_CERT, names::NODE_KEY], &issued)
    }

    /// Has the callers of a role, whose name is the role's, show a certificate that lasts for seconds.
    pub fn caller_for_seconds(&self, role: &str, seconds: i64) -> anyhow::Result<i64> {
        let issued = issue::Authority::read(self.dir())?.client_for_seconds(
            role,
            role.parse().map_err(anyhow::Error::msg)?,
            seconds,
        )?;
        let dir = self.caller(role)?;
        replace_pair(&dir, [names::CLIENT_CERT, names::CLIENT_KEY], &issued)
    }

    /// A caller of a role, by certificate; gives its directory. Its name is the role's.
    pub fn caller(&self, role: &str) -> anyhow::Result<PathBuf> {
        let dir = self.dir().join(format!("client-{role}"));
        if !dir.exists() {
            self.cert(&["client", "--name", role, "--role", role])?;
        }
        Ok(dir)
    }

    /// A token: itself and its id.
    pub fn token(&self, name: &str, role: &str, expires: &str) -> anyhow::Result<(Bearer, String)> {
        let made = self.cert(&["token", "--name", name, "--role", role, "--expires", expires])?;
        let token = made["token"].as_str().context("a token is told")?;
        Ok((Bearer::new(token)?, made["id"].as_str().context("its id is told")?.to_owned()))
    }

    /// Shows nothing, believes this authority.
    pub fn stranger(&self) -> anyhow::Result<CallerTls> {
        Ok(CallerTls::with_ca(std::fs::read(self.dir().join("ca.crt"))?))
    }
}

/// Puts a certificate and its key in the place of others; gives when it ends.
fn replace_pair(dir: &Path, [certificate, key]: [&str; 2], issued: &Issued) -> anyhow::Result<i64> {
    // Written over, the key's file stays closed to others.
    std::fs::write(dir.join(key), &issued.key)?;
    std::fs::write(dir.join(certificate), &issued.certificate)?;
    let read = Certificate::parse_pem(&dir.join(certificate), issued.certificate.as_bytes())?;
    Ok(read.first().context("a certificate")?.not_after_s)
}

impl Cluster {
    /// Starts nodes with the certificates that an authority has made for them.
    pub async fn start_with_authority(
        authority: Authority,
        count: u64,
        extra: &[&str],
    ) -> anyhow::Result<Self> {
        Self::start_as(None, count, extra, Some(authority)).await
    }

    /// SIGHUP: a node looks at its files.
    pub fn hang_up(&self, id: u64) -> anyhow::Result<()> {
        self.signal(id, Signal::HUP)
    }

    /// Starts `count` nodes with certificates, and waits until one leads and all follow it.
    pub async fn start_secure(count: u64, extra: &[&str]) -> anyhow::Result<Self> {
        let authority = Authority::new()?;
        for id in 1..=count {
            authority.node(id)?;
        }
        authority.caller("admin")?;
        Self::start_as(None, count, extra, Some(authority)).await
    }

    /// The authority of a cluster that has one.
    ///
    /// # Panics
    ///
    /// Where the cluster was not started with one.
    pub fn authority(&self) -> &Authority {
        self.authority.as_ref().expect("the cluster has certificates")
    }

    /// A client that knows every node and connects in this way.
    pub async fn client_as(&self, tls: CallerTls, token: Option<Bearer>) -> stockade_client::Result<Client> {
        let config = Config { tls: Some(tls), token, ..Config::new(self.addresses()) };
        Client::connect(&Env::real(), config).await
    }
}
