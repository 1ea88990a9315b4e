//! Virtual hosts in files of their own: the `policyDir` of the policy.

use std::path::Path;
use std::{fs, io};

use skupper_management::Kind;
use skupper_management::document::{Document, LoadedEntity, load, parse_json};

/// The virtual hosts in the JSON files of a directory, in the order of the files' names. What else is in them is left alone.
///
/// # Errors
/// A file that cannot be read or does not hold what it should, in a sentence.
pub(crate) fn vhosts(directory: &str) -> Result<Vec<LoadedEntity>, String> {
    if directory.is_empty() {
        return Ok(Vec::new());
    }
    let unreadable = |place: &Path, error: &io::Error| {
        format!(
            "policyDir '{directory}': {} cannot be read: {error}: correct policyDir, or the rights",
            place.display()
        )
    };
    let entries =
        fs::read_dir(directory).map_err(|error| unreadable(Path::new(directory), &error))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(|error| unreadable(Path::new(directory), &error))?
            .path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            files.push(path);
        }
    }
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).map_err(|error| unreadable(&file, &error))?;
        let mut document: Document =
            parse_json(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        document
            .sections
            .retain(|section| section.kind() == Some(Kind::Vhost));
        let loaded = load(&document);
        if let Some(fault) = loaded.faults.first() {
            return Err(format!("{}: {fault}", file.display()));
        }
        found.extend(
            loaded
                .entities
                .into_iter()
                .filter(|entity| entity.kind == Kind::Vhost),
        );
    }
    Ok(found)
}
