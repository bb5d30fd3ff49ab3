//! Who asked, frozen.

use serde::{Deserialize, Serialize};
use stockade_state_machine::Origin;
use stockade_state_machine::ids::{Principal, RequestId};

use super::{Invalid, id};

/// The first form of [`Origin`]. The id's 16 bytes stand in the order in which a UUID is written.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OriginV1<'a> {
    request: [u8; 16],
    principal: &'a str,
}

impl<'a> From<&'a Origin> for OriginV1<'a> {
    fn from(origin: &'a Origin) -> Self {
        Self { request: origin.request.bits().to_be_bytes(), principal: origin.principal.as_str() }
    }
}

impl TryFrom<OriginV1<'_>> for Origin {
    type Error = Invalid;

    fn try_from(mirror: OriginV1<'_>) -> Result<Self, Invalid> {
        Ok(Self { request: request_id(mirror.request)?, principal: id(Principal::new, mirror.principal)? })
    }
}

pub(super) fn request_id(bytes: [u8; 16]) -> Result<RequestId, Invalid> {
    let bits = u128::from_be_bytes(bytes);
    RequestId::new(bits).ok_or_else(|| Invalid(format!("request id {bits:032x} is no version 7 UUID")))
}
