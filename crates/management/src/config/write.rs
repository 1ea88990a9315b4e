//! From a configuration to its document.

use super::RouterConfig;
use crate::document::pretty;
use crate::field::Record;
use crate::{Attributes, Kind, Value};

impl RouterConfig {
    /// The sections, in the order in which upstream's controller writes them.
    pub fn sections(&self) -> Vec<(Kind, Attributes)> {
        fn all<'a, T: Record + 'a>(
            records: impl IntoIterator<Item = &'a T>,
        ) -> impl Iterator<Item = (Kind, Attributes)> {
            records
                .into_iter()
                .map(|record| (T::KIND, record.attributes()))
        }
        all([&self.router])
            .chain(all(self.ssl_profiles.values()))
            .chain(all(self.proxy_profiles.values()))
            .chain(all(self.connectors.values()))
            .chain(all(self.listeners.values()))
            .chain(all(self.addresses.values()))
            .chain(all(self.tcp_connectors.values()))
            .chain(all(self.tcp_listeners.values()))
            .chain(all(self.listener_addresses.values()))
            .chain(all(self.logs.values()))
            .chain(all(&self.site))
            .collect()
    }

    /// The document: JSON indented by four spaces, equal configurations giving equal text.
    pub fn to_json(&self) -> String {
        let sections = self.sections().into_iter().map(|(kind, attributes)| {
            Value::Array(vec![
                Value::from(kind.section_name()),
                Value::Object(attributes),
            ])
        });
        pretty(&Value::Array(sections.collect()))
    }
}
