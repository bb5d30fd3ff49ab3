//! `stockade reservation`.

use prost_types::Duration;
use serde_json::json;
use stockade_client::Client;
use stockade_proto::v1::{
    CommitReservationRequest, CreateReservationRequest, ExtendReservationRequest, GetReservationRequest,
    LineQuantity, ListReservationsRequest, MoveReservationRequest, NewOrderLine, ReleaseReservationRequest,
    ReservationState,
};

use crate::changed::Changed;
use crate::connect::{ClusterArgs, PageArgs, RequestArgs};
use crate::lines::{line_number, line_quantity, new_line};
use crate::output::Output;
use crate::print::{self, more};
use crate::words;

#[derive(Debug, clap::Args)]
pub(crate) struct ReservationArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(subcommand)]
    command: ReservationCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ReservationCommand {
    /// Hold units for a time, all lines or none.
    #[command(
        after_help = "Example: stockade reservation create cart-1 --line mug:2@main=1250 --line teapot:1 --hold 15m"
    )]
    Create(Create),
    /// Show a reservation with its lines.
    #[command(after_help = "Example: stockade reservation get cart-1")]
    Get {
        /// The reservation's id.
        reservation: String,
    },
    /// List reservations in the order of their ids.
    #[command(after_help = "Example: stockade reservation list --state active --customer c-12")]
    List(List),
    /// Hold the units for longer, from now on. Never for shorter than they were held before.
    #[command(after_help = "Example: stockade reservation extend cart-1 --hold 1h")]
    Extend(Extend),
    /// Give units to a new order: all that is open, or what is named.
    #[command(after_help = "Example: stockade reservation commit cart-1 o1 --line 1:2 --payment P-77")]
    Commit(Commit),
    /// Give units back to what can be sold: all that is open, or what is named.
    #[command(after_help = "Example: stockade reservation release cart-1 --line 1:1")]
    Release(Release),
    /// Hold the open units at another location instead, all of them or none.
    #[command(after_help = "Example: stockade reservation move cart-1 east --line 2")]
    Move(Move),
}

#[derive(Debug, clap::Args)]
struct Create {
    /// The reservation's id, chosen by you: 1 to 128 visible ASCII characters, taken for ever.
    reservation: String,
    /// What is held; repeat for more lines. Without @LOCATION the first location that covers the line; PRICE is of one
    /// unit in minor units (cents, pence), and that of the orders that take it.
    #[arg(long, value_name = "SKU:QTY[@LOCATION][=PRICE]", required = true, value_parser = new_line)]
    line: Vec<NewOrderLine>,
    /// Your id of the customer.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    customer: String,
    /// ISO 4217 code of the prices.
    #[arg(long, value_name = "CODE", default_value = "EUR")]
    currency: String,
    /// How long the units are held, up to 30 days: 90s, 15m, 2h or 3d; 15 minutes where absent.
    #[arg(long, value_name = "TIME", value_parser = words::hold)]
    hold: Option<Duration>,
    #[command(flatten)]
    request: RequestArgs,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only reservations in this state: active, partially-committed, committed, released or expired. A page may then hold
    /// fewer rows than asked for, or none, and not be the last.
    #[arg(long, value_name = "STATE", value_parser = reservation_state)]
    state: Option<ReservationState>,
    /// Only reservations of this customer.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    customer: String,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, clap::Args)]
struct Extend {
    /// The reservation's id.
    reservation: String,
    /// How long the units are held from now on, up to 30 days: 90s, 15m, 2h or 3d; 15 minutes where absent.
    #[arg(long, value_name = "TIME", value_parser = words::hold)]
    hold: Option<Duration>,
    #[command(flatten)]
    request: RequestArgs,
}

#[derive(Debug, clap::Args)]
struct Commit {
    /// The reservation's id.
    reservation: String,
    /// The order's id, chosen by you: 1 to 128 visible ASCII characters, taken for ever.
    order: String,
    /// Number of a line and its units that the order takes; repeat for more. All that is open where absent.
    #[arg(long, value_name = "LINE:QTY", value_parser = line_quantity)]
    line: Vec<LineQuantity>,
    /// The order's customer; the reservation's where absent.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    customer: String,
    /// The order is not paid yet: how long it waits for its payment, up to 30 days: 90s, 15m, 2h or 3d. Without this flag
    /// payment was taken, and the order is confirmed.
    #[arg(long, value_name = "TIME", value_parser = words::hold, conflicts_with = "payment")]
    hold: Option<Duration>,
    /// Your reference of the payment.
    #[arg(
        long,
        visible_alias = "payment-reference",
        value_name = "REFERENCE",
        default_value = "",
        hide_default_value = true
    )]
    payment: String,
    #[command(flatten)]
    request: RequestArgs,
}

#[derive(Debug, clap::Args)]
struct Release {
    /// The reservation's id.
    reservation: String,
    /// Number of a line and its units that are given back; repeat for more. All that is open where absent.
    #[arg(long, value_name = "LINE:QTY", value_parser = line_quantity)]
    line: Vec<LineQuantity>,
    #[command(flatten)]
    request: RequestArgs,
}

#[derive(Debug, clap::Args)]
struct Move {
    /// The reservation's id.
    reservation: String,
    /// The id of the location that the units are held at from now on.
    location: String,
    /// Number of a line that moves; repeat for more. All lines where absent.
    #[arg(long, value_name = "LINE", value_parser = line_number)]
    line: Vec<i32>,
    #[command(flatten)]
    request: RequestArgs,
}

fn reservation_state(text: &str) -> Result<ReservationState, String> {
    let name = format!("RESERVATION_STATE_{}", text.to_ascii_uppercase().replace('-', "_"));
    let state = ReservationState::from_str_name(&name);
    state
        .filter(|state| *state != ReservationState::Unspecified)
        .ok_or_else(|| "write active, partially-committed, committed, released or expired".to_owned())
}

pub(crate) async fn run(args: ReservationArgs, output: Output) -> anyhow::Result<()> {
    let client = args.cluster.connect().await?;
    let done = match args.command {
        ReservationCommand::Create(create) => created(&client, create).await?,
        ReservationCommand::Extend(extend) => extended(&client, extend).await?,
        ReservationCommand::Commit(commit) => committed(&client, commit).await?,
        ReservationCommand::Release(release) => released(&client, release).await?,
        ReservationCommand::Move(relocation) => moved(&client, relocation).await?,
        ReservationCommand::Get { reservation } => return get(&client, reservation, output).await,
        ReservationCommand::List(wanted) => return list(&client, wanted, output).await,
    };
    done.print(output);
    Ok(())
}

async fn created(client: &Client, create: Create) -> anyhow::Result<Changed> {
    let request = CreateReservationRequest {
        request_id: create.request.request_id,
        reservation_id: create.reservation,
        customer_id: create.customer,
        currency_code: create.currency,
        lines: create.line,
        hold_duration: create.hold,
    };
    let answer = client.create_reservation(request).await?;
    let fields = vec![
        ("reservation_id", json!(answer.reservation_id)),
        ("state", json!(print::reservation_state(answer.state))),
        ("location_ids", json!(answer.location_ids)),
        ("expire_time", json!(print::time(answer.expire_time.as_ref()))),
    ];
    Ok(Changed { header: answer.header, fields })
}

async fn extended(client: &Client, extend: Extend) -> anyhow::Result<Changed> {
    let request = ExtendReservationRequest {
        request_id: extend.request.request_id,
        reservation_id: extend.reservation,
        hold_duration: extend.hold,
    };
    let answer = client.extend_reservation(request).await?;
    let fields = vec![
        ("reservation_id", json!(answer.reservation_id)),
        ("expire_time", json!(print::time(answer.expire_time.as_ref()))),
    ];
    Ok(Changed { header: answer.header, fields })
}

impl Commit {
    fn request(self) -> CommitReservationRequest {
        CommitReservationRequest {
            request_id: self.request.request_id,
            reservation_id: self.reservation,
            order_id: self.order,
            customer_id: self.customer,
            lines: self.line,
            hold_duration: self.hold,
            payment_reference: self.payment,
        }
    }
}

async fn committed(client: &Client, commit: Commit) -> anyhow::Result<Changed> {
    let answer = client.commit_reservation(commit.request()).await?;
    let fields = vec![
        ("reservation_id", json!(answer.reservation_id)),
        ("state", json!(print::reservation_state(answer.state))),
        ("order_id", json!(answer.order_id)),
        ("order_state", json!(print::state(answer.order_state))),
        ("expire_time", json!(print::time(answer.expire_time.as_ref()))),
        ("committed", json!(answer.committed)),
    ];
    Ok(Changed { header: answer.header, fields })
}

async fn released(client: &Client, release: Release) -> anyhow::Result<Changed> {
    let request = ReleaseReservationRequest {
        request_id: release.request.request_id,
        reservation_id: release.reservation,
        lines: release.line,
    };
    let answer = client.release_reservation(request).await?;
    let fields = vec![
        ("reservation_id", json!(answer.reservation_id)),
        ("state", json!(print::reservation_state(answer.state))),
        ("released", json!(answer.released)),
    ];
    Ok(Changed { header: answer.header, fields })
}

async fn moved(client: &Client, relocation: Move) -> anyhow::Result<Changed> {
    let request = MoveReservationRequest {
        request_id: relocation.request.request_id,
        reservation_id: relocation.reservation,
        lines: relocation.line,
        location_id: relocation.location,
    };
    let answer = client.move_reservation(request).await?;
    let fields = vec![("reservation_id", json!(answer.reservation_id)), ("moved", json!(answer.moved))];
    Ok(Changed { header: answer.header, fields })
}

async fn get(client: &Client, reservation_id: String, output: Output) -> anyhow::Result<()> {
    let answer = client.get_reservation(GetReservationRequest { reservation_id }).await?;
    let reservation = answer.reservation.unwrap_or_default();
    let object = json!({
        "header": print::header(answer.header.as_ref()),
        "reservation": print::reservation_object(&reservation),
    });
    output.print(&object, || print::reservation_text(&reservation));
    Ok(())
}

async fn list(client: &Client, wanted: List, output: Output) -> anyhow::Result<()> {
    let request = ListReservationsRequest {
        page_size: wanted.page.page_size,
        page_token: wanted.page.page_token,
        state: wanted.state.unwrap_or(ReservationState::Unspecified).into(),
        customer_id: wanted.customer,
    };
    let page = client.list_reservations(request).await?;
    let object = json!({
        "header": print::header(page.header.as_ref()),
        "reservations": page.reservations.iter().map(print::reservation_object).collect::<Vec<_>>(),
        "next_page_token": page.next_page_token,
    });
    output.print(&object, || print::reservation_table(&page.reservations) + &more(&page.next_page_token));
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::{Cli, Command};

    fn parsed(flags: &[&str]) -> Result<ReservationCommand, clap::Error> {
        let words = ["stockade", "reservation"].iter().chain(flags);
        match Cli::try_parse_from(words)?.command {
            Command::Reservation(args) => Ok(args.command),
            other => panic!("no reservation command: {other:?}"),
        }
    }

    fn commit(flags: &[&str]) -> Result<CommitReservationRequest, clap::Error> {
        match parsed(&[&["commit", "cart-1", "o1"], flags].concat())? {
            ReservationCommand::Commit(commit) => Ok(commit.request()),
            other => panic!("no commit: {other:?}"),
        }
    }

    #[test]
    fn a_commit_without_flags_takes_everything_for_a_paid_order() {
        let request = commit(&[]).unwrap();
        assert_eq!((request.reservation_id.as_str(), request.order_id.as_str()), ("cart-1", "o1"));
        assert_eq!((request.lines, request.hold_duration), (Vec::new(), None));
    }

    #[test]
    fn a_commit_names_lines_and_payment() {
        let request = commit(&["--line", "1:2", "--line", "3:1", "--payment-reference", "P-1"]).unwrap();
        let line = |line, quantity| LineQuantity { line, quantity };
        assert_eq!(request.lines, [line(1, 2), line(3, 1)]);
        assert_eq!(request.payment_reference, "P-1");
    }

    #[test]
    fn an_order_that_waits_for_payment_has_no_payment() {
        let hold = commit(&["--hold", "2h"]).unwrap().hold_duration;
        assert_eq!(hold, Some(Duration { seconds: 7_200, nanos: 0 }));
        assert!(commit(&["--hold", "2h", "--payment", "P-1"]).is_err());
        assert!(commit(&["--hold", "31d"]).is_err());
    }

    #[test]
    fn a_reservation_of_nothing_is_refused_before_it_is_sent() {
        assert!(parsed(&["create", "cart-1"]).is_err());
        assert!(parsed(&["create", "cart-1", "--line", "mug:2@main=1250", "--hold", "1s"]).is_ok());
    }

    #[test]
    fn lines_that_move_are_named_by_number() {
        let Ok(ReservationCommand::Move(relocation)) =
            parsed(&["move", "cart-1", "east", "--line", "2", "--line", "1"])
        else {
            panic!("no move")
        };
        assert_eq!((relocation.location.as_str(), relocation.line), ("east", vec![2, 1]));
        assert!(parsed(&["move", "cart-1", "east", "--line", "0"]).is_err());
        assert!(parsed(&["move", "cart-1"]).is_err());
    }

    #[test]
    fn states_are_written_with_dashes() {
        assert_eq!(reservation_state("partially-committed"), Ok(ReservationState::PartiallyCommitted));
        assert!(reservation_state("unspecified").is_err() && reservation_state("open").is_err());
    }
}
