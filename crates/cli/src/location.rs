//! `stockade location`.

use prost_types::FieldMask;
use serde_json::json;
use stockade_client::Client;
use stockade_proto::v1::mutation::Request;
use stockade_proto::v1::{
    CreateLocationRequest, DeleteLocationRequest, GetLocationRequest, ListLocationsRequest, Location,
    UpdateLocationRequest,
};
use stockade_server::Exit;

use crate::connect::{ClusterArgs, EtagArgs, PageArgs, ReadArgs, RequestArgs};
use crate::failure::Failure;
use crate::mutation::{self, Asked};
use crate::output::Output;
use crate::print::{self, more};

#[derive(Debug, clap::Args)]
pub(crate) struct LocationArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(subcommand)]
    command: LocationCommand,
}

#[derive(Debug, clap::Subcommand)]
enum LocationCommand {
    #[command(flatten)]
    Change(LocationChange),
    /// Show a location.
    #[command(after_help = "Example: stockade location get main")]
    Get {
        /// Its id.
        location: String,
        #[command(flatten)]
        reads: ReadArgs,
    },
    /// List locations in the order of their ids.
    #[command(after_help = "Example: stockade location list")]
    List(PageArgs),
}

/// What changes a location.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum LocationChange {
    /// Create a location. Stock can be booked only where there is one.
    #[command(
        after_help = "Example: stockade location create main --name 'Main warehouse' --zone eu --priority 1"
    )]
    Create(Create),
    /// Change what is named of a location; everything else stays as it is.
    #[command(after_help = "Example: stockade location update main --disabled=false")]
    Update(Update),
    /// Delete a location that has no stock of any SKU.
    #[command(after_help = "Example: stockade location delete van-2")]
    Delete(Delete),
}

/// What callers decide of a location.
#[derive(Debug, Default, clap::Args)]
struct Fields {
    /// Its name, for people; at most 256 bytes.
    #[arg(long, visible_alias = "display-name", value_name = "TEXT")]
    name: Option<String>,
    /// Where it lies, as you divide the world: at most 128 visible ASCII characters.
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// 0 to 1,000,000. Of the locations that could serve a line of an order, the one with the lowest number does.
    #[arg(long, value_name = "N")]
    priority: Option<i32>,
    /// It takes no new orders. What it owes it still ships, and goods still come in.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    disabled: Option<bool>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// Its id: 1 to 128 visible ASCII characters.
    location: String,
    #[command(flatten)]
    fields: Fields,
    #[command(flatten)]
    request: RequestArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Update {
    /// Its id.
    location: String,
    #[command(flatten)]
    fields: Fields,
    #[command(flatten)]
    etag: EtagArgs,
    #[command(flatten)]
    request: RequestArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Delete {
    /// Its id.
    location: String,
    #[command(flatten)]
    etag: EtagArgs,
    #[command(flatten)]
    request: RequestArgs,
}

impl Fields {
    /// The location with these fields, and the names of those that were given.
    fn of(self, location_id: String) -> (Location, Vec<String>) {
        let given = [
            ("display_name", self.name.is_some()),
            ("zone", self.zone.is_some()),
            ("priority", self.priority.is_some()),
            ("disabled", self.disabled.is_some()),
        ];
        let paths = given.iter().filter(|(_, given)| *given).map(|(path, _)| (*path).to_owned()).collect();
        let location = Location {
            location_id,
            display_name: self.name.unwrap_or_default(),
            zone: self.zone.unwrap_or_default(),
            priority: self.priority.unwrap_or_default(),
            disabled: self.disabled.unwrap_or_default(),
            ..Location::default()
        };
        (location, paths)
    }
}

impl LocationChange {
    /// What is asked for.
    pub(crate) fn asked(self) -> anyhow::Result<Asked> {
        match self {
            Self::Create(create) => Ok(create.asked()),
            Self::Update(update) => update.asked(),
            Self::Delete(delete) => Ok(delete.asked()),
        }
    }
}

impl Create {
    fn asked(self) -> Asked {
        let (location, _) = self.fields.of(self.location);
        let request = CreateLocationRequest { location: Some(location), ..CreateLocationRequest::default() };
        Asked::new(Request::CreateLocation(request), self.request)
    }
}

impl Update {
    fn asked(self) -> anyhow::Result<Asked> {
        let (location, paths) = self.fields.of(self.location);
        // An empty mask would mean every field.
        if paths.is_empty() {
            let text = "nothing to change: give --name, --zone, --priority or --disabled";
            return Err(Failure::new(Exit::Usage, text).into());
        }
        let request = UpdateLocationRequest {
            location: Some(Location { etag: self.etag.etag, ..location }),
            update_mask: Some(FieldMask { paths }),
            ..UpdateLocationRequest::default()
        };
        Ok(Asked::new(Request::UpdateLocation(request), self.request))
    }
}

impl Delete {
    fn asked(self) -> Asked {
        let request = DeleteLocationRequest {
            location_id: self.location,
            etag: self.etag.etag,
            ..DeleteLocationRequest::default()
        };
        Asked::new(Request::DeleteLocation(request), self.request)
    }
}

pub(crate) async fn run(args: LocationArgs, output: Output) -> anyhow::Result<()> {
    let LocationArgs { cluster, command } = args;
    match command {
        LocationCommand::Change(change) => mutation::run(&cluster, change.asked()?, output).await,
        LocationCommand::Get { location, reads } => {
            get(&cluster.connect_to_read(&reads).await?, location, output).await
        }
        LocationCommand::List(page) => list(&cluster.connect_to_read(&page.reads).await?, page, output).await,
    }
}

async fn get(client: &Client, location_id: String, output: Output) -> anyhow::Result<()> {
    let answer = client.get_location(GetLocationRequest { location_id, read: None }).await?;
    let location = answer.location.unwrap_or_default();
    let object = json!({
        "header": print::header(answer.header.as_ref()),
        "location": print::location_object(&location),
    });
    output.print(&object, || print::location_table(std::slice::from_ref(&location)));
    Ok(())
}

async fn list(client: &Client, page: PageArgs, output: Output) -> anyhow::Result<()> {
    let PageArgs { page_size, page_token, reads: _ } = page;
    let page = client.list_locations(ListLocationsRequest { page_size, page_token, read: None }).await?;
    let object = json!({
        "header": print::header(page.header.as_ref()),
        "locations": page.locations.iter().map(print::location_object).collect::<Vec<_>>(),
        "next_page_token": page.next_page_token,
    });
    output.print(&object, || print::location_table(&page.locations) + &more(&page.next_page_token));
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::{Cli, Command};

    fn update(flags: &[&str]) -> anyhow::Result<UpdateLocationRequest> {
        let words = ["stockade", "location", "update", "main"].iter().chain(flags);
        let Command::Location(args) = Cli::try_parse_from(words)?.command else {
            panic!("no location command")
        };
        let LocationCommand::Change(change) = args.command else { panic!("no change") };
        let Request::UpdateLocation(request) = change.asked()?.request else { panic!("no update") };
        Ok(request)
    }

    #[test]
    fn an_update_names_exactly_the_fields_that_were_given() {
        let request = update(&["--disabled=false", "--priority", "0", "--etag", "e7"]).unwrap();
        assert_eq!(request.update_mask.unwrap().paths, ["priority", "disabled"]);
        let location = request.location.unwrap();
        assert_eq!((location.disabled, location.etag.as_str()), (false, "e7"));
        assert!(update(&["--disabled"]).unwrap().location.unwrap().disabled);
        assert_eq!(update(&["--zone", ""]).unwrap().update_mask.unwrap().paths, ["zone"]);
    }

    #[test]
    fn an_update_of_nothing_is_refused_before_it_is_sent() {
        assert_eq!(crate::failure::exit_of(&update(&["--etag", "e"]).unwrap_err()), Exit::Usage);
    }
}
