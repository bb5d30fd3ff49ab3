//! `grpc.health.v1`: the whole server under the empty name, and `stockade.leader` on the node that leads.

use futures_util::FutureExt;
use stockade_storage::SpaceLevel;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::core::Core;
use crate::limits;

/// The whole server.
const SERVER: &str = "";
/// Serves on the leader only.
const LEADER: &str = "stockade.leader";

/// Starts the task that keeps health up to date, and gives the service that tells it.
pub(crate) fn start(core: &Core) -> Routes {
    let (reporter, service) = tonic_health::server::health_reporter();
    // The server isn't ready before the task says so; the reporter would begin with SERVING.
    let not_serving = async {
        reporter.set_service_status(SERVER, ServingStatus::NotServing).await;
        reporter.set_service_status(LEADER, ServingStatus::NotServing).await;
    };
    not_serving.now_or_never().expect("nobody else holds the reporter yet");
    core.env().tasks.spawn("health", follow(core.clone(), reporter));
    Routes::new(service)
}

/// Readiness and leadership, as they change, until the node stops.
async fn follow(core: Core, mut reporter: HealthReporter) {
    let mut leader = core.node().watch_leader();
    let mut room = core.node().space().watch();
    let mut interval = tokio::time::interval(limits::HEALTH_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !core.env().tasks.is_stopping() {
        // A node that takes no orders should get none sent, though it answers reads.
        let has_room = *room.borrow_and_update() == SpaceLevel::Enough;
        let ready = core.node().is_ready() && has_room && !core.is_draining();
        leader.mark_unchanged();
        let leads = core.node().leads();
        reporter.set_service_status(SERVER, serving(ready)).await;
        reporter.set_service_status(LEADER, serving(ready && leads)).await;
        tokio::select! {
            Ok(()) = leader.changed() => {}
            Ok(()) = room.changed() => {}
            // Readiness has no watch of its own.
            _ = interval.tick() => {}
            () = core.draining(), if !core.is_draining() => {}
            () = core.closing() => break,
            () = core.env().tasks.stopping() => {}
        }
    }
    for service in [SERVER, LEADER] {
        reporter.set_service_status(service, ServingStatus::NotServing).await;
        // Who watches is told, and then his stream ends.
        reporter.clear_service_status(service).await;
    }
}

fn serving(serves: bool) -> ServingStatus {
    if serves { ServingStatus::Serving } else { ServingStatus::NotServing }
}
