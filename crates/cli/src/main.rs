//! The one binary, `stockade`: a node, the commands that call a cluster, the demo and the import.
//!
//! Results go to standard output (with `--output json` one object, on the last line), progress and errors to standard
//! error. Exit codes are `stockade_server::Exit`; `docs/reference/cli.md` lists them.

mod access;
mod batch;
mod bench;
mod cert;
mod changed;
mod check;
#[cfg(test)]
mod cli_page;
mod cluster;
mod cluster_snapshot;
mod connect;
mod demo;
mod failure;
mod import;
mod import_command;
mod inspect;
mod ledger;
mod lines;
mod links;
mod local_cluster;
mod location;
mod log;
mod mutation;
mod offline;
mod one_node;
mod order;
mod output;
mod print;
mod progress;
mod proof;
mod recording;
mod recover;
mod reservation;
mod sheet;
mod sku;
mod start;
mod stock;
mod transact;
mod verify;
mod verify_snapshot;
mod words;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use stockade_server::Exit;

use crate::output::Format;

/// A node makes and frees millions of small things, many of them on another thread than the one that made them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the runtime may take to wind up after a command.
const WIND_UP: Duration = Duration::from_millis(200);

/// An order and inventory database: three or five nodes, one replicated log.
#[derive(Debug, clap::Parser)]
#[command(
    name = "stockade",
    version,
    propagate_version = true,
    after_help = "Example: stockade demo --kills 3"
)]
pub(crate) struct Cli {
    /// How results are printed: a table for people, one JSON object on the last line for programs.
    #[arg(long, global = true, value_enum, default_value_t = Format::Table, env = "STOCKADE_OUTPUT")]
    output: Format,
    /// What is logged to standard error, as `tracing` filters are written: `info`, or `stockade_consensus=debug`.
    #[arg(long, global = true, value_name = "FILTER", env = "STOCKADE_LOG", default_value = "")]
    log: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Start a node.
    #[command(after_help = "Example: stockade start --node-id 1 --data-dir ./node-1")]
    Start(Box<start::StartArgs>),
    /// Watch three nodes take orders and outlive their leader; proves at the end that nothing was lost.
    #[command(after_help = "Example: stockade demo --nodes 3 --kills 3 --seconds 30")]
    Demo(demo::Args),
    /// Measure a cluster: how many calls it answers and how fast; or what is lost, and how long, when its leader is lost or every node is restarted.
    #[command(after_help = "Example: stockade bench --workload w1 --clients 256 --output json")]
    Bench(bench::Args),
    /// Import orders from elsewhere.
    #[command(after_help = "Example: stockade import online-retail orders.csv.gz --cluster 127.0.0.1:7001")]
    Import(import::Args),
    /// SKUs: what the shop sells.
    #[command(after_help = "Example: stockade sku create mug --name 'Blue mug'")]
    Sku(sku::SkuArgs),
    /// Locations: where the shop keeps it.
    #[command(after_help = "Example: stockade location create main --name 'Main warehouse'")]
    Location(location::LocationArgs),
    /// Stock: how much there is of what, where.
    #[command(after_help = "Example: stockade stock receive mug 100")]
    Stock(stock::StockArgs),
    /// Orders, from the checkout to the return.
    #[command(after_help = "Example: stockade order place --id o1 --line mug:2")]
    Order(order::OrderArgs),
    /// Reservations: units held for a cart, until orders take them.
    #[command(after_help = "Example: stockade reservation create cart-1 --line mug:2 --hold 15m")]
    Reservation(reservation::ReservationArgs),
    /// The ledger: every movement of units, and what there was at any time.
    #[command(after_help = "Example: stockade ledger list --sku mug --newest-first")]
    Ledger(ledger::LedgerArgs),
    /// Many changes at once: all of them take effect, or none does.
    #[command(after_help = "Example: stockade transact changes.txt --validate-only")]
    Transact(transact::TransactArgs),
    /// Judge a recorded history: whether the cluster kept its promises.
    #[command(after_help = "Example: stockade check history.jsonl --cluster 127.0.0.1:7001")]
    Check(check::CheckArgs),
    /// The nodes.
    #[command(after_help = "Example: stockade cluster status --cluster 127.0.0.1:7001")]
    Cluster(cluster::NodesArgs),
    /// Check every byte of a node's data while it doesn't run. Changes nothing.
    #[command(after_help = "Example: stockade verify --data-dir ./node-1 --output json")]
    Verify(verify::VerifyArgs),
    /// Look at the log, the snapshot or the applied state of a node that doesn't run, record by record.
    #[command(after_help = "Example: stockade inspect wal --data-dir ./node-1 --entries")]
    Inspect(inspect::InspectArgs),
    /// Certificates and tokens: who may call, and which node is which.
    #[command(after_help = "Example: stockade cert ca --ca-dir ./ca")]
    Cert(cert::CertArgs),
    /// What helps where nothing else does.
    #[command(after_help = "Example: stockade recover skip-entry --help")]
    Recover(recover::RecoverArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = log::init(&cli) {
        eprintln!("error: {error:#}");
        return ExitCode::from(Exit::Configuration.code());
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: starting threads: {error}");
            return ExitCode::from(Exit::Error.code());
        }
    };
    let result = runtime.block_on(run(cli));
    runtime.shutdown_timeout(WIND_UP);
    match result {
        Ok(()) => ExitCode::from(Exit::Ok.code()),
        Err(error) => {
            eprint!("{}", failure::describe(&error));
            ExitCode::from(failure::exit_of(&error).code())
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let makes_pages = matches!(&cli.command, Command::Bench(args) if args.makes_pages());
    let (format, output) = (cli.output, cli.output.plain(makes_pages)?);
    let done = match cli.command {
        Command::Start(args) => start::run(*args, output).await,
        Command::Demo(args) => demo::run(args, output).await,
        Command::Bench(args) => bench::run(args, format, output).await,
        Command::Import(args) => import_command::run(&args, output).await,
        Command::Sku(args) => sku::run(args, output).await,
        Command::Location(args) => location::run(args, output).await,
        Command::Stock(args) => stock::run(args, output).await,
        Command::Order(args) => order::run(args, output).await,
        Command::Reservation(args) => reservation::run(args, output).await,
        Command::Ledger(args) => ledger::run(args, output).await,
        Command::Transact(args) => transact::run(args, output).await,
        Command::Check(args) => check::run(args, output).await,
        Command::Cluster(args) => cluster::run(args, output).await,
        Command::Verify(args) => verify::run(&args, output),
        Command::Inspect(args) => inspect::run(&args, output),
        Command::Cert(args) => cert::run(args, output),
        Command::Recover(args) => recover::run(&args, output),
    };
    // What the command came to matters more than that its record is not whole.
    done.and_then(|()| recording::finish())
}
