//! Orders on etcd: rows are read, and written in one transaction on condition that nobody changed them since. Who was
//! overtaken waits for a while that grows and differs, and begins again.

use std::time::Duration;

use stockade_env::Random;

use super::client::Client;
use super::messages::{
    Compare, KeyValue, RangeRequest, Request, RequestOp, Response, TxnRequest, TxnResponse,
};
use super::rows::{self, Answer, Line, Order, Stock, order_key, request_key, stock_key};

/// The longest wait after being overtaken for the first time; it doubles with every other time.
const FIRST_WAIT: Duration = Duration::from_millis(1);
/// How often it doubles: long enough for hundreds of clients to come to take turns.
const DOUBLED_AT_MOST: u32 = 9;
/// `EQUAL` and `MOD` of etcd's interface.
const EQUAL: i32 = 0;
const LAST_CHANGE: i32 = 2;

/// Who calls etcd.
#[derive(Debug, Clone)]
pub(super) struct Shop {
    client: Client,
    random: Random,
    /// Transactions that were made again.
    pub(super) conflicts: u64,
}

/// A row as it was read.
struct Seen {
    key: Vec<u8>,
    row: Option<KeyValue>,
}

impl Seen {
    fn unchanged(&self) -> Compare {
        let mod_revision = self.row.as_ref().map_or(0, |row| row.mod_revision);
        Compare {
            result: EQUAL,
            target: LAST_CHANGE,
            key: self.key.clone(),
            mod_revision: Some(mod_revision),
        }
    }

    fn value(&self) -> Option<&[u8]> {
        self.row.as_ref().map(|row| &row.value[..])
    }
}

impl Shop {
    pub(super) fn new(client: Client, random: Random) -> Self {
        Self { client, random, conflicts: 0 }
    }

    /// Places an order of distinct SKUs, whole or not at all, at most once for each request.
    pub(super) async fn place(
        &mut self,
        request: u64,
        order: u64,
        lines: &[Line],
    ) -> Result<Answer, tonic::Status> {
        let asked = lines.iter().flat_map(|line| [line.sku, line.quantity]);
        let content: Vec<u64> = std::iter::once(order).chain(asked).collect();
        let mut keys = vec![request_key(request), order_key(order)];
        keys.extend(lines.iter().map(|line| stock_key(line.sku)));
        let decide = |seen: &[Seen]| {
            let stock: Option<Vec<Stock>> = seen[2..]
                .iter()
                .zip(lines)
                .map(|(seen, line)| {
                    let stock = Stock::decode(seen.value()?)?;
                    let available = stock.available.checked_sub(line.quantity)?;
                    Some(Stock { available, reserved: stock.reserved + line.quantity, ..stock })
                })
                .collect();
            let Some(stock) = stock else { return Ok((Answer::InsufficientStock, Vec::new())) };
            if seen[1].row.is_some() {
                return Err(tonic::Status::already_exists("there is an order of this name"));
            }
            let placed = Order { confirmed: false, lines: lines.to_vec() };
            let mut puts = vec![rows::put(order_key(order), placed.encode())];
            let stock = lines.iter().zip(stock);
            puts.extend(stock.map(|(line, stock)| rows::put(stock_key(line.sku), stock.encode())));
            Ok((Answer::Placed, puts))
        };
        self.once(&keys, &content, decide).await
    }

    /// Confirms an order that waits for it, at most once for each request.
    pub(super) async fn confirm(&mut self, request: u64, order: u64) -> Result<Answer, tonic::Status> {
        // Which rows it is about stands in the order, and doesn't change.
        let lines = self.order(order).await?.map_or(Vec::new(), |order| order.lines);
        let mut keys = vec![request_key(request), order_key(order)];
        keys.extend(lines.iter().map(|line| stock_key(line.sku)));
        let decide = |seen: &[Seen]| {
            let pending = seen[1].value().and_then(Order::decode).filter(|order| !order.confirmed);
            let Some(pending) = pending else { return Ok((Answer::NotPending, Vec::new())) };
            let confirmed = Order { confirmed: true, ..pending };
            let mut puts = vec![rows::put(order_key(order), confirmed.encode())];
            for (seen, line) in seen[2..].iter().zip(&lines) {
                let stock = seen.value().and_then(Stock::decode);
                let stock = stock.ok_or_else(|| tonic::Status::data_loss("a stock row is gone"))?;
                let moved = Stock {
                    reserved: stock.reserved.saturating_sub(line.quantity),
                    committed: stock.committed + line.quantity,
                    ..stock
                };
                puts.push(rows::put(stock_key(line.sku), moved.encode()));
            }
            Ok((Answer::Confirmed, puts))
        };
        self.once(&keys, &[order], decide).await
    }

    /// An order, as new as can be.
    pub(super) async fn order(&self, order: u64) -> Result<Option<Order>, tonic::Status> {
        let row = self.client.get(order_key(order)).await?;
        Ok(row.and_then(|row| Order::decode(&row.value)))
    }

    /// The stock of a SKU, as new as can be.
    pub(super) async fn stock(&self, sku: u64) -> Result<Option<Stock>, tonic::Status> {
        let row = self.client.get(stock_key(sku)).await?;
        Ok(row.and_then(|row| Stock::decode(&row.value)))
    }

    /// Reads the rows, decides, and writes on condition that they are as they were read; begins again where they aren't.
    /// The first key is that of the request.
    async fn once(
        &mut self,
        keys: &[String],
        content: &[u64],
        decide: impl Fn(&[Seen]) -> Result<(Answer, Vec<RequestOp>), tonic::Status>,
    ) -> Result<Answer, tonic::Status> {
        let mut overtaken = 0;
        loop {
            let seen = self.read(keys).await?;
            if let Some(kept) = seen[0].value() {
                let another = || tonic::Status::invalid_argument("a request with another content");
                return Answer::decode(kept, content).ok_or_else(another);
            }
            let (answer, mut success) = decide(&seen)?;
            success.push(rows::put(keys[0].clone(), answer.encode(content)));
            let compare = seen.iter().map(Seen::unchanged).collect();
            if self.client.transact(TxnRequest { compare, success }).await?.succeeded {
                return Ok(answer);
            }
            self.conflicts += 1;
            tokio::time::sleep(self.wait(overtaken)).await;
            overtaken += 1;
        }
    }

    /// All rows at one revision.
    async fn read(&self, keys: &[String]) -> Result<Vec<Seen>, tonic::Status> {
        let range = |key: &String| {
            let range = RangeRequest { key: key.clone().into_bytes(), ..RangeRequest::default() };
            RequestOp { request: Some(Request::Range(range)) }
        };
        let request = TxnRequest { compare: Vec::new(), success: keys.iter().map(range).collect() };
        let TxnResponse { responses, .. } = self.client.transact(request).await?;
        let rows = responses.into_iter().map(|response| match response.response {
            Some(Response::Range(range)) => range.kvs.into_iter().next(),
            _ => None,
        });
        Ok(keys.iter().zip(rows).map(|(key, row)| Seen { key: key.clone().into_bytes(), row }).collect())
    }

    /// Chance, so that those who were overtaken together don't meet again.
    fn wait(&self, overtaken: u32) -> Duration {
        let longest = FIRST_WAIT * 2_u32.pow(overtaken.min(DOUBLED_AT_MOST));
        let longest_us = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.random.below(longest_us))
    }
}
