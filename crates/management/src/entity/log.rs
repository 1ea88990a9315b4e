//! What a module logs.

use crate::field::{Tristate, bounded, record, words};

words! {
    /// How much a log entry matters.
    Level {
        /// For whoever works on the router.
        Debug = "debug",
        /// What happens when all goes well.
        #[default]
        Info = "info",
        /// Something is not as it should be, and the router goes on.
        Warning = "warning",
        /// Something was not done.
        Error = "error",
        /// The router cannot go on.
        Critical = "critical",
    }
}

record! {
    /// What a module logs, and where to.
    Log => Log {
        /// The module.
        module: String = "module",
        /// Its levels; see [`LogLevels::parse`]. Unset to inherit.
        enable: Option<String> = "enable",
        /// Whether lines begin with the time; unset to inherit.
        include_timestamp: Tristate = "includeTimestamp",
        /// Whether lines end with the place in the source; unset to inherit.
        include_source: Tristate = "includeSource",
        /// `stderr`, `stdout`, `syslog` or a file; unset to inherit.
        output_file: Option<String> = "outputFile",
    }
}

/// Which levels a module logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevels {
    /// Those of the module DEFAULT.
    Inherit,
    /// These: bit *n* for the *n*th [`Level`].
    These(u8),
}

impl LogLevels {
    /// Reads the attribute `enable`, no word of which is no level: levels with an optional `+` for "and worse", `none`, `default`, separated by commas,
    /// semicolons, colons or blanks. `trace` is `debug`; `notice`, which control planes may send although nothing is
    /// logged at that level, stands between `info` and `warning`.
    ///
    /// # Errors
    /// A sentence that names the word that is none of these.
    pub fn parse(enable: &str) -> Result<Self, String> {
        let mut levels = 0;
        let words = enable
            .split([',', ';', ':', ' ', '\t'])
            .filter(|word| !word.is_empty());
        for word in words {
            let (name, and_worse) = word
                .strip_suffix('+')
                .map_or((word, false), |name| (name, true));
            let bits = match name.to_ascii_lowercase().as_str() {
                "default" => return Ok(LogLevels::Inherit),
                "none" => 0,
                "trace" => bits(Level::Debug, and_worse),
                "notice" if and_worse => bits(Level::Warning, true),
                "notice" => 0,
                name => match Level::from_word(name) {
                    Some(level) => bits(level, and_worse),
                    None => {
                        return Err(format!(
                            "'{}' is not a valid log level. Should be one of {{{}, none, default}} with an optional +.",
                            bounded(word),
                            crate::schema::LEVELS.join(", ")
                        ));
                    }
                },
            };
            levels |= bits;
        }
        Ok(LogLevels::These(levels))
    }

    /// Whether entries of a level are logged, where `inherited` are the levels of the module DEFAULT.
    pub fn includes(self, level: Level, inherited: LogLevels) -> bool {
        match (self, inherited) {
            (LogLevels::These(bits), _) | (LogLevels::Inherit, LogLevels::These(bits)) => {
                bits & (1 << level as u8) != 0
            }
            (LogLevels::Inherit, LogLevels::Inherit) => level >= Level::Info,
        }
    }
}

/// The bits of a level, and of the worse ones with it.
const fn bits(level: Level, and_worse: bool) -> u8 {
    let own = 1 << level as u8;
    if and_worse {
        !(own - 1) & 0b1_1111
    } else {
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_with_a_plus_include_worse_ones() {
        let warning = LogLevels::parse("warning+").unwrap();
        let inherited = LogLevels::parse("info+").unwrap();
        let logged = |levels: LogLevels| {
            Level::ALL
                .iter()
                .filter(|level| levels.includes(**level, inherited))
                .count()
        };
        assert_eq!(logged(warning), 3);
        assert_eq!(logged(LogLevels::parse("trace+").unwrap()), 5);
        assert_eq!(logged(LogLevels::parse("notice+").unwrap()), 3);
        assert_eq!(logged(LogLevels::parse("debug, error").unwrap()), 2);
        assert_eq!(logged(LogLevels::parse("none").unwrap()), 0);
        assert_eq!(logged(LogLevels::parse("default").unwrap()), 4);
        assert_eq!(logged(LogLevels::parse("").unwrap()), 0);
        assert!(LogLevels::parse("loud+").unwrap_err().contains("loud+"));
    }
}
