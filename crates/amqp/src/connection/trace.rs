//! Frames as lines of text, while somebody wants to read along.

use std::collections::VecDeque;
use std::fmt::{Arguments, Write};

/// Characters of a line.
const LONGEST: usize = 2048;
/// Lines that wait to be taken; what is beyond is counted.
const MOST: usize = 4096;

/// Which way a frame goes, as an arrow from this side.
#[derive(Clone, Copy, Debug)]
pub(super) enum Direction {
    In,
    Out,
}

/// The lines that nobody has taken yet. Off, it costs a look at each frame.
#[derive(Debug, Default)]
pub(super) struct Trace {
    lines: Option<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    waiting: VecDeque<String>,
    left_out: usize,
}

impl Trace {
    pub(super) fn set(&mut self, on: bool) {
        match (on, self.lines.is_some()) {
            (true, false) => self.lines = Some(Lines::default()),
            (false, true) => self.lines = None,
            _ => {}
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.lines.is_some()
    }

    pub(super) fn add(&mut self, channel: u32, direction: Direction, what: Arguments<'_>) {
        let Some(lines) = &mut self.lines else {
            return;
        };
        if lines.waiting.len() >= MOST {
            lines.left_out += 1;
            return;
        }
        let arrow = match direction {
            Direction::In => "<-",
            Direction::Out => "->",
        };
        let mut line = Bounded(format!("{channel} {arrow} "));
        // An error means that the line is as long as it may be.
        if line.write_fmt(what).is_err() {
            line.0.push('…');
        }
        lines.waiting.push_back(line.0);
    }

    pub(super) fn take(&mut self) -> Option<String> {
        let lines = self.lines.as_mut()?;
        let next = lines.waiting.pop_front();
        next.or_else(|| match std::mem::take(&mut lines.left_out) {
            0 => None,
            count => Some(format!(
                "{count} more frames, which came faster than they were read"
            )),
        })
    }
}

struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let room = LONGEST.saturating_sub(self.0.len());
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        let end = (0..=room).rev().find(|end| text.is_char_boundary(*end));
        self.0
            .push_str(text.get(..end.unwrap_or(0)).unwrap_or_default());
        Err(std::fmt::Error)
    }
}
