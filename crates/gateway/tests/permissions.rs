//! Holds the table of permissions against the services that there are, and docs/reference/permissions.md against the table.
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::collections::{BTreeMap, BTreeSet};

use stockade_gateway::PERMISSIONS;

const PAGE: &str = include_str!("../../../docs/reference/permissions.md");
const PROTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto");

/// Every method of the public package, from the files themselves.
fn methods() -> BTreeSet<String> {
    let dir = std::fs::read_dir(format!("{PROTO}/stockade/v1")).unwrap();
    let files: Vec<_> = dir.map(|file| file.unwrap().path()).collect();
    let descriptors = protox::compile(files, [PROTO]).unwrap();
    let public = descriptors.file.iter().filter(|file| file.package() == "stockade.v1");
    let services = public.flat_map(|file| &file.service);
    let paths = services.flat_map(|service| {
        let path = |method: &str| format!("/stockade.v1.{}/{method}", service.name());
        service.method.iter().map(move |method| path(method.name()))
    });
    paths.collect()
}

#[test]
fn every_method_that_there_is_stands_in_the_table_once() {
    let table: Vec<String> = PERMISSIONS.iter().map(|permission| permission.path.to_owned()).collect();
    let distinct: BTreeSet<String> = table.iter().cloned().collect();
    assert_eq!(distinct.len(), table.len(), "a method stands there twice");
    let methods = methods();
    assert!(methods.len() > 40, "the files are read");
    assert_eq!(distinct, methods);
}

#[test]
fn the_page_says_what_the_table_says() {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `stockade.v1."));
    let page: BTreeMap<String, Vec<bool>> = rows
        .map(|row| {
            let mut cells = row.split('|').map(str::trim);
            let method = cells.next().unwrap_or_default().trim_end_matches('`');
            (format!("/stockade.v1.{method}"), cells.take(5).map(|cell| cell == "yes").collect())
        })
        .collect();
    let table: BTreeMap<String, Vec<bool>> = PERMISSIONS
        .iter()
        .map(|permission| {
            let has = stockade_credentials::Role::ALL.map(|role| permission.roles.contains(&role));
            (permission.path.to_owned(), has.to_vec())
        })
        .collect();
    assert_eq!(page, table);
}
