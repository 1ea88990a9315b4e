//! CREATE, and the making of entities of a configuration document.

use super::{Failure, Store, kind_named, not_implemented};
use crate::field::{bounded, scalar};
use crate::protocol::{Reply, Request, Status};
use crate::schema::{self, Invalid, entity_type};
use crate::{Attributes, Kind, Value};

pub(super) fn answer(request: &Request, store: &mut dyn Store) -> Result<Reply, Failure> {
    let mut given = request
        .body_map()
        .ok_or_else(|| Failure::BadRequest("Body of request must be a map".to_owned()))?;
    let in_body = given.shift_remove("type").as_ref().and_then(scalar);
    let Some(type_name) = request.kind.clone().or_else(|| in_body.clone()) else {
        return Err(Failure::BadRequest(format!(
            "No 'type' attribute in {}",
            bounded(&request.body.to_string())
        )));
    };
    let kind = kind_named(&type_name)?;
    if in_body.is_some_and(|other| Kind::named(&other) != Some(kind)) {
        return Err(Failure::BadRequest(
            "Conflicting values for 'type'".to_owned(),
        ));
    }
    if let Some(name) = &request.name {
        if given
            .get("name")
            .and_then(scalar)
            .is_some_and(|other| other != *name)
        {
            return Err(Failure::BadRequest(
                "Conflicting values for 'name'".to_owned(),
            ));
        }
        given.insert("name".to_owned(), Value::from(name.as_str()));
    }
    let entity = entity_type(kind);
    if !entity.allows("CREATE") {
        return Err(not_implemented("CREATE", kind));
    }
    if given
        .get("identity")
        .is_some_and(|identity| !identity.is_null())
    {
        return Err(Failure::BadRequest(
            "'identity' attribute cannot be specified".to_owned(),
        ));
    }
    given.retain(|name, value| name != "identity" || !value.is_null());
    let settable = |name: &str| {
        entity
            .attribute(name)
            .is_none_or(|attribute| attribute.create)
    };
    if let Some(name) = given.keys().find(|name| !settable(name)) {
        return Err(Failure::BadRequest(format!(
            "Cannot set attribute '{name}' in CREATE"
        )));
    }
    let validated =
        schema::validate(kind, &given).map_err(|invalid| refused(kind, &given, invalid))?;
    let attributes = create(kind, validated, store)?;
    Ok(Reply::new(Status::CREATED, attributes))
}

/// What is wrong with given attributes, in upstream's words: its core, which has its own, answers for `autoLink`.
fn refused(kind: Kind, given: &Attributes, invalid: Invalid) -> Failure {
    if kind != Kind::AutoLink || !invalid.is_of(&["direction"]) {
        return invalid.into();
    }
    Failure::BadRequest(match given.get("direction").and_then(scalar) {
        None => "direction field is mandatory: expected in or out".to_owned(),
        Some(found) => format!(
            "Invalid value for 'direction': expected in or out, found '{}'",
            bounded(&found)
        ),
    })
}

/// Makes an entity of validated attributes: gives it its identity and name, checks what must hold between it and the
/// rest, and has the store make it. A router makes the entities of its configuration document by this too.
///
/// # Errors
/// Why it was not made.
pub fn create(
    kind: Kind,
    mut attributes: Attributes,
    store: &mut dyn Store,
) -> Result<Attributes, Failure> {
    super::check(kind, &attributes, store)?;
    let number = store.next_number(kind);
    let identity = schema::identity(kind, &attributes, number);
    let name = match attributes.get("name").and_then(scalar) {
        Some(name) if !name.is_empty() => name,
        _ => identity.clone(),
    };
    for (attribute, value) in [("name", &name), ("identity", &identity)] {
        if !store.find(kind, attribute, value).is_empty() {
            let core = matches!(kind, Kind::ConfigAddress | Kind::AutoLink);
            // Upstream's core answers for these types.
            let words = if core {
                "Name conflicts with an existing entity: "
            } else {
                ""
            };
            return Err(Failure::BadRequest(format!(
                "{words}adding {kind} '{}' duplicates unique attribute '{attribute}' from existing {kind} {attribute}={}",
                bounded(&name),
                bounded(value)
            )));
        }
    }
    attributes.insert("name".to_owned(), name.into());
    attributes.insert("identity".to_owned(), identity.into());
    store
        .create(kind, attributes)
        .map(|made| super::find::complete(kind, made))
}
