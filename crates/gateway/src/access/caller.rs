//! On whose behalf a call runs.

use std::net::SocketAddr;
use std::sync::Arc;

use stockade_credentials::{Identified, Role};
use stockade_state_machine::ids::Principal;
use tonic::Extensions;

/// Everybody's name where nobody is asked.
const ANONYMOUS: &str = "anonymous";
/// For a call that came past the door: it may do nothing.
const NOBODY: &str = "nobody";

/// On whose behalf a call runs. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    principal: Principal,
    known: Known,
}

#[derive(Debug, Clone)]
enum Known {
    /// Nobody is asked, and everybody may do everything.
    Open,
    /// Who it is, and where the call comes from.
    Identified(Arc<Identified>, Option<SocketAddr>),
    /// Who it is was never asked: may do nothing but look.
    Unasked,
}

fn named(name: &str) -> Principal {
    Principal::new(name).expect("visible characters")
}

impl Caller {
    pub(super) fn anonymous() -> Self {
        Self { principal: named(ANONYMOUS), known: Known::Open }
    }

    pub(super) fn identified(
        principal: Principal,
        identified: Identified,
        remote: Option<SocketAddr>,
    ) -> Self {
        Self { principal, known: Known::Identified(Arc::new(identified), remote) }
    }

    /// Who was let in with a call.
    pub(crate) fn of(call: &Extensions) -> Self {
        let unasked = || Self { principal: named(NOBODY), known: Known::Unasked };
        call.get::<Self>().cloned().unwrap_or_else(unasked)
    }

    /// The name that request ids are scoped to.
    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// `None` where everybody may do everything.
    pub(super) fn role(&self) -> Option<Role> {
        match &self.known {
            Known::Open => None,
            Known::Identified(identified, _) => Some(identified.role),
            Known::Unasked => Some(Role::Read),
        }
    }

    pub(super) fn as_identified(&self) -> Option<&Identified> {
        match &self.known {
            Known::Open | Known::Unasked => None,
            Known::Identified(identified, _) => Some(identified),
        }
    }

    pub(super) fn remote(&self) -> Option<SocketAddr> {
        match &self.known {
            Known::Open | Known::Unasked => None,
            Known::Identified(_, remote) => *remote,
        }
    }
}
