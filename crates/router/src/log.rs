//! The log: lines as upstream's router writes them, levels for each module, the last entries kept for management.
//!
//! A module is a `tracing` target. `tracing` has no level above error: what is critical is logged as an error.

use std::collections::{HashMap, VecDeque};
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use skupper_management::agent::LogLine;
use skupper_management::entity::{Level, Log, LogLevels};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Entries that are kept.
const KEPT: usize = 1000;
/// The module whose settings others inherit.
const DEFAULT: &str = "DEFAULT";
/// Where entries of modules that are not the router's go.
const OTHER: &str = "SERVER";

#[derive(Default)]
struct State {
    levels: HashMap<String, LogLevels>,
    timestamps: HashMap<String, bool>,
    output: Option<Output>,
    recent: VecDeque<LogLine>,
}

enum Output {
    Stdout,
    File(std::fs::File),
}

fn state() -> MutexGuard<'static, State> {
    static STATE: OnceLock<Mutex<State>> = OnceLock::new();
    let state = STATE.get_or_init(Mutex::default);
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes the process's log. Called once, by the program.
pub fn install() {
    // A second subscriber is refused, and the first goes on.
    let _ = tracing_subscriber::registry().with(Writer).try_init();
}

/// Applies a `log` entity.
pub fn configure(log: &Log) -> Result<(), String> {
    let levels = LogLevels::parse(&log.enable)?;
    let output = match log.output_file.as_str() {
        "" => None,
        "stderr" | "syslog" => Some(None),
        "stdout" => Some(Some(Output::Stdout)),
        path => {
            let file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path);
            let file =
                file.map_err(|error| format!("Failed to open log file '{path}': {error}"))?;
            Some(Some(Output::File(file)))
        }
    };
    let mut state = state();
    if let Some(timestamps) = log.include_timestamp.0 {
        state.timestamps.insert(log.module.clone(), timestamps);
    }
    state.levels.insert(log.module.clone(), levels);
    if let Some(output) = output {
        state.output = output;
    }
    Ok(())
}

/// The last entries, oldest first.
pub fn recent(limit: Option<usize>) -> Vec<LogLine> {
    let state = state();
    let skip = limit.map_or(0, |limit| state.recent.len().saturating_sub(limit));
    state.recent.iter().skip(skip).cloned().collect()
}

struct Writer;

impl<S: Subscriber> Layer<S> for Writer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let target = event.metadata().target();
        let own = target
            .bytes()
            .all(|octet| octet.is_ascii_uppercase() || octet == b'_' || octet.is_ascii_digit());
        let module = if own { target } else { OTHER };
        let level = match *event.metadata().level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warning,
            tracing::Level::INFO => Level::Info,
            _ => Level::Debug,
        };
        if !own && level < Level::Warning {
            return;
        }
        let mut state = state();
        let levels = |module| {
            state
                .levels
                .get(module)
                .copied()
                .unwrap_or(LogLevels::Inherit)
        };
        if !levels(module).includes(level, levels(DEFAULT)) {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        let now = Timestamp::now();
        let stamped = state
            .timestamps
            .get(module)
            .or(state.timestamps.get(DEFAULT));
        let mut line = String::with_capacity(text.0.len() + 64);
        if *stamped.unwrap_or(&true) {
            let zoned = now.to_zoned(jiff::tz::TimeZone::system());
            // Writing to a string does not fail.
            let _ = write!(line, "{} ", zoned.strftime("%Y-%m-%d %H:%M:%S.%6f %z"));
        }
        let _ = writeln!(line, "{module} ({level}) {}", text.0);
        // A log that cannot be written must not stop the router.
        let _ = match &mut state.output {
            None => std::io::stderr().lock().write_all(line.as_bytes()),
            Some(Output::Stdout) => std::io::stdout().lock().write_all(line.as_bytes()),
            Some(Output::File(file)) => file.write_all(line.as_bytes()),
        };
        if state.recent.len() >= KEPT {
            state.recent.pop_front();
        }
        state.recent.push_back(LogLine {
            module: module.to_owned(),
            level: level.as_str().to_owned(),
            text: text.0,
            source: None,
            seconds: now.as_second(),
        });
    }
}

#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
