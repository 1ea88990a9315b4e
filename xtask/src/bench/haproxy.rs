//! HAProxy as a pair, as fair as it can be had: a thread for each core, ECDSA certificates, TLS 1.3 whose sessions are resumed
//! (its default on both sides), splicing where nothing has to be encrypted.

use std::path::Path;
use std::process::{Child, Command};

use anyhow::Result;

use super::contender::{Service, spawn};
use super::material::Material;

/// Each connection takes two descriptors, and pipes to splice by for a quarter of them; a process may have 20,000.
const MOST_CONNECTIONS: usize = 7_000;

/// Starts both; without material they do without TLS.
pub(super) fn start(
    program: &Path,
    services: &[Service],
    folder: &Path,
    material: Option<&Material>,
) -> Result<Vec<Child>> {
    let head = format!(
        "global\n  nbthread {}\n  maxconn {MOST_CONNECTIONS}\n  tune.bufsize 65536\n  ssl-default-bind-options ssl-min-ver TLSv1.3\n  \
         ssl-default-server-options ssl-min-ver TLSv1.3\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n  \
         option splice-auto\n",
        std::thread::available_parallelism()?
    );
    let (mut front, mut back) = (head.clone(), head);
    let (mut to_back, mut from_front) = (String::new(), String::new());
    if let Some(material) = material {
        let (ca, both) = (material.ca.display(), material.both.display());
        to_back = format!(
            " ssl crt {both} ca-file {ca} verify required verifyhost localhost sni str(localhost)"
        );
        from_front = format!(" ssl crt {both} ca-file {ca} verify required");
    }
    for service in services {
        let Service {
            name,
            entrance,
            server,
            back: between,
            hop,
        } = service;
        front += &format!("listen {name}\n  bind {entrance}\n  server peer {hop}{to_back}\n");
        back += &format!("listen {name}\n  bind {between}{from_front}\n  server app {server}\n");
    }
    let mut processes = Vec::new();
    for (name, text) in [("back", back), ("front", front)] {
        let file = folder.join(format!("haproxy-{name}.cfg"));
        std::fs::write(&file, text)?;
        processes.push(spawn(
            Command::new(program).arg("-db").arg("-f").arg(&file),
            &folder.join(format!("haproxy-{name}.log")),
        )?);
    }
    Ok(processes)
}
