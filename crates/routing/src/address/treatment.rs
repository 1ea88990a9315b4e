//! How deliveries to an address are spread over its destinations (§4.3), and the configured rules for it (§4.4).

use std::fmt;

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

/// Why an `address` entity was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing but separators.
    #[error("address pattern '{0}' names no address: give at least one token, for example 'mc'")]
    Empty(String),
    /// The same pattern stands already.
    #[error("address pattern '{0}' is configured twice: keep one of the two entities")]
    Duplicate(String),
}

/// The configured `address` entities: which treatment an application's address gets. The most specific match wins.
#[derive(Clone, Debug, Default)]
pub struct TreatmentRules {
    // Most specific first, so that the first match is the one.
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    tokens: Vec<Token>,
    treatment: Treatment,
    priority: Option<u8>,
}

// In the order in which the original's parse tree tries them at each place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Token {
    Literal(String),
    End,
    One,
    Any,
}

impl TreatmentRules {
    /// Adds a rule for a prefix: `mc` is `mc/#`.
    pub fn add_prefix(
        &mut self,
        prefix: &str,
        treatment: Treatment,
        priority: Option<u8>,
    ) -> Result<(), PatternError> {
        let mut tokens: Vec<Token> = tokens(prefix)
            .map(|t| Token::Literal(t.to_owned()))
            .collect();
        tokens.push(Token::Any);
        self.add(prefix, tokens, treatment, priority)
    }

    /// Adds a rule for a pattern of tokens separated by `.` or `/`: `*` stands for one token, `#` for any number.
    pub fn add_pattern(
        &mut self,
        pattern: &str,
        treatment: Treatment,
        priority: Option<u8>,
    ) -> Result<(), PatternError> {
        let tokens = tokens(pattern)
            .map(|t| match t {
                "*" => Token::One,
                "#" => Token::Any,
                t => Token::Literal(t.to_owned()),
            })
            .collect();
        self.add(pattern, tokens, treatment, priority)
    }

    fn add(
        &mut self,
        text: &str,
        mut tokens: Vec<Token>,
        treatment: Treatment,
        priority: Option<u8>,
    ) -> Result<(), PatternError> {
        if self::tokens(text).next().is_none() {
            return Err(PatternError::Empty(text.to_owned()));
        }
        tokens.push(Token::End);
        match self.rules.binary_search_by(|rule| rule.tokens.cmp(&tokens)) {
            Ok(_) => Err(PatternError::Duplicate(text.to_owned())),
            Err(at) => {
                self.rules.insert(
                    at,
                    Rule {
                        tokens,
                        treatment,
                        priority,
                    },
                );
                Ok(())
            }
        }
    }

    /// Removes a rule by its prefix; false where there is none.
    pub fn remove_prefix(&mut self, prefix: &str) -> bool {
        let mut wanted: Vec<Token> = tokens(prefix)
            .map(|t| Token::Literal(t.to_owned()))
            .collect();
        wanted.extend([Token::Any, Token::End]);
        let before = self.rules.len();
        self.rules.retain(|rule| rule.tokens != wanted);
        before != self.rules.len()
    }

    /// The treatment and priority configured for an address (text, without class letter).
    pub fn find(&self, address: &str) -> Option<(Treatment, Option<u8>)> {
        let address: Vec<&str> = tokens(address).collect();
        self.rules
            .iter()
            .find(|rule| matches(&rule.tokens, &address))
            .map(|rule| (rule.treatment, rule.priority))
    }
}

fn tokens(text: &str) -> impl Iterator<Item = &str> {
    const SEPARATORS: [char; 2] = ['.', '/'];
    let text = text.trim_start_matches(SEPARATORS);
    text.split_terminator(SEPARATORS)
}

/// Linear in the product of both lengths: a `#` keeps only the set of places reached, so patterns cannot explode.
fn matches(pattern: &[Token], address: &[&str]) -> bool {
    let mut reached = vec![false; address.len() + 1];
    reached[0] = true;
    for token in pattern {
        match token {
            Token::End => return reached[address.len()],
            Token::Any => {
                if let Some(first) = reached.iter().position(|r| *r) {
                    reached[first..].fill(true);
                }
            }
            Token::One | Token::Literal(_) => {
                for i in (0..address.len()).rev() {
                    let fits = match token {
                        Token::Literal(literal) => address[i] == literal,
                        _ => true,
                    };
                    reached[i + 1] = reached[i] && fits;
                }
                reached[0] = false;
            }
        }
    }
    false
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
