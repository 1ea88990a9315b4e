//! Where else a peer says it can be reached, and which of the places a connector tries (management reference §8.8).

use std::collections::HashMap;

use skupper_amqp::{Map, Value};
use skupper_management::entity::{DEFAULT_PORT, FailoverItem};

/// The property of an AMQP open that names alternatives.
pub(crate) const PROPERTY: &str = "failover-server-list";
/// Alternatives of a peer that are kept.
const MOST: usize = 32;
/// Octets of a host's name (RFC 1035), and more than any other part has.
const LONGEST: usize = 255;
/// Failures at one place before the next one is tried.
const TRIES: u32 = 2;

/// The property that tells peers of alternatives; none are told with none.
pub(super) fn property(items: &[FailoverItem]) -> Option<Value> {
    if items.is_empty() {
        return None;
    }
    let map = |item: &FailoverItem| {
        let mut map = Map::new();
        if let Some(scheme) = &item.scheme {
            map = map.with_symbol("scheme", scheme.as_str());
        }
        let map = map.with_symbol("network-host", item.host.as_str());
        Value::Map(map.with_symbol("port", item.port.as_str()))
    };
    Some(Value::List(items.iter().map(map).collect()))
}

/// The alternatives that a peer names; `None` if it says nothing of them, which leaves those that are known.
pub(super) fn read(properties: &Map) -> Option<Vec<FailoverItem>> {
    let text = |map: &Map, key: &str| {
        let text = map.get(key)?.as_str()?;
        (!text.is_empty() && text.len() <= LONGEST && !text.contains(char::is_control))
            .then(|| text.to_owned())
    };
    let item = |value: &Value| {
        let map = value.as_map()?;
        Some(FailoverItem {
            scheme: text(map, "scheme"),
            host: text(map, "network-host")?,
            port: text(map, "port").unwrap_or_else(|| DEFAULT_PORT.to_owned()),
        })
    };
    let items = properties.get(PROPERTY)?.as_list()?;
    // What names no host is no place to go to.
    Some(items.iter().filter_map(item).take(MOST).collect())
}

/// The places at which a connector may find its peer. There is always one: the configured one.
#[derive(Debug)]
pub(super) struct Places {
    /// The configured one first.
    places: Vec<FailoverItem>,
    /// The one in use.
    at: usize,
    /// Failures there in a row.
    failures: u32,
    /// What was wrong last at each place since one was open, of the first connection and of those for data: where they take
    /// turns, no failure is news because of another's.
    told: HashMap<(bool, String), String>,
}

impl Places {
    pub(super) fn new(host: &str, port: &str) -> Self {
        let configured = FailoverItem {
            scheme: None,
            host: host.to_owned(),
            port: port.to_owned(),
        };
        Places {
            places: vec![configured],
            at: 0,
            failures: 0,
            told: HashMap::new(),
        }
    }

    /// The place in use.
    pub(super) fn current(&self) -> FailoverItem {
        self.places[self.at].clone()
    }

    /// An attempt at the place in use has failed.
    pub(super) fn failed(&mut self) {
        self.failures += 1;
        if self.failures >= TRIES {
            self.failures = 0;
            self.at = (self.at + 1) % self.places.len();
        }
    }

    /// Whether a failure at a place (`host:port`) is another than the last one there, of a connection for `data` or of the first.
    pub(super) fn is_news(&mut self, data: bool, place: &str, failure: &str) -> bool {
        let before = self
            .told
            .insert((data, place.to_owned()), failure.to_owned());
        before.as_deref() != Some(failure)
    }

    /// The connection to the place in use is open, and its peer names alternatives, or says nothing of them.
    pub(super) fn opened(&mut self, named: Option<Vec<FailoverItem>>) {
        self.failures = 0;
        self.told.clear();
        let Some(named) = named else { return };
        let in_use = self.current();
        self.places.truncate(1);
        if self.at > 0 {
            self.places.push(in_use);
            self.at = 1;
        }
        for item in named {
            let known =
                |place: &FailoverItem| (&place.host, &place.port) == (&item.host, &item.port);
            if !self.places.iter().any(known) {
                self.places.push(item);
            }
        }
    }

    /// All places in the order in which they are tried, as management shows them.
    pub(super) fn shown(&self) -> String {
        let (before, from) = self.places.split_at(self.at);
        let places: Vec<String> = from.iter().chain(before).map(ToString::to_string).collect();
        places.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &str) -> Vec<FailoverItem> {
        FailoverItem::parse_list(text).unwrap()
    }

    #[test]
    fn what_is_told_is_read() {
        let named = items("amqps://third:5671,second:25000");
        let property = property(&named).unwrap();
        let properties = Map::new().with_symbol(PROPERTY, property);
        assert_eq!(read(&properties), Some(named));
        assert_eq!(read(&Map::new()), None);
        assert!(super::property(&[]).is_none());
    }

    #[test]
    fn a_peer_cannot_name_what_is_no_place() {
        let nameless = Map::new().with_symbol("port", "1");
        let long = Map::new().with_symbol("network-host", "x".repeat(300));
        let list = [Value::Map(nameless), Value::Map(long), Value::Null];
        let properties = Map::new().with_symbol(PROPERTY, Value::List(list.to_vec()));
        assert_eq!(read(&properties), Some(Vec::new()));
        let host = |n: usize| Value::Map(Map::new().with_symbol("network-host", format!("h{n}")));
        let many = Value::List((0..1000).map(host).collect());
        let properties = Map::new().with_symbol(PROPERTY, many);
        assert_eq!(read(&properties).map(|items| items.len()), Some(MOST));
    }

    #[test]
    fn places_are_tried_twice_each_and_follow_what_peers_say() {
        let mut places = Places::new("b", "1");
        places.failed();
        places.failed();
        assert_eq!(places.shown(), "amqp://b:1");
        places.opened(Some(items("third:5671,c:2")));
        assert_eq!(places.shown(), "amqp://b:1, amqp://third:5671, amqp://c:2");
        for _ in 0..4 {
            places.failed();
        }
        places.opened(None);
        assert_eq!(places.shown(), "amqp://c:2, amqp://b:1, amqp://third:5671");
        places.failed();
        assert_eq!(places.current().host, "c");
        places.failed();
        places.opened(Some(items("third:5671,c:2,mine:3")));
        assert_eq!(
            places.shown(),
            "amqp://b:1, amqp://third:5671, amqp://c:2, amqp://mine:3"
        );
        for _ in 0..6 {
            places.failed();
        }
        places.opened(Some(Vec::new()));
        assert_eq!(places.shown(), "amqp://mine:3, amqp://b:1");
    }

    #[test]
    fn failures_at_places_in_turn_are_news_once_until_one_is_open() {
        let mut places = Places::new("b", "1");
        for round in 0..3 {
            assert_eq!(places.is_news(false, "b:1", "nobody is there"), round == 0);
            assert_eq!(
                places.is_news(false, "c:2", "nobody is there either"),
                round == 0
            );
        }
        assert!(places.is_news(false, "b:1", "another certificate is needed"));
        assert!(places.is_news(false, "b:1", "nobody is there"));
        places.opened(None);
        assert!(places.is_news(true, "b:1", "nobody is there"));
        assert!(places.is_news(false, "b:1", "nobody is there"));
    }
}
