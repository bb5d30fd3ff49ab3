//! From the words of a script to commands.

use std::collections::BTreeMap;
use std::error::Error;

use goldenscript::ArgumentConsumer;
use stockade_state_machine::command::{
    AdjustStock, CancelOrder, CommitReservation, ConfirmOrder, CreateLocation, CreateReservation, CreateSku,
    DeleteLocation, DeleteSku, Disposition, ExpireDue, ExtendReservation, LineQuantity, LocationChange,
    MoveReservation, MoveStock, Payment, PlaceLine, PlaceOrder, ReceiveStock, ReleaseReservation, ReturnLine,
    ReturnOrder, SetStock, ShipOrder, SkuChange, UpdateLocation, UpdateSku,
};
use stockade_state_machine::ids::{CustomerId, DocumentId, LocationId, OrderId, ReservationId, SkuId};
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::location::LocationDetails;
use stockade_state_machine::order::Currency;
use stockade_state_machine::sku::SkuDetails;
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{Command, Revision, Version};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// `60s`, `500ms`, `3us`.
pub(crate) fn duration_us(text: &str) -> Result<u64> {
    let unit_at = text.find(|letter: char| !letter.is_ascii_digit()).ok_or("a duration has a unit")?;
    let factor = match &text[unit_at..] {
        "s" => 1_000_000,
        "ms" => 1_000,
        "us" => 1,
        other => return Err(format!("no unit {other:?}").into()),
    };
    Ok(text[..unit_at].parse::<u64>()? * factor)
}

/// The command of that name.
pub(crate) fn command(script: &goldenscript::Command, args: &mut ArgumentConsumer<'_>) -> Result<Command> {
    let name = script.name.as_str();
    if name == "abandon" {
        return Ok(Command::AbandonRequest);
    }
    if name == "expire" {
        return Ok(Command::ExpireDue(ExpireDue { limit: args.lookup_parse("limit")?.unwrap_or(1_000) }));
    }
    let subject = args.next_pos().ok_or("of what?")?.value.clone();
    // The consumer gives only the last of several, and drops them all.
    args.lookup("line");
    let lines: Vec<_> = script.args.iter().filter(|arg| arg.key.as_deref() == Some("line")).collect();
    let document = args.lookup("document").map(|id| document(&id.value)).transpose()?;
    let reference = args.lookup("reference").map(|text| text.value.clone()).unwrap_or_default();
    // `repeat/600` stands for a text of so many characters.
    let reference = match reference.strip_prefix("repeat/") {
        Some(count) => "x".repeat(count.parse()?),
        None => reference,
    };
    Ok(match name {
        "create" | "update" | "delete" | "open" | "change" | "close" => {
            catalog_command(name, &subject, args, reference)?
        }
        "receive" => {
            let (sku, location) = place_of(&subject)?;
            let quantity = args.next_pos().ok_or("how many?")?.value.parse()?;
            Command::ReceiveStock(ReceiveStock { sku, location, quantity, document, reference })
        }
        "adjust" => {
            let (sku, location) = place_of(&subject)?;
            let delta = args.lookup_parse("delta")?.ok_or("by how many?")?;
            let bucket = bucket(args.lookup("bucket").map_or("available", |bucket| &bucket.value))?;
            let reason = reason(args.lookup("reason").map_or("correction", |reason| &reason.value))?;
            Command::AdjustStock(AdjustStock { sku, location, bucket, delta, reason, document, reference })
        }
        "set" => {
            let (sku, location) = place_of(&subject)?;
            let quantity = args.next_pos().ok_or("to how many?")?.value.parse()?;
            let expected = args.lookup_parse("expected")?;
            let bucket = bucket(args.lookup("bucket").map_or("available", |bucket| &bucket.value))?;
            let reason = reason(args.lookup("reason").map_or("cycle_count", |reason| &reason.value))?;
            Command::SetStock(SetStock {
                sku,
                location,
                bucket,
                quantity,
                expected,
                reason,
                document,
                reference,
            })
        }
        "move" => {
            let (sku, location) = place_of(&subject)?;
            let quantity = args.next_pos().ok_or("how many?")?.value.parse()?;
            let from = bucket(args.lookup("from").map_or("available", |bucket| &bucket.value))?;
            let to = bucket(args.lookup("to").map_or("available", |bucket| &bucket.value))?;
            let reason = reason(args.lookup("reason").map_or("damaged", |reason| &reason.value))?;
            Command::MoveStock(MoveStock { sku, location, from, to, quantity, reason, document, reference })
        }
        "place" => {
            let customer = args.lookup("customer").map(|id| id.value.clone());
            let hold = args.lookup("hold").map_or("900s", |hold| &hold.value).to_owned();
            let price = args.lookup_parse("price")?;
            let repeated: usize = args.lookup_parse("times")?.unwrap_or(1);
            let all = lines.iter().cycle().take(lines.len() * repeated);
            let lines: Vec<_> = all.map(|line| line.value.clone()).collect();
            let mut command = place(&subject, &lines, customer, &hold)?;
            if let (Command::PlaceOrder(order), Some(price)) = (&mut command, price) {
                order.lines.iter_mut().for_each(|line| line.unit_price_minor = price);
            }
            command
        }
        "confirm" => {
            Command::ConfirmOrder(ConfirmOrder { order: order(&subject)?, payment_reference: reference })
        }
        "ship" => {
            let lines: Vec<_> = lines.iter().map(|line| ship_line(&line.value)).collect::<Result<_>>()?;
            let repeated: usize = args.lookup_parse("times")?.unwrap_or(1);
            let lines = lines.iter().cycle().take(lines.len() * repeated).copied().collect();
            Command::ShipOrder(ShipOrder { order: order(&subject)?, lines, tracking_number: reference })
        }
        "hold" | "extend" | "take" | "release" | "relocate" => {
            let lines: Vec<_> = lines.iter().map(|line| line.value.as_str()).collect();
            reservation_command(name, reservation(&subject)?, &lines, args, reference)?
        }
        "cancel" => Command::CancelOrder(CancelOrder { order: order(&subject)? }),
        "return" => {
            let lines = lines.iter().map(|line| return_line(&line.value)).collect::<Result<_>>()?;
            Command::ReturnOrder(ReturnOrder { order: order(&subject)?, lines, document })
        }
        other => return Err(format!("no command {other:?}").into()),
    })
}

/// A command about a reservation. The lines of `hold` are those of `place`, those of `take` and `release` those of `ship`.
fn reservation_command(
    name: &str,
    reservation: ReservationId,
    lines: &[&str],
    args: &mut ArgumentConsumer<'_>,
    reference: String,
) -> Result<Command> {
    let hold_us = args.lookup("hold").map(|hold| duration_us(&hold.value)).transpose()?;
    let repeated: usize = args.lookup_parse("times")?.unwrap_or(1);
    let lines = || lines.iter().cycle().take(lines.len() * repeated);
    let quantities = || lines().map(|line| ship_line(line)).collect::<Result<_>>();
    let customer = args.lookup("customer").map(|id| CustomerId::new(&id.value)).transpose();
    let customer = customer.map_err(|error| error.to_string())?;
    Ok(match name {
        "hold" => Command::CreateReservation(CreateReservation {
            reservation,
            customer,
            currency: Currency::new("GBP").expect("capital letters"),
            lines: lines().map(|line| place_line(line)).collect::<Result<_>>()?,
            hold_us: hold_us.unwrap_or(900_000_000),
        }),
        "extend" => {
            let hold_us = hold_us.ok_or("for how long?")?;
            Command::ExtendReservation(ExtendReservation { reservation, hold_us })
        }
        "take" => {
            let order = order(&args.next_pos().ok_or("for which order?")?.value)?;
            let payment = match hold_us {
                Some(hold_us) => Payment::Pending { hold_us },
                None => Payment::Taken { reference },
            };
            let lines = quantities()?;
            Command::CommitReservation(CommitReservation { reservation, order, customer, lines, payment })
        }
        "release" => Command::ReleaseReservation(ReleaseReservation { reservation, lines: quantities()? }),
        "relocate" => {
            let location = location(&args.next_pos().ok_or("where to?")?.value)?;
            let lines = lines().map(|line| Ok(line.parse()?)).collect::<Result<_>>()?;
            Command::MoveReservation(MoveReservation { reservation, lines, location })
        }
        other => return Err(format!("no command {other:?}").into()),
    })
}

/// A command about SKUs or locations.
fn catalog_command(
    name: &str,
    subject: &str,
    args: &mut ArgumentConsumer<'_>,
    reference: String,
) -> Result<Command> {
    Ok(match name {
        "create" | "update" => {
            let change = sku_change(args, reference)?;
            if name == "update" {
                let expected = expected(args)?;
                return Ok(Command::UpdateSku(UpdateSku { sku: sku(subject)?, expected, change }));
            }
            let details = change.applied_to(&SkuDetails::default());
            Command::CreateSku(CreateSku { sku: sku(subject)?, details })
        }
        "delete" => Command::DeleteSku(DeleteSku { sku: sku(subject)?, expected: expected(args)? }),
        "open" | "change" => {
            let change = LocationChange {
                display_name: (!reference.is_empty()).then_some(reference),
                zone: args.lookup("zone").map(|zone| zone.value.clone()),
                priority: args.lookup_parse("priority")?,
                disabled: args.lookup_parse("disabled")?,
            };
            let location = location(subject)?;
            if name == "change" {
                let expected = expected(args)?;
                return Ok(Command::UpdateLocation(UpdateLocation { location, expected, change }));
            }
            let details = change.applied_to(&LocationDetails::default());
            Command::CreateLocation(CreateLocation { location, details })
        }
        "close" => Command::DeleteLocation(DeleteLocation {
            location: location(subject)?,
            expected: expected(args)?,
        }),
        other => return Err(format!("no command {other:?}").into()),
    })
}

/// What `reference=`, `untracked=`, `min=`, `max=` and `attribute=NAME/VALUE` say of a SKU.
fn sku_change(args: &mut ArgumentConsumer<'_>, reference: String) -> Result<SkuChange> {
    let attribute = args.lookup("attribute").map(|attribute| attribute.value.clone());
    let attributes = match attribute.as_deref() {
        None => None,
        Some("") => Some(BTreeMap::new()),
        Some(pair) => {
            let (name, value) = pair.split_once('/').ok_or("an attribute is NAME/VALUE")?;
            Some(BTreeMap::from([(name.to_owned(), value.to_owned())]))
        }
    };
    Ok(SkuChange {
        display_name: (!reference.is_empty()).then_some(reference),
        untracked: args.lookup_parse("untracked")?,
        min_per_order: args.lookup_parse("min")?,
        max_per_order: args.lookup_parse("max")?,
        attributes,
    })
}

/// The version in `etag=REVISION.POSITION`.
fn expected(args: &mut ArgumentConsumer<'_>) -> Result<Option<Version>> {
    let Some(etag) = args.lookup("etag") else { return Ok(None) };
    let (revision, position) = etag.value.split_once('.').ok_or("an etag is REVISION.POSITION")?;
    Ok(Some(Version { revision: Revision::new(revision.parse()?), position: position.parse()? }))
}

/// An order of lines such as `A/2@main` or `A/2` (from anywhere).
pub(crate) fn place(
    order_id: &str,
    lines: &[String],
    customer: Option<String>,
    hold: &str,
) -> Result<Command> {
    let customer = customer.map(|id| CustomerId::new(&id).map_err(|error| error.to_string())).transpose()?;
    Ok(Command::PlaceOrder(PlaceOrder {
        order: order(order_id)?,
        customer,
        currency: Currency::new("GBP").expect("capital letters"),
        lines: lines.iter().map(|line| place_line(line)).collect::<Result<_>>()?,
        hold_us: duration_us(hold)?,
    }))
}

fn place_line(text: &str) -> Result<PlaceLine> {
    let (what, location) = match text.split_once('@') {
        Some((what, location)) => (what, Some(self::location(location)?)),
        None => (text, None),
    };
    let (name, quantity) = what.split_once('/').ok_or("a line is SKU/quantity")?;
    Ok(PlaceLine { sku: sku(name)?, location, quantity: quantity.parse()?, unit_price_minor: 100 })
}

fn ship_line(text: &str) -> Result<LineQuantity> {
    let (line, quantity) = text.split_once('/').ok_or("a line is number/quantity")?;
    Ok(LineQuantity { line: line.parse()?, quantity: quantity.parse()? })
}

fn return_line(text: &str) -> Result<ReturnLine> {
    let mut parts = text.split('/');
    let line = parts.next().ok_or("which line?")?.parse()?;
    let quantity = parts.next().ok_or("how many?")?.parse()?;
    let disposition = match parts.next() {
        None | Some("restock") => Disposition::Restock,
        Some("damaged") => Disposition::Damaged,
        Some("scrap") => Disposition::Scrap,
        Some(other) => return Err(format!("no disposition {other:?}").into()),
    };
    Ok(ReturnLine { line, quantity, disposition })
}

pub(crate) fn place_of(text: &str) -> Result<(SkuId, LocationId)> {
    let (name, place) = text.split_once('@').ok_or("a place is SKU@location")?;
    Ok((sku(name)?, location(place)?))
}

fn bucket(name: &str) -> Result<Bucket> {
    let bucket = Bucket::ALL.into_iter().find(|bucket| bucket.name() == name);
    bucket.ok_or_else(|| format!("no bucket {name:?}").into())
}

fn reason(name: &str) -> Result<Reason> {
    Ok(match name {
        "correction" => Reason::Correction,
        "cycle_count" => Reason::CycleCount,
        "damaged" => Reason::Damaged,
        "theft_loss" => Reason::TheftLoss,
        "safety_stock" => Reason::SafetyStock,
        "sale" | "shipment" => Reason::Shipment,
        other => return Err(format!("no reason {other:?}").into()),
    })
}

fn sku(text: &str) -> Result<SkuId> {
    SkuId::new(text).map_err(|error| error.to_string().into())
}

fn location(text: &str) -> Result<LocationId> {
    LocationId::new(text).map_err(|error| error.to_string().into())
}

fn order(text: &str) -> Result<OrderId> {
    OrderId::new(text).map_err(|error| error.to_string().into())
}

fn reservation(text: &str) -> Result<ReservationId> {
    ReservationId::new(text).map_err(|error| error.to_string().into())
}

fn document(text: &str) -> Result<DocumentId> {
    DocumentId::new(text).map_err(|error| error.to_string().into())
}
