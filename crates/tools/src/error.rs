//! Why a command did not do what it was asked.

use std::io;

use skupper_client::ClientError;
use skupper_management::protocol::{ReplyError, Status};
use skupper_management::tools::manage::UsageError;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolError {
    /// Words that make no sense together.
    #[error("{0}")]
    Usage(#[from] UsageError),
    /// A URL that is none.
    #[error("'{url}' is no URL of a router: {reason}; expected [amqp|amqps]://HOST[:PORT]")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that cannot be read.
    #[error("{option} {path}: {error}")]
    File {
        /// The option that names it.
        option: &'static str,
        /// The file.
        path: String,
        /// Why not.
        error: io::Error,
    },
    /// What the files hold cannot be used.
    #[error("{option} {path}: {reason}")]
    Credential {
        /// The option that names the file.
        option: &'static str,
        /// The file.
        path: String,
        /// Why not.
        reason: String,
    },
    /// An option that is not served.
    #[error("{0}")]
    Unsupported(String),
    /// The router did not answer, or not as it should.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The router refused. Named as upstream's tools name it, since scripts look for that.
    #[error("{name}: {description}")]
    Refused {
        /// The status in words, without blanks, and `Status` behind it.
        name: String,
        /// What the router says.
        description: String,
    },
    /// The runtime could not be started.
    #[error("no runtime: {0}")]
    Runtime(io::Error),
}

impl ToolError {
    /// The router answered with a status that is not the one of success.
    pub(crate) fn status(status: Status, expected: Status, description: String) -> Self {
        if status.is_success() {
            let description = format!(
                "Response was {status}({}) but expected {expected}({}): {description}",
                status.text(),
                expected.text()
            );
            return ToolError::Refused {
                name: "ValueError".to_owned(),
                description,
            };
        }
        ToolError::Refused {
            name: format!("{}Status", status.text().replace(' ', "")),
            description,
        }
    }
}

impl From<ReplyError> for ToolError {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::Refused {
                status,
                description,
                ..
            } => Self::status(status, Status::OK, description),
            other => ToolError::Client(other.into()),
        }
    }
}
