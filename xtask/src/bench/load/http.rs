//! HTTP load: nginx behind the pairs, wrk in front of them.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::host::find_program;
use crate::{process, wait};

/// Connections of wrk.
const CONNECTIONS: usize = 64;

/// nginx, and wrk to load it with.
pub(in crate::bench) struct Http {
    nginx: Child,
    wrk: PathBuf,
    pub(in crate::bench) at: SocketAddr,
}

impl Http {
    /// Whether both are installed.
    pub(in crate::bench) fn is_here() -> bool {
        find_program("nginx").is_some() && find_program("wrk").is_some()
    }

    /// Starts nginx; `None` where it or wrk is not installed.
    pub(in crate::bench) fn start(folder: &Path) -> Result<Option<Self>> {
        let (Some(nginx), Some(wrk)) = (find_program("nginx"), find_program("wrk")) else {
            return Ok(None);
        };
        let at = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let folder = folder.join("nginx");
        std::fs::create_dir_all(&folder)?;
        let (file, root) = (folder.join("nginx.conf"), folder.display());
        let text = format!(
            "worker_processes 2;\ndaemon off;\npid {root}/pid;\nerror_log {root}/error.log;\nevents {{ worker_connections 8192; }}\n\
             http {{\n  access_log off;\n  keepalive_requests 1000000000;\n  client_body_temp_path {root}/body;\n  \
             proxy_temp_path {root}/proxy;\n  fastcgi_temp_path {root}/fastcgi;\n  uwsgi_temp_path {root}/uwsgi;\n  \
             scgi_temp_path {root}/scgi;\n  server {{\n    listen {at} backlog=4096;\n    location / {{ return 200 \"hello\\n\"; }}\n  }}\n}}\n"
        );
        std::fs::write(&file, text)?;
        let nginx = Command::new(nginx)
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start nginx")?;
        let http = Http { nginx, wrk, at };
        wait::until("nginx to answer", Duration::from_secs(30), || {
            Ok(TcpStream::connect(at).ok().map(drop))
        })?;
        Ok(Some(http))
    }

    /// Requests per second through `entrance`, on connections that are kept or that each carry one.
    pub(in crate::bench) fn load(
        &self,
        entrance: SocketAddr,
        keep: bool,
        span: Duration,
    ) -> Result<f64> {
        let mut wrk = Command::new(&self.wrk);
        wrk.arg("-t2")
            .arg(format!("-c{CONNECTIONS}"))
            .arg(format!("-d{}s", span.as_secs().max(1)));
        if !keep {
            wrk.args(["-H", "Connection: close"]);
        }
        let output = process::output(wrk.arg(format!("http://{entrance}/")))?;
        let rate = output
            .lines()
            .find_map(|line| line.strip_prefix("Requests/sec:"))
            .and_then(|rate| rate.trim().parse().ok())
            .with_context(|| format!("wrk told no rate: {output}"))?;
        anyhow::ensure!(!output.contains("Non-2xx"), "wrk got refusals: {output}");
        Ok(rate)
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        // Its workers end with it when it is asked to end.
        if let Some(pid) = rustix::process::Pid::from_raw(self.nginx.id() as i32) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
        }
        self.nginx.wait().ok();
    }
}
