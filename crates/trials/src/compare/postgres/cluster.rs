//! A primary and two standbys on this machine: a write is answered once the primary and one standby have it on disk.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::Signal;
use stockade_env::ReservedPort;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;

use super::super::plan::{Plan, REPLICAS, UNITS};
use super::super::process::{LOOK_AGAIN, Process};

/// What it is asked to keep, and by what.
const SCHEMA: &str = include_str!("schema.sql");
/// How long the servers may take to be ready.
const READY_TIMEOUT: Duration = Duration::from_mins(2);
/// Connections beside those of the clients: of the standbys, and of who looks.
const MORE_CONNECTIONS: u32 = 20;
/// Who owns the database.
const OWNER: &str = "stockade";
const DATABASE: &str = "postgres";
/// Whom a server that must not be run by root is run as, the first that there is.
const ACCOUNTS: [&str; 2] = ["postgres", "nobody"];
/// Of a directory of root's: others may pass through it.
const PASSABLE: u32 = 0o711;
/// Counts the standbys that a commit may wait for.
const STANDBYS_READY: &str =
    "select count(*) from pg_stat_replication where state = 'streaming' and sync_state = 'quorum'";

/// What all three servers run with. What isn't named is as it comes.
pub(super) fn settings(clients: u32) -> Vec<(&'static str, String)> {
    let settings = [
        ("listen_addresses", "127.0.0.1"),
        ("unix_socket_directories", ""),
        ("shared_buffers", "512MB"),
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("synchronous_standby_names", "ANY 1 (s1, s2)"),
        ("wal_level", "replica"),
        ("wal_buffers", "16MB"),
        ("max_wal_size", "4GB"),
        ("wal_keep_size", "1GB"),
        ("checkpoint_timeout", "15min"),
        ("autovacuum", "on"),
        ("jit", "off"),
        ("log_min_messages", "warning"),
    ];
    let mut settings: Vec<_> = settings.map(|(name, value)| (name, value.to_owned())).into();
    settings.push(("max_connections", (clients + MORE_CONNECTIONS).to_string()));
    settings
}

/// The servers. Dropped, they end, and their directory goes.
#[derive(Debug)]
pub(super) struct Cluster {
    /// The primary first.
    servers: Vec<Process>,
    pub(super) bin: PathBuf,
    ports: Vec<ReservedPort>,
    account: Option<Account>,
    clients: u32,
    dir: TempDir,
}

impl Cluster {
    /// Starts all three with stock in them; completes when both standbys stream.
    pub(super) async fn start(bin: &Path, dir: &Path, plan: &Plan) -> anyhow::Result<Self> {
        let mut cluster = Self::start_alone(bin, dir, plan).await?;
        for number in 1..REPLICAS {
            cluster.start_standby(number).await?;
        }
        let both = (REPLICAS - 1).to_string();
        cluster.wait_for(STANDBYS_READY, &both).await?;
        Ok(cluster)
    }

    /// Starts a primary with stock in it. Where standbys don't follow, only commits that don't wait for them are answered.
    pub(super) async fn start_alone(bin: &Path, parent: &Path, plan: &Plan) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("postgres-").tempdir_in(parent)?;
        let account = Account::needed()?;
        if let Some(Account { user, group }) = account {
            let passable = fs::Permissions::from_mode(PASSABLE);
            fs::set_permissions(parent, passable).context("opening a directory to PostgreSQL")?;
            chown(dir.path(), Some(user), Some(group)).context("giving a directory to PostgreSQL")?;
        }
        let ports = (0..REPLICAS).map(|_| ReservedPort::any()).collect::<Result<Vec<_>, _>>()?;
        let clients = plan.most_clients();
        let mut cluster = Self { servers: Vec::new(), bin: bin.to_owned(), ports, account, clients, dir };
        let data = cluster.data(0);
        let initdb = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--username", OWNER, "--pgdata"];
        cluster.run("initdb", initdb.map(Into::into).into_iter().chain([data]).collect(), "").await?;
        cluster.launch(0)?;
        cluster.wait_for("select 1", "1").await?;
        cluster.query(SCHEMA).await?;
        let skus = plan.skus;
        cluster
            .query(&format!(
                "insert into stock select sku, {UNITS}, {UNITS}, 0, 0 from generate_series(1, {skus}) sku;"
            ))
            .await?;
        cluster.query("vacuum analyze").await?;
        Ok(cluster)
    }

    /// Copies the primary, and follows it from there.
    async fn start_standby(&mut self, number: usize) -> anyhow::Result<()> {
        let primary = self.ports[0].address().port();
        let source = format!("host=127.0.0.1 port={primary} user={OWNER} application_name=s{number}");
        let arguments = ["--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf", "--dbname"];
        let arguments = arguments.map(String::from).into_iter();
        let arguments = arguments.chain([source, "--pgdata".to_owned(), self.data(number)]).collect();
        self.run("pg_basebackup", arguments, "").await?;
        self.launch(number)
    }

    /// Starts a server on its data.
    fn launch(&mut self, number: usize) -> anyhow::Result<()> {
        let mut command = std::process::Command::new(self.bin.join("postgres"));
        command.arg("-D").arg(self.data(number));
        command.arg("-p").arg(self.ports[number].address().port().to_string());
        for (name, value) in settings(self.clients) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command.current_dir(self.dir.path()).stdout(Stdio::null());
        if let Some(Account { user, group }) = self.account {
            command.uid(user).gid(group);
        }
        let log = self.dir.path().join(format!("server-{number}.log"));
        // At once, but with its shared memory taken back.
        let server = Process::start(&format!("PostgreSQL {number}"), &mut command, Signal::QUIT, &log)?;
        self.servers.push(server);
        Ok(())
    }

    /// Completes when the primary answers a question so.
    async fn wait_for(&mut self, question: &str, wanted: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_TIMEOUT;
        loop {
            for server in &mut self.servers {
                server.ensure_running()?;
            }
            let answer = self.query(question).await;
            if answer.as_ref().is_ok_and(|answer| answer == wanted) {
                return Ok(());
            }
            anyhow::ensure!(
                Instant::now() < deadline,
                "PostgreSQL is not ready after {READY_TIMEOUT:?}: {question}: {answer:?}"
            );
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Runs SQL on the primary; what it answers. What this changes waits for no standby.
    pub(super) async fn query(&self, sql: &str) -> anyhow::Result<String> {
        let arguments = ["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set", "ON_ERROR_STOP=1"];
        let arguments = arguments.map(String::from).into_iter().chain(self.connection());
        let answer = self.run("psql", arguments.collect(), sql).await?;
        Ok(answer.trim().to_owned())
    }

    /// Arguments that say where the primary is.
    pub(super) fn connection(&self) -> Vec<String> {
        let port = self.ports[0].address().port().to_string();
        ["--host", "127.0.0.1", "--port", &port, "--username", OWNER, "--dbname", DATABASE]
            .map(String::from)
            .into()
    }

    /// Runs one of PostgreSQL's tools to its end; what it printed.
    async fn run(&self, tool: &str, arguments: Vec<String>, input: &str) -> anyhow::Result<String> {
        let mut command = tokio::process::Command::new(self.bin.join(tool));
        command.args(arguments).current_dir(self.dir.path()).env("PGOPTIONS", "-c synchronous_commit=local");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        if let Some(Account { user, group }) = self.account {
            command.uid(user).gid(group);
        }
        let mut child = command.spawn().with_context(|| format!("starting {tool}"))?;
        let mut stdin = child.stdin.take().context("a tool's standard input")?;
        stdin.write_all(input.as_bytes()).await.with_context(|| format!("telling {tool}"))?;
        drop(stdin);
        let output = child.wait_with_output().await.with_context(|| format!("running {tool}"))?;
        let error = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "{tool} ended with {}: {}", output.status, error.trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn data(&self, number: usize) -> String {
        self.dir.path().join(format!("data-{number}")).display().to_string()
    }

    /// Where clients may keep what they write down.
    pub(super) fn scratch(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.dir.path().join(name);
        fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(path)
    }

    /// The servers' process ids.
    pub(super) fn process_ids(&self) -> Vec<u32> {
        self.servers.iter().map(Process::id).collect()
    }
}

/// A user of this machine who isn't root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Account {
    user: u32,
    group: u32,
}

impl Account {
    /// Whom to run the servers as: PostgreSQL refuses root. `None` where this process is somebody else already.
    fn needed() -> anyhow::Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let passwd = fs::read_to_string("/etc/passwd").context("reading /etc/passwd")?;
        let account = ACCOUNTS.iter().find_map(|name| Self::named(&passwd, name));
        let names = ACCOUNTS.join(" nor ");
        account.map(Some).with_context(|| format!("PostgreSQL refuses root, and there is neither {names}"))
    }

    fn named(passwd: &str, name: &str) -> Option<Self> {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some(Self { user: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let passwd =
            "root:x:0:0::/:/bin/sh\npostgresql:x:7:8::/:/bin/sh\npostgres:x:101:104:a,,,:/b:/bin/bash\n";
        assert_eq!(Account::named(passwd, "postgres"), Some(Account { user: 101, group: 104 }));
        assert_eq!(Account::named(passwd, "nobody"), None);
        assert_eq!(Account::named("postgres:x:no:1", "postgres"), None);
    }

    #[test]
    fn every_client_has_its_connection() {
        let found = settings(256).into_iter().find(|(name, _)| *name == "max_connections");
        assert_eq!(found.unwrap().1, "276");
    }
}
