//! Commands that fail: why, and what to do next.

use std::fmt;

/// Exit code of a command line that makes no sense for the state of the namespace.
pub(crate) const INVALID: u8 = 2;
/// Exit code of everything else that fails.
pub(crate) const FAILED: u8 = 1;

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Exit code.
    pub(crate) code: u8,
    /// What is wrong, one sentence each; never empty. Texts that scripts may know are upstream's.
    pub(crate) messages: Vec<String>,
    /// What to do next.
    pub(crate) next: Option<String>,
}

impl Failure {
    /// Arguments or the state of the namespace do not allow it.
    pub(crate) fn invalid(messages: Vec<String>) -> Self {
        Self {
            code: INVALID,
            messages,
            next: None,
        }
    }

    /// It was tried and failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self {
            code: FAILED,
            messages: vec![message.into()],
            next: None,
        }
    }

    /// With what to do next.
    pub(crate) fn next(self, step: impl Into<String>) -> Self {
        Self {
            next: Some(step.into()),
            ..self
        }
    }
}

impl fmt::Display for Failure {
    /// As it stands on standard error: `Error: …` for each message, then the next step.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for message in &self.messages {
            writeln!(f, "Error: {}", message.trim_end_matches('\n'))?;
        }
        match &self.next {
            Some(step) => writeln!(f, "Next: {step}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

/// Outcome of a command.
pub(crate) type Outcome = Result<(), Failure>;
