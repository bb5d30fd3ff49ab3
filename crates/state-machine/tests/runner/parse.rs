//! From the words of a script to commands.

use std::collections::BTreeMap;
use std::error::Error;

use goldenscript::ArgumentConsumer;
use stockade_state_machine::command::{
    AdjustStock, CancelOrder, CloseOrder, CommitReservation, ConfirmOrder, CreateLocation, CreateReservation,
    CreateSku, DeleteLocation, DeleteSku, Disposition, ExpireDue, ExtendOrder, ExtendReservation,
    LineQuantity, LocationChange, MoveReservation, MoveStock, Payment, PlaceLine, PlaceOrder, Precondition,
    ReceiveStock, ReleaseReservation, ReturnLine, ReturnOrder, Row, SetStock, ShipOrder, ShortagePolicy,
    SkuChange, Sourcing, UpdateLocation, UpdateSku,
};
use stockade_state_machine::ids::{CustomerId, DocumentId, LocationId, OrderId, ReservationId, SkuId};
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::location::LocationDetails;
use stockade_state_machine::order::{Currency, OrderState};
use stockade_state_machine::reservation::ReservationState;
use stockade_state_machine::sku::SkuDetails;
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{Command, Revision, StockKey, Version};

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
        "place" | "confirm" | "prolong" | "finish" | "ship" | "cancel" | "return" => {
            let lines: Vec<_> = lines.iter().map(|line| line.value.as_str()).collect();
            order_command(name, &subject, &lines, args, document, reference)?
        }
        "hold" | "extend" | "take" | "release" | "relocate" => {
            let lines: Vec<_> = lines.iter().map(|line| line.value.as_str()).collect();
            reservation_command(name, reservation(&subject)?, &lines, args, reference)?
        }
        other => return Err(format!("no command {other:?}").into()),
    })
}

/// A command about an order.
fn order_command(
    name: &str,
    subject: &str,
    lines: &[&str],
    args: &mut ArgumentConsumer<'_>,
    document: Option<DocumentId>,
    reference: String,
) -> Result<Command> {
    Ok(match name {
        "place" => {
            let customer = args.lookup("customer").map(|id| id.value.clone());
            let hold = args.lookup("hold").map_or("900s", |hold| &hold.value).to_owned();
            let price = args.lookup_parse("price")?;
            let repeated: usize = args.lookup_parse("times")?.unwrap_or(1);
            let all = lines.iter().cycle().take(lines.len() * repeated);
            let lines: Vec<_> = all.map(|line| (*line).to_owned()).collect();
            let mut command = place(subject, &lines, customer, &hold)?;
            let Command::PlaceOrder(order) = &mut command else { unreachable!("it is one") };
            if let Some(price) = price {
                order.lines.iter_mut().for_each(|line| line.unit_price_minor = price);
            }
            order.sourcing = sourcing(args)?;
            if args.lookup_parse("partial")?.unwrap_or(false) {
                order.shortage = ShortagePolicy::Partial;
            }
            command
        }
        "confirm" => Command::ConfirmOrder(ConfirmOrder {
            order: order(subject)?,
            payment_reference: reference,
            reacquire: args.lookup_parse("reacquire")?.unwrap_or(false),
            expected: expected(args)?,
        }),
        "prolong" => {
            let hold = args.lookup("hold").ok_or("for how long?")?.value.clone();
            let (order, hold_us) = (order(subject)?, duration_us(&hold)?);
            Command::ExtendOrder(ExtendOrder { order, hold_us, expected: expected(args)? })
        }
        "finish" => Command::CloseOrder(CloseOrder { order: order(subject)?, expected: expected(args)? }),
        "ship" => {
            let mut lines: Vec<_> = lines.iter().map(|line| ship_line(line)).collect::<Result<_>>()?;
            // `each=9/2`: two units of each of the first nine lines.
            if let Some(each) = args.lookup("each").map(|each| ship_line(&each.value)).transpose()? {
                lines.extend((1..=each.line).map(|line| LineQuantity { line, ..each.clone() }));
            }
            let repeated: usize = args.lookup_parse("times")?.unwrap_or(1);
            let close_after_us =
                args.lookup("close-after").map(|time| duration_us(&time.value)).transpose()?;
            Command::ShipOrder(ShipOrder {
                order: order(subject)?,
                lines: lines.iter().cycle().take(lines.len() * repeated).cloned().collect(),
                tracking_number: reference,
                document,
                close_after_us,
                expected: expected(args)?,
            })
        }
        "cancel" => {
            let repeated: usize = args.lookup_parse("times")?.unwrap_or(1);
            let lines = lines.iter().cycle().take(lines.len() * repeated);
            let lines = lines.map(|line| ship_line(line)).collect::<Result<_>>()?;
            Command::CancelOrder(CancelOrder { order: order(subject)?, lines, expected: expected(args)? })
        }
        "return" => {
            let lines = lines.iter().map(|line| return_line(line)).collect::<Result<_>>()?;
            let (order, expected) = (order(subject)?, expected(args)?);
            Command::ReturnOrder(ReturnOrder { order, lines, document, expected })
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
    let expected = expected(args)?;
    Ok(match name {
        "hold" => Command::CreateReservation(CreateReservation {
            reservation,
            customer,
            currency: Currency::new("GBP").expect("capital letters"),
            lines: lines().map(|line| place_line(line)).collect::<Result<_>>()?,
            hold_us: hold_us.unwrap_or(900_000_000),
            sourcing: sourcing(args)?,
        }),
        "extend" => {
            let hold_us = hold_us.ok_or("for how long?")?;
            Command::ExtendReservation(ExtendReservation { reservation, hold_us, expected })
        }
        "take" => {
            let order = order(&args.next_pos().ok_or("for which order?")?.value)?;
            let payment = match hold_us {
                Some(hold_us) => Payment::Pending { hold_us },
                None => Payment::Taken { reference },
            };
            let lines = quantities()?;
            Command::CommitReservation(CommitReservation {
                reservation,
                order,
                customer,
                lines,
                payment,
                expected,
            })
        }
        "release" => {
            Command::ReleaseReservation(ReleaseReservation { reservation, lines: quantities()?, expected })
        }
        "relocate" => {
            let location = location(&args.next_pos().ok_or("where to?")?.value)?;
            let lines = lines().map(|line| Ok(line.parse()?)).collect::<Result<_>>()?;
            Command::MoveReservation(MoveReservation { reservation, lines, location, expected })
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
        sourcing: Sourcing::Priority,
        shortage: ShortagePolicy::AllOrNothing,
    }))
}

fn place_line(text: &str) -> Result<PlaceLine> {
    let (what, location) = at(text)?;
    let (name, quantity) = what.split_once('/').ok_or("a line is SKU/quantity")?;
    Ok(PlaceLine { sku: sku(name)?, location, quantity: quantity.parse()?, unit_price_minor: 100 })
}

/// What `sourcing=` says.
fn sourcing(args: &mut ArgumentConsumer<'_>) -> Result<Sourcing> {
    Ok(match args.lookup("sourcing").map(|sourcing| sourcing.value.as_str()) {
        None | Some("priority") => Sourcing::Priority,
        Some("most-stock") => Sourcing::MostStock,
        Some("fewest") => Sourcing::FewestSplits,
        Some("explicit") => Sourcing::Explicit,
        Some("proportional") => Sourcing::SplitProportional,
        Some(other) => return Err(format!("no sourcing {other:?}").into()),
    })
}

/// What a line of a transaction requires, such as `require order o1 missing` or `require stock A@main available=1..5`.
pub(crate) fn precondition(args: &mut ArgumentConsumer<'_>) -> Result<Precondition> {
    let kind = args.next_pos().ok_or("of what?")?.value.clone();
    let subject = args.next_pos().ok_or("of which?")?.value.clone();
    let row = match kind.as_str() {
        "sku" => Row::Sku(sku(&subject)?),
        "location" => Row::Location(location(&subject)?),
        "stock" => {
            let (sku, location) = place_of(&subject)?;
            Row::Stock(StockKey { sku, location })
        }
        "order" => Row::Order(order(&subject)?),
        "reservation" => Row::Reservation(reservation(&subject)?),
        other => return Err(format!("nothing is required of a {other}").into()),
    };
    if let Some(expected) = expected(args)? {
        return Ok(Precondition::Version(row, expected));
    }
    if let Some(revision) = args.lookup_parse("since")? {
        return Ok(Precondition::UnchangedSince(row, Revision::new(revision)));
    }
    if let Some(state) = args.lookup("state").map(|state| state.value.clone()) {
        return Ok(match row {
            Row::Order(order) => {
                let known = OrderState::ALL.into_iter().find(|known| known.name() == state);
                Precondition::OrderState(order, known.ok_or("no such state")?)
            }
            Row::Reservation(reservation) => {
                let known = ReservationState::ALL.into_iter().find(|known| known.name() == state);
                Precondition::ReservationState(reservation, known.ok_or("no such state")?)
            }
            _ => return Err("only orders and reservations have states".into()),
        });
    }
    for bucket in Bucket::ALL {
        if let Some(range) = args.lookup(bucket.name()).map(|range| range.value.clone()) {
            let Row::Stock(key) = row else { return Err("only stock has buckets".into()) };
            let (min, max) = range.split_once("..").ok_or("a range is MIN..MAX")?;
            let (min, max) = (min.parse()?, if max.is_empty() { i64::MAX } else { max.parse()? });
            return Ok(Precondition::Quantity { key, bucket, min, max });
        }
    }
    match args.next_pos().map(|word| word.value.as_str()) {
        Some("exists") => Ok(Precondition::Exists(row)),
        Some("missing") => Ok(Precondition::Missing(row)),
        _ => Err("what is required?".into()),
    }
}

fn ship_line(text: &str) -> Result<LineQuantity> {
    let (text, location) = at(text)?;
    let (line, quantity) = text.split_once('/').ok_or("a line is number/quantity")?;
    Ok(LineQuantity { line: line.parse()?, location, quantity: quantity.parse()? })
}

/// What stands before `@` and the location behind it, if there is one.
fn at(text: &str) -> Result<(&str, Option<LocationId>)> {
    match text.split_once('@') {
        Some((what, location)) => Ok((what, Some(self::location(location)?))),
        None => Ok((text, None)),
    }
}

fn return_line(text: &str) -> Result<ReturnLine> {
    let (text, location) = at(text)?;
    let mut parts = text.split('/');
    let line = parts.next().ok_or("which line?")?.parse()?;
    let quantity = parts.next().ok_or("how many?")?.parse()?;
    let disposition = match parts.next() {
        None | Some("restock") => Disposition::Restock,
        Some("damaged") => Disposition::Damaged,
        Some("scrap") => Disposition::Scrap,
        Some(other) => return Err(format!("no disposition {other:?}").into()),
    };
    Ok(ReturnLine { line, quantity, disposition, location })
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
