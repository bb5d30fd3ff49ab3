//! What must be so before a transaction, as it is written in a file.

use stockade_proto::v1::precondition::Condition;
use stockade_proto::v1::precondition_subject::Subject;
use stockade_proto::v1::{Precondition, PreconditionSubject, QuantityRange, StockSubject};

use crate::words;

/// How a line is written.
const FORM: &str = "write `require KIND ID CONDITION`, for example `require order o1 state confirmed`";
const CONDITIONS: &str = "write exists, missing, etag ETAG or unchanged-since REVISION";

/// The words behind `require`.
pub(super) fn parse(rest: &[String]) -> Result<Precondition, String> {
    let words: Vec<&str> = rest.iter().map(String::as_str).collect();
    let [kind, id, condition @ ..] = words.as_slice() else { return Err(FORM.to_owned()) };
    let id = (*id).to_owned();
    let subject = match *kind {
        "sku" => Subject::SkuId(id),
        "location" => Subject::LocationId(id),
        "stock" => Subject::Stock(place(&id)?),
        "order" => Subject::OrderId(id),
        "reservation" => Subject::ReservationId(id),
        other => {
            return Err(format!("`{other}` is none of sku, location, stock, order, reservation"));
        }
    };
    let condition = of_any(condition)?.map_or_else(|| of_kind(&subject, condition), Ok)?;
    let subject = Some(PreconditionSubject { subject: Some(subject) });
    Ok(Precondition { subject, condition: Some(condition) })
}

/// `SKU@LOCATION`, read from the right: a SKU's id may hold the sign.
fn place(text: &str) -> Result<StockSubject, String> {
    let place = text.rsplit_once('@').filter(|(sku, location)| !sku.is_empty() && !location.is_empty());
    let (sku, location) = place.ok_or("write SKU@LOCATION, for example mug@main")?;
    Ok(StockSubject { sku_id: sku.to_owned(), location_id: location.to_owned() })
}

/// A condition that anything may be held to; `None` where it is none of these.
fn of_any(words: &[&str]) -> Result<Option<Condition>, String> {
    Ok(match words {
        ["exists"] => Some(Condition::Exists(true)),
        ["missing"] => Some(Condition::Exists(false)),
        ["etag", etag] if !etag.is_empty() => Some(Condition::Etag((*etag).to_owned())),
        ["unchanged-since", revision] => {
            let revision = revision.parse().map_err(|_| format!("`{revision}` is no revision"))?;
            Some(Condition::UnchangedSinceRevision(revision))
        }
        _ => None,
    })
}

/// A condition of its own kind.
fn of_kind(subject: &Subject, words: &[&str]) -> Result<Condition, String> {
    match (subject, words) {
        (Subject::OrderId(_), ["state", state]) => {
            Ok(Condition::OrderState(words::order_state(state)?.into()))
        }
        (Subject::ReservationId(_), ["state", state]) => {
            Ok(Condition::ReservationState(words::reservation_state(state)?.into()))
        }
        (Subject::Stock(_), [bucket, range]) => {
            let bucket = words::any_bucket(bucket)
                .map_err(|_| format!("`{bucket}` is no bucket: {CONDITIONS}, or BUCKET RANGE"))?;
            Ok(Condition::Quantity(QuantityRange { bucket: bucket.into(), ..units(range)? }))
        }
        (Subject::OrderId(_) | Subject::ReservationId(_), _) => Err(format!("{CONDITIONS}, or state STATE")),
        (Subject::Stock(_), _) => Err(format!("{CONDITIONS}, or BUCKET RANGE")),
        (Subject::SkuId(_) | Subject::LocationId(_), _) => Err(CONDITIONS.to_owned()),
    }
}

/// `MIN..`, `..MAX` or `MIN..MAX`.
fn units(text: &str) -> Result<QuantityRange, String> {
    const RANGE: &str = "write MIN.., ..MAX or MIN..MAX, for example 1..5";
    let bound = |text: &str| -> Result<Option<i64>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| format!("`{text}` is no quantity: {RANGE}"))
    };
    let (min, max) = text.split_once("..").ok_or(RANGE)?;
    let (min, max) = (bound(min)?, bound(max)?);
    if min.is_none() && max.is_none() {
        return Err(RANGE.to_owned());
    }
    if min.zip(max).is_some_and(|(min, max)| min > max) {
        return Err(format!("`{text}` holds no quantity: {RANGE}"));
    }
    Ok(QuantityRange { bucket: 0, min, max })
}

#[cfg(test)]
mod tests {
    use stockade_proto::v1::{Bucket, OrderState, ReservationState};

    use super::*;

    fn parsed(text: &str) -> Result<(Subject, Condition), String> {
        let words: Vec<String> = text.split(' ').map(ToOwned::to_owned).collect();
        let Precondition { subject, condition } = parse(&words)?;
        Ok((subject.unwrap().subject.unwrap(), condition.unwrap()))
    }

    fn id(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn anything_may_have_to_be_there_or_not_or_be_as_it_was() {
        let sku = || Subject::SkuId(id("mug"));
        assert_eq!(parsed("sku mug exists"), Ok((sku(), Condition::Exists(true))));
        assert_eq!(parsed("sku mug etag Ab_1"), Ok((sku(), Condition::Etag(id("Ab_1")))));
        assert_eq!(parsed("order o1 missing"), Ok((Subject::OrderId(id("o1")), Condition::Exists(false))));
        let location = Subject::LocationId(id("main"));
        let unchanged = Condition::UnchangedSinceRevision(123);
        assert_eq!(parsed("location main unchanged-since 123"), Ok((location, unchanged.clone())));
        let stock = Subject::Stock(StockSubject { sku_id: id("urn:a@b"), location_id: id("main") });
        assert_eq!(parsed("stock urn:a@b@main unchanged-since 123"), Ok((stock, unchanged)));
    }

    #[test]
    fn orders_and_reservations_have_states() {
        let confirmed = Condition::OrderState(OrderState::Confirmed.into());
        assert_eq!(parsed("order o1 state confirmed"), Ok((Subject::OrderId(id("o1")), confirmed)));
        let active = Condition::ReservationState(ReservationState::Active.into());
        assert_eq!(parsed("reservation r1 state active"), Ok((Subject::ReservationId(id("r1")), active)));
        assert!(parsed("order o1 state active").is_err() && parsed("sku mug state active").is_err());
    }

    #[test]
    fn buckets_hold_from_so_many_units_to_so_many() {
        let range = |text: &str| match parsed(&format!("stock mug@main {text}"))?.1 {
            Condition::Quantity(range) => Ok((range.bucket(), range.min, range.max)),
            other => Err(format!("{other:?}")),
        };
        assert_eq!(range("available 1.."), Ok((Bucket::Available, Some(1), None)));
        assert_eq!(range("reserved ..5"), Ok((Bucket::Reserved, None, Some(5))));
        assert_eq!(range("safety-stock 1..5"), Ok((Bucket::SafetyStock, Some(1), Some(5))));
        for bad in
            ["available ..", "available 5", "available 5..1", "available a..", "on-hand 1..", "available"]
        {
            assert!(range(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_precondition_is_refused() {
        for bad in [
            "",
            "sku",
            "sku mug",
            "sku mug etag",
            "sku mug exists now",
            "stock mug exists",
            "stock mug@ exists",
            "stock @main exists",
            "price mug exists",
            "order o1 unchanged-since yesterday",
        ] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }
}
