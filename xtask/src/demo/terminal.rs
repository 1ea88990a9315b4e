//! Showing commands as they would be typed, and what they print.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::cluster::Cluster;
use crate::{process, wait};

/// How long a step may take on a laden machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// A shell beside the cluster, in a folder of its own, with `kubectl` and `skupper` in its path.
pub(super) struct Terminal {
    cluster: Cluster,
    programs: PathBuf,
    folder: TempDir,
    colours: bool,
}

impl Terminal {
    /// `programs` is the folder of our program.
    pub(super) fn new(cluster: Cluster, programs: PathBuf) -> Result<Self> {
        let folder = TempDir::with_prefix("skupper-demo-")
            .context("cannot make a folder for the demo's files")?;
        Ok(Self {
            cluster,
            programs,
            folder,
            colours: std::io::stdout().is_terminal(),
        })
    }

    /// Where the demo's files are.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// A headline.
    pub(super) fn title(&self, text: &str) {
        println!("\n{}", self.paint("1;36", &format!("=== {text}")));
    }

    /// A sentence for the one who watches.
    pub(super) fn tell(&self, text: &str) {
        println!("{}", self.paint("2", &format!("# {text}")));
    }

    fn prompt(&self, line: &str) {
        println!("{}", self.paint("1", &format!("$ {line}")));
    }

    /// Shows `line`, runs it, and shows what it prints as it comes.
    pub(super) fn run(&self, line: &str) -> Result<()> {
        self.prompt(line);
        let status = self
            .shell(line)?
            .stdin(Stdio::null())
            .status()
            .context("cannot start a shell beside the cluster")?;
        if !status.success() {
            bail!("this step failed ({status}): {line}");
        }
        Ok(())
    }

    /// Shows `line` and runs it again and again until what it prints is as `wanted`; shows that last output.
    pub(super) fn until(&self, line: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
        self.prompt(line);
        let said = wait::until("the right answer", PATIENCE, || {
            let said = process::output(&mut self.shell(line)?)?;
            if wanted(&said) {
                Ok(Some(said))
            } else {
                bail!("it says: {}", said.trim())
            }
        })
        .with_context(|| format!("this step did not come to its end: {line}"))?;
        println!("{}", said.trim_end());
        Ok(said)
    }

    /// Runs `line` unseen and returns what it prints.
    pub(super) fn ask(&self, line: &str) -> Result<String> {
        Ok(process::output(&mut self.shell(line)?)?.trim().to_owned())
    }

    fn shell(&self, line: &str) -> Result<Command> {
        let mut command = self.cluster.command("bash")?;
        let prelude = format!(
            "set -euo pipefail; PATH=\"{}:$PATH\"; ",
            self.programs.display()
        );
        command
            .arg("-c")
            .arg(prelude + line)
            .current_dir(self.folder.path());
        Ok(command)
    }

    /// What helps to see why the demo failed.
    pub(super) fn diagnose(&self, namespaces: &[&str]) {
        self.title("It failed. What there is to see:");
        if !self.cluster.is_healthy() {
            println!("the API server does not answer");
            if let Some(folder) = self.cluster.folder() {
                let log = folder.join("log/kube-apiserver.log");
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                println!("the end of its log:\n{}", process::tail(&text, 10));
            }
            return;
        }
        let mut lines = vec!["kubectl get pods --all-namespaces".to_owned()];
        for namespace in namespaces {
            lines.push(format!("kubectl -n {namespace} get sites,links,routeraccesses,certificates,listeners,connectors"));
            lines.push(format!(
                "kubectl -n {namespace} logs --selector=skupper.io/component=router --all-containers --ignore-errors --prefix --tail=15"
            ));
        }
        lines.push("kubectl -n skupper logs deployment/skupper-controller --tail=30".to_owned());
        for line in lines {
            // What fails here has said so already.
            self.run(&line).ok();
        }
    }

    /// What to try next, when everything is kept.
    pub(super) fn invite(&self, own: Option<&str>, west: &str, east: &str) {
        self.title("Everything is still running. What to try next:");
        let program = self.programs.join("skupper").display().to_string();
        let (enter, leave) = match own {
            Some(name) => (
                format!("cargo xtask cluster exec {name}          # a shell beside the cluster"),
                format!("cargo xtask cluster down {name}          # removes all of it"),
            ),
            None => (
                format!("export KUBECONFIG={}", self.cluster.kubeconfig().display()),
                format!("kubectl delete namespace {west} {east} skupper"),
            ),
        };
        for line in [
            enter,
            format!("alias skupper={program}"),
            format!("skupper -n {east} link status"),
            format!("skupper -n {west} debug check         # judges every credential of the site"),
            format!("kubectl -n {west} describe routeraccess"),
            format!(
                "kubectl -n {east} delete secret somebody-else   # the faulty link changes its sentence"
            ),
            leave,
        ] {
            println!("  {line}");
        }
    }

    /// What to try next, when everything is gone.
    pub(super) fn farewell(&self) {
        self.title("Done, and everything is gone again. What to try next:");
        println!("  cargo xtask demo --keep      # the same, left running to play with");
        println!("  cargo xtask test             # every test");
        println!("  cargo xtask cluster up dev   # an empty cluster; docs/cluster.md tells more");
    }
}
