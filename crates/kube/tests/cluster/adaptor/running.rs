//! The processes of a pod.

use std::ffi::OsString;
use std::fs::File;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command};

use anyhow::{Context as _, Result, bail, ensure};
use xtask::wait;

use super::pod::Pod;
use super::{ADAPTOR, HEALTH, MANAGEMENT, METRICS, ROUTER};
use crate::stage::LIMIT;

/// A process under way. Killed when it goes out of scope.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(command: &mut Command, log: PathBuf) -> Result<Self> {
        let child = command
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?)
            .spawn()
            .context("cannot start a process of the pod")?;
        Ok(Self { child, log })
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("it ended with {status}: {}", self.log()),
            None => Ok(()),
        }
    }

    /// Waits until it ends by itself.
    pub fn end(&mut self) -> Result<()> {
        let status = wait::until("the end of a process", LIMIT, || {
            Ok(self.child.try_wait()?)
        })?;
        ensure!(status.success(), "it ended with {status}: {}", self.log());
        Ok(())
    }

    /// Tells it to stop, and waits until it has.
    pub fn stop(&mut self) -> Result<()> {
        let id = self.child.id().to_string();
        xtask::process::run(Command::new("kill").args(["-TERM", &id]))?;
        self.end()
    }
}

impl Pod<'_> {
    /// Starts `-init`.
    pub fn begin_init(&self) -> Result<Running> {
        let log = self.folder.path().join("init.log");
        Running::start(self.adaptor_command()?.arg("-init"), log)
    }

    /// Runs `-init` to its end; its log.
    pub fn init(&self) -> Result<String> {
        let mut running = self.begin_init()?;
        running.end()?;
        Ok(running.log())
    }

    /// Starts the adaptor.
    pub fn begin_adaptor(&self) -> Result<Running> {
        let log = self.folder.path().join("adaptor.log");
        Running::start(&mut self.adaptor_command()?, log)
    }

    /// Starts the adaptor, and waits until the router runs what it should.
    pub fn adaptor(&self) -> Result<Running> {
        let mut running = self.begin_adaptor()?;
        self.until_ready(&mut running)?;
        Ok(running)
    }

    /// Waits until an adaptor says that the router runs what it should.
    pub fn until_ready(&self, adaptor: &mut Running) -> Result<()> {
        wait::until("the adaptor to be ready", LIMIT, || {
            adaptor.alive()?;
            match self.stage.ask(HEALTH, "/readyz")? {
                (200, _) => Ok(Some(())),
                (_, why) => bail!("{why}"),
            }
        })
        .with_context(|| adaptor.log())?;
        ensure!(self.stage.ask(HEALTH, "/healthz")? == (200, "ok".to_owned()));
        Ok(())
    }

    fn adaptor_command(&self) -> Result<Command> {
        let mut command = self.stage.cluster.command(std::env::current_exe()?)?;
        command
            .arg(format!("-config-dir={}", self.certificates().display()))
            .args(["-namespace", &self.namespace])
            .args(["-health-address", &format!("127.0.0.1:{HEALTH}")])
            .args(["-metrics-address", &format!("127.0.0.1:{METRICS}")])
            .args(["-router-port", &MANAGEMENT.to_string()])
            .env(ADAPTOR, "1")
            .env("KUBECONFIG", &self.kubeconfig)
            .env("SKUPPER_PROXY_DIR", self.folder.path().join("proxies"))
            .env("HOSTNAME", "west-pod")
            .env_remove("NAMESPACE");
        Ok(command)
    }

    /// Starts a router with the file that `-init` wrote: ours, or that of `SKROUTERD`.
    pub fn router(&self, program: Option<&OsString>) -> Result<Running> {
        self.router_of(program, "a-site")
    }

    /// The same, of a site with this id.
    pub fn router_of(&self, program: Option<&OsString>, site_id: &str) -> Result<Running> {
        let log = self.folder.path().join("router.log");
        let program = match program {
            Some(program) => PathBuf::from(program),
            None => std::env::current_exe()?,
        };
        let mut command = self.stage.cluster.command(program)?;
        command
            .arg("-c")
            .arg(self.certificates().join("skrouterd.json"))
            .env(ROUTER, "1")
            .env("SKUPPER_SITE_ID", site_id)
            .env("HOSTNAME", "west-pod");
        let mut running = Running::start(&mut command, log)?;
        wait::until("the router to listen", LIMIT, || {
            running.alive()?;
            self.stage.cluster.enter()?;
            Ok(TcpStream::connect(("127.0.0.1", MANAGEMENT)).ok().map(drop))
        })
        .with_context(|| running.log())?;
        Ok(running)
    }
}
