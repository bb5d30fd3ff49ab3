//! Tokens, and the keys that sign them.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde_json::json;
use stockade_credentials::{Claims, Role, SigningKey, names};
use stockade_env::Env;

use super::files::{self, Secrecy, Wanted};
use super::{CaDir, Force, show, told};
use crate::output::Output;
use crate::words;

#[derive(Debug, clap::Args)]
pub(super) struct KeyArgs {
    #[command(flatten)]
    ca: CaDir,
    /// Make a new key that takes over from the one that is there: tokens.pub then has both, the new one first.
    #[arg(long, conflicts_with = "force")]
    rotate: bool,
    #[command(flatten)]
    force: Force,
}

#[derive(Debug, clap::Args)]
pub(super) struct TokenArgs {
    #[command(flatten)]
    ca: CaDir,
    /// Name of the cluster that the token is for, as its nodes are started with.
    #[arg(long, value_name = "NAME", env = "STOCKADE_CLUSTER_NAME", default_value = "stockade")]
    cluster_name: String,
    /// The principal: a stable name of the program or person that calls.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// What it may do: read, order, stock, operator or admin.
    #[arg(long, value_name = "ROLE")]
    role: Role,
    /// How long it is believed: 12h or 30d for example.
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = words::close_after)]
    expires: prost_types::Duration,
    /// File that the token goes to, readable by you alone; without it the token is printed.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
}

pub(super) fn key(args: &KeyArgs, output: Output) -> anyhow::Result<()> {
    let dir = &args.ca.ca_dir;
    let public_file = dir.join(names::TOKEN_KEYS);
    let before = if args.rotate {
        std::fs::read_to_string(&public_file).with_context(|| format!("reading {}", public_file.display()))?
    } else {
        String::new()
    };
    let (key, secret) = SigningKey::generate();
    let public = format!("{}{before}", key.public_pem());
    let wanted = [
        Wanted { name: names::TOKEN_KEY, text: &secret, secrecy: Secrecy::Secret },
        Wanted { name: names::TOKEN_KEYS, text: &public, secrecy: Secrecy::Public },
    ];
    files::write(dir, &wanted, args.force.force || args.rotate)?;
    told(dir, &wanted, output);
    Ok(())
}

pub(super) fn token(args: &TokenArgs, output: Output) -> anyhow::Result<()> {
    let key = SigningKey::read(&args.ca.ca_dir.join(names::TOKEN_KEY))?;
    let now_s = i64::try_from(Env::real().clock.now_us() / 1_000_000).unwrap_or(i64::MAX);
    let claims = Claims {
        name: args.name.clone(),
        role: args.role,
        cluster: args.cluster_name.clone(),
        issued_s: now_s,
        expires_s: now_s.saturating_add(args.expires.seconds),
        id: Claims::new_id(),
    };
    let token = key.sign(&claims);
    // What a node would not believe is better found out here.
    if Claims::unverified(&token).as_ref() != Some(&claims) {
        bail!("--name must have 1 to 128 visible ASCII characters");
    }
    let mut object = show::token(&claims);
    let Some(path) = &args.out else {
        object["token"] = json!(token);
        eprintln!("{}", show::token_text(&claims));
        output.print(&object, || token.clone());
        return Ok(());
    };
    let name = path.file_name().and_then(|name| name.to_str()).context("--out names no file")?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let dir = dir.map_or_else(|| PathBuf::from("."), ToOwned::to_owned);
    let wanted = [Wanted { name, text: &format!("{token}\n"), secrecy: Secrecy::Secret }];
    files::write(&dir, &wanted, args.force.force)?;
    object["written"] = json!([path.display().to_string()]);
    output.print(&object, || format!("wrote {}: {}", path.display(), show::token_text(&claims)));
    Ok(())
}
