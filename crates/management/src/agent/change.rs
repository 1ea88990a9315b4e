//! UPDATE and DELETE.

use super::{Failure, Store};
use crate::field::scalar;
use crate::protocol::{Reply, Request, Status};
use crate::schema::{self, entity_type};
use crate::{Attributes, Kind, Value};

pub(super) fn update(
    request: &Request,
    kind: Kind,
    current: Attributes,
    store: &mut dyn Store,
) -> Result<Reply, Failure> {
    let mut changes = request
        .body_map()
        .ok_or_else(|| Failure::BadRequest("Body of request must be a map".to_owned()))?;
    if let Some(name) = changes.get("type").and_then(scalar)
        && Kind::named(&name) == Some(kind)
    {
        changes.insert("type".to_owned(), kind.full().into());
    }
    let mut wanted = current.clone();
    for (name, value) in &changes {
        wanted.insert(name.clone(), value.clone());
    }
    let wanted = schema::validate(kind, &wanted)?;
    for name in changes.keys() {
        // It is no error to give an attribute that may not change, if it does not.
        let changeable = entity_type(kind)
            .attribute(name)
            .is_some_and(|attribute| attribute.update);
        let same = wanted.get(name).filter(|value| !value.is_null())
            == current.get(name).filter(|value| !value.is_null());
        if !changeable && !same {
            let text = format!("Cannot update attribute '{name}' in UPDATE");
            return Err(if kind.is_a(Kind::OperationalEntity) {
                Failure::Forbidden(text)
            } else {
                Failure::BadRequest(text)
            });
        }
    }
    super::check(kind, &wanted, store)?;
    let updated = store.update(kind, &current, wanted)?;
    Ok(Reply::new(Status::OK, super::find::complete(kind, updated)))
}

pub(super) fn delete(
    kind: Kind,
    current: &Attributes,
    store: &mut dyn Store,
) -> Result<Reply, Failure> {
    store.delete(kind, current)?;
    Ok(Reply::new(
        Status::NO_CONTENT,
        Value::Object(Attributes::new()),
    ))
}
