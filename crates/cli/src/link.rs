//! `skupper link`: decisions (cli.md §3), `generate` apart.

use serde_json::{Map, Value, json};
use skupper_api::Link;

use crate::arguments::link::Update;
use crate::arguments::{Removed, Shown};
use crate::failure::Failure;
use crate::site::{name_of, summary};
use crate::table::{row, table};
use crate::validate::{self, Problems};

pub(crate) mod generate;
pub(crate) mod issue;
pub(crate) mod run;
pub(crate) mod trust;

/// What the namespace has, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// Whether there is a Site.
    pub(crate) site: bool,
    /// Whether the Link of the name given exists.
    pub(crate) link: bool,
    /// Whether the Secret that was named exists; `true` where none was.
    pub(crate) secret: bool,
}

/// Which link `status` shows; `None` for all.
pub(crate) fn status(command: &Shown, has_site: bool) -> Result<Option<&str>, Failure> {
    let mut problems = Problems::default();
    if !has_site {
        problems.add("there is no skupper site available");
    }
    if command.names.len() > 1 {
        problems.add("this command only accepts one argument");
    }
    let output = command.output.output.as_str();
    if !output.is_empty() {
        problems.check(
            "output type is not valid",
            validate::option(output, &validate::OUTPUTS),
        );
    }
    problems.or(command
        .names
        .first()
        .map(String::as_str)
        .filter(|name| !name.is_empty()))
}

/// What `update` changes of which Link: only what was typed, unlike upstream, which resets the cost.
pub(crate) fn update(command: &Update, known: Known) -> Result<(String, Value), Failure> {
    let mut problems = Problems::default();
    let name = existing(&command.names, known, "", &mut problems);
    if let Some(credentials) = &command.tls_credentials
        && !credentials.is_empty()
        && !known.secret
    {
        problems.add(format!(
            "the TLS secret \"{credentials}\" is not available in the namespace: secrets \"{credentials}\" not found"
        ));
    }
    let cost = match &command.cost {
        None => None,
        Some(cost) => problems.check(
            "link cost is not valid",
            validate::number(cost).and_then(validate::positive),
        ),
    };
    problems.check("timeout is not valid", validate::timeout(command.timeout));
    problems.check(
        "status is not valid",
        validate::option(&command.wait, &validate::WAITS),
    );
    problems.or(())?;
    let mut spec = Map::new();
    if let Some(credentials) = command
        .tls_credentials
        .as_ref()
        .filter(|name| !name.is_empty())
    {
        spec.insert("tlsCredentials".to_owned(), json!(credentials));
    }
    if let Some(cost) = cost {
        spec.insert("cost".to_owned(), json!(cost));
    }
    Ok((name, json!({ "spec": spec })))
}

/// Which Link `delete` removes.
pub(crate) fn delete(command: &Removed, known: Known) -> Result<String, Failure> {
    let mut problems = Problems::default();
    let name = existing(&command.names, known, "", &mut problems);
    problems.check("timeout is not valid", validate::timeout(command.timeout));
    problems.or(name)
}

fn existing(names: &[String], known: Known, why: &str, problems: &mut Problems) -> String {
    if !known.site {
        problems.add("there is no skupper site in this namespace");
    }
    match names {
        [name] if !name.is_empty() => {
            if !known.link {
                problems.add(format!(
                    "the link \"{name}\" is not available in the namespace{why}"
                ));
            }
        }
        [] | [_] => problems.add("link name must not be empty"),
        _ => problems.add("only one argument is allowed for this command"),
    }
    names.first().cloned().unwrap_or_default()
}

/// The table of `status`.
pub(crate) fn list(links: &[Link]) -> String {
    if links.is_empty() {
        return "There are no link resources in the namespace\n".to_owned();
    }
    let mut rows = vec![row(["NAME", "STATUS", "COST", "MESSAGE"])];
    rows.extend(links.iter().map(|link| {
        let (status, message) = summary(link);
        row([name_of(link), status, &link.spec.cost.to_string(), message])
    }));
    table(0, &rows)
}

/// One Link in `status <name>`.
pub(crate) fn details(link: &Link) -> String {
    let (status, message) = summary(link);
    format!(
        "Name\t: {}\nStatus\t: {status}\nCost\t: {}\nMessage\t: {message}\n",
        name_of(link),
        link.spec.cost
    )
}

#[cfg(test)]
mod tests;
