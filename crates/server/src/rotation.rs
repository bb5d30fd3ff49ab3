//! Certificates, tokens and revocations, looked at again and again: what is new is taken into use, what is broken is told.

use stockade_credentials::{Credentials, InUse, Looked, limits::EXPIRY_WARNING_DAYS};
use stockade_env::{Env, place};
use stockade_storage::{AlarmKind, Alarms};
use tokio::signal::unix::{SignalKind, signal};

use crate::limits;

/// Looks at the files every few seconds, and at SIGHUP, until the node stops.
pub(crate) async fn follow(env: Env, credentials: Credentials, alarms: Alarms) {
    let mut hangup = signal(SignalKind::hangup())
        .inspect_err(
            |error| tracing::warn!(%error, "SIGHUP can't be heard; files are looked at all the same"),
        )
        .ok();
    let mut interval = tokio::time::interval(limits::CREDENTIALS_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut before = Vec::new();
    loop {
        let asked = async {
            match &mut hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interval.tick() => {}
            _ = asked => tracing::info!("SIGHUP: certificates, tokens and revocations are looked at"),
            () = env.tasks.stopping() => return,
        }
        let looking = credentials.clone();
        let Ok((certificates, lists)) = place::blocking(move || looking.look()).await else { continue };
        if certificates == Looked::Changed {
            tracing::info!(days_left = ?credentials.days_left(), "new certificates are in use, connections to peers are opened anew");
        }
        if lists.contains(&Looked::Changed) {
            let InUse { token_keys, revoked_tokens, revoked_certificates } = credentials.in_use();
            tracing::info!(
                token_keys,
                revoked_tokens,
                revoked_certificates,
                "new token keys and revocations are in use"
            );
        }
        before = tell_refused(&alarms, std::iter::once(certificates).chain(lists), &before);
        tell_expiry(&alarms, &credentials);
    }
}

/// Raises the alarm where files can't be used at two looks: a pair that is just being replaced doesn't fit for a moment.
fn tell_refused(alarms: &Alarms, looked: impl IntoIterator<Item = Looked>, before: &[String]) -> Vec<String> {
    let refused = looked.into_iter().filter_map(|looked| match looked {
        Looked::Refused(why) => Some(why),
        Looked::Same | Looked::Changed => None,
    });
    let refused: Vec<String> = refused.collect();
    if refused.is_empty() {
        alarms.clear(AlarmKind::CertificatesRefused);
    } else if refused == before {
        alarms.raise(
            AlarmKind::CertificatesRefused,
            format!("{}; the older ones stay in use", refused.join("; ")),
        );
    }
    refused
}

fn tell_expiry(alarms: &Alarms, credentials: &Credentials) {
    let left = credentials.days_left();
    let soon = [("this node's certificate", left.node), ("the authority's certificate", left.authority)];
    let soon = soon.iter().filter(|(_, days)| *days < EXPIRY_WARNING_DAYS);
    let soon: Vec<String> = soon.map(|(what, days)| format!("{what} is over in {days} days")).collect();
    if soon.is_empty() {
        alarms.clear(AlarmKind::CertificateExpiring);
    } else {
        alarms.raise(
            AlarmKind::CertificateExpiring,
            format!("{}; put a new one in its place", soon.join(", ")),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_just_being_replaced_raise_no_alarm() {
        let alarms = Alarms::new(Env::real().clock);
        let refused = |why: &str| [Looked::Refused(why.to_owned()), Looked::Same];
        let first = tell_refused(&alarms, refused("key and certificate"), &[]);
        assert!(!alarms.is_raised(AlarmKind::CertificatesRefused));
        let fits = tell_refused(&alarms, [Looked::Changed, Looked::Same], &first);
        let again = tell_refused(&alarms, refused("key and certificate"), &fits);
        assert!(!alarms.is_raised(AlarmKind::CertificatesRefused));
        tell_refused(&alarms, refused("key and certificate"), &again);
        assert!(alarms.list()[0].detail.contains("key and certificate"));
        tell_refused(&alarms, [Looked::Changed, Looked::Same], &again);
        assert!(alarms.list().is_empty());
    }
}
