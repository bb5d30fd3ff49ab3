//! Hears from the nodes themselves who leads, over a stream to each: a new leader is known the moment it is elected,
//! however silent the old one has become.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use stockade_proto::Connection;
use tokio::time::{sleep, timeout};
use tonic::Streaming;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::Shared;
use crate::limits;

/// What a node calls its lead in `grpc.health.v1`.
const LEADER: &str = "stockade.leader";

/// The addresses that are listened to.
#[derive(Debug, Default)]
pub(crate) struct Listening(Mutex<BTreeSet<String>>);

impl Listening {
    /// Listens to every known address that nobody listens to yet.
    pub(crate) fn to_all(&self, shared: &Arc<Shared>) {
        let mut listening = self.0.lock();
        for address in shared.failover.addresses() {
            if listening.insert(address.clone()) {
                shared.env.tasks.spawn("client leader watch", listen(Arc::downgrade(shared), address));
            }
        }
    }

    fn ended(&self, address: &str) {
        self.0.lock().remove(address);
    }
}

/// Listens to a node for as long as it is known and the client lives.
async fn listen(shared: Weak<Shared>, address: String) {
    loop {
        let Some(client) = shared.upgrade() else { return };
        let Ok(channel) = client.channels.to(&address) else { return };
        let tasks = client.env.tasks.clone();
        drop(client);
        tokio::select! {
            () = hear(&shared, &address, channel) => {}
            () = tasks.stopping() => return,
        }
        let Some(client) = shared.upgrade() else { return };
        if !client.failover.addresses().contains(&address) {
            client.listening.ended(&address);
            return;
        }
        drop(client);
        tokio::select! {
            () = sleep(limits::LISTEN_AGAIN) => {}
            () = tasks.stopping() => return,
        }
    }
}

/// Ends when the node says no more, or the client is gone.
async fn hear(shared: &Weak<Shared>, address: &str, channel: Connection) {
    let request = HealthCheckRequest { service: LEADER.to_owned() };
    let mut health = HealthClient::new(channel);
    let Ok(Ok(answers)) = timeout(limits::OPEN_TIMEOUT, health.watch(request)).await else { return };
    let mut answers: Streaming<HealthCheckResponse> = answers.into_inner();
    loop {
        let answer = timeout(limits::REFRESH, answers.message()).await;
        let Some(client) = shared.upgrade() else { return };
        match answer {
            Ok(Ok(Some(answer))) if answer.status() == ServingStatus::Serving => {
                client.failover.leads(address);
            }
            Ok(Ok(Some(_))) => client.failover.leads_not(address),
            Ok(Ok(None) | Err(_)) => return,
            // Nothing new.
            Err(_) => {}
        }
    }
}
