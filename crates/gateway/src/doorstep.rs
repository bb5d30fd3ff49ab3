//! What is refused before a service sees it: callers who may not, and, by the transport, messages that are too large or no
//! messages at all. The refusal gets the form of all others, and the connection lives on.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;

use crate::access::Caller;
use crate::core::Core;
use crate::status::{self, Call};

/// What is written down for a call whose caller did not wait for its end. It may take effect all the same.
const CANCELLED: &str = "CANCELLED";

/// Has it written down what becomes of a call that was let in, once: when it is answered, or when its caller goes before.
struct Note {
    core: Core,
    caller: Caller,
    path: String,
    /// `None` until the call is answered.
    outcome: Option<String>,
}

impl Note {
    fn ended(mut self, refused: Option<&Status>) {
        self.outcome = Some(refused.map_or_else(|| "OK".to_owned(), status::reason_of));
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        let outcome = self.outcome.as_deref().unwrap_or(CANCELLED);
        self.core.access().note(&self.caller, &self.path, outcome);
    }
}

/// A service whose refused messages are told like other failures.
#[derive(Debug, Clone)]
pub(crate) struct Doorstep<S> {
    core: Core,
    service: S,
}

impl<S> Doorstep<S> {
    pub(crate) fn new(core: &Core, service: S) -> Self {
        Self { core: core.clone(), service }
    }
}

impl<S: NamedService> NamedService for Doorstep<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for Doorstep<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let core = self.core.clone();
        let path = request.uri().path().to_owned();
        let caller = match core.access().admit(&path, request.extensions(), request.headers()) {
            Ok(caller) => caller,
            Err(failure) => return ready(Ok(core.fail(&failure, Call::Write).into_http())).boxed(),
        };
        // Nobody behind the door needs what was shown at it, and nobody can log it.
        request.headers_mut().remove(http::header::AUTHORIZATION);
        request.extensions_mut().insert(caller.clone());
        let note = Note { core: core.clone(), caller, path, outcome: None };
        let response = self.service.call(request);
        async move {
            let response = response.await?;
            // A call that fails at once has its status in the headers; others have none there.
            let refused = Status::from_header_map(response.headers());
            note.ended(refused.as_ref());
            let failure = refused.as_ref().and_then(status::of_transport);
            Ok(match failure {
                None => response,
                Some(failure) => core.fail(&failure, Call::Write).into_http(),
            })
        }
        .boxed()
    }
}
