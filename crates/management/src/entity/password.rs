//! Where a password is found (reference §3.6).

/// What a password attribute says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordSource {
    /// In an environment variable.
    Environment(String),
    /// On the first line of a file.
    File(String),
    /// In the attribute itself, which is unsafe: whoever reads the configuration reads it.
    Literal(String),
}

impl PasswordSource {
    /// Reads `env:NAME`, `file:path`, `pass:text`, `literal:text` or a bare text.
    pub fn parse(value: &str) -> Self {
        let Some((prefix, rest)) = value.split_once(':') else {
            return PasswordSource::Literal(value.to_owned());
        };
        match prefix {
            "env" => PasswordSource::Environment(rest.trim_start().to_owned()),
            "file" => PasswordSource::File(rest.to_owned()),
            "pass" | "literal" => PasswordSource::Literal(rest.to_owned()),
            _ => PasswordSource::Literal(value.to_owned()),
        }
    }

    /// The same of a connector's `saslPassword`, for which upstream's router does not know `literal:`: it is a part of the
    /// password there.
    pub fn parse_sasl(value: &str) -> Self {
        match value.starts_with("literal:") {
            true => PasswordSource::Literal(value.to_owned()),
            false => Self::parse(value),
        }
    }
}
