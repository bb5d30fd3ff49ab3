//! Holds docs/reference/errors.md against the code: the same reasons, codes and order.

use stockade_gateway::Reason;
use tonic::Code;

const PAGE: &str = include_str!("../../../docs/reference/errors.md");

fn code_name(code: Code) -> String {
    // `Code` prints as `FailedPrecondition`; the page has the names of the gRPC protocol.
    let mut name = String::new();
    for character in format!("{code:?}").chars() {
        if character.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(character.to_ascii_uppercase());
    }
    name
}

#[test]
fn the_page_lists_the_reasons_of_the_code_with_their_codes_in_the_order_of_precedence() {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `")).map(|row| {
        let mut cells = row.split('|').map(|cell| cell.replace('`', "").trim().to_owned());
        (cells.next().unwrap_or_default(), cells.next().unwrap_or_default())
    });
    let expected = Reason::ALL.map(|reason| {
        let codes: Vec<_> = reason.codes().iter().map(|code| code_name(*code)).collect();
        (reason.name().to_owned(), codes.join(" or "))
    });
    assert_eq!(rows.collect::<Vec<_>>(), expected);
}
