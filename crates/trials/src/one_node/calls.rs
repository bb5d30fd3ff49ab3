//! What is asked of the node, as bytes that it would get from a caller, and what it answers.

use anyhow::bail;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use prost::Message;
use stockade_env::Env;
use stockade_proto::v1;
use stockade_proto::v1::mutation::Request;

/// SKUs of the catalogue, units of each, lines of an order and customers: as `stockade bench` has them.
const SKUS: u64 = 1_000;
const UNITS: i64 = 1_000_000_000;
const LINES: u64 = 3;
const CUSTOMERS: u64 = 10_000;
/// Where the stock is.
const LOCATION: &str = "main";
/// Before each message of a gRPC stream: whether it is packed, and its length.
const PREFIX_BYTES: usize = 1 + 4;

/// A message of the stream `Submit`.
#[derive(Debug)]
pub(super) struct Call {
    /// With the prefix that gRPC has.
    pub(super) bytes: Bytes,
    /// Results that will come.
    pub(super) mutations: usize,
}

impl Call {
    fn new(requests: impl IntoIterator<Item = Request>) -> Self {
        let mutation = |request| v1::Mutation { timeout: None, request: Some(request) };
        let message = v1::SubmitRequest { mutations: requests.into_iter().map(mutation).collect() };
        let length = message.encoded_len();
        let mut bytes = BytesMut::with_capacity(PREFIX_BYTES + length);
        bytes.put_u8(0);
        bytes.put_u32(u32::try_from(length).expect("a message is far below 4 GiB"));
        message.encode(&mut bytes).expect("it grows as it must");
        Self { bytes: bytes.freeze(), mutations: message.mutations.len() }
    }
}

/// A message of answers of which only the number of results is looked at: taking it apart is a caller's work, not the node's.
#[derive(Clone, PartialEq, Message)]
struct Results {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    results: Vec<Bytes>,
}

/// The messages in a piece of a gRPC stream.
fn messages(mut piece: Bytes) -> anyhow::Result<Vec<Bytes>> {
    let mut messages = Vec::new();
    while piece.has_remaining() {
        let whole = piece.remaining() >= PREFIX_BYTES && piece.get_u8() == 0;
        let length = if whole { usize::try_from(piece.get_u32())? } else { usize::MAX };
        if length > piece.remaining() {
            bail!("an answer is packed, or doesn't come in one piece");
        }
        messages.push(piece.split_to(length));
    }
    Ok(messages)
}

/// How many results stand in a piece of the stream of answers.
pub(super) fn count_results(piece: &Bytes) -> anyhow::Result<usize> {
    let messages = messages(piece.clone())?;
    messages.into_iter().map(|message| Ok(Results::decode(message)?.results.len())).sum()
}

/// How many of the answers say that something took effect; says why, where one doesn't.
pub(super) fn count_applied(answers: &[Bytes]) -> anyhow::Result<u64> {
    let mut applied = 0;
    for piece in answers {
        for message in messages(piece.clone())? {
            for result in v1::SubmitResponse::decode(message)?.results {
                match result.status {
                    None => applied += 1,
                    Some(status) => eprintln!("{}: {}", result.request_id, status.message),
                }
            }
        }
    }
    Ok(applied)
}

/// The shop before its first order: each call must be answered before the next is sent.
pub(super) fn shop(env: &Env) -> Vec<Call> {
    let location = v1::Location { location_id: LOCATION.to_owned(), ..Default::default() };
    let open = v1::CreateLocationRequest {
        request_id: request_id(env),
        location: Some(location),
        ..Default::default()
    };
    let create = |number| {
        let sku = v1::Sku { sku_id: sku(number), display_name: sku(number), ..Default::default() };
        let request =
            v1::CreateSkuRequest { request_id: request_id(env), sku: Some(sku), ..Default::default() };
        Request::CreateSku(request)
    };
    let receive = |number| {
        Request::ReceiveStock(v1::ReceiveStockRequest {
            request_id: request_id(env),
            sku_id: sku(number),
            location_id: LOCATION.to_owned(),
            quantity: UNITS,
            ..Default::default()
        })
    };
    let opened = Call::new([Request::CreateLocation(open)]);
    vec![opened, Call::new((0..SKUS).map(create)), Call::new((0..SKUS).map(receive))]
}

/// Orders, so many in a call.
pub(super) fn orders(orders: u64, together: u64, env: &Env) -> Vec<Call> {
    let numbers: Vec<u64> = (0..orders).collect();
    let size = usize::try_from(together).expect("few");
    numbers.chunks(size).map(|numbers| Call::new(numbers.iter().map(|number| order(*number, env)))).collect()
}

fn order(number: u64, env: &Env) -> Request {
    let line = |_| v1::NewOrderLine {
        sku_id: sku(env.random.below(SKUS)),
        quantity: 1,
        location_id: LOCATION.to_owned(),
        unit_price_minor: 1_995,
    };
    Request::PlaceOrder(v1::PlaceOrderRequest {
        request_id: request_id(env),
        order_id: format!("bench-{number:09}"),
        customer_id: format!("customer-{}", number % CUSTOMERS),
        currency_code: "EUR".to_owned(),
        lines: (0..LINES).map(line).collect(),
        ..Default::default()
    })
}

fn sku(number: u64) -> String {
    format!("sku-{number:04}")
}

fn request_id(env: &Env) -> String {
    env.random.request_id(&env.clock).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(results: &[v1::MutationResult]) -> Bytes {
        let message = v1::SubmitResponse { results: results.to_vec() }.encode_to_vec();
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        [&[0][..], &length, &message].concat().into()
    }

    #[test]
    fn results_are_counted_over_all_messages_of_a_piece() {
        let (taken, mut refused) = (v1::MutationResult::default(), v1::MutationResult::default());
        refused.status.get_or_insert_default();
        let (one, two) = (piece(std::slice::from_ref(&taken)), piece(&[taken, refused]));
        let both = Bytes::from([one, two].concat());
        assert_eq!(count_results(&both).unwrap(), 3);
        assert_eq!(count_applied(&[both]).unwrap(), 2);
    }

    #[test]
    fn a_message_that_is_cut_off_is_an_error() {
        let whole = piece(&[v1::MutationResult { request_id: "a".to_owned(), ..Default::default() }]);
        for end in 1..whole.len() {
            assert!(count_results(&whole.slice(..end)).is_err(), "{end} bytes");
        }
    }
}
