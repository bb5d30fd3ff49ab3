//! When a call must be answered.

use std::time::Duration;

use tokio::time::Instant;
use tonic::metadata::MetadataMap;

use crate::limits;

/// When a call must be answered: the caller's `grpc-timeout`, 10 seconds where there is none, a minute at most, less
/// a margin in which the answer travels.
pub(crate) fn of_call(metadata: &MetadataMap) -> Instant {
    let asked = metadata.get("grpc-timeout").and_then(|value| value.to_str().ok()).and_then(parse_timeout);
    let timeout = asked.unwrap_or(limits::DEFAULT_DEADLINE).min(limits::MAX_DEADLINE);
    Instant::now() + timeout.saturating_sub(limits::ANSWER_MARGIN.min(timeout / 10))
}

/// `grpc-timeout` as in the gRPC protocol over HTTP/2: at most eight digits and a unit. One that doesn't parse counts
/// as none, which is how the transport below takes it.
fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3_600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_digits_and_a_unit() {
        assert_eq!(parse_timeout("5S"), Some(Duration::from_secs(5)));
        assert_eq!(parse_timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse_timeout("99999999H"), Some(Duration::from_hours(99_999_999)));
        for bad in ["", "S", "5", "5s", "-5S", "123456789S", "5\u{e9}"] {
            assert_eq!(parse_timeout(bad), None, "{bad:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_is_bounded_and_leaves_time_to_answer() {
        let mut metadata = MetadataMap::new();
        let in_force = |metadata: &MetadataMap| of_call(metadata) - Instant::now();
        assert_eq!(in_force(&metadata), Duration::from_millis(9_975));
        metadata.insert("grpc-timeout", "5M".parse().expect("ASCII"));
        assert_eq!(in_force(&metadata), Duration::from_millis(59_975));
        metadata.insert("grpc-timeout", "100m".parse().expect("ASCII"));
        assert_eq!(in_force(&metadata), Duration::from_millis(90));
    }
}
