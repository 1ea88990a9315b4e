//! A store for tests.

use std::ops::ControlFlow;

use serde_json::json;

use super::super::{Failure, LogLine, Store};
use crate::config::Mode;
use crate::field::scalar;
use crate::{Attributes, Kind, Value};

/// A store of rows, with upstream's rule that a tcpListener outlives its addresses.
#[derive(Default)]
pub(crate) struct Rows {
    pub(super) rows: Vec<(Kind, Attributes)>,
    numbers: u64,
    pub(crate) updates: usize,
}

impl Rows {
    pub(crate) fn with(rows: &[(Kind, Value)]) -> Self {
        let mut store = Rows::default();
        for (kind, row) in rows {
            store.rows.push((*kind, row.as_object().unwrap().clone()));
        }
        store
    }

    pub(crate) fn of(&self, kind: Kind) -> impl Iterator<Item = &Attributes> {
        self.rows
            .iter()
            .filter(move |(of, _)| *of == kind)
            .map(|(_, row)| row)
    }

    fn named(&self, kind: Kind, attribute: &str, value: &Value) -> bool {
        self.of(kind).any(|row| row.get(attribute) == Some(value))
    }

    fn place(&self, kind: Kind, current: &Attributes) -> usize {
        self.rows
            .iter()
            .position(|(of, row)| *of == kind && row["identity"] == current["identity"])
            .unwrap()
    }
}

impl Store for Rows {
    fn mode(&self) -> Mode {
        Mode::Interior
    }

    fn visit(&self, kind: Kind, visit: &mut dyn FnMut(Attributes) -> ControlFlow<()>) {
        let _ = self.of(kind).try_for_each(|row| visit(row.clone()));
    }

    fn next_number(&mut self, _: Kind) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn create(&mut self, kind: Kind, attributes: Attributes) -> Result<Attributes, Failure> {
        for (attribute, referred) in [
            ("sslProfile", Kind::SslProfile),
            ("listener", Kind::TcpListener),
        ] {
            if let Some(name) = attributes.get(attribute).filter(|name| **name != json!(""))
                && !self.named(referred, "name", name)
            {
                return Err(Failure::BadRequest(format!(
                    "{referred} '{}' not found",
                    scalar(name).unwrap()
                )));
            }
        }
        self.rows.push((kind, attributes.clone()));
        Ok(attributes)
    }

    fn update(
        &mut self,
        kind: Kind,
        current: &Attributes,
        wanted: Attributes,
    ) -> Result<Attributes, Failure> {
        self.updates += 1;
        let place = self.place(kind, current);
        self.rows[place].1 = wanted.clone();
        Ok(wanted)
    }

    fn delete(&mut self, kind: Kind, current: &Attributes) -> Result<(), Failure> {
        if kind == Kind::TcpListener
            && self.named(Kind::ListenerAddress, "listener", &current["name"])
        {
            let name = scalar(&current["name"]).unwrap();
            return Err(Failure::Internal(format!(
                "CError: Value: listenerAddress entities exist for  multi-address listener {name}"
            )));
        }
        let place = self.place(kind, current);
        self.rows.remove(place);
        Ok(())
    }

    fn log(&self, limit: Option<usize>) -> Vec<LogLine> {
        let line = |second: i64| LogLine {
            module: "AGENT".to_owned(),
            level: "info".to_owned(),
            text: format!("entry {second}"),
            source: None,
            seconds: second,
        };
        let lines: Vec<LogLine> = (0..5).map(line).collect();
        lines[lines.len() - limit.unwrap_or(lines.len()).min(lines.len())..].to_vec()
    }
}
