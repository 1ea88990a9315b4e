//! What is wrong with a document, and where.

use std::fmt;

/// One fault of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentError {
    /// The line, from 1, if it is one line's fault.
    pub line: Option<usize>,
    /// The section, as `listener `amqp``.
    pub section: Option<String>,
    /// The attribute.
    pub attribute: Option<String>,
    /// What would have been accepted; with an empty `found`, the whole sentence.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl DocumentError {
    pub(super) fn syntax(
        line: usize,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        DocumentError {
            line: Some(line),
            section: None,
            attribute: None,
            expected: expected.into(),
            found: found.into(),
        }
    }
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if let Some(section) = &self.section {
            write!(f, "{section}: ")?;
        }
        if let Some(attribute) = &self.attribute {
            write!(f, "attribute `{attribute}`: ")?;
        }
        if self.found.is_empty() {
            f.write_str(&self.expected)
        } else {
            write!(f, "expected {}, found {}", self.expected, self.found)
        }
    }
}

impl std::error::Error for DocumentError {}

/// All faults of a document; never none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentErrors {
    /// The faults in the order of the text.
    pub errors: Vec<DocumentError>,
}

impl DocumentErrors {
    pub(crate) fn unless_empty(errors: Vec<DocumentError>) -> Option<Self> {
        (!errors.is_empty()).then_some(DocumentErrors { errors })
    }
}

impl From<DocumentError> for DocumentErrors {
    fn from(error: DocumentError) -> Self {
        DocumentErrors {
            errors: vec![error],
        }
    }
}

impl fmt::Display for DocumentErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for DocumentErrors {}
