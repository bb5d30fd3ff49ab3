//! Lines as they are written on the command line: of what is ordered or reserved, and of what is done with it.

use stockade_proto::v1::{Disposition, LineQuantity, NewOrderLine, ReturnLine};

/// `SKU:QTY[@LOCATION][=PRICE]`, read from the right: a SKU's id may hold any of the signs, what follows it may not.
pub(crate) fn new_line(text: &str) -> Result<NewOrderLine, String> {
    const FORM: &str = "write SKU:QTY[@LOCATION][=PRICE], for example mug:2@main=1250";
    let (sku, rest) = text.rsplit_once(':').ok_or(FORM)?;
    let (rest, price) = match rest.rsplit_once('=') {
        Some((rest, price)) => {
            (rest, price.parse().map_err(|_| format!("`{price}` is no price in minor units"))?)
        }
        None => (rest, 0),
    };
    let (quantity, location) = rest.split_once('@').unwrap_or((rest, ""));
    if sku.is_empty() || rest.ends_with('@') {
        return Err(FORM.to_owned());
    }
    Ok(NewOrderLine {
        sku_id: sku.to_owned(),
        quantity: units(quantity)?,
        location_id: location.to_owned(),
        unit_price_minor: price,
    })
}

fn units(text: &str) -> Result<i64, String> {
    let units = text.parse().ok().filter(|units| *units >= 1);
    units.ok_or_else(|| format!("`{text}` is no quantity: write a whole number, 1 or more"))
}

/// The number of a line.
pub(crate) fn line_number(text: &str) -> Result<i32, String> {
    let line = text.parse().ok().filter(|line| *line >= 1);
    line.ok_or_else(|| "lines are counted from 1".to_owned())
}

/// `LINE:QTY[@LOCATION]`: units of a line, or of the part of it that is at a location.
pub(crate) fn line_quantity(text: &str) -> Result<LineQuantity, String> {
    const FORM: &str = "write LINE:QTY[@LOCATION], for example 1:2 or 1:2@main";
    let (line, quantity) = text.split_once(':').ok_or(FORM)?;
    let (quantity, location) = quantity.split_once('@').unwrap_or((quantity, ""));
    if text.ends_with('@') {
        return Err(FORM.to_owned());
    }
    let (line, quantity) = (line_number(line)?, units(quantity)?);
    Ok(LineQuantity { line, quantity, location_id: location.to_owned() })
}

/// `LINE:QTY[@LOCATION][=WHAT]`: units of a line that come back, where to, and what becomes of them.
pub(crate) fn return_line(text: &str) -> Result<ReturnLine, String> {
    let (what, disposition) = match text.rsplit_once('=') {
        None => (text, Disposition::Restock),
        Some((what, "restock")) => (what, Disposition::Restock),
        Some((what, "damaged")) => (what, Disposition::Damaged),
        Some((what, "scrap")) => (what, Disposition::Scrap),
        Some((_, other)) => return Err(format!("`{other}` is none of restock, damaged, scrap")),
    };
    let LineQuantity { line, quantity, location_id } = line_quantity(what)?;
    Ok(ReturnLine { line, quantity, disposition: disposition.into(), location_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(sku: &str, quantity: i64, location: &str, price: i64) -> NewOrderLine {
        NewOrderLine {
            sku_id: sku.to_owned(),
            quantity,
            location_id: location.to_owned(),
            unit_price_minor: price,
        }
    }

    #[test]
    fn a_line_names_sku_and_quantity_and_maybe_location_and_price() {
        assert_eq!(new_line("mug:2"), Ok(line("mug", 2, "", 0)));
        assert_eq!(new_line("mug:2@main"), Ok(line("mug", 2, "main", 0)));
        assert_eq!(new_line("mug:2=1250"), Ok(line("mug", 2, "", 1250)));
        assert_eq!(new_line("mug:2@main=1250"), Ok(line("mug", 2, "main", 1250)));
        assert_eq!(new_line("urn:mug@x=1:2"), Ok(line("urn:mug@x=1", 2, "", 0)));
    }

    #[test]
    fn a_line_that_is_none_is_refused() {
        for bad in ["", "mug", "mug:", ":2", "mug:0", "mug:-1", "mug:2@", "mug:2=x", "mug:2@=1"] {
            assert!(new_line(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn units_of_a_line_are_counted_and_so_are_lines() {
        let units = |line, quantity, location: &str| {
            Ok(LineQuantity { line, quantity, location_id: location.to_owned() })
        };
        assert_eq!(line_quantity("1:2"), units(1, 2, ""));
        assert_eq!(line_quantity("3:1@east"), units(3, 1, "east"));
        assert_eq!(line_number("12"), Ok(12));
        for bad in ["", "1", "0:1", "1:0", "-1:1", "1:-1", "x:1", "1:x", "1:2:3", "1:2@", "1@main:2"] {
            assert!(line_quantity(bad).is_err(), "{bad}");
        }
        assert!(line_number("0").is_err() && line_number("1:2").is_err());
    }

    #[test]
    fn a_returned_line_is_restocked_where_it_came_from_unless_it_says_otherwise() {
        let parsed = |text: &str| {
            return_line(text).map(|line| (line.line, line.quantity, line.disposition(), line.location_id))
        };
        let back = |line, quantity, disposition, location: &str| {
            Ok((line, quantity, disposition, location.to_owned()))
        };
        assert_eq!(parsed("1:2"), back(1, 2, Disposition::Restock, ""));
        assert_eq!(parsed("1:2=restock"), back(1, 2, Disposition::Restock, ""));
        assert_eq!(parsed("3:1=damaged"), back(3, 1, Disposition::Damaged, ""));
        assert_eq!(parsed("3:1@returns"), back(3, 1, Disposition::Restock, "returns"));
        assert_eq!(parsed("3:1@returns=scrap"), back(3, 1, Disposition::Scrap, "returns"));
        for bad in ["0:1", "1:1=lost", "1", "1:1@=scrap", "1:1=scrap@main", "1:1="] {
            assert!(return_line(bad).is_err(), "{bad}");
        }
    }
}
