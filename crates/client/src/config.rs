//! What a client is told at its start.

use std::time::Duration;

use stockade_credentials::{Bearer, CallerTls};
use stockade_history::Recorder;

use crate::error::Error;
use crate::limits;
use crate::policy::ReadPolicy;

/// Settings of a [`Client`](crate::Client).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Nodes to ask first, as `host:port`. One that lives is enough: it names the others.
    pub addresses: Vec<String>,
    /// How long a call may take, its retries included.
    pub timeout: Duration,
    /// How many mutations may be in flight; further calls wait. At most [`limits::MAX_IN_FLIGHT`].
    pub max_in_flight: usize,
    /// What reads promise, and which nodes they are asked of; [`Client::with_reads`](crate::Client::with_reads) says otherwise for some.
    pub reads: ReadPolicy,
    /// Writes every call and its answer into a history, which `stockade check` judges.
    pub record: Option<Recorder>,
    /// Connects over TLS: whom to believe, and what to show. Plain text where absent.
    pub tls: Option<CallerTls>,
    /// Shown with every call. Only over TLS: who listens in on plain text would have it.
    pub token: Option<Bearer>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            timeout: Duration::from_secs(10),
            max_in_flight: limits::MAX_IN_FLIGHT,
            reads: ReadPolicy::default(),
            record: None,
            tls: None,
            token: None,
        }
    }
}

impl Config {
    /// The usual settings for these addresses.
    pub fn new(addresses: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { addresses: addresses.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Checks all fields and brings the addresses into one form.
    pub(crate) fn checked(mut self) -> Result<Self, Error> {
        if self.addresses.is_empty() {
            return Err(Error::Invalid("no address given: name at least one node as host:port".to_owned()));
        }
        if self.addresses.len() > limits::MAX_ADDRESSES {
            return Err(Error::Invalid(format!("more than {} addresses", limits::MAX_ADDRESSES)));
        }
        for address in &mut self.addresses {
            let bare = address.trim();
            let bare = bare.strip_prefix("http://").or(bare.strip_prefix("https://")).unwrap_or(bare);
            let bare = bare.trim_end_matches('/');
            let port = bare.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then_some(port));
            if port.and_then(|port| port.parse::<u16>().ok()).is_none() {
                return Err(Error::Invalid(format!("`{address}` is no address: write host:port")));
            }
            *address = bare.to_owned();
        }
        if self.token.is_some() && self.tls.is_none() {
            let what = "a token is shown over TLS only; say whom to believe (the directory with ca.crt)";
            return Err(Error::Invalid(what.to_owned()));
        }
        if let Some(tls) = &self.tls {
            tls.check().map_err(|error| Error::Invalid(error.to_string()))?;
        }
        if self.timeout.is_zero() {
            return Err(Error::Invalid("the timeout must be longer than nothing".to_owned()));
        }
        if !(1..=limits::MAX_IN_FLIGHT).contains(&self.max_in_flight) {
            return Err(Error::Invalid(format!("in flight must be 1 to {}", limits::MAX_IN_FLIGHT)));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_into_one_form() {
        let config = Config::new(["http://127.0.0.1:7001/", " shop-1:7001"]).checked().unwrap();
        assert_eq!(config.addresses, ["127.0.0.1:7001", "shop-1:7001"]);
    }

    #[test]
    fn a_token_is_not_shown_in_plain_text() {
        let token = Some(Bearer::new("a.b.c").unwrap());
        let config = Config { token, ..Config::new(["127.0.0.1:7001"]) };
        assert!(!format!("{config:?}").contains("a.b.c"));
        assert!(matches!(config.checked(), Err(Error::Invalid(_))));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in ["", "host", ":7001", "host:port", "host:70010"] {
            assert!(matches!(Config::new([bad]).checked(), Err(Error::Invalid(_))), "{bad}");
        }
        assert!(matches!(Config::default().checked(), Err(Error::Invalid(_))));
    }
}
