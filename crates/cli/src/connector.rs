//! `skupper connector`: decisions (cli.md §6).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use skupper_api::{Connector, ConnectorSpec};

use crate::arguments::connector::{Create, Generate, Shape, Update};
use crate::failure::Failure;
use crate::service::{Known, Word, typed};
use crate::site::{name_of, summary};
use crate::table::{row, table};
use crate::validate::{self, Problems};

pub(crate) mod run;
pub(crate) mod workload;

const WORD: Word = Word("connector");

/// What a Connector leads to, as typed; a workload has been looked up by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Host(String),
    Selector(String),
    /// Nothing was typed.
    Unset,
}

/// The labels of the workload that was named, or why there are none.
pub(crate) type WorkloadLabels = Option<Result<BTreeMap<String, String>, String>>;

/// The Connector that `create` makes.
pub(crate) fn create(
    command: &Create,
    known: &Known<'_>,
    labels: &WorkloadLabels,
) -> Result<Connector, Failure> {
    let mut problems = Problems::default();
    let (name, port) = WORD.name_and_port(&command.arguments, &mut problems);
    WORD.is_new(&name, known, &mut problems);
    flags(&command.shape, Some(known), &mut problems);
    let target = target(&command.shape, labels, &mut problems);
    problems.check("timeout is not valid", validate::timeout(command.timeout));
    problems.check(
        "status is not valid",
        validate::option(&command.wait, &validate::WAITS),
    );
    problems.or(())?;
    Ok(connector(&name, port, &command.shape, target))
}

/// The Connector that `generate` prints.
pub(crate) fn generate(command: &Generate, labels: &WorkloadLabels) -> Result<Connector, Failure> {
    let mut problems = Problems::default();
    let (name, port) = WORD.name_and_port(&command.arguments, &mut problems);
    flags(&command.shape, None, &mut problems);
    let target = target(&command.shape, labels, &mut problems);
    problems.check(
        "output type is not valid",
        validate::option(&command.output, &validate::OUTPUTS),
    );
    problems.or(())?;
    Ok(connector(&name, port, &command.shape, target))
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

fn target(shape: &Shape, labels: &WorkloadLabels, problems: &mut Problems) -> Target {
    let host = typed(shape.host.as_ref());
    let selector = typed(shape.selector.as_ref());
    let workload = typed(shape.workload.as_ref());
    // Each flag that is too many says so itself.
    if host.is_some() && (selector.is_some() || workload.is_some()) {
        problems.add("If host is configured, cannot configure workload or selector");
    }
    if selector.is_some() && (host.is_some() || workload.is_some()) {
        problems.add("If selector is configured, cannot configure workload or host");
    }
    if workload.is_some() && (host.is_some() || selector.is_some()) {
        problems.add("If workload is configured, cannot configure selector or host");
    }
    if let Some(host) = host {
        if let Err(error) = validate::host(host) {
            problems.add(error);
        }
        return Target::Host(host.to_owned());
    }
    if let Some(selector) = selector {
        problems.check("selector is not valid", validate::selector(selector));
        return Target::Selector(selector.to_owned());
    }
    let Some(workload) = workload else {
        return Target::Unset;
    };
    problems.check(
        "workload is not valid",
        validate::workload(workload).map(|_| ()),
    );
    match labels {
        Some(Ok(labels)) => {
            let pairs: Vec<String> = labels
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            Target::Selector(pairs.join(","))
        }
        Some(Err(error)) => {
            problems.add(error.clone());
            Target::Unset
        }
        None => Target::Unset,
    }
}

fn connector(name: &str, port: i64, shape: &Shape, target: Target) -> Connector {
    let (host, selector) = match target {
        Target::Host(host) => (Some(host), None),
        Target::Selector(selector) => (None, Some(selector)),
        Target::Unset => (None, Some(format!("app={name}"))),
    };
    let spec = ConnectorSpec {
        routing_key: typed(shape.routing_key.as_ref()).unwrap_or(name).to_owned(),
        host,
        selector,
        port,
        tls_credentials: shape.tls_credentials.clone().unwrap_or_default(),
        type_: shape.kind.clone().unwrap_or_else(|| "tcp".to_owned()),
        include_not_ready_pods: shape.include_not_ready.is_some_and(|toggle| toggle.0),
        ..ConnectorSpec::default()
    };
    Connector::new(name, spec)
}

/// What `update` changes: only what was typed; host and selector exclude each other.
pub(crate) fn update(
    command: &Update,
    known: &Known<'_>,
    labels: &WorkloadLabels,
) -> Result<(String, Value), Failure> {
    let mut problems = Problems::default();
    let name = WORD.name(&command.names, "configured", &mut problems);
    WORD.exists(&name, known, "updated", &mut problems);
    flags(&command.shape, Some(known), &mut problems);
    let target = target(&command.shape, labels, &mut problems);
    let port = command.port.filter(|port| *port != 0);
    if let Some(port) = port {
        problems.check("connector port is not valid", validate::port(port));
    }
    problems.check("timeout is not valid", validate::timeout(command.timeout));
    problems.check(
        "status is not valid",
        validate::option(&command.wait, &validate::WAITS),
    );
    problems.or(())?;
    let shape = &command.shape;
    let mut spec = Map::new();
    let texts = [
        ("routingKey", typed(shape.routing_key.as_ref())),
        ("type", typed(shape.kind.as_ref())),
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
    if let Some(toggle) = shape.include_not_ready {
        spec.insert("includeNotReadyPods".to_owned(), json!(toggle.0));
    }
    let (set, cleared) = match &target {
        Target::Host(host) => (("host", host), "selector"),
        Target::Selector(selector) => (("selector", selector), "host"),
        Target::Unset => return Ok((name, json!({ "spec": spec }))),
    };
    spec.insert(set.0.to_owned(), json!(set.1));
    spec.insert(cleared.to_owned(), Value::Null);
    Ok((name, json!({ "spec": spec })))
}

/// The table of `status`.
pub(crate) fn list(connectors: &[Connector]) -> String {
    if connectors.is_empty() {
        return "No connectors found\n".to_owned();
    }
    let mut rows = vec![row([
        "NAME",
        "STATUS",
        "ROUTING-KEY",
        "SELECTOR",
        "HOST",
        "PORT",
        "HAS MATCHING LISTENER",
        "MESSAGE",
    ])];
    rows.extend(connectors.iter().map(|connector| {
        let (status, message) = summary(connector);
        let spec = &connector.spec;
        row([
            name_of(connector),
            status,
            &spec.routing_key,
            spec.selector.as_deref().unwrap_or_default(),
            spec.host.as_deref().unwrap_or_default(),
            &spec.port.to_string(),
            &matching(connector).to_string(),
            message,
        ])
    }));
    table(8, &rows)
}

/// One Connector in `status <name>`.
pub(crate) fn details(connector: &Connector) -> String {
    let (status, message) = summary(connector);
    let spec = &connector.spec;
    let rows = [
        row(["Name:", name_of(connector)]),
        row(["Status:", status]),
        row(["Routing key:", &spec.routing_key]),
        row(["Selector:", spec.selector.as_deref().unwrap_or_default()]),
        row(["Host:", spec.host.as_deref().unwrap_or_default()]),
        row(["Port:", &spec.port.to_string()]),
    ];
    // One cell, as upstream prints it: no tab between label and value.
    let matching = format!("Has Matching Listener:{}\n", matching(connector));
    table(8, &rows) + &matching + &table(8, &[row(["Message:", message])]) + "\n"
}

fn matching(connector: &Connector) -> bool {
    let status = connector.status.as_ref();
    status.is_some_and(|status| status.has_matching_listener)
}

#[cfg(test)]
mod tests;
