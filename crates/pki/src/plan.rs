//! Decisions on the life of certificates: when to renew, what belongs into `ca.crt`, when to warn.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::certificate::Certificate;

/// Part of the life over which renewals are spread, so that certificates issued together are not renewed together.
const SPREAD: f64 = 1.0 / 20.0;

/// When to renew a certificate: at two thirds of its life, brought forward by up to a twentieth of it. `jitter` lies in
/// 0.0 ..= 1.0 and is to be the same each time for one certificate, for instance [`jitter_of`].
pub fn renew_at(not_before: Timestamp, not_after: Timestamp, jitter: f64) -> Timestamp {
    let life = not_after
        .duration_since(not_before)
        .max(SignedDuration::ZERO);
    let jitter = if jitter.is_finite() {
        jitter.clamp(0.0, 1.0)
    } else {
        0.0
    };
    let point = life.as_secs_f64() * (2.0 / 3.0 - SPREAD * jitter);
    let after = SignedDuration::try_from_secs_f64(point).unwrap_or(SignedDuration::ZERO);
    not_before.checked_add(after).unwrap_or(not_after)
}

/// A jitter for [`renew_at`] that depends on nothing but the certificate.
pub fn jitter_of(certificate: &Certificate) -> f64 {
    let fingerprint = certificate.fingerprint();
    let [first, second, ..] = *fingerprint.as_bytes();
    f64::from(u16::from_be_bytes([first, second])) / f64::from(u16::MAX)
}

/// When this certificate is to be renewed.
pub fn renewal(certificate: &Certificate) -> Timestamp {
    renew_at(
        certificate.not_before,
        certificate.not_after,
        jitter_of(certificate),
    )
}

/// A CA that has been replaced, and how long it is still needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormerCa {
    /// Its certificate.
    pub certificate: Certificate,
    /// When the last credential known to come from it ends; `None` when that is not known, and it is kept to its own end.
    pub needed_until: Option<Timestamp>,
}

/// The certificates for `ca.crt`: the current ones, then the former ones that are still needed. Nothing twice, nothing that
/// has ended; of a CA that was renewed with its key both certificates stay, because a holder of either may verify the other's
/// leaves.
pub fn bundle(current: &[Certificate], former: &[FormerCa], now: Timestamp) -> Vec<Certificate> {
    let needed = former.iter().filter(|ca| {
        let end = ca.certificate.not_after;
        now <= end && ca.needed_until.is_none_or(|until| now <= until)
    });
    let mut bundle: Vec<Certificate> = Vec::new();
    for certificate in current.iter().chain(needed.map(|ca| &ca.certificate)) {
        if !bundle.contains(certificate) {
            bundle.push(certificate.clone());
        }
    }
    bundle
}

/// When [`bundle`] will next give something else, if ever.
pub fn bundle_changes_at(former: &[FormerCa], now: Timestamp) -> Option<Timestamp> {
    let end = |ca: &FormerCa| {
        let own = ca.certificate.not_after;
        ca.needed_until.map_or(own, |until| until.min(own))
    };
    let one_second = SignedDuration::from_secs(1);
    former
        .iter()
        .map(end)
        .filter(|end| now <= *end)
        .min()
        .map(|end| end.checked_add(one_second).unwrap_or(end))
}

/// How near the end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExpiryWarning {
    /// Less than 30 days.
    ThirtyDays,
    /// Less than 7 days.
    SevenDays,
    /// Less than one day.
    OneDay,
    /// It has ended.
    Ended,
}

impl ExpiryWarning {
    /// The thresholds before the end, from far to near.
    const THRESHOLDS: [(Self, i64); 4] = [
        (Self::ThirtyDays, 30),
        (Self::SevenDays, 7),
        (Self::OneDay, 1),
        (Self::Ended, 0),
    ];

    /// The warning due at `now` for something that ends at `not_after`, if any.
    pub fn due(not_after: Timestamp, now: Timestamp) -> Option<Self> {
        Self::THRESHOLDS
            .into_iter()
            .rev()
            .find(|(_, days)| Self::begins(not_after, *days) <= now)
            .map(|(warning, _)| warning)
    }

    /// When the next warning falls due after `now`, if there is one to come.
    pub fn next(not_after: Timestamp, now: Timestamp) -> Option<Timestamp> {
        Self::THRESHOLDS
            .into_iter()
            .map(|(_, days)| Self::begins(not_after, days))
            .find(|at| now < *at)
    }

    fn begins(not_after: Timestamp, days: i64) -> Timestamp {
        // The last moment itself is still within the dates.
        let before = if days == 0 {
            SignedDuration::from_secs(-1)
        } else {
            SignedDuration::from_hours(24 * days)
        };
        not_after.checked_sub(before).unwrap_or(Timestamp::MIN)
    }
}

impl fmt::Display for ExpiryWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ThirtyDays => "ends in less than 30 days",
            Self::SevenDays => "ends in less than 7 days",
            Self::OneDay => "ends in less than a day",
            Self::Ended => "has ended",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    proptest! {
        #[test]
        fn renewal_lies_between_three_fifths_and_two_thirds(
            start in 0i64..4_000_000_000, life in 60i64..1_000_000_000, jitter in 0.0f64..=1.0
        ) {
            let renew = renew_at(at(start), at(start + life), jitter).as_second() - start;
            prop_assert!(renew <= life * 2 / 3 + 1);
            prop_assert!(renew >= life * 6 / 10);
        }

        #[test]
        fn a_warning_falls_due_exactly_when_announced(end in 10_000_000i64..4_000_000_000, before in -100i64..4_000_000) {
            let (end, now) = (at(end), at(end - before));
            let due = ExpiryWarning::due(end, now);
            match ExpiryWarning::next(end, now) {
                Some(next) => {
                    let just_before = at(next.as_second() - 1);
                    prop_assert!(now < next);
                    prop_assert_eq!(ExpiryWarning::due(end, just_before), due);
                    prop_assert!(ExpiryWarning::due(end, next) > due);
                }
                None => prop_assert_eq!(due, Some(ExpiryWarning::Ended)),
            }
        }
    }

    #[test]
    fn jitter_that_is_no_number_is_none() {
        let (start, end) = (at(0), at(3_000));
        assert_eq!(renew_at(start, end, f64::NAN), at(2_000));
        assert_eq!(renew_at(end, start, 0.5), end);
    }
}
