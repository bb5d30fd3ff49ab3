//! Encoding of everything durable: the one module that knows bincode.
//!
//! A value is a format version (one byte) and its frozen form, in varint encoding. The version lets rows evolve one by
//! one, without an envelope each; why the integers are variable is in `docs/internals/adr/0002-row-encoding.md`. A
//! checksum is not part of a value: whoever keeps values guards the bytes.

use bincode::Options;
use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stockade_state_machine::change::Clock;
use stockade_state_machine::document::Document;
use stockade_state_machine::ids::RequestId;
use stockade_state_machine::ledger::LedgerEntry;
use stockade_state_machine::location::Location;
use stockade_state_machine::order::Order;
use stockade_state_machine::records::RecordView;
use stockade_state_machine::request::RequestRecord;
use stockade_state_machine::reservation::Reservation;
use stockade_state_machine::sku::Sku;
use stockade_state_machine::{Command, ContentHash, Entry, LogTime, Origin, Reply, Request, Stock};

use crate::Proposal;
use crate::frozen::{
    ClockV1, CommandV1, DocumentV1, IdV1, Invalid, LedgerEntryV1, LocationV1, OrderV1, OriginV1, ReplyV1,
    RequestRecordV1, ReservationV1, SkuV1, StockV1,
};

/// The first format: the mirrors named `V1`.
const FORMAT_1: u8 = 1;
/// Bytes of one value. Bounds what a damaged length can make the decoder read or allocate; the largest order and the largest
/// transaction have less than half of it (`tests/codec/limits.rs`).
const MAX_VALUE_BYTES: u64 = 16 * 1024 * 1024;
/// Where most values fit without growing.
const USUAL_VALUE_BYTES: usize = 256;
/// Bytes of a content hash.
const CONTENT_HASH_BYTES: usize = 16;
/// A proposal's version, time and number of requests.
const PROPOSAL_HEADER_BYTES: usize = 1 + 8 + 4;
/// The length before each request of a proposal.
const REQUEST_LENGTH_BYTES: usize = 4;

/// Why bytes are not what they should be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(pub String);

impl From<Invalid> for DecodeError {
    fn from(invalid: Invalid) -> Self {
        Self(invalid.0)
    }
}

/// Something with a frozen form.
pub trait Durable: Sized {
    /// Appends the frozen form.
    fn append_to(&self, bytes: &mut Vec<u8>);

    /// The frozen form.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(USUAL_VALUE_BYTES);
        self.append_to(&mut bytes);
        bytes
    }

    /// Back from it.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError>;
}

macro_rules! durable {
    ($($original:ty = $mirror:ident),* $(,)?) => {$(
        impl Durable for $original {
            fn append_to(&self, bytes: &mut Vec<u8>) {
                bytes.push(FORMAT_1);
                write(bytes, &$mirror::from(self));
            }

            fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
                let body = body_of(bytes, stringify!($original))?;
                let mirror: $mirror = from_frozen(body)?;
                Ok(mirror.try_into()?)
            }
        }
    )*};
}

durable!(
    Reply = ReplyV1,
    Sku = SkuV1,
    Location = LocationV1,
    Stock = StockV1,
    Order = OrderV1,
    Reservation = ReservationV1,
    Document = DocumentV1,
    LedgerEntry = LedgerEntryV1,
    RequestRecord = RequestRecordV1,
    Clock = ClockV1,
);

/// True where the bytes are an order of which nothing is held or owed; tells it without making the order.
pub(crate) fn is_settled_order(bytes: &[u8]) -> Result<bool, DecodeError> {
    let mirror: OrderV1<'_> = from_frozen(body_of(bytes, "Order")?)?;
    Ok(mirror.is_settled())
}

/// True where the bytes are a reservation that holds nothing; tells it without making the reservation.
pub(crate) fn is_settled_reservation(bytes: &[u8]) -> Result<bool, DecodeError> {
    let mirror: ReservationV1<'_> = from_frozen(body_of(bytes, "Reservation")?)?;
    Ok(mirror.is_settled())
}

/// What a ledger entry is looked for by, without making the entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LedgerNames<'a> {
    pub(crate) sku: &'a str,
    pub(crate) location: &'a str,
    pub(crate) order: Option<&'a str>,
    pub(crate) reservation: Option<&'a str>,
    pub(crate) time: LogTime,
}

/// See [`LedgerNames`].
pub(crate) fn ledger_names(bytes: &[u8]) -> Result<LedgerNames<'_>, DecodeError> {
    let mirror: LedgerEntryV1<'_> = from_frozen(body_of(bytes, "LedgerEntry")?)?;
    let (sku, location, order, reservation) = mirror.names();
    Ok(LedgerNames {
        sku: sku.text()?,
        location: location.text()?,
        order: order.map(IdV1::text).transpose()?,
        reservation: reservation.map(IdV1::text).transpose()?,
        time: LogTime::from_micros(mirror.time_us()),
    })
}

/// A request record in the parts that it is read from.
pub(crate) fn view_request<'a>(
    bytes: &'a [u8],
    request: RequestId,
    principal: &'a str,
) -> Result<RecordView<'a>, DecodeError> {
    let mirror: RequestRecordV1<'a> = from_frozen(body_of(bytes, "RequestRecord")?)?;
    Ok(mirror.into_view(request, principal)?)
}

/// Version, content hash, origin, command. The command stands last, so that the hash covers the rest of the bytes.
impl Durable for Request {
    fn append_to(&self, bytes: &mut Vec<u8>) {
        append_parts(bytes, self.origin.as_ref(), &self.command, Some(self.content));
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let body = body_of(bytes, "Request")?;
        let (hash, rest) = body
            .split_first_chunk::<CONTENT_HASH_BYTES>()
            .ok_or_else(|| DecodeError("a request ends within its content hash".to_owned()))?;
        let (origin, command): (Option<OriginV1<'_>>, CommandV1<'_>) = from_frozen(rest)?;
        Ok(Self {
            origin: origin.map(Origin::try_from).transpose()?,
            content: ContentHash(u128::from_be_bytes(*hash)),
            command: command.try_into()?,
        })
    }
}

/// The frozen form of a command and its origin; computes the content hash.
///
/// The hash leaves the origin out: the same command under the same request id agrees, whoever encodes it.
pub fn encode_request(origin: Option<&Origin>, command: &Command) -> Bytes {
    let mut bytes = Vec::with_capacity(USUAL_VALUE_BYTES);
    append_parts(&mut bytes, origin, command, None);
    Bytes::from(bytes)
}

/// What two requests with one id must agree on: the hash that [`encode_request`] computes.
pub fn content_hash(command: &Command) -> ContentHash {
    let mut bytes = Vec::new();
    write(&mut bytes, &CommandV1::from(command));
    let digest = Sha256::digest(&bytes);
    let first = digest.first_chunk().expect("a digest is longer");
    ContentHash(u128::from_be_bytes(*first))
}

fn append_parts(
    bytes: &mut Vec<u8>,
    origin: Option<&Origin>,
    command: &Command,
    content: Option<ContentHash>,
) {
    bytes.push(FORMAT_1);
    let hash_at = bytes.len();
    bytes.extend_from_slice(&content.unwrap_or_default().0.to_be_bytes());
    write(bytes, &origin.map(OriginV1::from));
    let command_at = bytes.len();
    write(bytes, &CommandV1::from(command));
    if content.is_none() {
        let digest = Sha256::digest(&bytes[command_at..]);
        bytes[hash_at..hash_at + CONTENT_HASH_BYTES].copy_from_slice(&digest[..CONTENT_HASH_BYTES]);
    }
}

/// Puts encoded requests and a time together into what one log entry carries: version, time in microseconds, number of
/// requests, and each request behind its length. All integers are fixed and little-endian.
pub fn assemble_proposal(time: LogTime, requests: &[Bytes]) -> Proposal {
    let lengths: usize = requests.iter().map(|request| REQUEST_LENGTH_BYTES + request.len()).sum();
    let mut bytes = BytesMut::with_capacity(PROPOSAL_HEADER_BYTES + lengths);
    bytes.put_u8(FORMAT_1);
    bytes.put_u64_le(time.micros());
    bytes.put_u32_le(length(requests.len()));
    for request in requests {
        bytes.put_u32_le(length(request.len()));
        bytes.put_slice(request);
    }
    Proposal(bytes.freeze())
}

fn length(length: usize) -> u32 {
    u32::try_from(length).expect("a proposal is cut far below 4 GiB")
}

/// What stands in a log entry.
pub fn decode_proposal(proposal: &Proposal) -> Result<Entry, DecodeError> {
    let mut rest = body_of(&proposal.0, "proposal")?;
    let time = LogTime::from_micros(u64::from_le_bytes(take(&mut rest)?));
    let count = usize_of(u32::from_le_bytes(take(&mut rest)?));
    // Each request has its length at least, so a damaged count can't reserve more than the bytes that are there.
    if count > rest.len() / REQUEST_LENGTH_BYTES {
        return Err(DecodeError(format!("a proposal claims {count} requests in {} bytes", rest.len())));
    }
    let mut requests = Vec::with_capacity(count);
    for _ in 0..count {
        let length = usize_of(u32::from_le_bytes(take(&mut rest)?));
        let Some((request, after)) = rest.split_at_checked(length) else {
            return Err(DecodeError(format!("a request of {length} bytes ends after {}", rest.len())));
        };
        requests.push(Request::decode(request)?);
        rest = after;
    }
    if rest.is_empty() {
        Ok(Entry { time, requests })
    } else {
        Err(DecodeError(format!("{} bytes after the last request of a proposal", rest.len())))
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], DecodeError> {
    let (taken, after) = rest
        .split_first_chunk()
        .ok_or_else(|| DecodeError("a proposal ends within its framing".to_owned()))?;
    *rest = after;
    Ok(*taken)
}

fn usize_of(length: u32) -> usize {
    usize::try_from(length).expect("storage needs 32 bits of address space at least")
}

/// What follows the format version, if it is one that this version reads.
fn body_of<'a>(bytes: &'a [u8], what: &str) -> Result<&'a [u8], DecodeError> {
    match bytes.split_first() {
        Some((&FORMAT_1, body)) => Ok(body),
        Some((format, _)) => {
            Err(DecodeError(format!("{what} has format {format}, this version reads {FORMAT_1}")))
        }
        None => Err(DecodeError(format!("{what} is empty"))),
    }
}

/// The bytes of a frozen struct, without a format version: for values that carry theirs elsewhere.
pub(crate) fn to_frozen<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_VALUE_BYTES);
    write(&mut bytes, value);
    bytes
}

/// Back from [`to_frozen`].
pub(crate) fn from_frozen<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, DecodeError> {
    let options = bincode::DefaultOptions::new().with_varint_encoding().with_limit(MAX_VALUE_BYTES);
    options.reject_trailing_bytes().deserialize(bytes).map_err(|error| DecodeError(error.to_string()))
}

/// Appends a frozen value. The limit is asserted afterwards: given to bincode, it would cost a second pass.
fn write<T: Serialize>(bytes: &mut Vec<u8>, value: &T) {
    let start = bytes.len();
    let options = bincode::DefaultOptions::new().with_varint_encoding();
    options.serialize_into(&mut *bytes, value).expect("mirrors serialise and a vector takes all");
    let written = u64::try_from(bytes.len() - start).expect("a length fits into 64 bits");
    assert!(written <= MAX_VALUE_BYTES, "a value of {written} bytes is larger than what can be read back");
}
