//! How a read is to be served.

use std::time::Duration;

use stockade_consensus::Consistency;
use stockade_proto::v1;
use stockade_state_machine::Revision;

use super::Violations;
use crate::limits;

impl Violations {
    /// What a read is to promise; linearizable where nothing is said, and where what is said is wrong.
    pub(crate) fn consistency(&mut self, options: Option<&v1::ReadOptions>) -> Consistency {
        use v1::Consistency as Named;
        let Some(options) = options else { return Consistency::Linearizable };
        let Ok(named) = Named::try_from(options.consistency) else {
            self.add("read.consistency", "is not known");
            return Consistency::Linearizable;
        };
        if named != Named::Bounded && options.max_staleness.is_some() {
            self.add("read.max_staleness", "must be set with CONSISTENCY_BOUNDED only");
        }
        if named != Named::AtLeast && options.min_revision != 0 {
            self.add("read.min_revision", "must be set with CONSISTENCY_AT_LEAST only");
        }
        match named {
            Named::Unspecified | Named::Linearizable => Consistency::Linearizable,
            Named::Lease => Consistency::Lease,
            Named::Bounded => Consistency::Bounded(self.max_staleness(options.max_staleness)),
            Named::AtLeast => {
                if options.min_revision == 0 {
                    self.add("read.min_revision", "must be set with CONSISTENCY_AT_LEAST");
                }
                Consistency::AtLeast(Revision::new(options.min_revision))
            }
            Named::Local => Consistency::Local,
        }
    }

    fn max_staleness(&mut self, asked: Option<prost_types::Duration>) -> Duration {
        let Some(asked) = asked else {
            self.add("read.max_staleness", "must be set with CONSISTENCY_BOUNDED");
            return limits::MIN_STALENESS;
        };
        let within = |age: &Duration| (limits::MIN_STALENESS..=limits::MAX_STALENESS).contains(age);
        Duration::try_from(asked).ok().filter(within).unwrap_or_else(|| {
            self.add("read.max_staleness", "must be 1 millisecond to 1 hour");
            limits::MIN_STALENESS
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(
        consistency: v1::Consistency,
        max_staleness: Option<Duration>,
        min_revision: u64,
    ) -> v1::ReadOptions {
        let max_staleness = max_staleness.map(|age| age.try_into().expect("short"));
        v1::ReadOptions { consistency: consistency.into(), max_staleness, min_revision }
    }

    /// What they come to, and the fields that are wrong.
    fn checked(options: v1::ReadOptions) -> (Consistency, Vec<String>) {
        let mut violations = Violations::default();
        let consistency = violations.consistency(Some(&options));
        (consistency, violations.first().iter().map(|wrong| wrong.field.clone()).collect())
    }

    #[test]
    fn each_consistency_takes_what_belongs_to_it() {
        let second = Duration::from_secs(1);
        assert_eq!(Violations::default().consistency(None), Consistency::Linearizable);
        for (asked, expected) in [
            (v1::ReadOptions::default(), Consistency::Linearizable),
            (options(v1::Consistency::Linearizable, None, 0), Consistency::Linearizable),
            (options(v1::Consistency::Lease, None, 0), Consistency::Lease),
            (options(v1::Consistency::Bounded, Some(second), 0), Consistency::Bounded(second)),
            (options(v1::Consistency::AtLeast, None, 7), Consistency::AtLeast(Revision::new(7))),
            (options(v1::Consistency::Local, None, 0), Consistency::Local),
        ] {
            assert_eq!(checked(asked), (expected, Vec::new()));
        }
    }

    #[test]
    fn what_is_missing_and_what_does_not_belong_is_told_at_once() {
        let second = Some(Duration::from_secs(1));
        for (asked, wrong) in [
            (options(v1::Consistency::Bounded, None, 7), vec!["read.min_revision", "read.max_staleness"]),
            (options(v1::Consistency::AtLeast, second, 0), vec!["read.max_staleness", "read.min_revision"]),
            (options(v1::Consistency::Local, second, 7), vec!["read.max_staleness", "read.min_revision"]),
            (options(v1::Consistency::Unspecified, second, 0), vec!["read.max_staleness"]),
        ] {
            assert_eq!(checked(asked).1, wrong);
        }
        let unknown = v1::ReadOptions { consistency: 6, ..v1::ReadOptions::default() };
        assert_eq!(checked(unknown).1, ["read.consistency"]);
    }

    #[test]
    fn an_age_is_one_millisecond_to_one_hour() {
        for (age, is_right) in [
            (Duration::ZERO, false),
            (Duration::from_micros(999), false),
            (Duration::from_millis(1), true),
            (Duration::from_hours(1), true),
            (Duration::from_hours(1) + Duration::from_nanos(1), false),
        ] {
            let (_, wrong) = checked(options(v1::Consistency::Bounded, Some(age), 0));
            assert_eq!(wrong.is_empty(), is_right, "{age:?}");
        }
        let negative = Some(prost_types::Duration { seconds: -1, nanos: 0 });
        let asked = v1::ReadOptions { max_staleness: negative, ..options(v1::Consistency::Bounded, None, 0) };
        assert_eq!(checked(asked).1, ["read.max_staleness"]);
    }
}
