//! `stockade cert`: an authority, the certificates that it signs, and tokens. Works on files alone; no node is asked.

mod files;
mod show;
mod token;

use std::path::{Path, PathBuf};

use anyhow::ensure;
use serde_json::json;
use stockade_credentials::issue::{Authority, Issued};
use stockade_credentials::{NodeName, Role, names};

use crate::output::Output;
use files::{Secrecy, Wanted};

/// How long an authority is believed where nothing else is said: ten years.
const CA_DAYS: i64 = 3_650;
/// How long a certificate is believed where nothing else is said: a year.
const DAYS: i64 = 365;

/// Certificates and tokens.
#[derive(Debug, clap::Args)]
pub(crate) struct CertArgs {
    #[command(subcommand)]
    command: CertCommand,
}

#[derive(Debug, clap::Subcommand)]
enum CertCommand {
    /// Make an authority: ca.crt, which everybody gets, and ca.key, which stays here and signs.
    #[command(after_help = "Example: stockade cert ca --ca-dir ./ca")]
    Ca(CaArgs),
    /// Make a node's certificate: ca.crt, node.crt and node.key, for its --certs-dir.
    #[command(
        after_help = "Example: stockade cert node --ca-dir ./ca --node-id 1 --host shop-1,10.0.0.1 --out ./node-1"
    )]
    Node(NodeArgs),
    /// Make a caller's certificate: ca.crt, client.crt and client.key, for its --certs-dir.
    #[command(
        after_help = "Example: stockade cert client --ca-dir ./ca --name checkout --role order --out ./checkout"
    )]
    Client(ClientArgs),
    /// Make a key that signs tokens: tokens.key, which stays here, and tokens.pub, which every node gets.
    #[command(after_help = "Example: stockade cert token-key --ca-dir ./ca")]
    TokenKey(token::KeyArgs),
    /// Make a token for a caller.
    #[command(
        after_help = "Example: stockade cert token --ca-dir ./ca --name checkout --role order --expires 30d --out checkout.token"
    )]
    Token(token::TokenArgs),
    /// Show what a file of certificates or a token says: names, role, and when it is over.
    #[command(after_help = "Example: stockade cert show ./node-1/node.crt")]
    Show(show::ShowArgs),
}

/// Where the authority is.
#[derive(Debug, clap::Args)]
struct CaDir {
    /// Directory of the authority: ca.crt, ca.key, tokens.pub, tokens.key. Its keys belong on no node.
    #[arg(long, value_name = "DIR", env = "STOCKADE_CA_DIR", default_value = "./ca")]
    ca_dir: PathBuf,
}

/// What to do about files that are there.
#[derive(Debug, clap::Args)]
struct Force {
    /// Overwrite files that are there.
    #[arg(long)]
    force: bool,
}

#[derive(Debug, clap::Args)]
struct CaArgs {
    #[command(flatten)]
    ca: CaDir,
    /// Name of the authority.
    #[arg(long, value_name = "NAME", default_value = "Stockade CA")]
    name: String,
    /// How long it is believed.
    #[arg(long, value_name = "DAYS", default_value_t = CA_DAYS, value_parser = clap::value_parser!(i64).range(1..=36_500))]
    days: i64,
    /// Make a new authority that takes over from the one that is there: ca.crt then has both, the new one first.
    #[arg(long, conflicts_with = "force")]
    rotate: bool,
    #[command(flatten)]
    force: Force,
}

#[derive(Debug, clap::Args)]
struct NodeArgs {
    #[command(flatten)]
    ca: CaDir,
    /// Name of the cluster, as its nodes are started with.
    #[arg(long, value_name = "NAME", env = "STOCKADE_CLUSTER_NAME", default_value = "stockade")]
    cluster_name: String,
    /// The node's id.
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u64).range(1..))]
    node_id: u64,
    /// DNS names and IP addresses under which callers and nodes reach it, all of them.
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', required = true)]
    host: Vec<String>,
    /// How long it is believed.
    #[arg(long, value_name = "DAYS", default_value_t = DAYS, value_parser = clap::value_parser!(i64).range(1..=36_500))]
    days: i64,
    /// Where the files go; CA-DIR/node-ID where it is left out.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
}

#[derive(Debug, clap::Args)]
struct ClientArgs {
    #[command(flatten)]
    ca: CaDir,
    /// The principal: a stable name of the program or person that calls.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// What it may do: read, order, stock, operator or admin.
    #[arg(long, value_name = "ROLE")]
    role: Role,
    /// How long it is believed.
    #[arg(long, value_name = "DAYS", default_value_t = DAYS, value_parser = clap::value_parser!(i64).range(1..=36_500))]
    days: i64,
    /// Where the files go; CA-DIR/client-NAME where it is left out.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
}

pub(crate) fn run(args: CertArgs, output: Output) -> anyhow::Result<()> {
    match args.command {
        CertCommand::Ca(args) => ca(&args, output),
        CertCommand::Node(args) => node(&args, output),
        CertCommand::Client(args) => client(&args, output),
        CertCommand::TokenKey(args) => token::key(&args, output),
        CertCommand::Token(args) => token::token(&args, output),
        CertCommand::Show(args) => show::run(&args, output),
    }
}

fn ca(args: &CaArgs, output: Output) -> anyhow::Result<()> {
    let dir = &args.ca.ca_dir;
    // Two authorities of one name could not be told apart by who looks at their certificates.
    let name = format!("{} {}", args.name, &stockade_credentials::Claims::new_id()[..8]);
    let before = if args.rotate { Authority::read(dir)?.certificates } else { String::new() };
    let (_, Issued { certificate, key }) = Authority::new(&name, args.days)?;
    let certificates = format!("{certificate}{before}");
    let wanted = [
        Wanted { name: names::CA_KEY, text: &key, secrecy: Secrecy::Secret },
        Wanted { name: names::CA_CERT, text: &certificates, secrecy: Secrecy::Public },
    ];
    files::write(dir, &wanted, args.force.force || args.rotate)?;
    told(dir, &wanted, output);
    Ok(())
}

fn node(args: &NodeArgs, output: Output) -> anyhow::Result<()> {
    let node = NodeName { cluster: args.cluster_name.clone(), node_id: args.node_id };
    ensure!(args.host.iter().all(|host| !host.is_empty()), "--host names a host that is empty");
    let authority = Authority::read(&args.ca.ca_dir)?;
    let issued = authority.node(&node, &args.host, args.days)?;
    let usual = || args.ca.ca_dir.join(format!("node-{}", args.node_id));
    let dir = args.out.clone().unwrap_or_else(usual);
    pair(&dir, &authority, &issued, [names::NODE_CERT, names::NODE_KEY], args.force.force, output)
}

fn client(args: &ClientArgs, output: Output) -> anyhow::Result<()> {
    let authority = Authority::read(&args.ca.ca_dir)?;
    let issued = authority.client(&args.name, args.role, args.days)?;
    ensure!(
        args.out.is_some() || !args.name.contains('/'),
        "the name has a slash; say with --out where the files go"
    );
    let usual = || args.ca.ca_dir.join(format!("client-{}", args.name));
    let dir = args.out.clone().unwrap_or_else(usual);
    pair(&dir, &authority, &issued, [names::CLIENT_CERT, names::CLIENT_KEY], args.force.force, output)
}

/// Writes a certificate, its key and the authorities.
fn pair(
    dir: &Path,
    authority: &Authority,
    issued: &Issued,
    [certificate, key]: [&'static str; 2],
    force: bool,
    output: Output,
) -> anyhow::Result<()> {
    let wanted = [
        Wanted { name: names::CA_CERT, text: &authority.certificates, secrecy: Secrecy::Public },
        Wanted { name: key, text: &issued.key, secrecy: Secrecy::Secret },
        Wanted { name: certificate, text: &issued.certificate, secrecy: Secrecy::Public },
    ];
    files::write(dir, &wanted, force)?;
    told(dir, &wanted, output);
    Ok(())
}

/// Says which files were written.
fn told(dir: &Path, wanted: &[Wanted<'_>], output: Output) {
    let written: Vec<String> =
        wanted.iter().map(|wanted| dir.join(wanted.name).display().to_string()).collect();
    output.print(&json!({ "written": written }), || format!("wrote {}", written.join(", ")));
}
