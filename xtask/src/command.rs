//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use xtask::cargo::{self, Profile};
use xtask::cluster::Cluster;
use xtask::progress::say;
use xtask::{demo, image};

/// Development tasks of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
pub(crate) enum Command {
    /// Links two sites with certificates of your own before your eyes, and cleans up after itself.
    Demo {
        /// Leaves everything running, to play with.
        #[arg(long)]
        keep: bool,
        /// Uses the cluster behind KUBECONFIG (or ~/.kube/config); the images must be in a registry that it reaches.
        #[arg(long)]
        use_existing_cluster: bool,
        /// In front of the images' names.
        #[arg(long, default_value = "localhost")]
        registry: String,
        /// The images' tag.
        #[arg(long, default_value = "dev")]
        tag: String,
        /// How our program is built.
        #[arg(long, value_enum, default_value = "dev")]
        profile: Profile,
        /// The application's image in an existing cluster: with sh, httpd, wget and sleep.
        #[arg(long, default_value = "docker.io/library/busybox:stable")]
        application: String,
    },
    /// A real Kubernetes on this machine, for demo and tests.
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Runs every test; says and makes ready what they need first.
    Test {
        /// Arguments for `cargo test`.
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// Measures us beside others, in one run.
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Builds the program as users get it, trained with what a first build of it carries between two routers; prints its path.
    Release,
    /// Makes the OCI images of our program, without a container engine: target/image/skupper.tar.
    Image {
        /// In front of the images' names.
        #[arg(long, default_value = "localhost")]
        registry: String,
        /// The images' tag.
        #[arg(long, default_value = "dev")]
        tag: String,
        /// How the program is built.
        #[arg(long, value_enum, default_value = "release")]
        profile: Profile,
        /// Takes this program instead of building one.
        #[arg(long, conflicts_with = "profile")]
        program: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Pairs of routers with mutual TLS between them: none, HAProxy, upstream's (named by SKROUTERD), ours.
    Router {
        /// Rounds; the median counts.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Seconds of each measurement.
        #[arg(long, default_value_t = 3)]
        seconds: u64,
        /// Only figures whose name holds this.
        #[arg(long, default_value = "")]
        only: String,
        /// Only this contender; may be given several times.
        #[arg(long = "contender")]
        contenders: Vec<String>,
        /// Takes this program, called as skrouterd is, instead of building ours.
        #[arg(long)]
        program: Option<PathBuf>,
    },
    /// Our controller on a real cluster: certificates, sites and links by the hundred.
    Controller {
        /// Only this part: certificates, sites or links.
        #[arg(long, default_value = "")]
        only: String,
        /// Seconds for which the idle controller is watched; its figures are given for five minutes.
        #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
        idle: u64,
        /// Takes this program instead of building one.
        #[arg(long)]
        program: Option<PathBuf>,
    },
    /// From the write of a faulty Link or Secret to its sentence, on a real cluster with pods; Site and Link to Ready.
    Sentences {
        /// Arguments of the benchmark; `-- --help` tells them.
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// The servers behind the pairs, started by `router` and `release`.
    #[command(hide = true)]
    Servers,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Brings a cluster up, and prints how to use it. What ran or was left under that name is removed first.
    Up {
        /// Lower-case letters, digits, hyphens.
        #[arg(default_value = "dev")]
        name: String,
    },
    /// Takes a cluster down, or removes what a killed run left of it.
    Down {
        /// As given to `up`.
        #[arg(default_value = "dev")]
        name: String,
        /// Every cluster that is up.
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Shows a cluster's daemons, addresses and pods; without a name, which clusters are up.
    Status {
        /// As given to `up`.
        name: Option<String>,
    },
    /// Runs kubectl as the cluster's administrator.
    Kubectl {
        /// As given to `up`.
        name: String,
        /// kubectl's own arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Runs a program inside the cluster's network namespace, KUBECONFIG set; a shell without one.
    Exec {
        /// As given to `up`.
        name: String,
        /// The program and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<OsString>,
    },
    /// Imports an image archive into the cluster's node.
    Load {
        /// As given to `up`.
        name: String,
        /// An OCI or docker archive.
        archive: PathBuf,
    },
    /// Lays a wire between two clusters: each reaches the other's node, pods and load balancers.
    Join {
        /// One cluster.
        one: String,
        /// The other.
        other: String,
        /// Cuts the wire instead.
        #[arg(long)]
        part: bool,
    },
    /// The stand-in for a cloud's load balancers; `up` starts it.
    #[command(hide = true)]
    Balance {
        /// As given to `up`.
        name: String,
    },
}

impl Command {
    /// Does it.
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Cluster(command) => return command.run(),
            Self::Demo {
                keep,
                use_existing_cluster,
                registry,
                tag,
                profile,
                application,
            } => demo::run(&demo::Options {
                keep,
                existing: use_existing_cluster.then(kubeconfig).transpose()?,
                image: image::Options {
                    registry,
                    tag,
                    profile,
                    program: None,
                },
                application,
            })?,
            Self::Test { arguments } => xtask::suite::run(&arguments)?,
            Self::Bench(BenchCommand::Router {
                rounds,
                seconds,
                only,
                contenders,
                program,
            }) => {
                xtask::bench::router(&xtask::bench::Options {
                    rounds,
                    seconds,
                    only,
                    contenders,
                    program,
                })?;
            }
            Self::Bench(BenchCommand::Controller {
                only,
                idle,
                program,
            }) => {
                xtask::bench::controller::controller(&xtask::bench::controller::Options {
                    only,
                    idle: std::time::Duration::from_secs(idle),
                    program,
                })?;
            }
            Self::Bench(BenchCommand::Sentences { arguments }) => {
                xtask::bench::sentences(&arguments)?;
            }
            Self::Bench(BenchCommand::Servers) => xtask::bench::servers()?,
            Self::Release => {
                let program = cargo::build("skupper", "skupper", Profile::Release)?;
                println!("{}", program.display());
            }
            Self::Image {
                registry,
                tag,
                profile,
                program,
            } => {
                let options = image::Options {
                    registry,
                    tag,
                    profile,
                    program,
                };
                let archive = image::build(&options)?;
                for role in ["controller", "kube-adaptor", "router"] {
                    say(&format!("{} is in it", options.name(role)));
                }
                println!("{}", archive.display());
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl ClusterCommand {
    fn run(self) -> Result<ExitCode> {
        match self {
            Self::Up { name } => {
                let cluster = Cluster::up(&name)?;
                usage(&name);
                println!("{}", cluster.kubeconfig().display());
            }
            Self::Down { all: true, .. } => {
                for cluster in Cluster::all() {
                    cluster.down()?;
                    say(&format!("cluster {} is gone", cluster.name()));
                }
            }
            Self::Down { name, .. } => {
                Cluster::down_by_name(&name)?;
                say(&format!("cluster {name} is gone"));
            }
            Self::Status { name: Some(name) } => print!("{}", Cluster::open(&name)?.status()?),
            Self::Status { name: None } => {
                let all = Cluster::all();
                if all.is_empty() {
                    println!("no cluster is up; `cargo xtask cluster up` brings one up");
                }
                for cluster in all {
                    let health = if cluster.is_healthy() {
                        "answers"
                    } else {
                        "does not answer"
                    };
                    println!(
                        "{:<34}{:<17}{}",
                        cluster.name(),
                        health,
                        cluster.kubeconfig().display()
                    );
                }
            }
            Self::Kubectl { name, arguments } => {
                return hand_over(Cluster::open(&name)?.command("kubectl")?.args(arguments));
            }
            Self::Exec { name, words } => {
                let shell = || std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
                let mut words = words.into_iter();
                let program = words.next().unwrap_or_else(shell);
                return hand_over(Cluster::open(&name)?.command(program)?.args(words));
            }
            Self::Load { name, archive } => Cluster::open(&name)?.load(archive)?,
            Self::Join { one, other, part } => {
                let (one, other) = (Cluster::open(&one)?, Cluster::open(&other)?);
                if part {
                    one.part(&other)?
                } else {
                    one.join(&other)?
                }
            }
            Self::Balance { name } => Cluster::open(&name)?.balance()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The kubeconfig that kubectl would take.
fn kubeconfig() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty()) {
        return Ok(named.into());
    }
    let home = std::env::var_os("HOME").context("neither KUBECONFIG nor HOME is set")?;
    Ok(PathBuf::from(home).join(".kube/config"))
}

/// Runs a program with this terminal, and ends as it ends.
fn hand_over(command: &mut std::process::Command) -> Result<ExitCode> {
    let status = command
        .status()
        .with_context(|| format!("cannot start `{}`", xtask::process::line(command)))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

fn usage(name: &str) {
    say(&format!(
        "cluster {name} is up, inside a network namespace of its own:\n\
         \x20 cargo xtask cluster kubectl {name} get pods -A     kubectl as administrator\n\
         \x20 cargo xtask cluster exec {name} -- CMD…            any program beside it; a shell without one\n\
         \x20 cargo xtask cluster load {name} IMAGE.tar          an image for its pods (imagePullPolicy: Never)\n\
         \x20 cargo xtask cluster status {name}                  daemons, addresses, pods\n\
         \x20 cargo xtask cluster down {name}                    removes all of it\n\
         Its kubeconfig (its address means something only in there):"
    ));
}
