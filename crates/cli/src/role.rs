//! One program, several roles: which is it this time?

use std::ffi::OsString;
use std::path::Path;

use skupper_tools::Tool;

/// What this process is, with the arguments that are for it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// `skupper router …`, or called as `skrouterd`.
    Router(Vec<OsString>),
    /// `skupper adaptor …`, or called as `kube-adaptor`.
    Adaptor(Vec<OsString>),
    /// `skupper controller …`, or called as `controller`.
    Controller(Vec<OsString>),
    /// `skstat` or `skmanage`, called by that name or as `skupper skstat …`.
    Tool(Tool, Vec<OsString>),
    /// The command line itself.
    CommandLine(Vec<OsString>),
}

impl Role {
    /// Tells the role from the name that the program was called by, else from the first argument.
    pub(crate) fn of(arguments: impl IntoIterator<Item = OsString>) -> Self {
        let mut arguments = arguments.into_iter();
        let program = arguments.next().unwrap_or_default();
        let arguments: Vec<OsString> = arguments.collect();
        let called = Path::new(&program).file_name().unwrap_or_default();
        match called.to_str() {
            Some("skrouterd") => return Self::Router(arguments),
            Some("kube-adaptor") => return Self::Adaptor(arguments),
            Some("controller") => return Self::Controller(arguments),
            _ => {}
        }
        if let Some(tool) = called.to_str().and_then(Tool::named) {
            return Self::Tool(tool, arguments);
        }
        let rest = || arguments.iter().skip(1).cloned().collect();
        match arguments.first().and_then(|first| first.to_str()) {
            Some("router") => Self::Router(rest()),
            Some("adaptor") => Self::Adaptor(rest()),
            Some("controller") => Self::Controller(rest()),
            Some(name) => match Tool::named(name) {
                Some(tool) => Self::Tool(tool, rest()),
                None => Self::CommandLine(arguments),
            },
            None => Self::CommandLine(arguments),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(line: &str) -> Role {
        Role::of(line.split(' ').map(OsString::from))
    }

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn the_name_decides_before_the_first_argument() {
        assert_eq!(
            role("/usr/sbin/skrouterd -c x.json"),
            Role::Router(words(&["-c", "x.json"]))
        );
        assert_eq!(
            role("/app/kube-adaptor -init"),
            Role::Adaptor(words(&["-init"]))
        );
        assert_eq!(
            role("controller router"),
            Role::Controller(words(&["router"]))
        );
        assert_eq!(
            role("skupper router -c x"),
            Role::Router(words(&["-c", "x"]))
        );
        assert_eq!(
            role("skupper site status"),
            Role::CommandLine(words(&["site", "status"]))
        );
        let stat = || Role::Tool(Tool::Skstat, words(&["-c"]));
        assert_eq!(role("/usr/bin/skstat -c"), stat());
        assert_eq!(role("skupper skstat -c"), stat());
        assert_eq!(role("skupper"), Role::CommandLine(Vec::new()));
    }
}
