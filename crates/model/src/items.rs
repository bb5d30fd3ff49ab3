//! Items of a request: some units of a line, taken from its parts.

use stockade_state_machine::command::LineQuantity;
use stockade_state_machine::ids::LocationId;
use stockade_state_machine::rejection::ExceededLine;

/// A part of a line, and the units of it that a request may still take.
pub(crate) struct Left<'p> {
    pub(crate) number: u32,
    pub(crate) location: Option<&'p LocationId>,
    pub(crate) units: i64,
}

/// Units that an item takes from a part.
pub(crate) struct Taken {
    /// Place of the item in the request, from 0.
    pub(crate) item: usize,
    /// Place of the part among the parts, from 0.
    pub(crate) part: usize,
    /// At least 1.
    pub(crate) units: i64,
}

/// The first line that a request names and that is not there: "`NOT_FOUND` (line)".
pub(crate) fn unknown_line(
    named: impl IntoIterator<Item = u32>,
    numbers: impl IntoIterator<Item = u32>,
) -> Option<u32> {
    let numbers: Vec<u32> = numbers.into_iter().collect();
    named.into_iter().find(|named| !numbers.contains(named))
}

/// "They are taken from the parts of the line in their order, and items of a request one after the other: each sees what
/// the ones before it took." Refused where any asks for more than is left of the parts that match; such a one "takes
/// nothing", and each of them is named "in the order of the request".
pub(crate) fn take(
    mut parts: Vec<Left<'_>>,
    items: &[LineQuantity],
) -> Result<Vec<Taken>, Vec<ExceededLine>> {
    let mut taken = Vec::new();
    let mut exceeded = Vec::new();
    for (item, asked) in items.iter().enumerate() {
        // "Only from the parts of the line whose units are there; empty for all parts."
        let matches = |part: &Left<'_>| {
            part.number == asked.line
                && asked.location.as_ref().is_none_or(|location| part.location == Some(location))
        };
        let left: i64 = parts.iter().filter(|part| matches(part)).map(|part| part.units).sum();
        if asked.quantity > left {
            exceeded.push(ExceededLine { line: asked.line, asked: asked.quantity, left });
            continue;
        }
        let mut missing = asked.quantity;
        for (at, part) in parts.iter_mut().enumerate() {
            if matches(part) {
                let units = missing.min(part.units);
                part.units -= units;
                missing -= units;
                if units > 0 {
                    taken.push(Taken { item, part: at, units });
                }
            }
        }
    }
    if exceeded.is_empty() { Ok(taken) } else { Err(exceeded) }
}

/// Units taken from each part, in the order of the parts.
pub(crate) fn by_part(parts: usize, taken: &[Taken]) -> Vec<i64> {
    let mut sums = vec![0; parts];
    for taken in taken {
        sums[taken.part] += taken.units;
    }
    sums
}
