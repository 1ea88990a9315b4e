//! `skupper listener`: decisions (cli.md §5).

use serde_json::{Map, Value, json};
use skupper_api::{Listener, ListenerSpec};

use crate::arguments::listener::{Create, Generate, Shape, Update};
use crate::failure::Failure;
use crate::service::{Known, Word, typed};
use crate::site::{name_of, summary};
use crate::table::{row, table};
use crate::validate::{self, Problems};

pub(crate) mod run;

const WORD: Word = Word("listener");

/// The Listener that `create` makes.
pub(crate) fn create(command: &Create, known: &Known<'_>) -> Result<Listener, Failure> {
    let mut problems = Problems::default();
    let (name, port) = WORD.name_and_port(&command.arguments, &mut problems);
    WORD.is_new(&name, known, &mut problems);
    flags(&command.shape, Some(known), &mut problems);
    problems.check("timeout is not valid", validate::timeout(command.timeout));
    problems.check(
        "status is not valid",
        validate::option(&command.wait, &validate::WAITS),
    );
    problems.or(())?;
    Ok(listener(&name, port, &command.shape))
}

/// The Listener that `generate` prints.
pub(crate) fn generate(command: &Generate) -> Result<Listener, Failure> {
    let mut problems = Problems::default();
    let (name, port) = WORD.name_and_port(&command.arguments, &mut problems);
    flags(&command.shape, None, &mut problems);
    problems.check(
        "output type is not valid",
        validate::option(&command.output, &validate::OUTPUTS),
    );
    problems.or(())?;
    Ok(listener(&name, port, &command.shape))
}

fn flags(shape: &Shape, known: Option<&Known<'_>>, problems: &mut Problems) {
    WORD.flags(
        shape.routing_key.as_deref(),
        shape.kind.as_deref(),
        known,
        shape.tls_credentials.as_deref(),
        problems,
    );
}

fn listener(name: &str, port: i64, shape: &Shape) -> Listener {
    let spec = ListenerSpec {
        routing_key: typed(shape.routing_key.as_ref()).unwrap_or(name).to_owned(),
        host: typed(shape.host.as_ref()).unwrap_or(name).to_owned(),
        port,
        tls_credentials: shape.tls_credentials.clone().unwrap_or_default(),
        type_: shape.kind.clone().unwrap_or_else(|| "tcp".to_owned()),
        ..ListenerSpec::default()
    };
    Listener::new(name, spec)
}

/// What `update` changes: only what was typed, unlike upstream, which loses the routing key.
pub(crate) fn update(command: &Update, known: &Known<'_>) -> Result<(String, Value), Failure> {
    let mut problems = Problems::default();
    let name = WORD.name(&command.names, "configured", &mut problems);
    WORD.exists(&name, known, "updated", &mut problems);
    flags(&command.shape, Some(known), &mut problems);
    let port = command.port.filter(|port| *port != 0);
    if let Some(port) = port {
        problems.check("listener port is not valid", validate::port(port));
    }
    problems.check("timeout is not valid", validate::timeout(command.timeout));
    problems.check(
        "status is not valid",
        validate::option(&command.wait, &validate::WAITS),
    );
    problems.or(())?;
    let mut spec = Map::new();
    let shape = &command.shape;
    let texts = [
        ("routingKey", typed(shape.routing_key.as_ref())),
        ("host", typed(shape.host.as_ref())),
        ("type", typed(shape.kind.as_ref())),
        // Typed as empty, it takes the credential away.
        ("tlsCredentials", shape.tls_credentials.as_deref()),
    ];
    for (field, text) in texts {
        if let Some(text) = text {
            spec.insert(field.to_owned(), json!(text));
        }
    }
    if let Some(port) = port {
        spec.insert("port".to_owned(), json!(port));
    }
    Ok((name, json!({ "spec": spec })))
}

/// The table of `status`.
pub(crate) fn list(listeners: &[Listener]) -> String {
    if listeners.is_empty() {
        return "No listeners found\n".to_owned();
    }
    let mut rows = vec![row([
        "NAME",
        "STATUS",
        "ROUTING-KEY",
        "HOST",
        "PORT",
        "MATCHING-CONNECTOR",
        "MESSAGE",
    ])];
    rows.extend(listeners.iter().map(|listener| {
        let (status, message) = summary(listener);
        let (spec, port) = (&listener.spec, listener.spec.port.to_string());
        let matching = matching(listener).to_string();
        row([
            name_of(listener),
            status,
            &spec.routing_key,
            &spec.host,
            &port,
            &matching,
            message,
        ])
    }));
    table(8, &rows)
}

/// One Listener in `status <name>`.
pub(crate) fn details(listener: &Listener) -> String {
    let (status, message) = summary(listener);
    let rows = [
        row(["Name:", name_of(listener)]),
        row(["Status:", status]),
        row(["Routing key:", &listener.spec.routing_key]),
        row(["Host:", &listener.spec.host]),
        row(["Port:", &listener.spec.port.to_string()]),
        row(["Has Matching Connector:", &matching(listener).to_string()]),
        row(["Message:", message]),
    ];
    table(8, &rows) + "\n"
}

fn matching(listener: &Listener) -> bool {
    let status = listener.status.as_ref();
    status.is_some_and(|status| status.has_matching_connector)
}

#[cfg(test)]
mod tests;
