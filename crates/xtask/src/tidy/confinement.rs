//! What may be named only in some places: crates from outside, and the ways to the clock, threads and files.
//!
//! Tests may do what they need to: only code that ships is looked at.

use super::Finding;
use super::source::{code_lines, is_test_file};
use super::tree::Tree;

const CHECK: &str = "confinement";

/// A thing that is confined.
struct Rule {
    /// Finds it in a line of code.
    named_in: fn(&str) -> bool,
    /// What it is, for people.
    what: &'static str,
    /// Where the rule holds, by the beginning of the path.
    scope: &'static str,
    /// Where it may stand all the same, by the beginning of the path, and why.
    allowed: &'static [(&'static str, &'static str)],
    /// What to do instead.
    instead: &'static str,
}

const CONSOLE: (&str, &str) = ("crates/cli/src/", "the console and its tools look at a cluster from outside");
const TOOLING: (&str, &str) = ("crates/xtask/src/", "no part of a node");
const TRIALS: (&str, &str) = ("crates/trials/src/", "no part of a node");
const SIMULATION: (&str, &str) = ("crates/sim/src/main.rs", "measures how long it takes itself");
const BUILD: (&str, &str) = ("crates/proto/build.rs", "runs when the crate is built");

const RULES: &[Rule] = &[
    Rule {
        named_in: |line| has_path(line, "sled"),
        what: "sled",
        scope: "crates/",
        allowed: &[("crates/storage/src/engine/sled.rs", "the one adapter")],
        instead: "go through storage's engine",
    },
    Rule {
        named_in: |line| has_path(line, "openraft"),
        what: "openraft",
        scope: "crates/",
        allowed: &[
            ("crates/storage/", "implements openraft's storage traits"),
            ("crates/consensus/", "runs openraft"),
            ("crates/trials/src/", "drives storage as openraft would"),
        ],
        instead: "use the types of stockade-consensus",
    },
    Rule {
        named_in: |line| has_path(line, "bincode"),
        what: "bincode",
        scope: "crates/",
        allowed: &[
            ("crates/storage/src/codec", "the one codec"),
            ("crates/storage/src/frozen", "the frozen forms that the codec writes"),
            ("crates/storage/src/log/frozen.rs", "the frozen forms of the log"),
        ],
        instead: "use storage::codec",
    },
    Rule {
        named_in: constructs_status,
        what: "a public gRPC status made outside status.rs",
        scope: "crates/gateway/src/",
        allowed: &[
            ("crates/gateway/src/status.rs", "the one table of errors"),
            ("crates/gateway/src/forward/", "between nodes: no caller sees them"),
        ],
        instead: "add the case to crates/gateway/src/status.rs and call it",
    },
    Rule {
        named_in: reads_clock,
        what: "the system's clock",
        scope: "crates/",
        allowed: &[
            ("crates/env/src/clock.rs", "the one way to the clock"),
            CONSOLE,
            TOOLING,
            TRIALS,
            SIMULATION,
        ],
        instead: "ask Env's clock, or tokio's Instant for durations",
    },
    Rule {
        named_in: |line| has_path(line, "tokio::spawn") || has_path(line, "task::spawn"),
        what: "a task spawned past Env",
        scope: "crates/",
        allowed: &[
            ("crates/env/src/tasks.rs", "the one place that spawns"),
            ("crates/env/src/place.rs", "where a simulated node spawns"),
        ],
        instead: "use Env's tasks, so that it is labelled, stopped with the node, and its panic is seen",
    },
    Rule {
        named_in: |line| {
            ["spawn", "Builder", "scope"].iter().any(|name| has_path(line, &format!("thread::{name}")))
        },
        what: "a thread",
        scope: "crates/",
        allowed: &[
            ("crates/storage/src/log/", "the thread that writes the log"),
            ("crates/storage/src/writer.rs", "the thread that writes the engine"),
            ("crates/storage/src/building.rs", "the thread that makes a snapshot"),
            ("crates/storage/src/load.rs", "threads that end before the node serves"),
            TOOLING,
            TRIALS,
        ],
        instead: "use Env's tasks; blocking disk work belongs to storage's two threads",
    },
    Rule {
        named_in: |line| has_path(line, "std::fs") || has_path(line, "tokio::fs"),
        what: "the file system",
        scope: "crates/",
        allowed: &[
            ("crates/storage/src/file/disk.rs", "the one way to the disk"),
            ("crates/server/src/config.rs", "reads the node's configuration before there is a node"),
            ("crates/credentials/src/files.rs", "reads certificates and keys, which are no data of the node"),
            ("crates/server/src/metrics.rs", "reads what the kernel says of the process under /proc"),
            CONSOLE,
            TOOLING,
            TRIALS,
            BUILD,
        ],
        instead: "go through storage::file::Files",
    },
    Rule {
        named_in: |line| {
            ["HashMap", "HashSet", "hash_map", "hash_set", "RandomState"]
                .iter()
                .any(|name| has_word(line, name))
        },
        what: "a hash-ordered collection",
        scope: "crates/state-machine/src/",
        allowed: &[],
        instead: "use BTreeMap or BTreeSet: order must be the same on all nodes",
    },
    Rule {
        named_in: |line| {
            let modules =
                ["std::time", "std::io", "std::fs", "std::net", "std::env", "std::thread", "std::process"];
            modules.iter().any(|module| has_path(line, module))
        },
        what: "the outside world",
        scope: "crates/state-machine/src/",
        allowed: &[],
        instead: "take it as an argument: execution is pure",
    },
    Rule {
        named_in: |line| has_word(line, "f32") || has_word(line, "f64"),
        what: "a floating point number",
        scope: "crates/state-machine/src/",
        allowed: &[],
        instead: "count in int64 units",
    },
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.ending(".rs").filter(|(path, _)| !is_test_file(path)) {
        let rules: Vec<_> = RULES.iter().filter(|rule| rule.holds_in(path)).collect();
        for (number, line) in code_lines(text) {
            for rule in rules.iter().filter(|rule| (rule.named_in)(&line)) {
                findings.push(Finding::error(CHECK, path, number, rule.message()));
            }
        }
    }
    findings
}

impl Rule {
    fn holds_in(&self, path: &str) -> bool {
        path.starts_with(self.scope) && !self.allowed.iter().any(|(place, _)| path.starts_with(place))
    }

    fn message(&self) -> String {
        let places: Vec<_> =
            self.allowed.iter().map(|(place, reason)| format!("{place} ({reason})")).collect();
        let places = if places.is_empty() { "nowhere here".to_owned() } else { places.join(", ") };
        format!("{} may stand only in: {places}; {}", self.what, self.instead)
    }
}

/// True where a path is named from its root: `a` in `a::b` and `use a;`, `a::b` in `a::b::c`, but neither in `x::a::b`
/// unless `x` is `std` or `tokio`, of which `thread::spawn` and `task::spawn` are short forms.
fn has_path(line: &str, path: &str) -> bool {
    let is_crate = !path.contains("::");
    let is_import = line.trim_start().trim_start_matches("pub ").starts_with("use ");
    line.match_indices(path).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + path.len()..]);
        let short_form = !is_crate && (before.ends_with("std::") || before.ends_with("tokio::"));
        let from_root = !before.ends_with(is_word) && !before.ends_with([':', '.']);
        let whole = !after.starts_with(is_word);
        (from_root || short_form) && whole && (!is_crate || is_import || after.starts_with("::"))
    })
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(is_word) && !line[at + word.len()..].starts_with(is_word))
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// `SystemTime` anywhere, and `Instant` where it is the standard library's: tokio's is virtual under paused time.
fn reads_clock(line: &str) -> bool {
    let from_std = line.contains("std::time") && has_word(line, "Instant");
    let whole_module = line.trim() == "use std::time;" || line.contains("std::time::*");
    has_word(line, "SystemTime") || from_std || whole_module
}

/// A call of one of the constructors of `tonic::Status`.
fn constructs_status(line: &str) -> bool {
    const CONSTRUCTORS: &[&str] = &[
        "new",
        "with_details",
        "with_metadata",
        "with_details_and_metadata",
        "with_error_details",
        "from_error",
        "ok",
        "cancelled",
        "unknown",
        "invalid_argument",
        "deadline_exceeded",
        "not_found",
        "already_exists",
        "permission_denied",
        "resource_exhausted",
        "failed_precondition",
        "aborted",
        "out_of_range",
        "unimplemented",
        "internal",
        "unavailable",
        "data_loss",
        "unauthenticated",
    ];
    line.match_indices("Status::").any(|(at, found)| {
        let whole = !line[..at].ends_with(is_word);
        let call = &line[at + found.len()..];
        let name: String = call.chars().take_while(|character| is_word(*character)).collect();
        whole && CONSTRUCTORS.contains(&name.as_str()) && !call[name.len()..].starts_with("::")
    })
}

#[cfg(test)]
mod tests {
    use super::super::tree::fixture;
    use super::*;

    const NONE: [usize; 0] = [];

    fn lines_found(path: &str, text: &str) -> Vec<usize> {
        let (_directory, tree) = fixture::tree(&[(path, text)]);
        check(&tree).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn sled_outside_its_module_is_found() {
        let text = "use sled::Db;\nuse super::sled::Engine;\n// sled::open\nfn f() { sled::open(\"x\"); }\n";
        assert_eq!(lines_found("crates/storage/src/applier.rs", text), [1, 4]);
        assert_eq!(lines_found("crates/storage/src/engine/sled.rs", text), NONE);
    }

    #[test]
    fn openraft_in_the_gateway_is_found() {
        assert_eq!(lines_found("crates/gateway/src/lib.rs", "fn f(_: openraft::Vote) {}\n"), [1]);
        assert_eq!(lines_found("crates/consensus/src/lib.rs", "fn f(_: openraft::Vote) {}\n"), NONE);
    }

    #[test]
    fn bincode_outside_the_codec_is_found() {
        assert_eq!(lines_found("crates/storage/src/keys.rs", "let a = bincode::serialize(&b);\n"), [1]);
        assert_eq!(lines_found("crates/storage/src/codec.rs", "let a = bincode::serialize(&b);\n"), NONE);
    }

    #[test]
    fn a_status_made_outside_its_file_is_found() {
        let text = "fn f() -> Status { Status::not_found(x) }\nlet g = GetStatus::new();\nlet s: tonic::Status = y;\n";
        assert_eq!(lines_found("crates/gateway/src/orders.rs", text), [1]);
        assert_eq!(lines_found("crates/gateway/src/status.rs", text), NONE);
        assert_eq!(lines_found("crates/consensus/src/peer.rs", text), NONE);
    }

    #[test]
    fn the_standard_clock_is_found_and_tokios_is_not() {
        let text = "use std::time::Duration;\nuse std::time::{Duration, Instant};\nuse tokio::time::Instant;\nlet a = Instant::now();\nlet b = SystemTime::now();\n";
        assert_eq!(lines_found("crates/gateway/src/route.rs", text), [2, 5]);
        assert_eq!(lines_found("crates/env/src/clock.rs", text), NONE);
    }

    #[test]
    fn tasks_and_threads_past_env_are_found() {
        let text = "tokio::spawn(a);\ntokio::task::spawn(a);\nenv.tasks.spawn(\"x\", a);\nstd::thread::spawn(b);\nstd::thread::panicking();\nthread::Builder::new();\n";
        assert_eq!(lines_found("crates/server/src/node.rs", text), [1, 2, 4, 6]);
        assert_eq!(lines_found("crates/storage/src/writer.rs", text), [1, 2]);
    }

    #[test]
    fn files_past_the_file_layer_are_found_but_not_in_tests() {
        let text = "use std::fs;\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
        assert_eq!(lines_found("crates/storage/src/open.rs", text), [1]);
        assert_eq!(lines_found("crates/storage/tests/recovery.rs", text), NONE);
        assert_eq!(lines_found("crates/storage/src/file/disk.rs", text), NONE);
    }

    #[test]
    fn the_state_machine_may_not_hash_or_look_outside() {
        let text = "use std::collections::HashMap;\nuse std::collections::BTreeMap;\nuse std::time::Duration;\nlet x: f64 = 1.0;\n";
        assert_eq!(lines_found("crates/state-machine/src/state.rs", text), [1, 3, 4]);
        assert_eq!(lines_found("crates/cli/src/main.rs", text), NONE);
    }
}
