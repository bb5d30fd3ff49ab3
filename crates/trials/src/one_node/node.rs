//! The node, started as the server starts it, and the one stream over which it is called.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use stockade_consensus::{Config, Node};
use stockade_env::{Clock, Env, Random, Tasks};
use stockade_gateway::{Gateway, GatewayLimits};
use stockade_storage::file::DiskFiles;
use stockade_storage::{EngineKind, Identity, Options};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::service::Routes;

use super::Served;
use super::calls::{self, Call};
use crate::drive::START_US;

const CLUSTER_ID: &str = "00112233445566778899aabbccddeeff";
const ADDRESS: &str = "node-1:7002";
const SUBMIT: &str = "http://node-1:7001/stockade.v1.TransactionService/Submit";
/// How long anything may take, in virtual time.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks, in virtual time.
const LOOK: Duration = Duration::from_millis(50);

/// A node that leads a cluster of one, and a caller of it.
pub(super) struct OneNode {
    env: Env,
    node: Node,
    /// What the caller sends.
    calls: mpsc::Sender<Bytes>,
    /// What it hears.
    answers: Body,
}

impl OneNode {
    /// Starts a node in an empty directory, and fills its shelves.
    pub(super) async fn begin(dir: PathBuf, seed: u64) -> anyhow::Result<Self> {
        let clock = Clock::of_timers(START_US);
        let env = Env { clock, random: Random::from_seed(seed), tasks: Tasks::new() };
        let identity = Identity { cluster_id: CLUSTER_ID.to_owned(), node_id: 1 };
        let options =
            Options { engine: EngineKind::Memory, scrub_bytes_per_second: 0, ..Options::new(dir, identity) };
        let storage = stockade_storage::open(Arc::new(DiskFiles), &env, options).await?;
        let node = Node::start(&env, storage, Config::of(BTreeMap::from([(1, ADDRESS.to_owned())]))).await?;
        let gateway = Gateway::new(env.clone(), node.clone(), GatewayLimits::default());
        node.initialize().await?;
        let leads = async {
            while !node.is_ready() || !node.leads() {
                sleep(LOOK).await;
            }
        };
        timeout(PATIENCE, leads).await.context("the node does not lead")?;
        let (calls, answers) = submit(gateway.public_routes()).await?;
        let shop = calls::shop(&env);
        let expected: usize = shop.iter().map(|call| call.mutations).sum();
        let (this, answers) = Self { env, node, calls, answers }.serve(shop).await?;
        ensure!(calls::count_applied(&answers)? == u64::try_from(expected)?, "the shop could not be opened");
        Ok(this)
    }

    pub(super) fn env(&self) -> &Env {
        &self.env
    }

    /// The last log index that is applied.
    pub(super) fn applied(&self) -> u64 {
        self.node.state().applied().get()
    }

    /// Makes calls, each after the one before it was answered, and waits until the engine has what came of them.
    pub(super) async fn serve(mut self, calls: Vec<Call>) -> Served {
        let mut answers = Vec::new();
        let serving = async {
            for call in calls {
                let mut missing = call.mutations;
                self.calls.send(call.bytes).await.context("the node ended the stream")?;
                while missing > 0 {
                    let piece = self.answer().await?;
                    missing = missing.saturating_sub(calls::count_results(&piece)?);
                    answers.push(piece);
                }
            }
            while self.node.state().backlog_bytes() > 0 {
                sleep(LOOK).await;
            }
            anyhow::Ok(())
        };
        timeout(PATIENCE, serving).await.context("the node does not answer")??;
        Ok((self, answers))
    }

    async fn answer(&mut self) -> anyhow::Result<Bytes> {
        let frame = self.answers.frame().await.context("the node ended the stream")??;
        frame.into_data().ok().context("the node ended the stream with a status")
    }
}

/// Opens the stream: bytes of messages go in, bytes of answers come out.
async fn submit(mut routes: Routes) -> anyhow::Result<(mpsc::Sender<Bytes>, Body)> {
    let (calls, sent) = mpsc::channel(1);
    let frames = stream::unfold(sent, |mut sent: mpsc::Receiver<Bytes>| async {
        let bytes = sent.recv().await?;
        Some((Ok::<_, Status>(Frame::data(bytes)), sent))
    });
    let call = http::Request::post(SUBMIT)
        .header("content-type", "application/grpc")
        .body(Body::new(StreamBody::new(frames)))?;
    let Ok(()) = poll_fn(|context| Service::<http::Request<Body>>::poll_ready(&mut routes, context)).await;
    let Ok(response) = routes.call(call).await;
    ensure!(response.headers().get("grpc-status").is_none(), "refused: {:?}", response.headers());
    Ok((calls, response.into_body()))
}
