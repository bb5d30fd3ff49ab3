//! Placements at a fixed rate, measured in windows.
//!
//! Calls begin at set times, whether or not the ones before were answered, and are measured from those times: a stall
//! counts for every call that it delays.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;

use super::latency::Latencies;
use super::orders::{Shop, micros};

/// Between two looks at whether all calls have ended.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A window's calls.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Window {
    pub(crate) calls: u64,
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) longest_us: u64,
}

/// Placements at a fixed rate.
pub(crate) struct Load {
    shared: Arc<Shared>,
    pacer: std::thread::JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    stopped: std::sync::atomic::AtomicBool,
    in_flight: std::sync::atomic::AtomicU64,
    failed: std::sync::atomic::AtomicU64,
    window: Mutex<Option<(Instant, Latencies)>>,
}

impl Load {
    pub(crate) fn start(shop: Arc<Shop>, rate: u32) -> Self {
        use std::sync::atomic::Ordering::Relaxed;
        let shared = Arc::new(Shared::default());
        let (pacing, buyers, runtime) = (Arc::clone(&shared), shop, tokio::runtime::Handle::current());
        // A thread of its own: the runtime's timers are coarser than the times between calls.
        let pacer = std::thread::spawn(move || {
            let _runtime = runtime.enter();
            let begun = Instant::now();
            for number in 0_u32.. {
                if pacing.stopped.load(Relaxed) {
                    return;
                }
                let due = begun
                    + Duration::from_secs(1) * (number / rate)
                    + Duration::from_secs(1) / rate * (number % rate);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                pacing.in_flight.fetch_add(1, Relaxed);
                let shared = Arc::clone(&pacing);
                buyers.place_in_background(u64::from(number), move |placed| {
                    shared.in_flight.fetch_sub(1, Relaxed);
                    if !placed {
                        shared.failed.fetch_add(1, Relaxed);
                    }
                    if let Some((since, latencies)) = &mut *shared.window.lock()
                        && due >= *since
                    {
                        latencies.add(micros(due.elapsed()));
                    }
                });
            }
        });
        Self { shared, pacer }
    }

    /// Counts the calls that begin from now on.
    pub(crate) fn begin_window(&self) {
        *self.shared.window.lock() = Some((Instant::now(), Latencies::default()));
    }

    /// The calls that were answered since.
    pub(crate) fn end_window(&self) -> Window {
        let taken = self.shared.window.lock().take();
        let latencies = taken.map(|(_, latencies)| latencies).unwrap_or_default();
        Window {
            calls: latencies.calls(),
            p50_us: latencies.per_mille_us(500),
            p99_us: latencies.per_mille_us(990),
            longest_us: latencies.longest_us(),
        }
    }

    /// Ends the load; how many calls failed.
    pub(crate) async fn finish(self) -> u64 {
        use std::sync::atomic::Ordering::Relaxed;
        self.shared.stopped.store(true, Relaxed);
        self.pacer.join().expect("pacing doesn't panic");
        while self.shared.in_flight.load(Relaxed) > 0 {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        self.shared.failed.load(Relaxed)
    }
}
