//! SKUs as lines of a file, and what such a line leads to.

use std::collections::BTreeMap;

use stockade_proto::v1::Sku;

use super::columns::{self, Bad, Cells, Columns, ReadSheet, Sheet};
use super::known::Known;
use super::{attributes, limits};

/// The columns of the file. But for the first they are the fields of a SKU that can be changed, as a field mask has them.
pub(super) const COLUMNS: [&str; 6] =
    ["sku_id", "display_name", "untracked", "min_per_order", "max_per_order", "attributes"];

/// A SKU as a line.
pub(super) fn record(sku: &Sku) -> [String; 6] {
    [
        sku.sku_id.clone(),
        sku.display_name.clone(),
        sku.untracked.to_string(),
        sku.min_per_order.to_string(),
        sku.max_per_order.to_string(),
        attributes::written(&sku.attributes),
    ]
}

/// Reads a file, or says what is wrong with each bad line.
pub(super) fn read(bytes: &[u8]) -> ReadSheet<Sku> {
    columns::read(bytes, &COLUMNS, 1, |cells| {
        let sku = row(cells);
        (sku.sku_id.clone(), sku)
    })
}

fn row(cells: &mut Cells<'_>) -> Sku {
    let units = 0..=limits::MAX_ORDER_UNITS;
    let sku = Sku {
        sku_id: cells.id("sku_id"),
        display_name: cells.text("display_name").to_owned(),
        untracked: cells.flag("untracked"),
        min_per_order: cells.number("min_per_order", &units).unwrap_or_default(),
        max_per_order: cells.number("max_per_order", &units).unwrap_or_default(),
        attributes: attributes::read(cells.text("attributes")).unwrap_or_else(|why| {
            cells.wrong("attributes", why);
            BTreeMap::new()
        }),
        ..Sku::default()
    };
    if sku.display_name.len() > limits::MAX_NAME_BYTES {
        cells.wrong("display_name", format!("must have at most {} bytes", limits::MAX_NAME_BYTES));
    }
    if !limits_agree(&sku) {
        cells.wrong("min_per_order", "must not be above max_per_order");
    }
    sku
}

fn limits_agree(sku: &Sku) -> bool {
    sku.max_per_order == 0 || sku.min_per_order <= sku.max_per_order
}

/// What is to be done for a line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    pub(super) line: u64,
    pub(super) sku: Sku,
    pub(super) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Create,
    /// The fields that differ.
    Update(Vec<&'static str>),
}

/// What is to be done for a whole file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    pub(super) changes: Vec<Change>,
    pub(super) unchanged: u64,
    /// Lines that don't go with what the cluster has.
    pub(super) bad: Vec<Bad>,
}

/// Compares a file with the SKUs that are there. Fields of which the file has no column stay as they are.
pub(super) fn plan(sheet: Sheet<Sku>, there: &Known<String, Sku>) -> Plan {
    let mut plan = Plan::default();
    for (line, sku) in sheet.rows {
        let Some(Ok(current)) = there.get(&sku.sku_id) else {
            plan.changes.push(Change { line, sku, what: What::Create });
            continue;
        };
        let fields = differing(&sheet.columns, &sku, current);
        if fields.is_empty() {
            plan.unchanged += 1;
            continue;
        }
        let of = |field: &str| if sheet.columns.has(field) { &sku } else { current };
        let (min_per_order, max_per_order) =
            (of("min_per_order").min_per_order, of("max_per_order").max_per_order);
        if limits_agree(&Sku { min_per_order, max_per_order, ..Sku::default() }) {
            plan.changes.push(Change { line, sku, what: What::Update(fields) });
        } else {
            let why = format!("a minimum of {min_per_order} would be above the maximum of {max_per_order}");
            plan.bad.push(Bad { line, why });
        }
    }
    plan
}

fn differing(columns: &Columns, sku: &Sku, current: &Sku) -> Vec<&'static str> {
    let same = [
        ("display_name", sku.display_name == current.display_name),
        ("untracked", sku.untracked == current.untracked),
        ("min_per_order", sku.min_per_order == current.min_per_order),
        ("max_per_order", sku.max_per_order == current.max_per_order),
        ("attributes", sku.attributes == current.attributes),
    ];
    same.iter().filter(|(field, same)| columns.has(field) && !same).map(|(field, _)| *field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sku(id: &str, name: &str, min: i64, max: i64) -> Sku {
        Sku {
            sku_id: id.to_owned(),
            display_name: name.to_owned(),
            min_per_order: min,
            max_per_order: max,
            ..Sku::default()
        }
    }

    fn planned(text: &str, there: &[Sku]) -> Plan {
        let sheet = read(text.as_bytes()).unwrap().unwrap();
        plan(sheet, &there.iter().map(|sku| (sku.sku_id.clone(), Ok(sku.clone()))).collect())
    }

    #[test]
    fn what_is_exported_changes_nothing_when_it_is_imported() {
        let attributes = BTreeMap::from([("a=;".to_owned(), "x\n\"y\", z".to_owned())]);
        let there = [
            Sku { untracked: true, attributes, ..sku("odd\"id,", " Name,\r\nwith \"all\" of it ", 2, 5) },
            sku("plain", "", 0, 0),
        ];
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(COLUMNS).unwrap();
        for sku in &there {
            writer.write_record(record(sku)).unwrap();
        }
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        assert_eq!(planned(&text, &there), Plan { unchanged: 2, ..Plan::default() });
    }

    #[test]
    fn what_is_missing_is_created_and_what_differs_is_updated_in_the_fields_that_differ() {
        let plan = planned(
            "sku_id,display_name,max_per_order\na,A,5\nb,B,5\nc,C,5\n",
            &[sku("a", "A", 0, 5), sku("b", "", 1, 4)],
        );
        let done: Vec<_> = plan.changes.iter().map(|change| (change.line, change.what.clone())).collect();
        assert_eq!(done, [(3, What::Update(vec!["display_name", "max_per_order"])), (4, What::Create)]);
        assert_eq!((plan.unchanged, plan.bad.len()), (1, 0));
    }

    #[test]
    fn columns_that_the_file_has_not_stay_as_they_are() {
        let there = [Sku { untracked: true, ..sku("a", "A", 2, 5) }];
        assert_eq!(planned("sku_id\na\n", &there).unchanged, 1);
        let plan = planned("sku_id,max_per_order\na,1\n", &there);
        assert_eq!((plan.changes.len(), plan.bad[0].line), (0, 2));
    }

    #[test]
    fn every_bad_line_is_named() {
        let text = "sku_id,display_name,untracked,min_per_order,max_per_order,attributes\n\
                    a,,,3,2,\nb b,,,,,\nc,,perhaps,-1,,x\nd,,,,1000000001,\ne,,TRUE,1,0,a=1\n";
        let bad = read(text.as_bytes()).unwrap().unwrap_err();
        assert_eq!(bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [2, 3, 4, 5]);
        let why = &bad[2].why;
        assert!(
            why.contains("untracked:") && why.contains("min_per_order:") && why.contains("attributes:"),
            "{why}"
        );
    }
}
