//! Which entity a request is about.

use super::{Failure, Store, kind_named, own_entity};
use crate::field::bounded;
use crate::protocol::Request;
use crate::{Attributes, Kind};

/// Finds the entity by the request's name, identity and type. Names are looked up within the type if one is given: here,
/// unlike upstream, a listener and a connector may share a name.
pub(super) fn find(request: &Request, store: &dyn Store) -> Result<(Kind, Attributes), Failure> {
    let wanted = request.kind.as_deref().map(kind_named).transpose()?;
    let keys: Vec<(&str, &str)> = [("name", &request.name), ("identity", &request.identity)]
        .into_iter()
        .filter_map(|(attribute, value)| Some((attribute, value.as_deref()?)))
        .collect();
    let Some(((attribute, value), others)) = keys.split_first() else {
        return match wanted {
            None => Ok((Kind::Management, own_entity())),
            Some(kind) if Kind::Management.is_a(kind) => Ok((Kind::Management, own_entity())),
            Some(kind) => Err(Failure::BadRequest(format!(
                "{}: No name or identity provided",
                kind.full()
            ))),
        };
    };

    let mut found = look_up(wanted.unwrap_or(Kind::Entity), attribute, value, store);
    if let Some((other, expected)) = others.first()
        && !found.is_empty()
    {
        found.retain(|(_, entity)| {
            entity.get(*other).and_then(crate::field::scalar).as_deref() == Some(expected)
        });
        if found.is_empty() {
            let (name, identity) = (bounded(value), bounded(expected));
            return Err(Failure::BadRequest(format!(
                "Conflicting name={name} identity={identity}"
            )));
        }
    }
    match found.len() {
        0 => Err(missing(request, wanted, (attribute, value), store)),
        1 => Ok(found.remove(0)),
        several => {
            let kinds: Vec<String> = found.iter().map(|(kind, _)| kind.to_string()).collect();
            Err(Failure::BadRequest(format!(
                "Duplicate ({several}) entities with {attribute}={} ({}): give the type, or the identity",
                bounded(value),
                kinds.join(", ")
            )))
        }
    }
}

fn look_up(base: Kind, attribute: &str, value: &str, store: &dyn Store) -> Vec<(Kind, Attributes)> {
    base.concrete()
        .flat_map(|kind| {
            let entities = match kind {
                Kind::Management if value == "self" => vec![own_entity()],
                Kind::Management => Vec::new(),
                _ => store.find(kind, attribute, value),
            };
            entities
                .into_iter()
                .map(move |entity| (kind, complete(kind, entity)))
        })
        .collect()
}

/// Adds what a store may leave out.
pub(super) fn complete(kind: Kind, mut entity: Attributes) -> Attributes {
    if !entity.contains_key("type") {
        entity.insert("type".to_owned(), kind.full().into());
    }
    if !entity.contains_key("name")
        && let Some(identity) = entity.get("identity").cloned()
    {
        entity.insert("name".to_owned(), identity);
    }
    entity
}

fn missing(
    request: &Request,
    wanted: Option<Kind>,
    (attribute, value): (&str, &str),
    store: &dyn Store,
) -> Failure {
    let named = format!("{attribute}={}", bounded(value));
    // The first words are upstream's, whose core answers for these types and knows no others.
    match wanted {
        Some(Kind::Connection) if request.operation.eq_ignore_ascii_case("UPDATE") => {
            return Failure::BadRequest(format!("Bad Request: no connection with {named}"));
        }
        Some(
            kind @ (Kind::ConfigAddress
            | Kind::AutoLink
            | Kind::Connection
            | Kind::Link
            | Kind::Address
            | Kind::RouterMetrics),
        ) => return Failure::NotFound(format!("Not Found: no {kind} with {named}")),
        _ => {}
    }
    let elsewhere = wanted.and_then(|kind| {
        let (other, _) = look_up(Kind::Entity, attribute, value, store)
            .into_iter()
            .next()?;
        Some(format!(
            "Entity type '{}' does not extend requested type '{}'",
            other.full(),
            kind.full()
        ))
    });
    match elsewhere {
        Some(text) => Failure::BadRequest(text),
        None => Failure::NotFound(format!("No entity with {named}")),
    }
}
