//! Label selectors, as `kubectl -l` takes them: `app=x, tier in (a,b), !legacy`.

use std::collections::BTreeMap;

/// A label selector that has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Greater(i64),
    Less(i64),
}

/// A text that is no label selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{selector}\" is not a label selector: {problem}; expected for example app=backend,tier in (web,api),!legacy"
)]
pub struct SelectorError {
    selector: String,
    problem: String,
}

impl Selector {
    /// Reads a selector. An empty one matches everything.
    ///
    /// # Errors
    /// The text is not a label selector.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let error = |problem: String| SelectorError {
            selector: text.chars().take(200).collect(),
            problem,
        };
        if text.trim().is_empty() {
            return Ok(Selector::default());
        }
        split(text)
            .into_iter()
            .map(|part| Requirement::parse(part).map_err(error))
            .collect::<Result<_, _>>()
            .map(Selector)
    }

    /// Whether the labels of an object satisfy the selector.
    pub fn matches(&self, labels: Option<&BTreeMap<String, String>>) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels.and_then(|labels| labels.get(&requirement.key));
            requirement.test.holds(value.map(String::as_str))
        })
    }
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match self {
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::In(values) => value.is_some_and(|value| values.iter().any(|one| one == value)),
            Test::NotIn(values) => value.is_none_or(|value| values.iter().all(|one| one != value)),
            Test::Greater(than) => number().is_some_and(|number| number > *than),
            Test::Less(than) => number().is_some_and(|number| number < *than),
        }
    }
}

/// Splits at commas outside parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, character) in text.char_indices() {
        match character {
            '(' => inside = true,
            ')' => inside = false,
            ',' if !inside => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

impl Requirement {
    fn parse(part: &str) -> Result<Self, String> {
        let part = part.trim();
        let (key, test) = if let Some(key) = part.strip_prefix('!') {
            (key.trim(), Test::Absent)
        } else if let Some((key, value)) = part.split_once("!=") {
            (key, Test::NotIn(vec![label_value(value)?]))
        } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
            (key, Test::In(vec![label_value(value)?]))
        } else if let Some((key, value)) = part.split_once('>') {
            (key, Test::Greater(whole(value)?))
        } else if let Some((key, value)) = part.split_once('<') {
            (key, Test::Less(whole(value)?))
        } else if let Some((head, values)) = part.split_once('(') {
            let values = values
                .trim_end()
                .strip_suffix(')')
                .ok_or_else(|| format!("no closing parenthesis in \"{part}\""))?;
            let values = values
                .split(',')
                .map(label_value)
                .collect::<Result<Vec<_>, _>>()?;
            match head.trim().rsplit_once(char::is_whitespace) {
                Some((key, "in")) => (key, Test::In(values)),
                Some((key, "notin")) => (key, Test::NotIn(values)),
                _ => {
                    return Err(format!(
                        "neither \"in\" nor \"notin\" before the parenthesis in \"{part}\""
                    ));
                }
            }
        } else {
            (part, Test::Exists)
        };
        Ok(Requirement {
            key: label_key(key)?,
            test,
        })
    }
}

fn label_key(text: &str) -> Result<String, String> {
    let key = text.trim();
    let fits = |character: char| character.is_ascii_alphanumeric() || "-_./".contains(character);
    if key.is_empty() || key.len() > 317 || !key.chars().all(fits) {
        return Err(format!("\"{key}\" is not the name of a label"));
    }
    Ok(key.to_owned())
}

fn label_value(text: &str) -> Result<String, String> {
    let value = text.trim();
    let fits = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    if value.len() > 63 || !value.chars().all(fits) {
        return Err(format!("\"{value}\" is not the value of a label"));
    }
    Ok(value.to_owned())
}

fn whole(text: &str) -> Result<i64, String> {
    text.trim()
        .parse()
        .map_err(|_| format!("\"{}\" is not a whole number", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        Selector::parse(selector).unwrap().matches(Some(&labels))
    }

    #[test]
    fn each_form_selects() {
        let labels = [("app", "backend"), ("tier", "web"), ("n", "5")];
        for selector in [
            "",
            "app=backend",
            "app == backend",
            "app=backend,tier!=api",
            "tier in (api, web)",
            "other!=x",
            "tier notin (api),app",
            "!legacy",
            "n>4,n<6",
            "other notin (x)",
        ] {
            assert!(matches(selector, &labels), "{selector}");
        }
        for selector in [
            "app=front",
            "tier in (api)",
            "tier notin (web)",
            "legacy",
            "!app",
            "n>5",
            "app=backend,tier=api",
        ] {
            assert!(!matches(selector, &labels), "{selector}");
        }
    }

    #[test]
    fn what_is_no_selector_says_why() {
        for selector in [
            "app in (x",
            "app within (x)",
            "a b",
            "=x",
            "app=a b",
            "n>x",
            ",",
        ] {
            let error = Selector::parse(selector).unwrap_err().to_string();
            assert!(error.contains("is not a label selector"), "{error}");
        }
    }
}
