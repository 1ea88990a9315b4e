//! Passwords that the configuration names the place of.

use skupper_management::entity::PasswordSource;

/// Why a password is not where its attribute says; the first words are upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// No such environment variable.
    #[error(
        "Failed to find a password in the environment variable {0}: set it for the router's process, or correct the attribute"
    )]
    Environment(String),
    /// A file that cannot be read.
    #[error(
        "Unable to open password file {path}, error: {error}: put the password there, or correct the attribute"
    )]
    File {
        /// The file.
        path: String,
        /// Why not.
        error: String,
    },
}

/// A password from where its attribute says.
///
/// # Errors
/// It is not there.
pub(crate) fn read_password(source: &PasswordSource) -> Result<String, PasswordError> {
    match source {
        PasswordSource::Environment(name) => {
            std::env::var(name).map_err(|_| PasswordError::Environment(name.clone()))
        }
        PasswordSource::File(path) => match std::fs::read_to_string(path) {
            Ok(text) => Ok(text.lines().next().unwrap_or_default().to_owned()),
            Err(error) => Err(PasswordError::File {
                path: path.clone(),
                error: error.to_string(),
            }),
        },
        PasswordSource::Literal(text) => Ok(text.clone()),
    }
}
