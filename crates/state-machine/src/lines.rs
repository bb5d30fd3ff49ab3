//! What orders and reservations have in common: numbered lines of units that lie somewhere.

use crate::command::LineQuantity;
use crate::draft::{Draft, Movement};
use crate::holder::Holder;
use crate::ids::{LocationId, SkuId};
use crate::rejection::{ExceededLine, Rejection, Resource};
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

/// Refuses the number of a line, from 1, that does not exist.
pub(crate) fn check_lines(
    holder: &Holder,
    count: usize,
    mut numbers: impl Iterator<Item = u32>,
) -> Result<(), Rejection> {
    let is_missing =
        |number: &u32| usize::try_from(*number).is_ok_and(|number| number == 0 || number > count);
    match numbers.find(is_missing) {
        Some(number) => Err(Rejection::NotFound(Resource::line(holder, number))),
        None => Ok(()),
    }
}

/// Units of each line: as asked, or all that is left where nothing is named.
pub(crate) fn quantities_or_all(
    holder: &Holder,
    left: Vec<i64>,
    asked: &[LineQuantity],
) -> Result<Vec<i64>, Rejection> {
    if asked.is_empty() {
        return Ok(left);
    }
    line_quantities(holder, &left, asked.iter().map(|line| (line.line, line.quantity)))
}

/// Sums what is asked by line, and refuses lines that don't exist or ask for more than is left (I5, I8, I15).
pub(crate) fn line_quantities(
    holder: &Holder,
    left: &[i64],
    asked: impl Iterator<Item = (u32, i64)> + Clone,
) -> Result<Vec<i64>, Rejection> {
    check_lines(holder, left.len(), asked.clone().map(|(number, _)| number))?;
    let mut quantities = vec![0_i64; left.len()];
    for (number, quantity) in asked {
        let slot = &mut quantities[usize::try_from(number).expect("u32 fits") - 1];
        *slot = slot.checked_add(quantity).ok_or(Rejection::QuantityOverflow)?;
    }
    let lines: Vec<_> = (1_u32..)
        .zip(quantities.iter().zip(left))
        .filter(|(_, (asked, left))| asked > left)
        .map(|(line, (asked, left))| ExceededLine { line, asked: *asked, left: *left })
        .collect();
    if lines.is_empty() {
        Ok(quantities)
    } else {
        Err(Rejection::QuantityExceeded { holder: holder.clone(), lines })
    }
}
