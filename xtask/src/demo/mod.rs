//! The user's job before the user's eyes: two sites linked with a CA and a server certificate of one's own, a request
//! across the link, and one planted fault that is explained.
//!
//! Every step is a command that a user could type; what it prints is shown as it is.

mod cleanup;
mod story;
mod terminal;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use cleanup::Cleanup;
use terminal::Terminal;

use crate::cargo;
use crate::cluster::{BUSYBOX_IMAGE, Cluster};
use crate::host::packages;
use crate::image;
use crate::install::{self, Images};
use crate::progress::say;

/// The name of the demo's own cluster.
const CLUSTER: &str = "demo";

/// How the demo is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Leaves everything running.
    pub keep: bool,
    /// The user's cluster, by its kubeconfig, instead of one of our own.
    pub existing: Option<PathBuf>,
    /// Where the images come from, and how our program is built. In a user's cluster they must be in a registry already.
    pub image: image::Options,
    /// The image of the application in a user's cluster: something with `sh`, `httpd`, `wget` and `sleep`.
    pub application: String,
}

/// What the story is played on.
struct Stage {
    terminal: Terminal,
    west: String,
    east: String,
    application: String,
}

/// Runs the demo from beginning to end, and removes what it made, also when it fails or is interrupted.
///
/// # Errors
/// When the machine lacks something, or a step does not end as it should; the error says which.
pub fn run(options: &Options) -> Result<()> {
    say(if options.existing.is_some() {
        "this demo uses your cluster: it installs the controller, makes two namespaces, links them, and removes all of it"
    } else {
        "this demo builds everything, starts a Kubernetes of its own on this machine, links two sites with certificates \
         that you could have made, and cleans up after itself"
    });
    packages::ensure(packages::TESTS)?;
    let cleanup = match &options.existing {
        None => Cleanup::own(CLUSTER),
        Some(_) => Cleanup::existing(),
    };
    let cleanup = cleanup.on_signals(options.keep)?;

    let played = prepare(options, &cleanup).and_then(|stage| {
        let result = story::play(&stage);
        if result.is_err() {
            cleanup.give_way_to_signals();
            stage.terminal.diagnose(&[&stage.west, &stage.east]);
        }
        result.map(|()| stage)
    });
    match played {
        Ok(stage) if options.keep => {
            stage.terminal.invite(
                options.existing.is_none().then_some(CLUSTER),
                &stage.west,
                &stage.east,
            );
            Ok(())
        }
        Ok(stage) => {
            cleanup.run()?;
            stage.terminal.farewell();
            Ok(())
        }
        Err(error) => {
            cleanup.give_way_to_signals();
            if options.keep {
                say("left as it is (--keep)");
            } else {
                cleanup.run()?;
            }
            Err(error)
        }
    }
}

fn prepare(options: &Options, cleanup: &Cleanup) -> Result<Stage> {
    let skupper = cargo::build("skupper", "skupper", options.image.profile)?;
    let cluster = match &options.existing {
        None => own(&options.image, skupper.clone())?,
        Some(kubeconfig) => {
            let cluster = Cluster::existing(kubeconfig)?;
            for role in ["controller", "kube-adaptor", "router"] {
                say(&format!(
                    "your cluster must be able to pull {}",
                    options.image.name(role)
                ));
            }
            cleanup.remember(&cluster)?;
            cluster
        }
    };
    install::controller(&cluster, &Images::ours(&options.image))
        .context("the controller could not be installed")?;

    let prefix = if cluster.is_own() {
        ""
    } else {
        "skupper-demo-"
    };
    let (west, east) = (format!("{prefix}west"), format!("{prefix}east"));
    for namespace in [&west, &east] {
        if cluster.kubectl(["get", "namespace", namespace]).is_ok() {
            bail!(
                "the namespace {namespace} is there already; delete it first: kubectl delete namespace {namespace}"
            );
        }
    }
    cleanup.remember_namespaces([&west, &east]);
    let application = if cluster.is_own() {
        BUSYBOX_IMAGE.to_owned()
    } else {
        options.application.clone()
    };
    let folder = skupper
        .parent()
        .context("the program has no folder")?
        .to_owned();
    let terminal = Terminal::new(cluster, folder)?;
    cleanup.remember_folder(terminal.folder());
    Ok(Stage {
        terminal,
        west,
        east,
        application,
    })
}

/// A cluster of our own, with our images on its node.
fn own(options: &image::Options, skupper: PathBuf) -> Result<Cluster> {
    let archive = image::build(&image::Options {
        program: Some(skupper),
        ..options.clone()
    })?;
    let cluster = Cluster::up(CLUSTER)?;
    cluster.load(archive)?;
    Ok(cluster)
}
