//! From `tracing` to the log.

use std::fmt::{self, Write};

use skupper_management::entity::Level;
use skupper_management::schema::MODULES;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

use super::Logs;

/// Hands events to the log; spans are not kept.
pub(super) struct ToLogs(pub(super) &'static Logs);

/// The module of an event: its target, if that is one; what libraries say counts as the server's.
fn module(metadata: &Metadata<'_>) -> &'static str {
    let target = metadata.target();
    let library = if target.starts_with("hyper") || target.starts_with("axum") {
        "HTTP"
    } else {
        "SERVER"
    };
    MODULES
        .iter()
        .find(|module| **module == target)
        .copied()
        .unwrap_or(library)
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    MODULES.contains(&metadata.target()) || metadata.target().starts_with("skupper")
}

/// The level of an event. What a library finds worth telling is for whoever works on the router, unless it is serious.
fn level(metadata: &Metadata<'_>) -> Level {
    match *metadata.level() {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warning,
        tracing::Level::INFO if is_ours(metadata) => Level::Info,
        _ => Level::Debug,
    }
}

impl Subscriber for ToLogs {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries' details would drown the router's.
        let wanted = is_ours(metadata) || *metadata.level() <= tracing::Level::WARN;
        metadata.is_event() && wanted && self.0.enabled(module(metadata), level(metadata))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let debug = MODULES
            .iter()
            .any(|module| self.0.enabled(module, Level::Debug));
        Some(if debug {
            LevelFilter::TRACE
        } else {
            LevelFilter::INFO
        })
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut text = Text::default();
        event.record(&mut text);
        let source = metadata.file().zip(metadata.line());
        self.0.log(
            module(metadata),
            level(metadata),
            &(text.message + &text.fields),
            source,
        );
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The message of an event, and its other fields behind it.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a String cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name if name.starts_with("log.") => Ok(()),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skupper_management::entity::Log;

    #[test]
    fn what_is_traced_is_logged() {
        // The log of a process lives as long as it.
        let logs: &'static Logs = Box::leak(Box::new(Logs::new()));
        let log = |module: &str, enable: &str| Log {
            module: module.to_owned(),
            enable: Some(enable.to_owned()),
            output_file: Some("/dev/null".to_owned()),
            ..Log::default()
        };
        logs.configure(&log("DEFAULT", "debug+")).unwrap();
        tracing::subscriber::with_default(ToLogs(logs), || {
            tracing::info!(target: "AGENT", size = 3, "an entry of {}", "ours");
            tracing::debug!(target: "ROUTER_MA", "a detail of ours");
            tracing::warn!(target: "hyper::server", "a library's warning");
            tracing::info!(target: "rustls::client", "a library's small talk");
            let _span = tracing::info_span!("spans are not kept").entered();
        });
        let told: Vec<(String, String, String)> = logs
            .recent(None)
            .into_iter()
            .map(|line| (line.module, line.level, line.text))
            .collect();
        let told: Vec<(&str, &str, &str)> = told
            .iter()
            .map(|(module, level, text)| (module.as_str(), level.as_str(), text.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("AGENT", "info", "an entry of ours size=3"),
                ("ROUTER_MA", "debug", "a detail of ours"),
                ("HTTP", "warning", "a library's warning"),
            ]
        );
    }
}
