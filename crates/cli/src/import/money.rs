//! Prices as text to minor units, in whole numbers only.

/// A price in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Price {
    pub(super) minor: i64,
    /// It had parts of a minor unit.
    pub(super) rounded: bool,
    /// It is below zero, if only by a part of a minor unit.
    pub(super) negative: bool,
}

/// Reads a decimal number; parts of a penny are rounded half to even, so that many roundings do not add up.
pub(super) fn to_minor(text: &str) -> Result<Price, String> {
    let bad = || format!("`{text}` is no price");
    let (signed, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return Err(bad());
    }
    let number = |text: &str| if text.is_empty() { Ok(0) } else { text.parse::<i64>().map_err(|_| bad()) };
    let cents: String = fraction.chars().chain("00".chars()).take(2).collect();
    let mut minor =
        number(whole)?.checked_mul(100).and_then(|pounds| pounds.checked_add(number(&cents).ok()?));
    let rest = fraction.get(2..).unwrap_or("").trim_end_matches('0');
    let rounds_up = match rest.as_bytes() {
        [] => false,
        // Exactly half: to the even neighbour.
        b"5" => minor.is_some_and(|minor| minor % 2 == 1),
        [first, ..] => *first >= b'5',
    };
    if rounds_up {
        minor = minor.and_then(|minor| minor.checked_add(1));
    }
    let minor = minor.ok_or_else(bad)?;
    let negative = signed && (minor != 0 || !rest.is_empty());
    Ok(Price { minor: if signed { -minor } else { minor }, rounded: !rest.is_empty(), negative })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_become_pence_and_parts_of_a_penny_round_half_to_even() {
        for (text, minor, rounded) in [
            ("2.55", 255, false),
            ("18.0", 1_800, false),
            ("7", 700, false),
            (".5", 50, false),
            ("3.", 300, false),
            ("0.001", 0, true),
            ("0.005", 0, true),
            ("0.015", 2, true),
            ("0.025", 2, true),
            ("0.0251", 3, true),
            ("0.999", 100, true),
            ("1.10000", 110, false),
            ("-11062.06", -1_106_206, false),
        ] {
            let price = to_minor(text).unwrap();
            assert_eq!((price.minor, price.rounded), (minor, rounded), "{text}");
        }
    }

    #[test]
    fn what_is_no_decimal_number_is_refused() {
        for bad in ["", ".", "-", "--1", "1e3", "2,55", "£3", "1.2.3", "NaN", "99999999999999999999"] {
            assert!(to_minor(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn minus_zero_is_zero_and_minus_a_part_of_a_penny_is_below() {
        assert!(!to_minor("-0.00").unwrap().negative);
        assert!(to_minor("-0.001").unwrap().negative);
    }
}
