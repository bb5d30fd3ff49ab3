//! Holds `docs/reference/cli.md` against what the binary takes.

use clap::CommandFactory as _;
use stockade_server::Exit;

use crate::Cli;

const PAGE: &str = include_str!("../../../docs/reference/cli.md");

fn each_command(command: &clap::Command, path: &str, visit: &mut impl FnMut(&str, &clap::Command)) {
    visit(path, command);
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        each_command(inner, &format!("{path} {}", inner.get_name()), visit);
    }
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn the_page_names_every_command_and_every_flag() {
    let mut missing = Vec::new();
    each_command(&Cli::command(), "stockade", &mut |path, command| {
        if !PAGE.contains(&format!("`{path}")) {
            missing.push(format!("`{path}`"));
        }
        let visible = command.get_arguments().filter(|argument| !argument.is_hide_set());
        for flag in visible.filter_map(clap::Arg::get_long) {
            if !PAGE.contains(&format!("`--{flag}")) {
                missing.push(format!("--{flag} of {path}"));
            }
        }
    });
    assert!(missing.is_empty(), "docs/reference/cli.md does not name: {}", missing.join(", "));
}

#[test]
fn every_command_has_help_and_every_leaf_an_example() {
    each_command(&Cli::command(), "stockade", &mut |path, command| {
        assert!(command.get_about().is_some(), "{path} has no help");
        let imported = path.starts_with("stockade import");
        let example = command.get_after_help().is_some_and(|help| help.to_string().contains("Example:"));
        assert!(example || imported, "{path} has no example");
    });
}

#[test]
fn the_page_names_every_exit_code() {
    for exit in Exit::ALL {
        assert!(PAGE.contains(&format!("| {} |", exit.code())), "code {} of {exit:?}", exit.code());
    }
}
