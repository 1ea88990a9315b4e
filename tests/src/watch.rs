//! Writing down every change of some objects, as the API server tells of it.

use std::fs::File;
use std::process::{Child, Stdio};

use anyhow::{Context as _, Result};
use serde_json::Value;
use xtask::wait;

use crate::space::{LIMIT, Space};

/// A running `kubectl get --watch`.
pub struct Watch {
    child: Child,
    told: tempfile::NamedTempFile,
}

impl Watch {
    /// Begins with all objects of `kind` in `space`, and waits until they are told.
    pub fn start(space: &Space, kind: &str) -> Result<Self> {
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
        let watch = Watch { child, told };
        wait::until(&format!("the first {kind}"), LIMIT, || {
            Ok((!watch.told()?.is_empty()).then_some(()))
        })?;
        Ok(watch)
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
