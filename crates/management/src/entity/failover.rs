//! Where else a router can be reached.

use std::fmt;

/// The port where none is said.
pub const DEFAULT_PORT: &str = "5672";

/// One alternative, as `failoverUrls` names it: `[(amqp|amqps|ws|wss)://]host[:port]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailoverItem {
    /// The scheme, if one is named.
    pub scheme: Option<String>,
    /// The host: a name or an address, of IPv6 without brackets.
    pub host: String,
    /// The port: a number or a service's name.
    pub port: String,
}

impl FailoverItem {
    /// Reads the alternatives that are separated by commas.
    ///
    /// # Errors
    /// A sentence about the first that names no host.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, &'static str> {
        let items = text.split(',').map(str::trim);
        items
            .filter(|item| !item.is_empty())
            .map(Self::parse)
            .collect()
    }

    fn parse(item: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = match item.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_owned()), rest),
            None => (None, item),
        };
        let in_brackets = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (host, port) = match in_brackets {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        if host.is_empty() {
            return Err("No network host in failover item");
        }
        Ok(FailoverItem {
            scheme,
            host: host.to_owned(),
            port: port
                .filter(|port| !port.is_empty())
                .unwrap_or(DEFAULT_PORT)
                .to_owned(),
        })
    }
}

impl fmt::Display for FailoverItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.scheme.as_deref().unwrap_or("amqp");
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_are_read_and_written() {
        let items =
            FailoverItem::parse_list("one:25000, amqps://two:5671,three,ws://[::1]:80,").unwrap();
        let written: Vec<String> = items.iter().map(ToString::to_string).collect();
        assert_eq!(
            written,
            [
                "amqp://one:25000",
                "amqps://two:5671",
                "amqp://three:5672",
                "ws://[::1]:80"
            ]
        );
        assert_eq!(items[0].scheme, None);
        assert_eq!(FailoverItem::parse_list(""), Ok(Vec::new()));
        for wrong in [":5672", "amqp://", "one,amqp://:1", "[]:1"] {
            assert!(FailoverItem::parse_list(wrong).is_err(), "{wrong}");
        }
    }
}
