//! Lines as they are written on the command line: of what is ordered or reserved, and of what is done with it.

use stockade_proto::v1::{LineQuantity, NewOrderLine};

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

/// `LINE:QTY`: units of a line.
pub(crate) fn line_quantity(text: &str) -> Result<LineQuantity, String> {
    let (line, quantity) = text.split_once(':').ok_or("write LINE:QTY, for example 1:2")?;
    Ok(LineQuantity { line: line_number(line)?, quantity: units(quantity)? })
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
        assert_eq!(line_quantity("1:2"), Ok(LineQuantity { line: 1, quantity: 2 }));
        assert_eq!(line_number("12"), Ok(12));
        for bad in ["", "1", "0:1", "1:0", "-1:1", "1:-1", "x:1", "1:x", "1:2:3"] {
            assert!(line_quantity(bad).is_err(), "{bad}");
        }
        assert!(line_number("0").is_err() && line_number("1:2").is_err());
    }
}
