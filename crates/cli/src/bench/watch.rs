//! Who leads, as the nodes' own metrics say it: every leader of every term is counted.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use stockade_env::Env;

use crate::local_cluster;

/// Between two looks. A leader that is there for less is elected in a term of its own all the same, and the next one's
/// term tells.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Looks at who leads until it is dropped with its tasks.
#[derive(Debug)]
pub(crate) struct Watch(Arc<Mutex<BTreeSet<(u64, SocketAddr)>>>);

impl Watch {
    pub(crate) fn start(env: &Env, http: Vec<SocketAddr>) -> Self {
        let seen: Arc<Mutex<BTreeSet<(u64, SocketAddr)>>> = Arc::default();
        let (noted, tasks) = (Arc::clone(&seen), env.tasks.clone());
        env.tasks.spawn("leaders", async move {
            let look = async {
                loop {
                    let looks =
                        http.iter().map(|node| async move { (*node, local_cluster::observe(*node).await) });
                    for (node, seen) in join_all(looks).await {
                        if let Some(seen) = seen.filter(|seen| seen.leads) {
                            noted.lock().insert((seen.term, node));
                        }
                    }
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            };
            tokio::select! {
                () = look => {}
                () = tasks.stopping() => {}
            }
        });
        Self(seen)
    }

    /// How many leaders there were so far.
    pub(crate) fn leaders(&self) -> u64 {
        u64::try_from(self.0.lock().len()).unwrap_or(u64::MAX)
    }
}
