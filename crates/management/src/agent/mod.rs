//! What answers management requests: one implementation for all types (upstream has two, which differ).
//!
//! The agent knows the schema and the protocol; what there is and what happens is behind [`Store`], which the router
//! implements. [`handle`] is pure as far as its store is.

mod change;
mod create;
mod find;
mod node;
mod query;
mod store;

pub use create::create;
pub use store::{Failure, LogLine, Store};

use crate::field::bounded;
use crate::protocol::{Reply, Request, Status};
use crate::schema::{self, entity_type};
use crate::{Attributes, Kind, Value};
use find::find;

/// Answers a request. Whatever is wrong with it is in the reply.
pub fn handle(request: &Request, store: &mut dyn Store) -> Reply {
    answer(request, store)
        .unwrap_or_else(|failure| Reply::refusal(failure.status(), failure.to_string()))
}

fn answer(request: &Request, store: &mut dyn Store) -> Result<Reply, Failure> {
    let operation = request.operation.to_ascii_uppercase();
    if operation.is_empty() {
        return Err(Failure::BadRequest(format!(
            "No 'operation' property: {}",
            request.target()
        )));
    }
    if operation == "CREATE" {
        return create::answer(request, store);
    }
    if operation == "QUERY" && request.name.is_none() && request.identity.is_none() {
        // Some clients give the type of entities asked about as the one that is asked.
        return query::query(request, store);
    }
    let (kind, entity) = find(request, store)?;
    if !entity_type(kind).allows(&operation) {
        return Err(match operation.as_str() {
            "DELETE" if kind.is_a(Kind::OperationalEntity) => {
                Failure::Forbidden("Forbidden".to_owned())
            }
            "UPDATE" if kind == Kind::Link => Failure::Forbidden("Forbidden".to_owned()),
            _ => not_implemented(&operation, kind),
        });
    }
    match (operation.as_str(), kind) {
        ("READ", _) => Ok(Reply::new(Status::OK, entity)),
        ("UPDATE", _) => change::update(request, kind, entity, store),
        ("DELETE", _) => change::delete(kind, &entity, store),
        ("QUERY", _) => query::query(request, store),
        ("CALLME", Kind::Dummy) => Ok(Reply {
            exact: Some(request.asked.clone().into()),
            ..Reply::new(Status::OK, Attributes::new())
        }),
        (_, Kind::Management) => node::answer(&operation, request, store),
        _ => Err(not_implemented(&operation, kind)),
    }
}

fn not_implemented(operation: &str, kind: Kind) -> Failure {
    let operations: Vec<String> = entity_type(kind)
        .operations
        .iter()
        .map(|name| format!("'{name}'"))
        .collect();
    Failure::NotImplemented(format!(
        "Operation '{}' not implemented for '{}' [{}]",
        bounded(operation),
        kind.full(),
        operations.join(", ")
    ))
}

/// Attributes whose values upstream's answers call a configuration that cannot be.
const RANGES: [&str; 4] = ["cost", "maxFrameSize", "maxSessions", "maxSessionFrames"];

/// Checks validated attributes of an entity that is made or changed.
fn check(kind: Kind, attributes: &Attributes, store: &dyn Store) -> Result<(), Failure> {
    schema::check(kind, attributes, Some(store.mode())).map_err(|invalid| match kind {
        // As upstream's answers have it, whose policies are checked by an engine of their own.
        Kind::Vhost => Failure::Internal(format!("PolicyError: {}", invalid.message)),
        Kind::Listener | Kind::Connector if invalid.is_of(&RANGES) => {
            Failure::BadRequest(format!("Configuration: {}", invalid.message))
        }
        _ => invalid.into(),
    })
}

/// The type of a request's property.
fn kind_named(name: &str) -> Result<Kind, Failure> {
    Kind::named(name)
        .ok_or_else(|| Failure::BadRequest(format!("No such entity type '{}'", bounded(name))))
}

/// The agent's own entity.
fn own_entity() -> Attributes {
    let mut attributes = Attributes::new();
    for (name, value) in [("name", "self"), ("identity", "self")] {
        attributes.insert(name.to_owned(), Value::from(value));
    }
    attributes.insert("type".to_owned(), Kind::Management.full().into());
    attributes
}

#[cfg(test)]
pub(crate) mod tests;
