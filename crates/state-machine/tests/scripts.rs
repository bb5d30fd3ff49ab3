//! Runs the text scripts of `tests/scripts`, and proves that together they provoke every outcome and every rejection.
//! `UPDATE_GOLDENFILES=1` writes what they print; read the difference against the documentation before keeping it.

mod runner;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use runner::{OUTCOMES, REJECTIONS, Shop};

fn scripts() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let files = std::fs::read_dir(dir).expect("the scripts stand beside this file");
    let mut scripts: Vec<_> = files.map(|file| file.expect("a readable directory").path()).collect();
    scripts.sort();
    scripts
}

#[test]
fn every_script_gives_its_expected_output_and_together_they_provoke_every_outcome_and_rejection() {
    let mut provoked = BTreeSet::new();
    for script in scripts() {
        let mut shop = Shop::default();
        goldenscript::run(&mut shop, &script).expect("the script can be read");
        provoked.extend(shop.provoked);
    }
    let missing: Vec<_> =
        OUTCOMES.iter().chain(REJECTIONS).filter(|name| !provoked.contains(*name)).collect();
    assert!(missing.is_empty(), "no script provokes {missing:?}");
}
