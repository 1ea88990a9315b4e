//! `skupper site`: decisions (cli.md §2).

use serde_json::{Map, Value, json};
use skupper_api::{Kind, Site, SiteSpec, StatusFields};

use crate::arguments::site::{Create, Delete, Features, Generate, Update};
use crate::failure::Failure;
use crate::table::{row, table};
use crate::validate::{self, Problems};

pub(crate) mod run;

/// Where `--link-access-type` stands without `--enable-link-access`.
const TYPE_WITHOUT_ACCESS: &str = "for the site to work with this type of linkAccess, the --enable-link-access option must be set to true";
const NO_SITES: &str = "There is no existing Skupper site resource";

/// The Site that `create` makes. `existing` is how many Sites the namespace has.
pub(crate) fn create(command: &Create, existing: usize) -> Result<Site, Failure> {
    let mut problems = Problems::default();
    if existing > 0 {
        problems.add("There is already a site created for this namespace");
    }
    let name = new_name(&command.names, &mut problems);
    features(&command.features, &mut problems);
    problems.check("timeout is not valid", validate::timeout(command.timeout));
    problems.check(
        "status is not valid",
        validate::option(&command.wait, &validate::WAITS),
    );
    problems.or(()).map_err(|failure| match existing {
        0 => failure,
        _ => failure.next("skupper site status shows it, skupper site update changes it"),
    })?;
    Ok(site(name, &command.features))
}

/// The Site that `generate` prints.
pub(crate) fn generate(command: &Generate) -> Result<Site, Failure> {
    let mut problems = Problems::default();
    let name = new_name(&command.names, &mut problems);
    features(&command.features, &mut problems);
    // Upstream's words, which here go without a colon.
    if let Err(error) = validate::option(&command.output, &validate::OUTPUTS) {
        problems.add(format!("format {error}"));
    }
    problems.or(())?;
    Ok(site(name, &command.features))
}

fn site(name: &str, features: &Features) -> Site {
    let enabled = features.enable_link_access.is_some_and(|toggle| toggle.0);
    let link_access = match (&features.link_access_type, enabled) {
        (Some(kind), _) if !kind.is_empty() => kind.clone(),
        (_, true) => "default".to_owned(),
        (_, false) => String::new(),
    };
    Site::new(
        name,
        SiteSpec {
            link_access,
            ha: features.enable_ha.is_some_and(|toggle| toggle.0),
            ..SiteSpec::default()
        },
    )
}

fn new_name<'a>(names: &'a [String], problems: &mut Problems) -> &'a str {
    if names.len() > 1 {
        problems.add("only one argument is allowed for this command.");
    }
    match names.first().map(String::as_str) {
        None | Some("") => {
            problems.add("site name must not be empty");
            ""
        }
        Some(name) => {
            problems.check("site name is not valid", validate::resource_name(name));
            name
        }
    }
}

fn features(features: &Features, problems: &mut Problems) {
    let Some(kind) = features
        .link_access_type
        .as_deref()
        .filter(|kind| !kind.is_empty())
    else {
        return;
    };
    problems.check(
        "link access type is not valid",
        validate::option(kind, &validate::LINK_ACCESS),
    );
    if !features.enable_link_access.is_some_and(|toggle| toggle.0) {
        problems.add(TYPE_WITHOUT_ACCESS);
    }
}

/// What `update` changes of which Site: only what was typed, unlike upstream, which resets all else.
pub(crate) fn update(command: &Update, sites: &[Site]) -> Result<(String, Value), Failure> {
    let mut problems = Problems::default();
    let name = existing_name(&command.names, sites, "update", &mut problems);
    features(&command.features, &mut problems);
    problems.check("timeout is not valid", validate::timeout(command.timeout));
    problems.check(
        "status is not valid",
        validate::option(&command.wait, &validate::WAITS),
    );
    problems.or(())?;
    let mut spec = Map::new();
    if let Some(toggle) = command.features.enable_link_access {
        let kind = command
            .features
            .link_access_type
            .as_deref()
            .filter(|kind| !kind.is_empty());
        let access = match toggle.0 {
            true => kind.unwrap_or("default"),
            false => "none",
        };
        spec.insert("linkAccess".to_owned(), json!(access));
    }
    if let Some(toggle) = command.features.enable_ha {
        spec.insert("ha".to_owned(), json!(toggle.0));
    }
    Ok((name.to_owned(), json!({ "spec": spec })))
}

/// Which Site `delete` removes.
pub(crate) fn delete(command: &Delete, sites: &[Site]) -> Result<String, Failure> {
    let mut problems = Problems::default();
    let name = existing_name(&command.names, sites, "delete", &mut problems);
    problems.check("timeout is not valid", validate::timeout(command.timeout));
    problems.or(name.to_owned())
}

/// The Site meant: the one named, or the only one.
fn existing_name<'a>(
    names: &'a [String],
    sites: &'a [Site],
    verb: &str,
    problems: &mut Problems,
) -> &'a str {
    if names.len() > 1 {
        problems.add("only one argument is allowed for this command");
    }
    if sites.is_empty() {
        problems.add(format!(
            "there is no existing Skupper site resource to {verb}"
        ));
        return "";
    }
    let known = |name: &str| sites.iter().any(|site| name_of(site) == name);
    match (names.first().map(String::as_str), sites) {
        (Some(name), _) if !name.is_empty() => {
            if !known(name) {
                problems.add(format!("site with name \"{name}\" is not available"));
            }
            name
        }
        (_, [only]) => name_of(only),
        _ => {
            problems.add("site name is required because there are several sites in this namespace");
            ""
        }
    }
}

/// The table of `status`.
pub(crate) fn status(sites: &[Site]) -> String {
    if sites.is_empty() {
        return format!("{NO_SITES}\n");
    }
    let mut rows = vec![row(["NAME", "STATUS", "MESSAGE"])];
    rows.extend(sites.iter().map(|site| {
        let (status, message) = summary(site);
        row([name_of(site), status, message])
    }));
    table(0, &rows)
}

/// Status and message of any kind.
pub(crate) fn summary(object: &impl Kind) -> (&str, &str) {
    object.status().map_or(("", ""), |status| {
        let word = status.status().map_or("", skupper_api::StatusType::as_str);
        (word, status.message())
    })
}

/// The name of any object.
pub(crate) fn name_of(object: &impl kube::Resource) -> &str {
    object.meta().name.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests;
