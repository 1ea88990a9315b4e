//! Values of flags in the forms that Go's flag libraries read, because scripts are written in them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A yes-or-no flag: `--flag`, `--flag=true`, `--flag=false`; never a word of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Toggle(pub(crate) bool);

impl FromStr for Toggle {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Self(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Self(false)),
            _ => Err("expected true or false".to_owned()),
        }
    }
}

/// A span of time as Go writes and reads it: `60s`, `2m`, `1h30m`, `1.5h`; a number without a unit is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GoDuration {
    nanoseconds: i128,
}

impl GoDuration {
    pub(crate) const fn from_secs(seconds: i128) -> Self {
        Self {
            nanoseconds: seconds * 1_000_000_000,
        }
    }

    /// Negative ones are none.
    pub(crate) fn to_std(self) -> Duration {
        u64::try_from(self.nanoseconds / 1_000_000).map_or(Duration::ZERO, Duration::from_millis)
    }
}

const UNITS: [(&str, i128); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl FromStr for GoDuration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Ok(Self::from_secs(0));
        }
        if rest.is_empty() {
            return Err("expected a time such as 60s or 1h30m".to_owned());
        }
        let mut total: i128 = 0;
        while !rest.is_empty() {
            let end = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .ok_or("missing unit, expected for instance 60s")?;
            let number: f64 = rest[..end]
                .parse()
                .map_err(|_| "expected a time such as 60s or 1h30m")?;
            let unit_end = rest[end..]
                .find(|c: char| c.is_ascii_digit() || c == '.')
                .map_or(rest.len(), |length| end + length);
            let unit = &rest[end..unit_end];
            let (_, size) = UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .ok_or("unknown unit, expected h, m, s or ms")?;
            #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
            let part = (number * *size as f64) as i128;
            total = total.saturating_add(part);
            rest = &rest[unit_end..];
        }
        if total > i128::from(i64::MAX) {
            return Err("too long".to_owned());
        }
        let nanoseconds = if negative { -total } else { total };
        Ok(Self { nanoseconds })
    }
}

impl fmt::Display for GoDuration {
    /// As Go prints it: `1m30s`, `0s`, `500ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanoseconds < 0 {
            f.write_str("-")?;
        }
        let all = self.nanoseconds.unsigned_abs();
        if all == 0 {
            return f.write_str("0s");
        }
        if all < 1_000_000_000 {
            let (size, unit) = match all {
                0..1_000 => (1, "ns"),
                1_000..1_000_000 => (1_000, "µs"),
                _ => (1_000_000, "ms"),
            };
            return write!(f, "{}{unit}", decimal(all, size));
        }
        let (minutes, rest) = (all / 60_000_000_000, all % 60_000_000_000);
        if minutes >= 60 {
            write!(f, "{}h", minutes / 60)?;
        }
        if minutes > 0 {
            write!(f, "{}m", minutes % 60)?;
        }
        write!(f, "{}s", decimal(rest, 1_000_000_000))
    }
}

fn decimal(value: u128, unit: u128) -> String {
    let (whole, part) = (value / unit, value % unit);
    if part == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    format!("{whole}.{part:0width$}")
        .trim_end_matches('0')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_as_go_does() {
        for (text, shown) in [
            ("60s", "1m0s"),
            ("2m", "2m0s"),
            ("1h30m", "1h30m0s"),
            ("1.5h", "1h30m0s"),
            ("500ms", "500ms"),
            ("0", "0s"),
            ("-5s", "-5s"),
            ("1500ms", "1.5s"),
            ("100h", "100h0m0s"),
        ] {
            assert_eq!(
                text.parse::<GoDuration>().unwrap().to_string(),
                shown,
                "{text}"
            );
        }
        for bad in ["60", "", "s", "5x", "1h30", "..s", "9999999999h"] {
            assert!(bad.parse::<GoDuration>().is_err(), "{bad}");
        }
    }
}
