//! What callgrind writes: of each function, the instructions of its own and those of the calls that it made. The format stands in
//! valgrind's manual, "Callgrind Format Specification"; names are written out (`--compress-strings=no`).

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};

/// Instructions of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Profile {
    /// All of them.
    pub(super) total: u64,
    /// Of each function, without what it called.
    pub(super) own: BTreeMap<String, u64>,
    /// Of the calls of each function, by who called it, with all that they called in turn.
    pub(super) callers: BTreeMap<String, BTreeMap<String, u64>>,
}

/// Reads a profile.
pub(super) fn parse(text: &str) -> anyhow::Result<Profile> {
    let mut profile = Profile::default();
    let mut function = String::new();
    let mut called = String::new();
    let mut is_call = false;
    let mut told = None;
    for line in text.lines() {
        if let Some(events) = line.strip_prefix("events:") {
            ensure!(events.trim() == "Ir", "other events than instructions were counted: {events}");
        } else if let Some(total) = line.strip_prefix("totals:") {
            told = Some(total.trim().parse::<u64>().with_context(|| line.to_owned())?);
        } else if let Some(name) = line.strip_prefix("fn=") {
            name.clone_into(&mut function);
        } else if let Some(name) = line.strip_prefix("cfn=") {
            name.clone_into(&mut called);
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            // Where it stands in the source, then the count; left out where it is 0.
            let count = line.split(' ').nth(1).map_or(Ok(0), str::parse::<u64>);
            let count = count.with_context(|| line.to_owned())?;
            if std::mem::take(&mut is_call) {
                let callers = profile.callers.entry(called.clone()).or_default();
                *callers.entry(function.clone()).or_default() += count;
            } else {
                *profile.own.entry(function.clone()).or_default() += count;
            }
        }
    }
    profile.total = profile.own.values().sum();
    let told = told.context("it breaks off before its totals")?;
    ensure!(told == profile.total, "its functions come to {}, its totals to {told}", profile.total);
    Ok(profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# callgrind format
version: 1
creator: callgrind-3.19.0
cmd: driver one-node
positions: line
events: Ir
summary: 1000

ob=/bin/driver
fl=src/main.rs
fn=a::outer
16 100
+1 20
fi=src/inlined.rs
-3 30
fe=src/main.rs
cob=/lib/libc.so.6
cfi=malloc.c
cfn=malloc
calls=5 10
* 250
cfn=b::inner
calls=1 7
18 600

fn=b::inner
7 400
cfn=malloc
calls=2 10
+2 200

ob=/lib/libc.so.6
fl=malloc.c
fn=malloc
10 450
12

totals: 1000
";

    fn counts(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
        counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn own_instructions_and_those_of_calls_are_told_apart() {
        let profile = parse(TEXT).unwrap();
        assert_eq!(profile.total, 1_000);
        assert_eq!(profile.own, counts(&[("a::outer", 150), ("b::inner", 400), ("malloc", 450)]));
        assert_eq!(profile.callers["malloc"], counts(&[("a::outer", 250), ("b::inner", 200)]));
        assert_eq!(profile.callers["b::inner"], counts(&[("a::outer", 600)]));
    }

    #[test]
    fn a_profile_that_is_not_whole_is_refused() {
        assert!(parse(&TEXT.replace("totals: 1000\n", "")).is_err());
        assert!(parse(&TEXT.replace("12\n\ntotals: 1000", "12 1\n\ntotals: 1000")).is_err());
        assert!(parse(&TEXT.replace("10 450", "10 many")).is_err());
        assert!(parse(&TEXT.replace("events: Ir", "events: Ir Dr")).is_err());
        assert!(parse("").is_err());
    }
}
