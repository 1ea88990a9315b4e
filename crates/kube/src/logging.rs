//! Logs as upstream's processes write them: `time=… level=INFO msg="…" key=value`, one line each, with a level that can
//! be changed while running.

use std::fmt;

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry, reload};

/// Changes the level of the process's log.
#[derive(Clone)]
pub struct LogLevel(reload::Handle<LevelFilter, Registry>);

impl fmt::Debug for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogLevel")
    }
}

impl LogLevel {
    /// Sets the level from one of `debug`, `info`, `warn`, `error` in any case; anything else means `info`.
    pub fn set(&self, name: Option<&str>) {
        let level = level(name.unwrap_or_default());
        // The handle outlives the subscriber only when the process ends.
        let _ = self.0.modify(|current| *current = level);
    }
}

/// Sends the log of this process to standard output, at level info; `None` if it has been directed elsewhere before.
pub fn init() -> Option<LogLevel> {
    let (filter, handle) = reload::Layer::new(LevelFilter::INFO);
    let lines = tracing_subscriber::fmt::layer()
        .event_format(TextFormat)
        .with_writer(std::io::stdout);
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .try_init()
        .ok()?;
    Some(LogLevel(handle))
}

/// The filter for the name of a level.
fn level(name: &str) -> LevelFilter {
    match name.trim().to_ascii_lowercase().as_str() {
        "debug" => LevelFilter::DEBUG,
        "warn" => LevelFilter::WARN,
        "error" => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    }
}

/// The text format of Go's `slog`.
struct TextFormat;

impl<S, N> FormatEvent<S, N> for TextFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = match *event.metadata().level() {
            Level::ERROR => "ERROR",
            Level::WARN => "WARN",
            Level::INFO => "INFO",
            Level::DEBUG | Level::TRACE => "DEBUG",
        };
        let mut fields = Fields::default();
        event.record(&mut fields);
        write!(
            writer,
            "time={:.3} level={level} msg={}",
            Timestamp::now(),
            Quoted(&fields.message)
        )?;
        writeln!(writer, "{}", fields.others)
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        use fmt::Write as _;
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(self.others, " {}={}", field.name(), Quoted(value));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// Text in quotes where it would not be one word without.
struct Quoted<'t>(&'t str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_graphic() && c != '"' && c != '=' && c != '\\';
        if !self.0.is_empty() && self.0.chars().all(plain) {
            f.write_str(self.0)
        } else {
            write!(f, "{:?}", self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_stands_bare_and_all_else_in_quotes() {
        assert_eq!(Quoted("west").to_string(), "west");
        assert_eq!(Quoted("two words").to_string(), "\"two words\"");
        assert_eq!(Quoted("a=b").to_string(), "\"a=b\"");
        assert_eq!(Quoted("").to_string(), "\"\"");
        assert_eq!(Quoted("line\nbreak").to_string(), "\"line\\nbreak\"");
    }

    #[test]
    fn unknown_levels_mean_info() {
        assert_eq!(level("DEBUG"), LevelFilter::DEBUG);
        assert_eq!(level("warn"), LevelFilter::WARN);
        assert_eq!(level("loud"), LevelFilter::INFO);
        assert_eq!(level(""), LevelFilter::INFO);
    }
}
