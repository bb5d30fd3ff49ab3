//! A leader whose process is gone is followed as soon as its lease is over.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod support;

use std::time::Duration;

use support::{Cluster, Setup};
use tokio::time::Instant;

/// Long enough that a busy machine doesn't hide the difference: the lease is over after 3 s, and by the election timeout
/// alone nobody asks for votes before 5.5 s.
const ELECTION_TIMEOUT: (Duration, Duration) = (Duration::from_millis(2_500), Duration::from_secs(3));

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_gone_is_followed_when_its_lease_is_over() {
    let setup = Setup { election_timeout: ELECTION_TIMEOUT, ..Setup::default() };
    let mut cluster = Cluster::start(setup).await;
    let old = cluster.leader().await;
    cluster.create_sku("before").await;
    let killed = Instant::now();
    cluster.kill(old);
    let new = cluster.leader().await;
    let took = killed.elapsed();
    assert_ne!(new, old);
    let (shortest, lease) = ELECTION_TIMEOUT;
    assert!(took < lease + shortest, "nobody asked before the election timeout: {took:?}");
    // A heartbeat may have come some time before the kill, and the lease runs from there.
    assert!(took + Duration::from_secs(1) > lease, "somebody was elected within the lease: {took:?}");
    cluster.create_sku("after").await;
}
