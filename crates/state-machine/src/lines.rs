//! What orders and reservations have in common: numbered lines of units that lie somewhere.

use crate::command::LineQuantity;
use crate::draft::{Draft, Movement};
use crate::holder::Holder;
use crate::ids::{LocationId, SkuId};
use crate::order::OrderLine;
use crate::rejection::{ExceededLine, Rejection, Resource};
use crate::reservation::ReservationLine;
use crate::stock::StockKey;

/// Moves units of a line between buckets, where buckets count them.
pub(crate) fn move_line(
    draft: &mut Draft<'_>,
    sku: &SkuId,
    location: Option<&LocationId>,
    movement: Movement<'_>,
) -> Result<(), Rejection> {
    let Some(location) = location else { return Ok(()) };
    draft.move_units(&StockKey { sku: sku.clone(), location: location.clone() }, movement)
}

/// A line, or the part of one whose units are at one location.
pub(crate) trait Part {
    /// Number of the line, from 1; it rises from part to part.
    fn number(&self) -> u32;
    /// Where its units are.
    fn location(&self) -> Option<&LocationId>;
}

impl Part for OrderLine {
    fn number(&self) -> u32 {
        self.number
    }

    fn location(&self) -> Option<&LocationId> {
        self.location.as_ref()
    }
}

impl Part for ReservationLine {
    fn number(&self) -> u32 {
        self.number
    }

    fn location(&self) -> Option<&LocationId> {
        self.location.as_ref()
    }
}

/// Refuses the number of a line that does not exist.
pub(crate) fn check_lines<P: Part>(
    holder: &Holder,
    parts: &[P],
    mut numbers: impl Iterator<Item = u32>,
) -> Result<(), Rejection> {
    let last = parts.last().map_or(0, Part::number);
    match numbers.find(|number| *number == 0 || *number > last) {
        Some(number) => Err(Rejection::NotFound(Resource::line(holder, number))),
        None => Ok(()),
    }
}

/// Units of each part: as asked, or all that is left where nothing is named (I5, I8, I15).
pub(crate) fn quantities_or_all<P: Part>(
    holder: &Holder,
    parts: &[P],
    left: Vec<i64>,
    asked: &[LineQuantity],
) -> Result<Vec<i64>, Rejection> {
    if asked.is_empty() {
        return Ok(left);
    }
    check_lines(holder, parts, asked.iter().map(|asked| asked.line))?;
    let mut rest = left.clone();
    let mut exceeded = Vec::new();
    for LineQuantity { line, location, quantity } in asked {
        let taken = take(parts, &mut rest, *line, location.as_ref(), *quantity);
        exceeded.extend(taken.err());
    }
    refuse_exceeded(holder, exceeded)?;
    Ok(left.iter().zip(rest).map(|(left, rest)| left - rest).collect())
}

/// Takes units of a line from what is left of its parts, in their order; of those at a location where one is named. Gives the
/// indexes of the parts and the units of each. Nothing is taken where that is not enough.
pub(crate) fn take<P: Part>(
    parts: &[P],
    left: &mut [i64],
    line: u32,
    location: Option<&LocationId>,
    quantity: i64,
) -> Result<Vec<(usize, i64)>, ExceededLine> {
    let first = parts.partition_point(|part| part.number() < line);
    let end = parts.partition_point(|part| part.number() <= line);
    let matching = || {
        (first..end)
            .filter(|index| location.is_none_or(|location| parts[*index].location() == Some(location)))
    };
    // Parts of a line have no more than the line has.
    let total: i64 = matching().map(|index| left[index]).sum();
    if total < quantity {
        return Err(ExceededLine { line, asked: quantity, left: total });
    }
    let mut missing = quantity;
    let mut taken = Vec::new();
    for index in matching() {
        let units = left[index].min(missing);
        if units > 0 {
            left[index] -= units;
            missing -= units;
            taken.push((index, units));
        }
    }
    Ok(taken)
}

/// Refuses a request of which something asks for too much.
pub(crate) fn refuse_exceeded(holder: &Holder, lines: Vec<ExceededLine>) -> Result<(), Rejection> {
    if lines.is_empty() {
        return Ok(());
    }
    Err(Rejection::QuantityExceeded { holder: holder.clone(), lines })
}
