//! What the agent tells about itself, its schema, its network and its log.

use std::ops::ControlFlow;

use super::{Failure, Store, kind_named};
use crate::document::{Indent, json_text};
use crate::field::{bounded, scalar, whole};
use crate::protocol::{Reply, Request, Status, address_of_router};
use crate::schema::{self, entity_type};
use crate::{Attributes, Kind, Value};

pub(super) fn answer(
    operation: &str,
    request: &Request,
    store: &dyn Store,
) -> Result<Reply, Failure> {
    let kind = request.entity_type.as_deref().map(kind_named).transpose()?;
    let exactly = |tell: fn(Kind) -> Value| -> Value {
        let kinds = Kind::ALL
            .iter()
            .filter(|each| kind.is_none_or(|kind| kind == **each));
        Value::Object(kinds.map(|kind| (kind.full(), tell(*kind))).collect())
    };
    let body = match operation {
        "GET-TYPES" => types(kind),
        "GET-ATTRIBUTES" => exactly(|kind| {
            entity_type(kind)
                .attributes
                .iter()
                .map(|attribute| attribute.name)
                .collect()
        }),
        "GET-OPERATIONS" => exactly(|kind| entity_type(kind).operations.clone().into()),
        "GET-ANNOTATIONS" => Value::Object(Attributes::new()),
        "GET-MGMT-NODES" => management_nodes(store),
        "GET-SCHEMA" => schema::describe(),
        "GET-JSON-SCHEMA" => json_schema(request)?,
        "GET-LOG" => log(request, store)?,
        _ => return Err(super::not_implemented(operation, Kind::Management)),
    };
    Ok(Reply::new(Status::OK, body))
}

fn types(asked: Option<Kind>) -> Value {
    let kinds = Kind::ALL
        .iter()
        .filter(|kind| asked.is_none_or(|asked| kind.is_a(asked)));
    let bases = |kind: &Kind| -> Value { kind.bases().iter().map(|base| base.full()).collect() };
    Value::Object(kinds.map(|kind| (kind.full(), bases(kind))).collect())
}

fn management_nodes(store: &dyn Store) -> Value {
    let mut addresses = Vec::new();
    store.visit(Kind::Node, &mut |node| {
        let id = node.get("id").and_then(scalar);
        addresses.extend(id.map(|id| Value::from(format!("amqp:/{}", address_of_router(&id)))));
        ControlFlow::Continue(())
    });
    Value::Array(addresses)
}

fn json_schema(request: &Request) -> Result<Value, Failure> {
    let indent = match number(request, "indent")? {
        Some(spaces @ 0..=64) => Indent::Spaces(spaces as usize),
        Some(_) | None => Indent::None,
    };
    Ok(json_text(&schema::describe(), indent).into())
}

fn log(request: &Request, store: &dyn Store) -> Result<Value, Failure> {
    let limit = number(request, "limit")?.and_then(|limit| usize::try_from(limit).ok());
    let lines = store.log(limit.filter(|limit| *limit > 0));
    Ok(lines.iter().map(super::LogLine::to_value).collect())
}

/// A property that is a whole number, if there is one. What cannot be read as such is refused as upstream's agent refuses it.
fn number(request: &Request, property: &str) -> Result<Option<i64>, Failure> {
    match request.properties.get(property) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(i64::from(*flag))),
        Some(value) => {
            let number = whole(value).or_else(|| Some(value.as_f64()? as i64));
            let found = match value {
                Value::String(text) => format!("'{}'", bounded(text)),
                other => bounded(&other.to_string()),
            };
            let refusal = || {
                Failure::Internal(format!(
                    "ValueError: invalid literal for int() with base 10: {found} ('{property}' is a whole number)"
                ))
            };
            number.map(Some).ok_or_else(refusal)
        }
    }
}
