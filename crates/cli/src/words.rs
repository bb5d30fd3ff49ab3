//! Reasons, buckets, states, strategies and times as they are written on the command line and in files.

use std::time;

use prost_types::{Duration, Timestamp};
use stockade_client::Consistency;
use stockade_proto::v1::{Bucket, OrderState, Reason, ReservationState, Sourcing, Stock};

const DAY_SECONDS: i64 = 24 * 60 * 60;
/// The longest hold: 30 days.
const MAX_HOLD_SECONDS: i64 = 30 * DAY_SECONDS;
/// The oldest state that a bounded read may ask for: an hour.
const MAX_STALENESS_SECONDS: i64 = 60 * 60;
/// The longest time after which a shipped order closes by itself: 3,660 days.
const MAX_CLOSE_AFTER_SECONDS: i64 = 3_660 * DAY_SECONDS;

/// `CYCLE_COUNT` of `cycle-count`.
fn spelled(text: &str) -> String {
    text.to_ascii_uppercase().replace('-', "_")
}

/// A reason that callers may give.
pub(crate) fn reason(text: &str) -> Result<Reason, String> {
    let reason = Reason::from_str_name(&format!("REASON_{}", spelled(text)));
    // Those up to SHIPMENT are the system's own.
    let own = |reason: &Reason| i32::from(*reason) > i32::from(Reason::Shipment);
    reason.filter(own).ok_or_else(|| {
        "write restock, correction, cycle-count, damaged, shrinkage, theft-loss, promotion, quality-hold, \
         safety-stock or other"
            .to_owned()
    })
}

/// A bucket that callers may change.
pub(crate) fn bucket(text: &str) -> Result<Bucket, String> {
    let open = [Bucket::Available, Bucket::SafetyStock, Bucket::Damaged, Bucket::QualityControl];
    let bucket = Bucket::from_str_name(&format!("BUCKET_{}", spelled(text)));
    bucket
        .filter(|bucket| open.contains(bucket))
        .ok_or_else(|| "write available, safety-stock, damaged or quality-control".to_owned())
}

/// Any bucket, also those of orders.
pub(crate) fn any_bucket(text: &str) -> Result<Bucket, String> {
    let bucket = Bucket::from_str_name(&format!("BUCKET_{}", spelled(text)));
    bucket.filter(|bucket| *bucket != Bucket::Unspecified).ok_or_else(|| {
        "write available, reserved, committed, safety-stock, damaged or quality-control".to_owned()
    })
}

/// The state of an order.
pub(crate) fn order_state(text: &str) -> Result<OrderState, String> {
    let state = OrderState::from_str_name(&format!("ORDER_STATE_{}", spelled(text)));
    state.filter(|state| *state != OrderState::Unspecified).ok_or_else(|| {
        "write pending-payment, confirmed, partially-shipped, shipped, partially-returned, returned, cancelled, \
         expired or closed"
            .to_owned()
    })
}

/// The state of a reservation.
pub(crate) fn reservation_state(text: &str) -> Result<ReservationState, String> {
    let state = ReservationState::from_str_name(&format!("RESERVATION_STATE_{}", spelled(text)));
    state
        .filter(|state| *state != ReservationState::Unspecified)
        .ok_or_else(|| "write active, partially-committed, committed, released or expired".to_owned())
}

/// A strategy for lines that name no location.
pub(crate) fn sourcing(text: &str) -> Result<Sourcing, String> {
    let sourcing = Sourcing::from_str_name(&format!("SOURCING_{}", spelled(text)));
    sourcing
        .filter(|sourcing| *sourcing != Sourcing::Unspecified)
        .ok_or_else(|| "write priority, most-stock, fewest-splits, explicit or split-proportional".to_owned())
}

/// `SAFETY_STOCK` of `BUCKET_SAFETY_STOCK`.
pub(crate) fn bucket_name(bucket: Bucket) -> &'static str {
    let name = bucket.as_str_name();
    name.strip_prefix("BUCKET_").unwrap_or(name)
}

/// The units of a bucket. One that is not named means what can be sold, as in requests.
pub(crate) fn units_in(stock: &Stock, bucket: Bucket) -> i64 {
    match bucket {
        Bucket::Unspecified | Bucket::Available => stock.available,
        Bucket::Reserved => stock.reserved,
        Bucket::Committed => stock.committed,
        Bucket::SafetyStock => stock.safety_stock,
        Bucket::Damaged => stock.damaged,
        Bucket::QualityControl => stock.quality_control,
    }
}

/// How long units are held: a whole number and its unit, seconds where there is none.
pub(crate) fn hold(text: &str) -> Result<Duration, String> {
    let hold = time_up_to(text, MAX_HOLD_SECONDS);
    hold.ok_or_else(|| "write 1s to 30d, for example 90s, 15m, 2h or 3d".to_owned())
}

/// What a read promises.
pub(crate) fn consistency(text: &str) -> Result<Consistency, String> {
    let (what, argument) =
        text.split_once(':').map_or((text, None), |(what, argument)| (what, Some(argument)));
    let consistency = match (what, argument) {
        ("linearizable", None) => Some(Consistency::Linearizable),
        ("lease", None) => Some(Consistency::Lease),
        ("local", None) => Some(Consistency::Local),
        ("bounded", Some(age)) => staleness(age).map(Consistency::Bounded),
        ("at-least", Some(revision)) => {
            revision.parse().ok().filter(|revision| *revision > 0).map(Consistency::AtLeast)
        }
        _ => None,
    };
    consistency.ok_or_else(|| {
        "write linearizable, lease, bounded:AGE with an age of 1ms to 1h (bounded:500ms, bounded:10s, bounded:5m), \
         at-least:REVISION with a revision of 1 or higher, or local"
            .to_owned()
    })
}

/// 1 ms to 1 hour.
fn staleness(text: &str) -> Option<time::Duration> {
    let age = match text.strip_suffix("ms") {
        Some(millis) => time::Duration::from_millis(millis.parse().ok()?),
        None => time::Duration::try_from(time_up_to(text, MAX_STALENESS_SECONDS)?).ok()?,
    };
    let bounds =
        time::Duration::from_millis(1)..=time::Duration::from_secs(MAX_STALENESS_SECONDS.unsigned_abs());
    bounds.contains(&age).then_some(age)
}

/// How long after a shipment its order closes.
pub(crate) fn close_after(text: &str) -> Result<Duration, String> {
    let time = time_up_to(text, MAX_CLOSE_AFTER_SECONDS);
    time.ok_or_else(|| "write 1s to 3660d, for example 12h, 30d or 365d".to_owned())
}

/// A moment: a date and a time as RFC 3339 has them, or a date alone for its beginning.
pub(crate) fn moment(text: &str) -> Result<Timestamp, String> {
    let moment = text.parse::<Timestamp>();
    moment.map_err(|_| {
        "write a date and a time as RFC 3339 has them, for example 2026-12-31T23:59:59Z or \
         2027-01-01T00:30:00+01:00, or a date alone, for its beginning"
            .to_owned()
    })
}

fn time_up_to(text: &str, most: i64) -> Option<Duration> {
    let number = text.trim_end_matches(|character: char| !character.is_ascii_digit());
    let unit = match &text[number.len()..] {
        "" | "s" => Some(1),
        "m" => Some(60),
        "h" => Some(60 * 60),
        "d" => Some(DAY_SECONDS),
        _ => None,
    };
    let seconds = number.parse::<i64>().ok().zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
    let seconds = seconds.filter(|seconds| (1..=most).contains(seconds));
    seconds.map(|seconds| Duration { seconds, nanos: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_has_a_unit_or_is_in_seconds() {
        for (text, seconds) in [("1", 1), ("90s", 90), ("15m", 900), ("2h", 7_200), ("30d", MAX_HOLD_SECONDS)]
        {
            assert_eq!(hold(text), Ok(Duration { seconds, nanos: 0 }), "{text}");
        }
    }

    #[test]
    fn a_hold_of_no_time_or_of_too_much_is_refused() {
        for bad in
            ["", "0", "-1s", "31d", "2592001", "m", "1.5h", "15 m", "1h30m", "9999999999999999d", "1w", "1é"]
        {
            assert!(hold(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_order_may_close_years_after_its_shipment() {
        assert_eq!(close_after("30d"), Ok(Duration { seconds: 30 * DAY_SECONDS, nanos: 0 }));
        assert!(close_after("3660d").is_ok() && close_after("3661d").is_err() && close_after("0").is_err());
    }

    #[test]
    fn a_moment_has_an_offset_or_is_in_utc() {
        let at = |seconds, nanos| Ok(Timestamp { seconds, nanos });
        assert_eq!(moment("2026-12-31T23:59:59Z"), at(1_798_761_599, 0));
        assert_eq!(moment("2026-12-31T23:59:59.000001Z"), at(1_798_761_599, 1_000));
        assert_eq!(moment("2027-01-01T00:59:59+01:00"), at(1_798_761_599, 0));
        assert_eq!(moment("2026-12-31T23:59:59"), at(1_798_761_599, 0));
        assert_eq!(moment("2027-01-01"), at(1_798_761_600, 0));
        for bad in
            ["", "now", "1798761600", "2026-13-01", "2026-12-31T23", "31.12.2026", "2026-12-31T23:59:59X"]
        {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn states_and_strategies_are_written_with_dashes() {
        assert_eq!(order_state("pending-payment"), Ok(OrderState::PendingPayment));
        assert_eq!(order_state("closed"), Ok(OrderState::Closed));
        assert_eq!(reservation_state("partially-committed"), Ok(ReservationState::PartiallyCommitted));
        assert_eq!(sourcing("split-proportional"), Ok(Sourcing::SplitProportional));
        assert!(order_state("unspecified").is_err() && sourcing("unspecified").is_err());
        assert!(reservation_state("unspecified").is_err() && reservation_state("open").is_err());
    }

    #[test]
    fn reasons_of_the_system_are_not_for_callers() {
        assert_eq!(reason("cycle-count"), Ok(Reason::CycleCount));
        assert!(reason("shipment").is_err() && reason("unspecified").is_err() && reason("x").is_err());
    }

    #[test]
    fn buckets_of_orders_are_not_for_callers() {
        assert_eq!(bucket("safety-stock"), Ok(Bucket::SafetyStock));
        assert_eq!(bucket("SAFETY_STOCK"), Ok(Bucket::SafetyStock));
        assert!(bucket("reserved").is_err() && bucket("committed").is_err());
        assert_eq!(any_bucket("reserved"), Ok(Bucket::Reserved));
        assert!(any_bucket("unspecified").is_err() && any_bucket("on-hand").is_err());
    }

    #[test]
    fn a_bucket_is_named_as_it_may_be_written() {
        assert_eq!(bucket(bucket_name(Bucket::QualityControl)), Ok(Bucket::QualityControl));
    }

    #[test]
    fn a_consistency_is_a_word_and_what_belongs_to_it() {
        let millis = time::Duration::from_millis;
        for (text, expected) in [
            ("linearizable", Consistency::Linearizable),
            ("lease", Consistency::Lease),
            ("bounded:500ms", Consistency::Bounded(millis(500))),
            ("bounded:2", Consistency::Bounded(millis(2_000))),
            ("bounded:1h", Consistency::Bounded(millis(3_600_000))),
            ("at-least:17", Consistency::AtLeast(17)),
            ("local", Consistency::Local),
        ] {
            assert_eq!(consistency(text), Ok(expected), "{text}");
        }
        for bad in [
            "",
            "stale",
            "bounded",
            "bounded:",
            "bounded:0ms",
            "bounded:61m",
            "bounded:3600001ms",
            "at-least:0",
            "local:1",
        ] {
            assert!(consistency(bad).is_err(), "{bad}");
        }
    }
}
