//! How a command shows who it is.

use std::path::PathBuf;

use anyhow::Context as _;
use stockade_client::{Bearer, CallerTls, Config};

/// Bytes of a file with a token: far more than a token has.
const MAX_TOKEN_FILE_BYTES: u64 = 64 << 10;

/// Whom to believe, and what to show.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct AccessArgs {
    /// Connect over TLS: directory with ca.crt, whose nodes are believed, and client.crt and client.key, where there are
    /// any. Without it nothing is encrypted.
    #[arg(long, global = true, value_name = "DIR", env = "STOCKADE_CERTS_DIR")]
    pub(crate) certs_dir: Option<PathBuf>,
    /// File with a token to show, from `stockade cert token`. It says who calls even beside a certificate.
    #[arg(long, global = true, value_name = "FILE", env = "STOCKADE_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
}

impl AccessArgs {
    /// The configuration, with this.
    pub(crate) fn apply(&self, config: Config) -> anyhow::Result<Config> {
        let token = match &self.token_file {
            Some(path) => Some(read_token(path).with_context(|| format!("the token in {}", path.display()))?),
            None => None,
        };
        Ok(Config { tls: self.certs_dir.clone().map(CallerTls::in_dir), token, ..config })
    }
}

fn read_token(path: &std::path::Path) -> anyhow::Result<Bearer> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_TOKEN_FILE_BYTES).read_to_string(&mut text)?;
    Ok(Bearer::new(&text)?)
}
