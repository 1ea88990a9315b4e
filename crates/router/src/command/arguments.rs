//! The flags of `skrouterd`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, Command};

/// Read when nothing else is named.
pub(super) const DEFAULT_CONFIG: &str = "/etc/skupper-router/skrouterd.conf";

/// Less than what Podman (10 s), Kubernetes (30 s) and systemd (90 s) wait before they kill.
const DEFAULT_DRAIN: &str = "8";

/// What the command line says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Arguments {
    /// The configuration file, where one is named.
    pub(super) config: Option<PathBuf>,
    /// Whether it runs without the terminal and the process that started it.
    pub(super) daemon: bool,
    /// Where the process's number is written.
    pub(super) pid_file: Option<PathBuf>,
    /// For so long flows under way keep a router that is told to stop, in seconds.
    pub(super) drain: u64,
    /// Whether another router may have the same ports for a time.
    pub(super) share_ports: bool,
    /// Whether what tests wait for comes sooner.
    pub(super) test_hooks: bool,
}

/// What follows from the command line.
#[derive(Debug)]
pub(super) enum Wanted {
    /// A router.
    Run(Arguments),
    /// Nothing more.
    Done(ExitCode),
}

fn command() -> Command {
    let flag = |name: &'static str, short: char, help: &'static str| {
        Arg::new(name).long(name).short(short).help(help)
    };
    Command::new("skrouterd")
        .about("Runs a router of a virtual application network")
        .disable_version_flag(true)
        .arg(
            flag(
                "config",
                'c',
                "Configuration file; a name that ends in .json is JSON",
            )
            .value_name("FILE"),
        )
        .arg(
            flag(
                "include",
                'I',
                "Accepted for upstream's sake, without effect",
            )
            .value_name("DIRECTORY"),
        )
        .arg(flag("daemon", 'd', "Detach from the terminal").action(ArgAction::SetTrue))
        .arg(flag("pidfile", 'P', "Write the process's number into this file").value_name("FILE"))
        .arg(flag("user", 'U', "Accepted for upstream's sake, without effect").value_name("NAME"))
        .arg(
            flag(
                "test-hooks",
                'T',
                "Look for stuck deliveries sooner: every 5 seconds for such of 3; upstream's addresses for tests are not there",
            )
            .action(ArgAction::SetTrue),
        )
        .arg(
            Arg::new("drain")
                .long("drain")
                .env("SKUPPER_DRAIN_SECONDS")
                .value_name("SECONDS")
                .value_parser(clap::value_parser!(u64))
                .default_value(DEFAULT_DRAIN)
                .help("For so long flows under way keep a router that is told to stop"),
        )
        .arg(
            Arg::new("share-ports")
                .long("share-ports")
                .env("SKUPPER_SHARE_PORTS")
                .action(ArgAction::SetTrue)
                .value_parser(clap::builder::FalseyValueParser::new())
                .help("Let the router that takes over from this one open the same ports, and take over from one that lets"),
        )
        .arg(flag("version", 'v', "Print the version").action(ArgAction::SetTrue))
}

impl Arguments {
    /// Reads the command line; `args` begins with the program's name.
    pub(super) fn parse(args: &[OsString]) -> Wanted {
        let matches = match command().try_get_matches_from(args) {
            Ok(matches) => matches,
            Err(error) => {
                // A terminal that is gone needs no usage.
                let _ = error.print();
                return Wanted::Done(if error.use_stderr() {
                    ExitCode::FAILURE
                } else {
                    ExitCode::SUCCESS
                });
            }
        };
        if matches.get_flag("version") {
            println!("{}", env!("CARGO_PKG_VERSION"));
            return Wanted::Done(ExitCode::SUCCESS);
        }
        let daemon = matches.get_flag("daemon");
        if daemon && matches.contains_id("user") {
            eprintln!(
                "skrouterd: --user is not supported: start the router as that user, for example with runuser, or from a systemd unit with User="
            );
            return Wanted::Done(ExitCode::FAILURE);
        }
        // A daemon works in another directory.
        let path = |name: &str| {
            let given = matches.get_one::<String>(name)?;
            std::path::absolute(given)
                .ok()
                .filter(|_| daemon)
                .or_else(|| Some(given.into()))
        };
        Wanted::Run(Arguments {
            config: path("config"),
            daemon,
            pid_file: path("pidfile"),
            drain: matches.get_one("drain").copied().unwrap_or_default(),
            share_ports: matches.get_flag("share-ports"),
            test_hooks: matches.get_flag("test-hooks"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Wanted {
        Arguments::parse(&args.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn upstreams_flags_are_taken() {
        let Wanted::Run(arguments) = parse(&["skrouterd", "-c", "a.json", "-I", "python", "-T"])
        else {
            panic!("a router is to run");
        };
        assert_eq!(
            arguments,
            Arguments {
                config: Some("a.json".into()),
                daemon: false,
                pid_file: None,
                drain: 8,
                share_ports: false,
                test_hooks: true,
            }
        );
    }

    #[test]
    fn a_daemon_finds_its_files_from_elsewhere() {
        let Wanted::Run(arguments) = parse(&["skrouterd", "-d", "-c", "a.json", "-P", "pid"])
        else {
            panic!("a router is to run");
        };
        let here = std::env::current_dir().unwrap();
        assert!(arguments.daemon);
        assert_eq!(arguments.config, Some(here.join("a.json")));
        assert_eq!(arguments.pid_file, Some(here.join("pid")));
        assert!(matches!(
            parse(&["skrouterd", "-d", "-U", "nobody"]),
            Wanted::Done(_)
        ));
    }

    #[test]
    fn what_is_not_understood_ends_with_an_error() {
        let failure = format!("{:?}", ExitCode::FAILURE);
        for wrong in [&["skrouterd", "--wrong"][..], &["skrouterd", "word"]] {
            let Wanted::Done(code) = parse(wrong) else {
                panic!("{wrong:?} was taken")
            };
            assert_eq!(format!("{code:?}"), failure);
        }
    }
}
