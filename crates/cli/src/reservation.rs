//! `stockade reservation`.

use prost_types::Duration;
use serde_json::json;
use stockade_client::Client;
use stockade_proto::v1::mutation::Request;
use stockade_proto::v1::{
    CommitReservationRequest, CreateReservationRequest, ExtendReservationRequest, GetReservationRequest,
    LineQuantity, ListReservationsRequest, MoveReservationRequest, NewOrderLine, ReleaseReservationRequest,
    ReservationState,
};

use crate::connect::{ClusterArgs, EtagArgs, PageArgs, ReadArgs, RequestArgs};
use crate::lines::{line_number, line_quantity, new_line};
use crate::mutation::{self, Asked};
use crate::order::SourcingArgs;
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
    #[command(flatten)]
    Change(ReservationChange),
    /// Show a reservation with its lines.
    #[command(after_help = "Example: stockade reservation get cart-1")]
    Get {
        /// The reservation's id.
        reservation: String,
        #[command(flatten)]
        reads: ReadArgs,
    },
    /// List reservations in the order of their ids.
    #[command(after_help = "Example: stockade reservation list --state active --customer c-12")]
    List(List),
}

/// What changes a reservation.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ReservationChange {
    /// Hold units for a time, all lines or none.
    #[command(
        after_help = "Example: stockade reservation create cart-1 --line mug:2@main=1250 --line teapot:1 --hold 15m"
    )]
    Create(Create),
    /// Hold the units for longer, from now on. Never for shorter than they were held before.
    #[command(after_help = "Example: stockade reservation extend cart-1 --hold 1h")]
    Extend(Extend),
    /// Give units to a new order: all that is open, or what is named.
    #[command(after_help = "Example: stockade reservation commit cart-1 o1 --line 1:2 --payment P-77")]
    Commit(Commit),
    /// Give units back to what can be sold: all that is open, or what is named.
    #[command(after_help = "Example: stockade reservation release cart-1 --line 1:1@main")]
    Release(Release),
    /// Hold the open units at another location instead, all of them or none.
    #[command(after_help = "Example: stockade reservation move cart-1 east --line 2")]
    Move(Move),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// The reservation's id, chosen by you: 1 to 128 visible ASCII characters, taken for ever.
    reservation: String,
    /// What is held; repeat for more lines. Where the units of a line without @LOCATION are is what --sourcing says; PRICE is
    /// of one unit in minor units (cents, pence), and that of the orders that take it.
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
    sourcing: SourcingArgs,
    #[command(flatten)]
    request: RequestArgs,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only reservations in this state: active, partially-committed, committed, released or expired. A page may then hold
    /// fewer rows than asked for, or none, and not be the last.
    #[arg(long, value_name = "STATE", value_parser = words::reservation_state)]
    state: Option<ReservationState>,
    /// Only reservations of this customer.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    customer: String,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Extend {
    /// The reservation's id.
    reservation: String,
    /// How long the units are held from now on, up to 30 days: 90s, 15m, 2h or 3d; 15 minutes where absent.
    #[arg(long, value_name = "TIME", value_parser = words::hold)]
    hold: Option<Duration>,
    #[command(flatten)]
    etag: EtagArgs,
    #[command(flatten)]
    request: RequestArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Commit {
    /// The reservation's id.
    reservation: String,
    /// The order's id, chosen by you: 1 to 128 visible ASCII characters, taken for ever.
    order: String,
    /// Number of a line and its units that the order takes, with @LOCATION only those that are there; repeat for more. All
    /// that is open where absent.
    #[arg(long, value_name = "LINE:QTY[@LOCATION]", value_parser = line_quantity)]
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
    etag: EtagArgs,
    #[command(flatten)]
    request: RequestArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Release {
    /// The reservation's id.
    reservation: String,
    /// Number of a line and its units that are given back, with @LOCATION only those that are there; repeat for more. All
    /// that is open where absent.
    #[arg(long, value_name = "LINE:QTY[@LOCATION]", value_parser = line_quantity)]
    line: Vec<LineQuantity>,
    #[command(flatten)]
    etag: EtagArgs,
    #[command(flatten)]
    request: RequestArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Move {
    /// The reservation's id.
    reservation: String,
    /// The id of the location that the units are held at from now on.
    location: String,
    /// Number of a line that moves; repeat for more. All lines where absent.
    #[arg(long, value_name = "LINE", value_parser = line_number)]
    line: Vec<i32>,
    #[command(flatten)]
    etag: EtagArgs,
    #[command(flatten)]
    request: RequestArgs,
}

impl ReservationChange {
    /// What is asked for.
    pub(crate) fn asked(self) -> Asked {
        match self {
            Self::Create(create) => create.asked(),
            Self::Extend(extend) => extend.asked(),
            Self::Commit(commit) => commit.asked(),
            Self::Release(release) => release.asked(),
            Self::Move(relocation) => relocation.asked(),
        }
    }
}

impl Create {
    fn asked(self) -> Asked {
        let request = CreateReservationRequest {
            reservation_id: self.reservation,
            customer_id: self.customer,
            currency_code: self.currency,
            lines: self.line,
            hold_duration: self.hold,
            sourcing: self.sourcing.code(),
            ..CreateReservationRequest::default()
        };
        Asked::new(Request::CreateReservation(request), self.request)
    }
}

impl Extend {
    fn asked(self) -> Asked {
        let request = ExtendReservationRequest {
            reservation_id: self.reservation,
            hold_duration: self.hold,
            etag: self.etag.etag,
            ..ExtendReservationRequest::default()
        };
        Asked::new(Request::ExtendReservation(request), self.request)
    }
}

impl Commit {
    fn asked(self) -> Asked {
        let request = CommitReservationRequest {
            reservation_id: self.reservation,
            order_id: self.order,
            customer_id: self.customer,
            lines: self.line,
            hold_duration: self.hold,
            payment_reference: self.payment,
            etag: self.etag.etag,
            ..CommitReservationRequest::default()
        };
        Asked::new(Request::CommitReservation(request), self.request)
    }
}

impl Release {
    fn asked(self) -> Asked {
        let request = ReleaseReservationRequest {
            reservation_id: self.reservation,
            lines: self.line,
            etag: self.etag.etag,
            ..ReleaseReservationRequest::default()
        };
        Asked::new(Request::ReleaseReservation(request), self.request)
    }
}

impl Move {
    fn asked(self) -> Asked {
        let request = MoveReservationRequest {
            reservation_id: self.reservation,
            lines: self.line,
            location_id: self.location,
            etag: self.etag.etag,
            ..MoveReservationRequest::default()
        };
        Asked::new(Request::MoveReservation(request), self.request)
    }
}

pub(crate) async fn run(args: ReservationArgs, output: Output) -> anyhow::Result<()> {
    let ReservationArgs { cluster, command } = args;
    match command {
        ReservationCommand::Change(change) => mutation::run(&cluster, change.asked(), output).await,
        ReservationCommand::Get { reservation, reads } => {
            get(&cluster.connect_to_read(&reads).await?, reservation, output).await
        }
        ReservationCommand::List(wanted) => {
            list(&cluster.connect_to_read(&wanted.page.reads).await?, wanted, output).await
        }
    }
}

async fn get(client: &Client, reservation_id: String, output: Output) -> anyhow::Result<()> {
    let answer = client.get_reservation(GetReservationRequest { reservation_id, read: None }).await?;
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
        read: None,
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
    use stockade_proto::v1::Sourcing;

    use super::*;
    use crate::{Cli, Command};

    fn asked(flags: &[&str]) -> Result<Request, clap::Error> {
        let words = ["stockade", "reservation"].iter().chain(flags);
        let Command::Reservation(args) = Cli::try_parse_from(words)?.command else {
            panic!("no reservation command: {flags:?}")
        };
        let ReservationCommand::Change(change) = args.command else { panic!("{flags:?} changes nothing") };
        Ok(change.asked().request)
    }

    fn commit(flags: &[&str]) -> Result<CommitReservationRequest, clap::Error> {
        match asked(&[&["commit", "cart-1", "o1"], flags].concat())? {
            Request::CommitReservation(request) => Ok(request),
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
    fn a_commit_names_lines_payment_and_etag() {
        let flags = ["--line", "1:2@main", "--line", "3:1", "--payment-reference", "P-1", "--etag", "e1"];
        let request = commit(&flags).unwrap();
        let line = |line, quantity, location_id: &str| LineQuantity {
            line,
            quantity,
            location_id: location_id.to_owned(),
        };
        assert_eq!(request.lines, [line(1, 2, "main"), line(3, 1, "")]);
        assert_eq!((request.payment_reference.as_str(), request.etag.as_str()), ("P-1", "e1"));
    }

    #[test]
    fn an_order_that_waits_for_payment_has_no_payment() {
        let hold = commit(&["--hold", "2h"]).unwrap().hold_duration;
        assert_eq!(hold, Some(Duration { seconds: 7_200, nanos: 0 }));
        assert!(commit(&["--hold", "2h", "--payment", "P-1"]).is_err());
        assert!(commit(&["--hold", "31d"]).is_err());
    }

    #[test]
    fn a_reservation_names_lines_and_where_they_come_from() {
        assert!(asked(&["create", "cart-1"]).is_err());
        let flags = ["create", "cart-1", "--line", "mug:2", "--hold", "1s", "--sourcing", "most-stock"];
        let Ok(Request::CreateReservation(request)) = asked(&flags) else { panic!("nothing is created") };
        assert_eq!((request.sourcing(), request.lines.len()), (Sourcing::MostStock, 1));
    }

    #[test]
    fn lines_that_move_are_named_by_number() {
        let flags = ["move", "cart-1", "east", "--line", "2", "--line", "1"];
        let Ok(Request::MoveReservation(request)) = asked(&flags) else { panic!("nothing moves") };
        assert_eq!((request.location_id.as_str(), request.lines), ("east", vec![2, 1]));
        assert!(asked(&["move", "cart-1", "east", "--line", "0"]).is_err());
        assert!(asked(&["move", "cart-1"]).is_err());
    }
}
