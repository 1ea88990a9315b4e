//! How deliveries to an address are spread over its destinations (§4.3), and the configured rules for it (§4.4).

use std::fmt;

use super::pattern::{Pattern, PatternError, Patterns};

/// How an address's deliveries find their destinations.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Treatment {
    /// To every next hop, whatever the origin: control messages only.
    Flood,
    /// One copy for each next hop on the origin's tree.
    Multicast,
    /// To the nearest destination, in turn among equals.
    Closest,
    /// To the least loaded destination.
    Balanced,
    /// Refused.
    Unavailable,
}

impl Treatment {
    /// The number that address descriptors carry.
    pub fn number(self) -> i32 {
        match self {
            Self::Flood => 0,
            Self::Multicast => 1,
            Self::Closest => 2,
            Self::Balanced => 3,
            Self::Unavailable => 4,
        }
    }

    /// The treatment of that number.
    pub fn from_number(number: i64) -> Option<Self> {
        Some(match number {
            0 => Self::Flood,
            1 => Self::Multicast,
            2 => Self::Closest,
            3 => Self::Balanced,
            4 => Self::Unavailable,
            _ => return None,
        })
    }

    /// The treatment of a configured `distribution` or `defaultDistribution`.
    pub fn from_distribution(distribution: &str) -> Option<Self> {
        Some(match distribution {
            "multicast" => Self::Multicast,
            "closest" => Self::Closest,
            "balanced" => Self::Balanced,
            "unavailable" => Self::Unavailable,
            _ => return None,
        })
    }
}

impl fmt::Display for Treatment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flood => "flood",
            Self::Multicast => "multicast",
            Self::Closest => "closest",
            Self::Balanced => "balanced",
            Self::Unavailable => "unavailable",
        })
    }
}

/// The configured `address` entities: which treatment an application's address gets. The most specific match wins.
#[derive(Clone, Debug, Default)]
pub struct TreatmentRules {
    rules: Patterns<(Treatment, Option<u8>)>,
}

impl TreatmentRules {
    /// Adds a rule for a prefix: `mc` is `mc/#`.
    ///
    /// # Errors
    /// A prefix without a token, or one that stands already.
    pub fn add_prefix(
        &mut self,
        prefix: &str,
        treatment: Treatment,
        priority: Option<u8>,
    ) -> Result<(), PatternError> {
        self.rules
            .add(Pattern::prefix(prefix)?, (treatment, priority))
    }

    /// Adds a rule for a pattern of tokens separated by `.` or `/`: `*` stands for one token, `#` for any number.
    ///
    /// # Errors
    /// A pattern without a token, or one that stands already.
    pub fn add_pattern(
        &mut self,
        pattern: &str,
        treatment: Treatment,
        priority: Option<u8>,
    ) -> Result<(), PatternError> {
        self.rules
            .add(Pattern::parse(pattern)?, (treatment, priority))
    }

    /// Removes a rule by its prefix; false where there is none.
    pub fn remove_prefix(&mut self, prefix: &str) -> bool {
        Pattern::prefix(prefix).is_ok_and(|pattern| self.rules.remove(&pattern))
    }

    /// The treatment and priority configured for an address (text, without class letter).
    pub fn find(&self, address: &str) -> Option<(Treatment, Option<u8>)> {
        self.rules.find(address).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_specific_rule_wins() {
        let mut rules = TreatmentRules::default();
        rules.add_prefix("mc", Treatment::Multicast, None).unwrap();
        rules
            .add_pattern("mc/*/one", Treatment::Closest, Some(3))
            .unwrap();
        rules
            .add_pattern("mc/x/one", Treatment::Unavailable, None)
            .unwrap();
        rules
            .add_pattern("#/last", Treatment::Balanced, None)
            .unwrap();
        for (address, treatment) in [
            ("mc", Some(Treatment::Multicast)),
            ("mc/sfe.all", Some(Treatment::Multicast)),
            ("mc.y.one", Some(Treatment::Closest)),
            ("mc/x/one", Some(Treatment::Unavailable)),
            ("mc/x/last", Some(Treatment::Multicast)),
            ("a/b/last", Some(Treatment::Balanced)),
            ("mcx", None),
        ] {
            assert_eq!(rules.find(address).map(|(t, _)| t), treatment, "{address}");
        }
        assert_eq!(rules.find("mc.y.one"), Some((Treatment::Closest, Some(3))));
        assert!(rules.remove_prefix("mc"));
        assert_eq!(rules.find("mc/sfe.all"), None);
    }

    #[test]
    fn refuses_nothing_and_twice() {
        let mut rules = TreatmentRules::default();
        assert!(matches!(
            rules.add_prefix("./", Treatment::Closest, None),
            Err(PatternError::Empty(_))
        ));
        rules.add_prefix("a.b", Treatment::Closest, None).unwrap();
        assert!(matches!(
            rules.add_prefix("a/b", Treatment::Balanced, None),
            Err(PatternError::Duplicate(_))
        ));
    }
}
