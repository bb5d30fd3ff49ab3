//! Who may call what. Decided at the node that is called, before anything of the request is read: the answer is the same
//! on every node, and a forwarded command has its principal with it.
//!
//! Invariants:
//! - With certificates nobody gets past [`Access::admit`] who is not known, nor to a method that the role does not have.
//! - A method that is not in the table is the admin's alone.

mod audit;
mod caller;
pub(crate) mod permissions;

use stockade_credentials::{ConnectionInfo, Credentials, Refused};
use stockade_proto::v1::mutation::Request as Mutated;
use stockade_state_machine::ids::Principal;
use tonic::codegen::http::{Extensions, HeaderMap, header};

pub(crate) use caller::Caller;

use crate::failure::Failure;
use audit::Audit;

/// Lets callers in, or not.
#[derive(Debug)]
pub(crate) struct Access {
    /// `None` where everybody may do everything.
    credentials: Option<Credentials>,
    audit: Audit,
}

impl Access {
    pub(crate) fn new(credentials: Option<Credentials>, node_id: u64) -> Self {
        Self { credentials, audit: Audit::new(node_id) }
    }

    /// Who calls, where the call may go on.
    pub(crate) fn admit(
        &self,
        path: &str,
        call: &Extensions,
        headers: &HeaderMap,
    ) -> Result<Caller, Failure> {
        let Some(credentials) = &self.credentials else { return Ok(Caller::anonymous()) };
        let connection = call.get::<ConnectionInfo>();
        let remote = connection.and_then(|connection| connection.remote);
        let named = authorization(headers)
            .and_then(|authorization| credentials.named(connection, authorization))
            .and_then(|identified| {
                let principal = Principal::new(&identified.name).map_err(|_| Refused::NoCaller)?;
                Ok(Caller::identified(principal, identified, remote))
            });
        let caller = named.map_err(|refused| {
            self.audit.unknown(path, refused, remote);
            Failure::Unauthenticated(refused)
        })?;
        self.still_holds(&caller, path)?;
        self.check(&caller, path).map(|()| caller)
    }

    /// Whether a mutation may be asked for; of a transaction each of its operations.
    pub(crate) fn check_mutation(&self, caller: &Caller, request: &Mutated) -> Result<(), Failure> {
        if let Mutated::Transact(transaction) = request {
            for operation in transaction.operations.iter().filter_map(|operation| operation.request.as_ref())
            {
                self.check_mutation(caller, operation)?;
            }
        }
        self.check(caller, permissions::of_mutation(request))
    }

    fn check(&self, caller: &Caller, path: &str) -> Result<(), Failure> {
        let Some(role) = caller.role() else { return Ok(()) };
        if permissions::allows(role, path) {
            return Ok(());
        }
        self.audit.denied(caller, path);
        Err(Failure::PermissionDenied { role, method: path.trim_start_matches('/').to_owned() })
    }

    /// Whether who has shown a name, perhaps a while ago, is still believed to be of that name.
    pub(crate) fn still_holds(&self, caller: &Caller, path: &str) -> Result<(), Failure> {
        match (&self.credentials, caller.as_identified()) {
            (Some(credentials), Some(identified)) => credentials.still_holds(identified).map_err(|refused| {
                self.audit.no_more(caller, path, refused);
                Failure::Unauthenticated(refused)
            }),
            (None, _) | (_, None) => Ok(()),
        }
    }

    /// Writes down what became of a call, where it is one of those that look after the cluster.
    pub(crate) fn note(&self, caller: &Caller, path: &str, outcome: &str) {
        if self.credentials.is_some() && permissions::is_administrative(path) {
            self.audit.administrative(caller, path, outcome);
        }
    }

    /// Refusals that were not written down, for there were too many.
    pub(crate) fn refusals_left_out(&self) -> u64 {
        self.audit.left_out()
    }
}

/// What a call shows beside its connection. Of two nobody can say which counts.
fn authorization(headers: &HeaderMap) -> Result<Option<&str>, Refused> {
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    match (shown.next(), shown.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Refused::NoToken),
        (Some(_), Some(_)) => Err(Refused::NoToken),
    }
}
