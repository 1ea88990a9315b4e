//! The router's log: modules, levels, lines and where they go (reference §3.9, §5).
//!
//! Code logs with `tracing`, the module as `target`. One log serves the process; a `log` entity sets one module of it.

mod line;
mod sink;
mod subscriber;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use skupper_management::agent::LogLine;
use skupper_management::entity::{Level, Log, LogLevels};
use skupper_management::schema::MODULES;
use tokio::sync::mpsc;

pub use line::TimeFormat;
use sink::Sink;

/// Entries of all modules that GET-LOG can tell.
const KEPT: usize = 1000;
/// Entries that may wait for telemetry; more are not reported.
const REPORTED: usize = 256;
/// The longest text of an entry, in octets.
const LONGEST: usize = 4096;
/// In place of level bits: the module has the levels of DEFAULT.
const INHERIT: u8 = 0x80;

/// The log of this process.
pub struct Logs {
    levels: Vec<AtomicU8>,
    counts: Vec<[AtomicU64; 5]>,
    state: Mutex<State>,
}

struct State {
    modules: Vec<Module>,
    recent: VecDeque<Entry>,
    time: TimeFormat,
    serious: Option<mpsc::Sender<Entry>>,
}

/// How a module's lines look and where they go, where it differs from DEFAULT.
#[derive(Clone, Default)]
struct Module {
    timestamp: Option<bool>,
    source: Option<bool>,
    sink: Option<Sink>,
}

/// An entry of the log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The module.
    pub module: &'static str,
    /// The level.
    pub level: Level,
    /// The text; control characters are escaped, since peers choose parts of it.
    pub text: String,
    /// The place in the source.
    pub source: Option<(&'static str, u32)>,
    /// When.
    pub time: jiff::Timestamp,
}

/// The log of this process. Until [`install`] is called nothing reaches it but settings.
pub fn logs() -> &'static Logs {
    static LOGS: OnceLock<Logs> = OnceLock::new();
    LOGS.get_or_init(Logs::new)
}

/// Makes the log the subscriber of all that the process traces. Returns false if there is another already.
pub fn install() -> bool {
    tracing::subscriber::set_global_default(subscriber::ToLogs(logs())).is_ok()
}

/// Applies a `log` entity.
///
/// # Errors
/// As [`Logs::configure`].
pub fn configure(log: &Log) -> Result<(), String> {
    logs().configure(log)
}

/// The last entries, oldest first.
pub fn recent(limit: Option<usize>) -> Vec<LogLine> {
    logs().recent(limit)
}

/// Index of a module; that of DEFAULT for unknown ones.
fn index_of(module: &str) -> usize {
    MODULES
        .iter()
        .position(|name| *name == module)
        .unwrap_or(default_index())
}

const fn default_index() -> usize {
    MODULES.len() - 1
}

impl Logs {
    fn new() -> Self {
        let logs = Logs {
            levels: MODULES.iter().map(|_| AtomicU8::new(INHERIT)).collect(),
            counts: MODULES.iter().map(|_| Default::default()).collect(),
            state: Mutex::new(State {
                modules: vec![Module::default(); MODULES.len()],
                recent: VecDeque::new(),
                time: TimeFormat::default(),
                serious: None,
            }),
        };
        logs.set_levels(default_index(), LogLevels::Inherit);
        logs
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets a module as its entity says.
    ///
    /// # Errors
    /// A level that is none, or a file that cannot be opened; then the module is as before.
    pub fn configure(&self, log: &Log) -> Result<(), String> {
        let levels = log.enable.as_deref().map(LogLevels::parse);
        let levels = levels.unwrap_or(Ok(LogLevels::Inherit))?;
        let index = index_of(&log.module);
        let sink = match log.output_file.as_deref() {
            None => None,
            Some("") => {
                return Err(
                    "Failed to open log file '': name a file, or stderr, stdout or syslog"
                        .to_owned(),
                );
            }
            Some(name) => Some(
                Sink::open(name)
                    .map_err(|error| format!("Failed to open log file '{name}': {error}"))?,
            ),
        };
        {
            let module = &mut self.state().modules[index];
            module.timestamp = log.include_timestamp.0;
            module.source = log.include_source.0;
            module.sink = sink;
        }
        self.set_levels(index, levels);
        tracing::callsite::rebuild_interest_cache();
        Ok(())
    }

    fn set_levels(&self, index: usize, levels: LogLevels) {
        let bits = match levels {
            LogLevels::These(bits) => bits,
            LogLevels::Inherit if index != default_index() => INHERIT,
            LogLevels::Inherit => Level::ALL
                .iter()
                .filter(|level| **level >= Level::Info)
                .fold(0, |bits, level| bits | 1 << *level as u8),
        };
        self.levels[index].store(bits, Ordering::Relaxed);
    }

    /// How times are written, as the router's entity says.
    pub fn set_time_format(&self, format: TimeFormat) {
        self.state().time = format;
    }

    /// Whether entries of a level of a module are logged.
    pub fn enabled(&self, module: &str, level: Level) -> bool {
        self.enabled_at(index_of(module), level)
    }

    fn enabled_at(&self, index: usize, level: Level) -> bool {
        let own = self.levels[index].load(Ordering::Relaxed);
        let bits = if own == INHERIT {
            self.levels[default_index()].load(Ordering::Relaxed)
        } else {
            own
        };
        bits & (1 << level as u8) != 0
    }

    /// Logs an entry if its module logs its level.
    pub fn log(&self, module: &str, level: Level, text: &str, source: Option<(&'static str, u32)>) {
        let index = index_of(module);
        self.counts[index][level as usize].fetch_add(1, Ordering::Relaxed);
        if !self.enabled_at(index, level) {
            return;
        }
        let entry = Entry {
            module: MODULES[index],
            level,
            text: line::clean(text, LONGEST),
            source,
            time: jiff::Timestamp::now(),
        };
        let mut state = self.state();
        let module = &state.modules[index];
        let default = &state.modules[default_index()];
        let timestamp = module.timestamp.or(default.timestamp).unwrap_or(true);
        let with_source = module.source.or(default.source).unwrap_or(false);
        let written = line::line(&entry, timestamp.then_some(&state.time), with_source);
        let sink = module
            .sink
            .as_ref()
            .or(default.sink.as_ref())
            .unwrap_or(&Sink::Stderr);
        sink.write(level, &written);
        if level >= Level::Warning
            && entry.module != "FLOW_LOG"
            && let Some(serious) = &state.serious
        {
            // A report that is late is not worth waiting for.
            let _ = serious.try_send(entry.clone());
        }
        state.recent.push_back(entry);
        if state.recent.len() > KEPT {
            state.recent.pop_front();
        }
    }

    /// Entries of level warning and worse from now on, for telemetry. There is one receiver: the last to ask.
    pub fn serious(&self) -> mpsc::Receiver<Entry> {
        let (sender, receiver) = mpsc::channel(REPORTED);
        self.state().serious = Some(sender);
        receiver
    }

    /// The last entries, oldest first.
    pub fn recent(&self, limit: Option<usize>) -> Vec<LogLine> {
        let state = self.state();
        let skip = state.recent.len() - limit.unwrap_or(KEPT).min(state.recent.len());
        let line = |entry: &Entry| LogLine {
            module: entry.module.to_owned(),
            level: entry.level.to_string(),
            text: entry.text.clone(),
            source: entry.source.map(|(file, line)| (file.to_owned(), line)),
            seconds: entry.time.as_second(),
        };
        state.recent.iter().skip(skip).map(line).collect()
    }

    /// How often a module logged at each level, whether it is enabled or not.
    pub fn counts(&self, module: &str) -> [u64; 5] {
        let counts = &self.counts[index_of(module)];
        std::array::from_fn(|level| counts[level].load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skupper_management::field::Tristate;

    fn log(module: &str, enable: &str, output: &str) -> Log {
        Log {
            module: module.to_owned(),
            enable: Some(enable.to_owned()),
            output_file: Some(output.to_owned()).filter(|name| !name.is_empty()),
            include_source: Tristate(Some(true)),
            ..Log::default()
        }
    }

    #[test]
    fn modules_inherit_what_they_do_not_set() {
        let logs = Logs::new();
        assert!(logs.enabled("SERVER", Level::Info) && !logs.enabled("SERVER", Level::Debug));
        logs.configure(&log("DEFAULT", "debug+", "")).unwrap();
        assert!(logs.enabled("SERVER", Level::Debug));
        logs.configure(&log("SERVER", "error+", "")).unwrap();
        assert!(!logs.enabled("SERVER", Level::Warning) && logs.enabled("AGENT", Level::Debug));
        assert!(logs.configure(&log("SERVER", "loud", "")).is_err());
        assert!(
            !logs.enabled("SERVER", Level::Warning),
            "a refused setting changes nothing"
        );
        logs.configure(&log("SERVER", "", "")).unwrap();
        assert!(!logs.enabled("SERVER", Level::Critical), "no level is none");
        logs.configure(&log("SERVER", "default", "")).unwrap();
        assert!(logs.enabled("SERVER", Level::Debug));
        let nowhere = Log {
            output_file: Some(String::new()),
            ..log("SERVER", "none", "")
        };
        let error = logs.configure(&nowhere).unwrap_err();
        assert!(error.starts_with("Failed to open log file ''"), "{error}");
    }

    #[test]
    fn entries_are_written_counted_kept_and_reported() {
        let logs = Logs::new();
        let directory =
            std::env::temp_dir().join(format!("skupper-log-{}-{}", std::process::id(), line!()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("router.log");
        logs.configure(&log("AGENT", "info+", file.to_str().unwrap()))
            .unwrap();
        let mut serious = logs.serious();
        logs.log("AGENT", Level::Info, "all\nis well", Some(("agent.rs", 7)));
        logs.log("AGENT", Level::Debug, "not told", None);
        logs.log("AGENT", Level::Error, "all is lost", None);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(
            lines[0].ends_with(" AGENT (info) all\\nis well (agent.rs:7)"),
            "{text}"
        );
        assert!(lines[1].ends_with(" AGENT (error) all is lost"), "{text}");
        assert_eq!(logs.counts("AGENT"), [1, 1, 0, 1, 0]);
        assert_eq!(serious.try_recv().unwrap().text, "all is lost");
        assert!(serious.try_recv().is_err());
        assert_eq!(logs.recent(Some(1))[0].text, "all is lost");
        let unopenable = log(
            "AGENT",
            "info+",
            directory.join("none/none").to_str().unwrap(),
        );
        assert!(
            logs.configure(&unopenable)
                .unwrap_err()
                .contains("Failed to open log file")
        );
    }

    #[test]
    fn a_file_that_was_renamed_is_opened_anew_when_it_is_named_again() {
        let logs = Logs::new();
        let directory = tempfile::tempdir().unwrap();
        let (file, old) = (directory.path().join("log"), directory.path().join("log.1"));
        let settings = log("AGENT", "info+", file.to_str().unwrap());
        logs.configure(&settings).unwrap();
        std::fs::rename(&file, &old).unwrap();
        logs.log("AGENT", Level::Info, "before", None);
        assert!(!file.exists());
        logs.configure(&settings).unwrap();
        logs.log("AGENT", Level::Info, "after", None);
        let text = |path| std::fs::read_to_string(path).unwrap();
        assert!(text(&old).contains("before") && !text(&old).contains("after"));
        assert!(text(&file).contains("after") && !text(&file).contains("before"));
    }

    #[test]
    fn the_past_is_bounded() {
        let logs = Logs::new();
        logs.configure(&log("ERROR", "none", "")).unwrap();
        logs.configure(&log("AGENT", "info+", "/dev/null")).unwrap();
        for number in 0..KEPT + 10 {
            logs.log(
                "AGENT",
                Level::Info,
                &format!("{number} {}", "x".repeat(LONGEST)),
                None,
            );
        }
        let recent = logs.recent(None);
        assert_eq!(recent.len(), KEPT);
        assert!(recent[0].text.starts_with("10 ") && recent[0].text.len() <= LONGEST + 8);
    }
}
