//! Patterns of tokens, and which of several fits a name best: of addresses (router protocol reference §4.4), and of names of virtual
//! hosts and links in policies (management reference §9).

/// Why a pattern was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing but separators.
    #[error("address pattern '{0}' names no address: give at least one token, for example 'mc'")]
    Empty(String),
    /// The same pattern stands already, perhaps written in another way.
    #[error("address pattern '{0}' is configured twice: keep one of the two entities")]
    Duplicate(String),
}

// In the order in which the original's parse tree tries them at each place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Token {
    Literal(String),
    End,
    One,
    Any,
}

/// Tokens separated by `.` or `/`: `*` stands for one token, `#` for any number, all else for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    tokens: Vec<Token>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// One without a token.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        Self::with_literal(text, "", "")
    }

    /// Reads a pattern in which a token that is `place` stands for the tokens of `literal`, none of which is a wildcard.
    ///
    /// # Errors
    /// One without a token.
    pub fn with_literal(text: &str, place: &str, literal: &str) -> Result<Self, PatternError> {
        let mut pattern = Vec::new();
        for token in tokens(text) {
            match token {
                place_of if !place.is_empty() && place_of == place => {
                    pattern.extend(tokens(literal).map(|token| Token::Literal(token.to_owned())));
                }
                "*" => pattern.push(Token::One),
                "#" => pattern.push(Token::Any),
                token => pattern.push(Token::Literal(token.to_owned())),
            }
        }
        Self::of(text, pattern)
    }

    /// What begins with the tokens of `prefix`, none of which is a wildcard.
    ///
    /// # Errors
    /// One without a token.
    pub fn prefix(prefix: &str) -> Result<Self, PatternError> {
        let mut pattern: Vec<Token> = tokens(prefix)
            .map(|token| Token::Literal(token.to_owned()))
            .collect();
        if !pattern.is_empty() {
            pattern.push(Token::Any);
        }
        Self::of(prefix, pattern)
    }

    fn of(text: &str, mut pattern: Vec<Token>) -> Result<Self, PatternError> {
        if pattern.is_empty() {
            return Err(PatternError::Empty(text.to_owned()));
        }
        // One way to write a row of wildcards: what stands for one token first, then at most one `#`.
        for row in pattern.chunk_by_mut(|a, b| a.is_wildcard() && b.is_wildcard()) {
            row.sort();
        }
        pattern.dedup_by(|next, last| *next == Token::Any && *last == Token::Any);
        pattern.push(Token::End);
        Ok(Pattern {
            text: text.to_owned(),
            tokens: pattern,
        })
    }

    /// Whether a name is one of those that the pattern stands for.
    pub fn fits(&self, name: &str) -> bool {
        matches(&self.tokens, &tokens(name).collect::<Vec<_>>())
    }
}

impl Token {
    fn is_wildcard(&self) -> bool {
        matches!(self, Token::One | Token::Any)
    }
}

/// Patterns with what each stands for. The most specific match wins.
#[derive(Clone, Debug)]
pub struct Patterns<V> {
    // Most specific first, so that the first match is the one.
    entries: Vec<(Vec<Token>, V)>,
}

impl<V> Default for Patterns<V> {
    fn default() -> Self {
        Patterns {
            entries: Vec::new(),
        }
    }
}

impl<V> Patterns<V> {
    /// Adds a pattern.
    ///
    /// # Errors
    /// One that stands already, perhaps written in another way.
    pub fn add(&mut self, pattern: Pattern, value: V) -> Result<(), PatternError> {
        match self.place(&pattern) {
            Ok(_) => Err(PatternError::Duplicate(pattern.text)),
            Err(at) => {
                self.entries.insert(at, (pattern.tokens, value));
                Ok(())
            }
        }
    }

    /// Removes a pattern; false where there is none.
    pub fn remove(&mut self, pattern: &Pattern) -> bool {
        self.place(pattern)
            .map(|at| drop(self.entries.remove(at)))
            .is_ok()
    }

    /// What the most specific pattern that fits a name stands for.
    pub fn find(&self, name: &str) -> Option<&V> {
        let name: Vec<&str> = tokens(name).collect();
        self.entries
            .iter()
            .find(|(tokens, _)| matches(tokens, &name))
            .map(|(_, value)| value)
    }

    fn place(&self, pattern: &Pattern) -> Result<usize, usize> {
        self.entries
            .binary_search_by(|(tokens, _)| tokens.cmp(&pattern.tokens))
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
    fn a_row_of_wildcards_has_one_meaning_however_it_is_written() {
        let mut patterns = Patterns::default();
        patterns.add(Pattern::parse("#.0.0").unwrap(), 1).unwrap();
        let again = Pattern::parse("#.#.0.0").unwrap();
        assert!(matches!(
            patterns.add(again, 2),
            Err(PatternError::Duplicate(text)) if text == "#.#.0.0"
        ));
        patterns.add(Pattern::parse("*/#/x").unwrap(), 3).unwrap();
        assert!(patterns.add(Pattern::parse("#/*/x").unwrap(), 4).is_err());
        assert!(patterns.remove(&Pattern::parse("#/#/0/0").unwrap()));
        assert_eq!(patterns.find("a.0.0"), None);
        assert_eq!(patterns.find("a.b.x"), Some(&3));
        assert_eq!(patterns.find("x"), None);
    }

    #[test]
    fn what_stands_for_a_place_is_no_wildcard() {
        let own = |user: &str| Pattern::with_literal("queue.${user}.#", "${user}", user).unwrap();
        assert!(own("ann").fits("queue.ann") && own("ann").fits("queue/ann/1/2"));
        assert!(!own("ann").fits("queue.bob"));
        assert!(!own("*").fits("queue.ann") && own("*").fits("queue.*"));
        assert!(own("ann.lee").fits("queue.ann.lee.x"));
        assert!(Pattern::with_literal("${user}", "${user}", "").is_err());
    }
}
