//! The `skupper` command: the command line, and every role that runs in a pod or as a unit.

#![allow(
    rustdoc::broken_intra_doc_links,
    rustdoc::invalid_html_tags,
    reason = "the documentation of arguments is help text: no HTML, no links"
)]

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use arguments::{Command, CommandLine, Global};
use failure::{FAILED, Failure, Outcome};
use role::Role;

mod act;
mod arguments;
mod check;
mod cluster;
mod connector;
mod document;
mod failure;
mod images;
mod link;
mod listener;
mod output;
mod role;
mod secret;
mod service;
mod site;
mod table;
mod validate;
mod wait;

/// The router allocates and frees from many threads: the system's allocator would serialise them.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match Role::of(std::env::args_os()) {
        Role::Controller(arguments) => skupper_kube::controller::run(arguments),
        Role::Router(arguments) => skupper_router::command::run(arguments),
        Role::Tool(tool, arguments) => tool.run(arguments),
        Role::Adaptor(arguments) => skupper_kube::adaptor::run(arguments),
        Role::CommandLine(arguments) => command_line(arguments),
    }
}

fn command_line(arguments: Vec<OsString>) -> ExitCode {
    let program = OsString::from("skupper");
    let line = match CommandLine::try_parse_from(std::iter::once(program).chain(arguments)) {
        Ok(line) => line,
        Err(error) => {
            let asked = matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            if asked {
                // Help goes to standard output as it is.
                let _ = error.print();
                return ExitCode::SUCCESS;
            }
            let text = error.render().to_string();
            eprint!("Error: {}", text.strip_prefix("error: ").unwrap_or(&text));
            return ExitCode::from(FAILED);
        }
    };
    match dispatch(line) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprint!("{failure}");
            ExitCode::from(failure.code)
        }
    }
}

fn dispatch(line: CommandLine) -> Outcome {
    let CommandLine { global, command } = line;
    platform(&global)?;
    let Some(command) = command else {
        return help(&[]);
    };
    match command {
        Command::Version => output::print(&format!("{}\n", images::version())),
        Command::Completion { shell } => completion(shell),
        Command::Site { command: None } => help(&["site"]),
        Command::Link { command: None } => help(&["link"]),
        Command::Listener { command: None } => help(&["listener"]),
        Command::Connector { command: None } => help(&["connector"]),
        Command::Debug { command: None } => help(&["debug"]),
        command => block_on(run(command, &global)),
    }
}

async fn run(command: Command, global: &Global) -> Outcome {
    match command {
        Command::Site {
            command: Some(command),
        } => site::run::run(command, global).await,
        Command::Link {
            command: Some(command),
        } => link::run::run(command, global).await,
        Command::Listener {
            command: Some(command),
        } => listener::run::run(command, global).await,
        Command::Connector {
            command: Some(command),
        } => connector::run::run(command, global).await,
        Command::Debug {
            command: Some(command),
        } => check::run::run(command, global).await,
        Command::Manifest { output } => images::manifest(&output, global).await,
        _ => Ok(()),
    }
}

/// Only Kubernetes is served. As upstream, a word in the environment that is no platform means Kubernetes, and on the command
/// line it is an error.
fn platform(global: &Global) -> Outcome {
    let given = global
        .platform
        .clone()
        .filter(|platform| !platform.is_empty());
    let (platform, typed) = match given {
        Some(platform) => (platform, true),
        None => (std::env::var("SKUPPER_PLATFORM").unwrap_or_default(), false),
    };
    match platform.as_str() {
        "" | "kubernetes" => Ok(()),
        "podman" | "docker" | "linux" => Err(Failure::failed(format!(
            "platform \"{platform}\" not supported"
        ))
        .next("this version serves kubernetes only: unset SKUPPER_PLATFORM, or give --platform kubernetes")),
        _ if !typed => Ok(()),
        _ => Err(Failure::failed(format!("platform \"{platform}\" not supported"))
            .next("give --platform kubernetes")),
    }
}

fn block_on(work: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let failed = |error| Failure::failed(format!("the runtime cannot be started: {error}"));
    runtime.map_err(failed)?.block_on(work)
}

fn help(path: &[&str]) -> Outcome {
    let mut command = CommandLine::command();
    command.build();
    for name in path {
        if let Some(inner) = command.find_subcommand(name) {
            command = inner.clone();
        }
    }
    output::print(&format!("{}\n", command.render_long_help()))
}

fn completion(shell: clap_complete::Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "skupper", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
