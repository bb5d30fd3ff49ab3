//! Attributes in one cell: `name=value;name=value`.
//!
//! A backslash before `;`, `=` or a backslash takes its meaning away; a `=` in a value needs none.

use std::collections::BTreeMap;

use super::columns::is_id;
use super::limits;

/// `NAME=VALUE` of the command line, where nothing is escaped.
pub(crate) fn one(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, for example colour=blue")?;
    if name.is_empty() {
        return Err("write a name before the `=`".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// All attributes as one cell.
pub(crate) fn written(attributes: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (name, value) in attributes {
        if !text.is_empty() {
            text.push(';');
        }
        escape(name, &mut text, &['\\', ';', '=']);
        text.push('=');
        escape(value, &mut text, &['\\', ';']);
    }
    text
}

fn escape(part: &str, text: &mut String, special: &[char]) {
    for character in part.chars() {
        if special.contains(&character) {
            text.push('\\');
        }
        text.push(character);
    }
}

/// The attributes of a cell, or what is wrong with it.
pub(super) fn read(cell: &str) -> Result<BTreeMap<String, String>, String> {
    let mut attributes = BTreeMap::new();
    if cell.is_empty() {
        return Ok(attributes);
    }
    let (mut name, mut part) = (None, String::new());
    let mut characters = cell.chars();
    loop {
        match characters.next() {
            Some('\\') => part.push(characters.next().ok_or("ends with a backslash")?),
            Some('=') if name.is_none() => name = Some(std::mem::take(&mut part)),
            Some(character) if character != ';' => part.push(character),
            end => {
                let name = name.take().ok_or_else(|| format!("`{part}` is not written name=value"))?;
                if !is_id(&name) {
                    return Err(format!("the name `{name}` is not 1 to 128 visible ASCII characters"));
                }
                if let Some(before) = attributes.insert(name.clone(), std::mem::take(&mut part)) {
                    return Err(format!("{name} stands there twice, first as `{before}`"));
                }
                if end.is_none() {
                    return check(attributes);
                }
            }
        }
    }
}

fn check(attributes: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, String> {
    if attributes.len() > limits::MAX_ATTRIBUTES {
        return Err(format!("more than {} attributes", limits::MAX_ATTRIBUTES));
    }
    let bytes: usize = attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > limits::MAX_ATTRIBUTES_BYTES {
        return Err(format!("more than {} bytes of names and values", limits::MAX_ATTRIBUTES_BYTES));
    }
    Ok(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for attributes in [
            map(&[]),
            map(&[("colour", "blue"), ("size", "")]),
            map(&[("a=b;c\\d", "x=y;z\\"), ("e", "line\nbreak, \"quoted\"")]),
        ] {
            assert_eq!(read(&written(&attributes)), Ok(attributes));
        }
        assert_eq!(written(&map(&[("b", "1"), ("a", "x=2")])), "a=x=2;b=1");
    }

    #[test]
    fn a_cell_that_is_no_list_of_attributes_says_why() {
        for (cell, why) in [
            ("colour", "name=value"),
            ("a=1;", "name=value"),
            ("=1", "visible ASCII"),
            ("a b=1", "visible ASCII"),
            ("a=1;a=2", "twice"),
            ("a=1\\", "backslash"),
        ] {
            let error = read(cell).unwrap_err();
            assert!(error.contains(why), "{cell}: {error}");
        }
        let many: Vec<String> = (0..33).map(|number| format!("a{number}=1")).collect();
        assert!(read(&many.join(";")).is_err() && read(&format!("a={}", "x".repeat(4_096))).is_err());
    }

    #[test]
    fn a_flag_is_split_at_its_first_equals_sign() {
        assert_eq!(one("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(one("a").is_err() && one("=a").is_err());
    }
}
