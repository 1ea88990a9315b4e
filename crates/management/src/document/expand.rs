//! Environment variables within a document.

/// Replaces `$NAME` and `${NAME}` by what `lookup` says, as the launcher of upstream's image does before its router
/// reads the file. Unknown names stay as they are, and so do lines that are comments.
pub fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut expanded = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with('#') {
            expanded.push_str(line);
        } else {
            expand_line(line, &lookup, &mut expanded);
        }
    }
    expanded
}

fn expand_line(line: &str, lookup: &impl Fn(&str) -> Option<String>, expanded: &mut String) {
    let mut rest = line;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at..];
        match variable(rest).and_then(|(name, length)| Some((lookup(name)?, length))) {
            Some((value, length)) => {
                expanded.push_str(&value);
                rest = &rest[length..];
            }
            None => {
                expanded.push('$');
                rest = &rest[1..];
            }
        }
    }
    expanded.push_str(rest);
}

/// The variable at the beginning of a text, and how long its mention is.
fn variable(text: &str) -> Option<(&str, usize)> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    if let Some(inner) = text.strip_prefix("${") {
        let name = &inner[..inner.find('}')?];
        return (!name.is_empty() && name.chars().all(is_name)).then_some((name, name.len() + 3));
    }
    let inner = text.strip_prefix('$')?;
    let length = inner.find(|letter| !is_name(letter)).unwrap_or(inner.len());
    (length > 0).then(|| (&inner[..length], length + 1))
}
