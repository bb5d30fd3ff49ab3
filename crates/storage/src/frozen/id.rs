//! Identifiers, frozen.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use stockade_state_machine::ids::IdError;

use super::Invalid;

/// The characters of an identifier; on disk they are what a text is. They are checked where an identifier is made of them, so that nobody
/// has to look first at whether they are UTF-8: not who reads them, and not who writes them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IdV1<'a>(&'a [u8]);

impl<'a> IdV1<'a> {
    /// Of an identifier.
    pub(crate) fn of(id: &'a impl AsRef<[u8]>) -> Self {
        Self(id.as_ref())
    }

    /// The identifier.
    pub(crate) fn restore<T: TryFrom<&'a [u8], Error = IdError>>(self) -> Result<T, Invalid> {
        T::try_from(self.0)
            .map_err(|error| Invalid(format!("identifier {:?} {error}", String::from_utf8_lossy(self.0))))
    }

    /// The identifier where there is one.
    pub(crate) fn restore_optional<T: TryFrom<&'a [u8], Error = IdError>>(
        mirror: Option<Self>,
    ) -> Result<Option<T>, Invalid> {
        mirror.map(Self::restore).transpose()
    }

    /// The characters as a text, of whatever kind.
    pub(crate) fn text(self) -> Result<&'a str, Invalid> {
        std::str::from_utf8(self.0).map_err(Invalid::new)
    }
}

impl Serialize for IdV1<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for IdV1<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Deserialize::deserialize(deserializer).map(Self)
    }
}
