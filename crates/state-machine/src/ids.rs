//! Identifiers. Each is a type of its own, so that none can stand where another belongs.

use std::fmt;

use crate::limits;
use crate::text::Text;

/// Why a text is no identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdError {
    /// No character at all.
    Empty,
    /// More than [`limits::MAX_ID_LEN`] characters.
    TooLong,
    /// A character outside visible ASCII (0x21 to 0x7e).
    Invisible,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "must not be empty"),
            Self::TooLong => write!(f, "must have at most {} characters", limits::MAX_ID_LEN),
            Self::Invisible => write!(f, "must consist of visible ASCII characters"),
        }
    }
}

fn check(text: &[u8]) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > limits::MAX_ID_LEN {
        return Err(IdError::TooLong);
    }
    if !text.iter().all(u8::is_ascii_graphic) {
        return Err(IdError::Invisible);
    }
    Ok(())
}

/// True where the text may be an identifier, of whichever kind.
pub fn is_id(text: &str) -> bool {
    check(text.as_bytes()).is_ok()
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// 1 to 128 visible ASCII characters. Cheap to clone.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Text);

        impl $name {
            /// Checks the text and takes it.
            pub fn new(text: &str) -> Result<Self, IdError> {
                Self::try_from(text.as_bytes())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = IdError;

            /// Checks the characters and takes them.
            fn try_from(characters: &[u8]) -> Result<Self, IdError> {
                check(characters)?;
                Ok(Self(Text::new(characters)))
            }
        }

        impl AsRef<[u8]> for $name {
            /// The characters, which cost less than the text.
            fn as_ref(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

text_id!(
    /// Names a stock keeping unit.
    SkuId
);
text_id!(
    /// Names a place that holds stock.
    LocationId
);
text_id!(
    /// Names an order.
    OrderId
);
text_id!(
    /// Names a reservation.
    ReservationId
);
text_id!(
    /// The caller's name of a customer.
    CustomerId
);
text_id!(
    /// The caller's number of a receipt or another change of stock, a parcel or a return: booked once, for ever.
    DocumentId
);
text_id!(
    /// The user on whose behalf a command runs. Request ids are scoped to it.
    Principal
);

impl SkuId {
    /// The one that stands before all others.
    pub(crate) fn first() -> Self {
        Self::new("!").expect("the first visible character")
    }
}

impl OrderId {
    /// The one that stands before all others.
    pub fn first() -> Self {
        Self::new("!").expect("the first visible character")
    }
}

impl LocationId {
    /// The one that stands before all others.
    pub(crate) fn first() -> Self {
        Self::new("!").expect("the first visible character")
    }
}

/// The id that a caller gives a request: a `UUIDv7` (RFC 9562), whose first 48 bits are milliseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u128);

impl RequestId {
    /// Takes the 128 bits of a UUID; `None` where it is no version 7 UUID.
    pub fn new(bits: u128) -> Option<Self> {
        let version = (bits >> 76) & 0xf;
        let variant = (bits >> 62) & 0x3;
        (version == 7 && variant == 2).then_some(Self(bits))
    }

    /// The 128 bits.
    pub fn bits(self) -> u128 {
        self.0
    }

    /// The time in the id, milliseconds since 1970: when the caller made it, by the caller's clock.
    pub fn time_ms(self) -> u64 {
        u64::try_from(self.0 >> 80).expect("48 bits fit into 64")
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_1_to_128_visible_ascii_characters() {
        assert_eq!(SkuId::new(""), Err(IdError::Empty));
        assert_eq!(SkuId::new("a b"), Err(IdError::Invisible));
        assert_eq!(SkuId::new("caf\u{e9}"), Err(IdError::Invisible));
        assert_eq!(SkuId::new(&"x".repeat(129)), Err(IdError::TooLong));
        assert_eq!(SkuId::new(&"x".repeat(128)).map(|id| id.as_str().len()), Ok(128));
    }

    #[test]
    fn only_a_version_7_uuid_is_a_request_id() {
        let bits = 0x0190_0000_0000_7000_8000_0000_0000_0001;
        let id = RequestId::new(bits).expect("version 7");
        assert_eq!(id.time_ms(), 0x0190_0000_0000);
        assert_eq!(id.to_string(), "01900000-0000-7000-8000-000000000001");
        assert_eq!(RequestId::new(0x0190_0000_0000_4000_8000_0000_0000_0001), None, "version 4");
        assert_eq!(RequestId::new(0x0190_0000_0000_7000_0000_0000_0000_0001), None, "other variant");
    }
}
