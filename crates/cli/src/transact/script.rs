//! From the lines of a file to preconditions and operations.

use clap::Parser as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use stockade_proto::v1::Precondition;
use stockade_proto::v1::mutation::Request;

use super::require;
use crate::location::LocationChange;
use crate::mutation::Asked;
use crate::order::OrderChange;
use crate::reservation::ReservationChange;
use crate::sku::SkuChange;
use crate::stock::StockChange;

/// Begins a line that says what must be so.
const REQUIRE: &str = "require";

/// What a file asks for.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) preconditions: Vec<Required>,
    pub(super) operations: Vec<Operation>,
}

/// A precondition.
#[derive(Debug)]
pub(super) struct Required {
    /// Number of its line, from 1.
    pub(super) line: usize,
    /// As it is written.
    pub(super) text: String,
    pub(super) what: Precondition,
}

/// An operation.
#[derive(Debug)]
pub(super) struct Operation {
    /// Number of its line, from 1.
    pub(super) line: usize,
    /// The command's name: `order place`.
    pub(super) command: String,
    pub(super) request: Request,
}

/// A line that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bad {
    /// Its number, from 1.
    pub(super) line: usize,
    pub(super) why: String,
}

/// A line as a command: the parsers of the same commands alone. What goes for a whole call, such as `--cluster`, is no part of
/// a line.
#[derive(Debug, clap::Parser)]
#[command(name = "line", no_binary_name = true, disable_help_flag = true, disable_help_subcommand = true)]
struct Line {
    #[command(subcommand)]
    change: Change,
}

#[derive(Debug, clap::Subcommand)]
enum Change {
    Sku {
        #[command(subcommand)]
        change: SkuChange,
    },
    Location {
        #[command(subcommand)]
        change: LocationChange,
    },
    Stock {
        #[command(subcommand)]
        change: StockChange,
    },
    Order {
        #[command(subcommand)]
        change: OrderChange,
    },
    Reservation {
        #[command(subcommand)]
        change: ReservationChange,
    },
}

impl Change {
    fn asked(self) -> anyhow::Result<Asked> {
        match self {
            Self::Sku { change } => change.asked(),
            Self::Location { change } => change.asked(),
            Self::Stock { change } => Ok(change.asked()),
            Self::Order { change } => Ok(change.asked()),
            Self::Reservation { change } => Ok(change.asked()),
        }
    }
}

impl Script {
    /// Reads a file; `Err` with every line that is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, Vec<Bad>> {
        let (mut script, mut bad) = (Self::default(), Vec::new());
        for (line, text) in (1..).zip(text.lines()) {
            if let Err(why) = script.add(line, text) {
                bad.push(Bad { line, why });
            }
        }
        if bad.is_empty() { Ok(script) } else { Err(bad) }
    }

    fn add(&mut self, line: usize, text: &str) -> Result<(), String> {
        // Takes comments away, too.
        let words =
            shlex::split(text).ok_or("a quotation mark is not closed, or nothing follows a backslash")?;
        match words.split_first() {
            None => Ok(()),
            Some((first, rest)) if first == REQUIRE => {
                let what = require::parse(rest)?;
                self.preconditions.push(Required { line, text: text.trim().to_owned(), what });
                Ok(())
            }
            Some(_) => {
                let command = words.iter().take(2).cloned().collect::<Vec<_>>().join(" ");
                let request = request(&words)?;
                self.operations.push(Operation { line, command, request });
                Ok(())
            }
        }
    }

    /// `line 7, lines[0].quantity` of `operations[2].lines[0].quantity`.
    pub(super) fn line_of_field(&self, field: &str) -> String {
        self.named(field).unwrap_or_else(|| field.to_owned())
    }

    fn named(&self, field: &str) -> Option<String> {
        let (list, rest) = field.split_once('[')?;
        let (index, rest) = rest.split_once(']')?;
        let index: usize = index.parse().ok()?;
        let line = match list {
            "operations" => self.operations.get(index)?.line,
            "preconditions" => self.preconditions.get(index)?.line,
            _ => return None,
        };
        let rest = rest.strip_prefix('.').map(|rest| format!(", {rest}")).unwrap_or_default();
        Some(format!("line {line}{rest}"))
    }

    /// `line 2` of `preconditions/1`.
    pub(super) fn line_of_subject(&self, subject: &str) -> String {
        let number = subject.strip_prefix("preconditions/").and_then(|number| number.parse::<usize>().ok());
        let precondition =
            number.and_then(|number| number.checked_sub(1)).and_then(|index| self.preconditions.get(index));
        precondition.map_or_else(|| subject.to_owned(), |precondition| format!("line {}", precondition.line))
    }
}

/// The request that a command would make alone.
fn request(words: &[String]) -> Result<Request, String> {
    let line = Line::try_parse_from(words).map_err(|error| in_a_line(&error, words))?;
    let Asked { request, by } = line.change.asked().map_err(|error| error.to_string())?;
    if !by.request_id.is_empty() {
        return Err("--request-id belongs to the transaction, not to a line of it".to_owned());
    }
    if by.validate_only {
        return Err("--validate-only belongs to the transaction, not to a line of it".to_owned());
    }
    Ok(request)
}

/// What is wrong with a command, without what only helps somebody who types it.
fn in_a_line(error: &clap::Error, words: &[String]) -> String {
    let command = words.iter().take(2).cloned().collect::<Vec<_>>().join(" ");
    match error.kind() {
        ErrorKind::InvalidSubcommand | ErrorKind::MissingSubcommand => {
            format!("`{command}` is no command that changes something, and none of a transaction")
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => format!("`{command}` is not whole"),
        ErrorKind::UnknownArgument => match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::String(argument)) => {
                format!("{argument} is no flag or value of `{command}` in a transaction")
            }
            _ => first_paragraph(error),
        },
        _ => first_paragraph(error),
    }
}

fn first_paragraph(error: &clap::Error) -> String {
    let text = error.to_string();
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = paragraph.trim_start_matches("error: ").split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use stockade_proto::v1::{MoveStockRequest, NewOrderLine};

    use super::*;

    fn why(text: &str) -> String {
        let mut bad = Script::parse(text).map(|_| ()).unwrap_err();
        assert_eq!(bad.len(), 1, "{bad:?}");
        bad.remove(0).why
    }

    #[test]
    fn a_line_means_what_the_same_command_means_alone() {
        let script = Script::parse(
            "stock move mug 5 --to safety-stock --reason safety-stock   # kept back\n\
             \n\
             sku create 'blue mug' --name \"Blue mug # 2\"\n\
             order place --id o1 --line 'blue mug:2@main=1250'\n\
             location update main --disabled=false\n\
             reservation release cart-1 --line 1:2\n",
        )
        .unwrap();
        let lines: Vec<_> =
            script.operations.iter().map(|operation| (operation.line, operation.command.as_str())).collect();
        let expected = [
            (1, "stock move"),
            (3, "sku create"),
            (4, "order place"),
            (5, "location update"),
            (6, "reservation release"),
        ];
        assert_eq!(lines, expected);
        let Request::MoveStock(MoveStockRequest { location_id, quantity, .. }) =
            &script.operations[0].request
        else {
            panic!("nothing moves")
        };
        assert_eq!((location_id.as_str(), *quantity), ("main", 5));
        let Request::CreateSku(create) = &script.operations[1].request else { panic!("no SKU") };
        assert_eq!(create.sku.as_ref().unwrap().display_name, "Blue mug # 2");
        let Request::PlaceOrder(place) = &script.operations[2].request else { panic!("no order") };
        let line = NewOrderLine {
            sku_id: "blue mug".to_owned(),
            quantity: 2,
            location_id: "main".to_owned(),
            unit_price_minor: 1250,
        };
        assert_eq!(place.lines, [line]);
    }

    #[test]
    fn what_goes_for_a_whole_call_is_no_part_of_a_line() {
        assert!(why("order close o1 --request-id 0190").starts_with("--request-id belongs"));
        assert!(why("order close o1 --validate-only").starts_with("--validate-only belongs"));
        for flag in ["--output json", "--cluster a:1", "--timeout-ms 5", "--record f", "--log info", "--help"]
        {
            let why = why(&format!("order close o1 {flag}"));
            let name = flag.split(' ').next().unwrap_or_default();
            assert_eq!(why, format!("{name} is no flag or value of `order close` in a transaction"));
        }
    }

    #[test]
    fn what_changes_nothing_or_is_no_single_call_is_refused() {
        for command in [
            "sku get mug",
            "stock import x.csv",
            "order list",
            "transact x",
            "demo",
            "stockade order close o1",
        ] {
            assert!(why(command).ends_with("none of a transaction"), "{command}: {}", why(command));
        }
        for command in ["order", "stock"] {
            assert!(!why(command).contains('\n'), "{command}: {}", why(command));
        }
    }

    #[test]
    fn every_line_that_is_wrong_is_named() {
        let file = "order close o1\nsku update mug\nrequire sku\norder ship o1 --line 0:1\nsku create 'mug\n";
        let bad = Script::parse(file).unwrap_err();
        let lines: Vec<usize> = bad.iter().map(|bad| bad.line).collect();
        assert_eq!(lines, [2, 3, 4, 5]);
        assert!(bad[0].why.starts_with("nothing to change"), "{bad:?}");
        assert!(bad[2].why.contains("lines are counted from 1"), "{bad:?}");
        assert!(bad.iter().all(|bad| !bad.why.contains('\n')), "{bad:?}");
    }

    #[test]
    fn missing_arguments_are_named() {
        assert!(why("order place --id o1").contains("--line"), "{}", why("order place --id o1"));
    }
}
