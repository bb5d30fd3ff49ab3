//! Links between the nodes of a cluster on this machine that can be cut: each node reaches each other one through a socket
//! of its own, which passes on what comes, or holds it.
//!
//! A cut link holds everything and closes nothing, as a network does that drops packets: nobody is told.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use parking_lot::Mutex;
use stockade_env::Env;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Bytes on their way over a link, in each direction of each connection.
const BUFFER_BYTES: usize = 64 << 10;

/// The links of a cluster. Cheap to clone; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    env: Env,
    links: Arc<Mutex<Vec<Link>>>,
}

#[derive(Debug)]
struct Link {
    from: u64,
    to: u64,
    open: watch::Sender<bool>,
}

impl Links {
    pub(crate) fn new(env: &Env) -> Self {
        Self { env: env.clone(), links: Arc::default() }
    }

    /// Makes the link over which one node reaches another; gives its address.
    pub(crate) async fn open(&self, from: u64, to: u64, target: SocketAddr) -> anyhow::Result<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("opening a link between nodes")?;
        let address = listener.local_addr()?;
        let open = watch::Sender::new(true);
        let (env, opened) = (self.env.clone(), open.subscribe());
        self.env.tasks.spawn("link", async move {
            tokio::select! {
                () = accept(&env, listener, target, opened) => {}
                () = env.tasks.stopping() => {}
            }
        });
        self.links.lock().push(Link { from, to, open });
        Ok(address)
    }

    /// Nothing gets to a node any more from the others, or from it to them.
    pub(crate) fn cut_off(&self, node: u64) {
        for link in self.links.lock().iter().filter(|link| link.from == node || link.to == node) {
            link.open.send_replace(false);
        }
    }

    /// Everything passes, what was held included.
    pub(crate) fn heal(&self) {
        for link in self.links.lock().iter() {
            link.open.send_replace(true);
        }
    }
}

async fn accept(env: &Env, listener: TcpListener, target: SocketAddr, open: watch::Receiver<bool>) {
    while let Ok((caller, _)) = listener.accept().await {
        let (tasks, open) = (env.tasks.clone(), open.clone());
        env.tasks.spawn("link connection", async move {
            tokio::select! {
                // Either end may close it; the other is told by the close.
                _ = connect(caller, target, open) => {}
                () = tasks.stopping() => {}
            }
        });
    }
}

async fn connect(caller: TcpStream, target: SocketAddr, mut open: watch::Receiver<bool>) -> io::Result<()> {
    until_open(&mut open).await?;
    let node = TcpStream::connect(target).await?;
    caller.set_nodelay(true)?;
    node.set_nodelay(true)?;
    let ((asks, hears), (answers, is_asked)) = (caller.into_split(), node.into_split());
    tokio::select! {
        ended = pass(asks, is_asked, open.clone()) => ended,
        ended = pass(answers, hears, open) => ended,
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut open: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        // A close is held like everything else.
        until_open(&mut open).await?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..read]).await?;
    }
}

async fn until_open(open: &mut watch::Receiver<bool>) -> io::Result<()> {
    // The links are gone with the cluster.
    open.wait_for(|open| *open).await.map(|_| ()).map_err(|_| io::ErrorKind::NotConnected.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_cut_link_holds_what_comes_and_lets_it_go_later() {
        let env = Env::real();
        let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let links = Links::new(&env);
        let address = links.open(1, 2, target.local_addr().unwrap()).await.unwrap();
        let mut caller = TcpStream::connect(address).await.unwrap();
        let (mut node, _) = target.accept().await.unwrap();
        caller.write_all(b"a").await.unwrap();
        assert_eq!(node.read_u8().await.unwrap(), b'a');
        links.cut_off(2);
        caller.write_all(b"b").await.unwrap();
        node.write_all(b"c").await.unwrap();
        let mut nothing = [0; 1];
        let silent = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(silent, node.read(&mut nothing)).await.is_err());
        assert!(tokio::time::timeout(silent, caller.read(&mut nothing)).await.is_err());
        links.heal();
        assert_eq!(node.read_u8().await.unwrap(), b'b');
        assert_eq!(caller.read_u8().await.unwrap(), b'c');
        env.tasks.stop(std::time::Duration::ZERO).await;
    }
}
