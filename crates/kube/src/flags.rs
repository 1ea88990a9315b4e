//! Command lines in Go's style, which upstream's manifests use.

use std::ffi::OsString;

/// A flag in Go's style, which takes one dash, as clap wants it.
pub(crate) fn two_dashes(argument: OsString) -> OsString {
    match argument.to_str() {
        Some(text) if text.len() > 2 && text.starts_with('-') && !text.starts_with("--") => {
            format!("-{text}").into()
        }
        _ => argument,
    }
}

/// What Go's `strconv.ParseBool` takes for true and false.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" | "" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}
