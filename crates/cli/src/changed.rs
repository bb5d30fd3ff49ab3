//! What a change of an order or a reservation came to.

use serde_json::{Value, json};
use stockade_proto::v1::ResponseHeader;

use crate::output::{Output, record};
use crate::print;

/// The answer to a change.
#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) header: Option<ResponseHeader>,
    /// What else there is to say, under the names that programs read.
    pub(crate) fields: Vec<(&'static str, Value)>,
}

impl Changed {
    pub(crate) fn print(&self, output: Output) {
        output.print(&self.object(), || self.text());
    }

    fn object(&self) -> Value {
        let mut object = json!({ "header": print::header(self.header.as_ref()) });
        for (name, value) in &self.fields {
            object[*name] = value.clone();
        }
        object
    }

    fn text(&self) -> String {
        let mut pairs = Vec::new();
        for (name, value) in &self.fields {
            let value = match value {
                Value::String(text) => text.clone(),
                // What is not tracked comes from nowhere.
                Value::Array(items) => {
                    let words = items.iter().filter_map(Value::as_str);
                    words.map(|word| if word.is_empty() { "-" } else { word }).collect::<Vec<_>>().join(", ")
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
            };
            // A person reads `order o1`, not `order_id o1`.
            pairs.push((name.strip_suffix("_id").unwrap_or(name), value));
        }
        if let Some(header) = &self.header {
            let replayed = if header.replayed { " (an earlier call's outcome)" } else { "" };
            pairs.push(("revision", format!("{}{replayed}", header.revision)));
        }
        record(&pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_get_the_fields_and_people_their_names() {
        let changed = Changed {
            header: Some(ResponseHeader { revision: 7, replayed: true, ..ResponseHeader::default() }),
            fields: vec![
                ("order_id", json!("o1")),
                ("location_ids", json!(["main", ""])),
                ("committed", json!(3)),
            ],
        };
        let object = changed.object();
        assert_eq!((&object["order_id"], &object["committed"]), (&json!("o1"), &json!(3)));
        assert_eq!(object["header"]["revision"], 7);
        let text = changed.text();
        let lines: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let expected =
            ["order o1", "location_ids main, -", "committed 3", "revision 7 (an earlier call's outcome)"];
        assert_eq!(lines, expected);
    }
}
