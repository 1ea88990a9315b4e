//! Passwords that the configuration names the place of.

use skupper_management::entity::PasswordSource;

/// A password from where its attribute says; `None` where it is not there.
pub(crate) fn read_password(source: &PasswordSource) -> Option<String> {
    match source {
        PasswordSource::Environment(name) => std::env::var(name).ok(),
        PasswordSource::File(path) => {
            let text = std::fs::read_to_string(path).ok()?;
            Some(text.lines().next().unwrap_or_default().to_owned())
        }
        PasswordSource::Literal(text) => Some(text.clone()),
    }
}
