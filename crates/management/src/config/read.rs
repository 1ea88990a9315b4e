//! From a document to a configuration.

use std::collections::BTreeMap;

use super::RouterConfig;
use crate::Kind;
use crate::document::{self, Document, DocumentError, DocumentErrors, Section};
use crate::field::Record;

impl RouterConfig {
    /// Reads the text of `skrouterd.json`. Sections and attributes that a site does not write are ignored, as upstream's
    /// controller ignores them.
    ///
    /// # Errors
    /// Every place where the text is not a configuration document or an attribute has a value that it cannot have.
    pub fn parse(text: &str) -> Result<Self, DocumentErrors> {
        Self::from_document(&document::parse_json(text)?)
    }

    /// Takes from a document what a site writes.
    ///
    /// # Errors
    /// Every attribute with a value that it cannot have.
    pub fn from_document(document: &Document) -> Result<Self, DocumentErrors> {
        let mut config = Self::default();
        let mut errors = Vec::new();
        for section in &document.sections {
            if let Err(error) = config.take(section) {
                errors.push(error);
            }
        }
        DocumentErrors::unless_empty(errors).map_or(Ok(config), Err)
    }

    fn take(&mut self, section: &Section) -> Result<(), DocumentError> {
        match section.kind() {
            Some(Kind::Router) => self.router = read(section)?,
            Some(Kind::SslProfile) => insert(&mut self.ssl_profiles, section, |profile| {
                profile.name.clone()
            })?,
            Some(Kind::ProxyProfile) => insert(&mut self.proxy_profiles, section, |profile| {
                profile.name.clone()
            })?,
            Some(Kind::Connector) => insert(&mut self.connectors, section, |connector| {
                connector.name.clone()
            })?,
            Some(Kind::Listener) => insert(&mut self.listeners, section, |listener| {
                listener.name.clone()
            })?,
            Some(Kind::ConfigAddress) => insert(&mut self.addresses, section, |address| {
                address.prefix.clone()
            })?,
            Some(Kind::TcpConnector) => insert(&mut self.tcp_connectors, section, |connector| {
                connector.name.clone()
            })?,
            Some(Kind::TcpListener) => insert(&mut self.tcp_listeners, section, |listener| {
                listener.name.clone()
            })?,
            Some(Kind::ListenerAddress) => {
                insert(&mut self.listener_addresses, section, |address| {
                    address.name.clone()
                })?;
            }
            Some(Kind::Log) => insert(&mut self.logs, section, |log| log.module.clone())?,
            Some(Kind::Site) => self.site = Some(read(section)?),
            _ => {}
        }
        Ok(())
    }
}

fn read<T: Record>(section: &Section) -> Result<T, DocumentError> {
    T::from_attributes(&section.attributes).map_err(|error| section.field_error(error))
}

fn insert<T: Record>(
    records: &mut BTreeMap<String, T>,
    section: &Section,
    name: impl Fn(&T) -> String,
) -> Result<(), DocumentError> {
    let record = read(section)?;
    records.insert(name(&record), record);
    Ok(())
}
