//! QUERY.

use std::ops::ControlFlow;

use super::find::complete;
use super::{Failure, Store, kind_named, own_entity};
use crate::field::{bounded, scalar};
use crate::protocol::{QueryResult, Reply, Request, Status};
use crate::schema::entity_type;
use crate::{Attributes, Kind, Value};

/// Columns that upstream's tools ask for although they are gone; answered with null.
const GONE: [(Kind, &str); 1] = [(Kind::Link, "adminStatus")];

pub(super) fn query(request: &Request, store: &dyn Store) -> Result<Reply, Failure> {
    let asked = request.entity_type.as_ref().or_else(|| {
        let agent =
            |name: &String| Kind::named(name).is_some_and(|kind| Kind::Management.is_a(kind));
        request.kind.as_ref().filter(|name| !agent(name))
    });
    let asked = asked.map(|name| kind_named(name)).transpose()?;
    let names = columns(request, asked)?;
    let mut page = Page {
        names: &names,
        skip: request
            .offset
            .and_then(|offset| usize::try_from(offset).ok())
            .unwrap_or(0),
        most: request
            .count
            .and_then(|count| usize::try_from(count).ok())
            .unwrap_or(usize::MAX),
        rows: Vec::new(),
    };
    for kind in asked.unwrap_or(Kind::Entity).concrete() {
        if page.is_full() {
            break;
        }
        if kind == Kind::Management {
            let _ = page.take(kind, own_entity());
        } else {
            store.visit(kind, &mut |entity| page.take(kind, entity));
        }
    }
    let results = page.rows;
    Ok(Reply::new(
        Status::OK,
        QueryResult {
            attribute_names: names,
            results,
        }
        .to_value(),
    ))
}

/// Columns that one question may name: more than there are attributes of all types.
const MOST_COLUMNS: usize = 512;

/// The columns asked for; nothing, null, an empty list and an empty array all ask for every column.
fn columns(request: &Request, kind: Option<Kind>) -> Result<Vec<String>, Failure> {
    let all = || -> Vec<String> {
        let kinds = kind.map_or(Kind::ALL, |_| &[]).iter().copied().chain(kind);
        let mut names = Vec::new();
        for attribute in kinds.flat_map(|kind| &entity_type(kind).attributes) {
            if !names.iter().any(|name| name == attribute.name) {
                names.push(attribute.name.to_owned());
            }
        }
        names
    };
    let names: Vec<String> = match request.body.get("attributeNames") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(names)) => names
            .iter()
            .map(|name| scalar(name).unwrap_or_default())
            .collect(),
        Some(other) => {
            let found = bounded(&other.to_string());
            return Err(Failure::BadRequest(format!(
                "'attributeNames' must be a list of strings, found {found}"
            )));
        }
    };
    if names.is_empty() {
        return Ok(all());
    }
    if names.len() > MOST_COLUMNS {
        return Err(Failure::BadRequest(format!(
            "'attributeNames' must have at most {MOST_COLUMNS} names, found {}: name each column once",
            names.len()
        )));
    }
    let known = all();
    let is_known = |name: &String| {
        known.contains(name)
            || GONE
                .iter()
                .any(|(of, gone)| kind == Some(*of) && gone == name)
    };
    let unknown: Vec<String> = names
        .iter()
        .filter(|name| !is_known(name))
        .map(|name| format!("'{}'", bounded(name)))
        .collect();
    if unknown.is_empty() {
        return Ok(names);
    }
    let of_type = kind.map_or(String::new(), |kind| format!(" for type {}", kind.full()));
    Err(Failure::NotFound(format!(
        "Unknown attributes [{}]{of_type}.",
        unknown.join(", ")
    )))
}

struct Page<'a> {
    names: &'a [String],
    skip: usize,
    most: usize,
    rows: Vec<Vec<Value>>,
}

impl Page<'_> {
    fn is_full(&self) -> bool {
        self.rows.len() >= self.most
    }

    /// Takes an entity's row, unless it has nothing in any of the columns.
    fn take(&mut self, kind: Kind, entity: Attributes) -> ControlFlow<()> {
        if self.is_full() {
            return ControlFlow::Break(());
        }
        let entity = complete(kind, entity);
        let value = |name: &String| entity.get(name).cloned().unwrap_or_default();
        let row: Vec<Value> = self.names.iter().map(value).collect();
        if row.iter().all(Value::is_null) {
            return ControlFlow::Continue(());
        }
        if self.skip > 0 {
            self.skip -= 1;
        } else {
            self.rows.push(row);
        }
        if self.is_full() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}
