//! Clerks: each makes one call after the other, as a checkout process does.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::bench::speed::caller::{Caller, Failure};
use crate::bench::speed::script::{Kind, Script};
use crate::bench::speed::series::Series;

/// Errors of calls that are kept.
const MAX_KEPT_ERRORS: usize = 10;

/// What is known of an order, from least to most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Known {
    /// It was not placed.
    #[default]
    Nothing,
    /// The call failed: it may be there.
    Unknown,
    Placed,
    Paid,
    Shipped,
}

/// When calls are made, and which count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    pub(super) started: Instant,
    /// Calls that are answered before are not counted.
    pub(super) counted_from: Instant,
    /// No call is made after.
    pub(super) until: Instant,
    /// Calls a second, whether those before were answered or not; as fast as answers come where absent.
    pub(super) rate: Option<u64>,
}

impl Schedule {
    /// When the call of this number is due.
    fn due(&self, call: u64) -> Option<Instant> {
        let micros = call.saturating_mul(1_000_000) / self.rate?.max(1);
        Some(self.started + Duration::from_micros(micros))
    }
}

/// What all clerks know together.
#[derive(Debug)]
pub(super) struct Books {
    next_call: AtomicU64,
    next_order: AtomicU64,
    kept: Mutex<Kept>,
}

/// What came of the calls.
#[derive(Debug)]
pub(super) struct Kept {
    /// Of those that count.
    pub(super) series: Series,
    /// Answered since the count began, those that were made before its end and answered after it included.
    pub(super) answered: u64,
    /// By the number of the order.
    pub(super) orders: Vec<Known>,
    pub(super) failed: u64,
    /// The first of them.
    pub(super) errors: Vec<String>,
}

impl Books {
    pub(super) fn new() -> Self {
        let kept =
            Kept { series: Series::new(), answered: 0, orders: Vec::new(), failed: 0, errors: Vec::new() };
        Self { next_call: AtomicU64::new(0), next_order: AtomicU64::new(0), kept: Mutex::new(kept) }
    }

    fn note(&self, order: u64, known: Known) {
        let mut kept = self.kept.lock();
        let at = usize::try_from(order).expect("orders fit memory");
        if kept.orders.len() <= at {
            kept.orders.resize(at + 1, Known::Nothing);
        }
        kept.orders[at] = kept.orders[at].max(known);
    }

    fn note_failure(&self, what: String) {
        let mut kept = self.kept.lock();
        kept.failed += 1;
        if kept.errors.len() < MAX_KEPT_ERRORS {
            kept.errors.push(what);
        }
    }

    /// What came of the calls, once all clerks have gone home.
    pub(super) fn close(self: Arc<Self>) -> anyhow::Result<Kept> {
        let books = Arc::into_inner(self).ok_or_else(|| anyhow::anyhow!("a clerk still writes"))?;
        Ok(books.kept.into_inner())
    }
}

/// A clerk.
pub(super) struct Clerk {
    caller: Caller,
    script: Arc<Script>,
    books: Arc<Books>,
    /// Own orders that are not paid, the oldest first.
    unpaid: VecDeque<u64>,
    /// Own orders that are paid and not shipped, the oldest first.
    paid: VecDeque<u64>,
}

impl Clerk {
    pub(super) fn new(caller: Caller, script: Arc<Script>, books: Arc<Books>) -> Self {
        Self { caller, script, books, unpaid: VecDeque::new(), paid: VecDeque::new() }
    }

    /// Places an order that is not counted, to have one to ask for.
    pub(super) async fn begin(&mut self) {
        self.place().await;
    }

    /// Calls until the time is over.
    pub(super) async fn work(mut self, schedule: Schedule) {
        loop {
            let call = self.books.next_call.fetch_add(1, Ordering::Relaxed);
            let began = match schedule.due(call) {
                Some(due) if due >= schedule.until => return,
                Some(due) => {
                    sleep_until(due).await;
                    due
                }
                None => Instant::now(),
            };
            if began >= schedule.until {
                return;
            }
            let is_answered = self.call(call).await;
            let at = Instant::now();
            if is_answered && at >= schedule.counted_from {
                let mut kept = self.books.kept.lock();
                kept.answered += 1;
                if at < schedule.until {
                    let since = at - schedule.counted_from;
                    kept.series.record(since, at.saturating_duration_since(began));
                }
            }
        }
    }

    /// True where the call was answered as it should be.
    async fn call(&mut self, call: u64) -> bool {
        match self.script.kind(call) {
            Kind::Place => self.place().await,
            Kind::Confirm => match self.unpaid.pop_front() {
                Some(order) => {
                    let answer = self.caller.confirm(order).await;
                    self.became(order, Known::Paid, answer)
                }
                None => self.place().await,
            },
            Kind::Ship => match self.paid.pop_front() {
                Some(order) => {
                    let answer = self.caller.ship(order).await;
                    self.became(order, Known::Shipped, answer)
                }
                None => self.place().await,
            },
            Kind::ReadOrder => {
                let (order, paid) = match (self.paid.back(), self.unpaid.back()) {
                    (Some(order), _) => (*order, true),
                    (None, Some(order)) => (*order, false),
                    (None, None) => return self.place().await,
                };
                let answer = self.caller.read_order(order, paid).await;
                self.is_answered(&format!("reading order {order}"), answer)
            }
            Kind::ReadStock(sku) => {
                let answer = self.caller.read_stock(sku).await;
                self.is_answered("reading stock", answer)
            }
        }
    }

    async fn place(&mut self) -> bool {
        let order = self.books.next_order.fetch_add(1, Ordering::Relaxed);
        let answer = self.caller.place(order).await;
        if self.script.is_refused(order) {
            let as_expected = matches!(answer, Err(Failure::NotFound));
            if !as_expected {
                self.books.note_failure(format!("order {order} names a SKU that nobody has: {answer:?}"));
            }
            return as_expected;
        }
        if answer.is_err() {
            self.books.note(order, Known::Unknown);
        }
        self.became(order, Known::Placed, answer)
    }

    fn became(&mut self, order: u64, known: Known, answer: Result<(), Failure>) -> bool {
        if !self.is_answered(&format!("order {order}"), answer) {
            return false;
        }
        self.books.note(order, known);
        match known {
            Known::Placed => self.unpaid.push_back(order),
            Known::Paid => self.paid.push_back(order),
            Known::Nothing | Known::Unknown | Known::Shipped => {}
        }
        true
    }

    fn is_answered(&self, what: &str, answer: Result<(), Failure>) -> bool {
        match answer {
            Ok(()) => true,
            Err(Failure::NotFound) => {
                self.books.note_failure(format!("{what}: not found"));
                false
            }
            Err(Failure::Other(why)) => {
                self.books.note_failure(format!("{what}: {why}"));
                false
            }
        }
    }
}
