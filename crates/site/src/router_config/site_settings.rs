//! `Site.spec.settings`, read.

use skupper_api::Site;
use skupper_management::config::LogConfig;

use crate::certificates::{self, Overrides};

/// The settings of a Site that the controller honours. The names are those of upstream's code; those of its documentation
/// are taken too.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SiteSettings {
    /// `router-data-connection-count`, passed through.
    pub(crate) data_connections: String,
    /// `router-logging` as it stands.
    pub(crate) logging_text: String,
    /// `router-logging`, read.
    pub(crate) logging: Vec<LogConfig>,
    /// `tls-prior-valid-revisions`: how many earlier revisions of a credential stay valid.
    pub(crate) prior_valid_revisions: Option<u64>,
    /// `tls-…-lifetime` and `tls-key-algorithm`.
    pub(crate) certificates: Overrides,
    /// What of it cannot be read, in sentences.
    pub(crate) problems: Vec<String>,
}

const MODULES: [&str; 19] = [
    "ROUTER",
    "ROUTER_CORE",
    "ROUTER_HELLO",
    "ROUTER_LS",
    "ROUTER_MA",
    "MESSAGE",
    "SERVER",
    "AGENT",
    "AUTHSERVICE",
    "CONTAINER",
    "ERROR",
    "POLICY",
    "HTTP",
    "CONN_MGR",
    "PYTHON",
    "PROTOCOL",
    "TCP_ADAPTOR",
    "HTTP_ADAPTOR",
    "DEFAULT",
];
const LEVELS: [&str; 7] = [
    "trace", "debug", "info", "notice", "warning", "error", "critical",
];

impl SiteSettings {
    /// Reads the settings of a Site.
    pub(crate) fn of(site: &Site) -> Self {
        let all = &site.spec.settings;
        let get = |names: [&str; 2]| {
            names
                .into_iter()
                .find_map(|name| all.get(name))
                .map(|value| value.trim().to_owned())
        };
        let mut settings = SiteSettings {
            data_connections: get(["router-data-connection-count", "routerDataConnections"])
                .unwrap_or_default(),
            logging_text: get(["router-logging", "routerLogging"]).unwrap_or_default(),
            ..SiteSettings::default()
        };
        settings.certificates = certificates::overrides(all, &mut settings.problems);
        for part in settings
            .logging_text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            match log(part) {
                Ok(log) => settings.logging.push(log),
                Err(problem) => settings.problems.push(problem),
            }
        }
        if let Some(text) = all.get("tls-prior-valid-revisions") {
            match text.trim().parse() {
                Ok(number) => settings.prior_valid_revisions = Some(number),
                Err(_) => settings.problems.push(format!(
                    "setting tls-prior-valid-revisions is \"{}\", expected a whole number not below 0", bounded(text)
                )),
            }
        }
        settings
    }

    /// How many earlier revisions stay valid where neither the Secret nor the Site says.
    pub(crate) const PRIOR_VALID_REVISIONS: u64 = 2;
}

/// At most 60 characters of a text, for a sentence.
pub(crate) fn bounded(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `[MODULE:]level[+]`.
fn log(text: &str) -> Result<LogConfig, String> {
    let (module, level) = text.split_once(':').unwrap_or(("", text));
    let module = match module.trim() {
        "" => "DEFAULT",
        module => module,
    };
    let level = level.trim().trim_end_matches('+');
    if !MODULES.contains(&module) {
        let known = MODULES.join(", ");
        return Err(format!(
            "setting router-logging names the module \"{}\", expected one of {known}",
            bounded(module)
        ));
    }
    if !LEVELS.contains(&level) {
        let known = LEVELS.join(", ");
        return Err(format!(
            "setting router-logging names the level \"{}\", expected one of {known}",
            bounded(level)
        ));
    }
    Ok(LogConfig {
        module: module.to_owned(),
        enable: format!("{level}+"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(settings: &[(&str, &str)]) -> SiteSettings {
        let mut site = Site::default();
        site.spec.settings = settings
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        SiteSettings::of(&site)
    }

    #[test]
    fn settings_are_read_under_both_names() {
        let settings = of(&[
            ("router-data-connection-count", "4"),
            ("router-logging", "ROUTER_CORE:debug, info+"),
        ]);
        assert_eq!(settings.data_connections, "4");
        let logs: Vec<_> = settings
            .logging
            .iter()
            .map(|log| (log.module.as_str(), log.enable.as_str()))
            .collect();
        assert_eq!(logs, [("ROUTER_CORE", "debug+"), ("DEFAULT", "info+")]);
        assert_eq!(of(&[("routerDataConnections", "2")]).data_connections, "2");
        assert_eq!(
            of(&[("tls-prior-valid-revisions", "0")]).prior_valid_revisions,
            Some(0)
        );
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let problems = of(&[
            ("router-logging", "X:info,loud"),
            ("tls-prior-valid-revisions", "-1"),
        ])
        .problems;
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].starts_with(
            "setting router-logging names the module \"X\", expected one of ROUTER, "
        ));
        assert!(problems[1].starts_with(
            "setting router-logging names the level \"loud\", expected one of trace, "
        ));
        assert!(
            problems[2].starts_with(
                "setting tls-prior-valid-revisions is \"-1\", expected a whole number"
            )
        );
    }
}
