//! Who asked, frozen.

use serde::{Deserialize, Serialize};
use stockade_state_machine::Origin;
use stockade_state_machine::ids::RequestId;

use super::Invalid;
use super::id::IdV1;

/// The first form of [`Origin`]. The id's 16 bytes stand in the order in which a UUID is written.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OriginV1<'a> {
    request: [u8; 16],
    #[serde(borrow)]
    principal: IdV1<'a>,
}

impl<'a> From<&'a Origin> for OriginV1<'a> {
    fn from(origin: &'a Origin) -> Self {
        Self { request: origin.request.bits().to_be_bytes(), principal: IdV1::of(&origin.principal) }
    }
}

impl TryFrom<OriginV1<'_>> for Origin {
    type Error = Invalid;

    fn try_from(mirror: OriginV1<'_>) -> Result<Self, Invalid> {
        Ok(Self { request: request_id(mirror.request)?, principal: mirror.principal.restore()? })
    }
}

pub(super) fn request_id(bytes: [u8; 16]) -> Result<RequestId, Invalid> {
    let bits = u128::from_be_bytes(bytes);
    RequestId::new(bits).ok_or_else(|| Invalid(format!("request id {bits:032x} is no version 7 UUID")))
}
