//! Saying what takes long: a line that moves on a terminal, plain lines elsewhere.

use std::io::{BufRead as _, BufReader, IsTerminal as _, Read};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// One step that takes a while: announced at its start, its duration told at its end.
pub struct Step {
    name: String,
    start: Instant,
    bar: Option<ProgressBar>,
}

impl Step {
    /// Announces `name` on standard error.
    #[must_use]
    pub fn start(name: impl Into<String>) -> Self {
        let name = name.into();
        let bar = if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new_spinner().with_message(name.clone());
            if let Ok(style) =
                ProgressStyle::with_template("{spinner} {msg} ({elapsed}) {prefix:.dim}")
            {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            Some(bar)
        } else {
            say(&format!("{name} …"));
            None
        };
        Self {
            name,
            start: Instant::now(),
            bar,
        }
    }

    /// Shows a detail beside the moving line; nothing where there is no terminal.
    pub fn detail(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_prefix(text.chars().take(60).collect::<String>());
        }
    }

    /// Shows each line of `from` as the detail, until it ends; returns its last 40 lines.
    pub fn follow(&self, from: impl Read) -> String {
        let mut last = std::collections::VecDeque::new();
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            self.detail(&line);
            if last.len() == 40 {
                last.pop_front();
            }
            last.push_back(line);
        }
        Vec::from(last).join("\n")
    }

    /// Tells that the step is done and how long it took.
    pub fn done(self) {
        let took = self.start.elapsed().as_secs_f32();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        say(&format!("{}: done in {took:.1} s", self.name));
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// One line for the person at the terminal, on standard error: standard output is for results.
pub fn say(text: &str) {
    eprintln!("xtask: {text}");
}
