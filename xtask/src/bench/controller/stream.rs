//! What `kubectl get --watch` prints, with the time at which it does: watching costs little, looking again and again much.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use super::ground::{Ground, LIMIT};

/// A watch under way.
pub(super) struct Watch {
    child: Child,
    lines: Receiver<(Instant, String)>,
    what: String,
}

impl Watch {
    /// Watches: arguments say what (`-n`, `west`, `links`), `format` is a JSONPath template for each state of an object.
    pub(super) fn start(ground: &Ground, arguments: &[&str], format: &str) -> Result<Self> {
        let mut child = ground
            .cluster
            .command("kubectl")?
            .arg("get")
            .args(arguments)
            .args(["--watch", "-o", &format!("jsonpath={format}{{\"\\n\"}}")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start kubectl")?;
        let output = child.stdout.take().context("no output of kubectl")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            lines,
            what: arguments.join(" "),
        })
    }

    /// Takes what is printed until `done` says so of a line; when that line was printed.
    pub(super) fn until(&self, mut done: impl FnMut(&str) -> bool) -> Result<Instant> {
        let began = Instant::now();
        let mut last = String::new();
        loop {
            let left = LIMIT.saturating_sub(began.elapsed());
            match self.lines.recv_timeout(left) {
                Ok((at, line)) if done(&line) => return Ok(at),
                Ok((_, line)) => last = line,
                Err(RecvTimeoutError::Timeout) => bail!(
                    "waited {} s in vain for {}; last seen: {last}",
                    LIMIT.as_secs(),
                    self.what
                ),
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("kubectl get --watch {} ended", self.what)
                }
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
