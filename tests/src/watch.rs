//! Writing down every change of some objects, as the API server tells of it.

use std::fs::File;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::space::{LIMIT, Space};

/// A running `kubectl get --watch`.
pub struct Watch {
    child: Child,
    told: tempfile::NamedTempFile,
}

impl Watch {
    /// Begins with all objects of `kind` in `space`, and waits until they are told: there must be one.
    pub fn start(space: &Space, kind: &str) -> Result<Self> {
        let watch = Self::of(space, kind)?;
        watch.await_object(&format!("the first {kind}"), |_| true)?;
        Ok(watch)
    }

    /// Begins with all objects of `kind` in `space`, of which there may be none yet.
    pub fn of(space: &Space, kind: &str) -> Result<Self> {
        let told = tempfile::NamedTempFile::new().context("a file for what a watch tells")?;
        let out = File::create(told.path()).context("a file for what a watch tells")?;
        let child = space
            .kubectl_command()?
            .args([
                "get",
                kind,
                "--watch",
                "--output-watch-events",
                "-o",
                "json",
            ])
            .stdin(Stdio::null())
            .stdout(out)
            .spawn()
            .context("cannot start kubectl")?;
        Ok(Watch { child, told })
    }

    /// Waits until an object is told as `wanted`, looking again every few milliseconds.
    pub fn await_object(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<()> {
        let start = Instant::now();
        while !self.told()?.iter().any(&wanted) {
            ensure!(
                start.elapsed() < LIMIT,
                "waited {} s in vain for {what}",
                LIMIT.as_secs()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Waits until nothing was told for `span`.
    pub fn await_quiet(&self, span: Duration) -> Result<()> {
        let start = Instant::now();
        let (mut count, mut since) = (self.told()?.len(), Instant::now());
        while since.elapsed() < span {
            ensure!(
                start.elapsed() < LIMIT,
                "what is watched is written again and again for {} s",
                LIMIT.as_secs()
            );
            std::thread::sleep(Duration::from_millis(100));
            let now = self.told()?.len();
            if now != count {
                (count, since) = (now, Instant::now());
            }
        }
        Ok(())
    }

    /// The objects told so far, each as often as it was written; the first time as it was at the beginning.
    pub fn told(&self) -> Result<Vec<Value>> {
        let text = std::fs::read(self.told.path()).context("what a watch told")?;
        let events = serde_json::Deserializer::from_slice(&text).into_iter::<Value>();
        // The last one may be half written.
        Ok(events
            .map_while(Result::ok)
            .map(|mut event| event["object"].take())
            .collect())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
