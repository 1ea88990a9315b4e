//! What README.md tells its reader to type, typed as it stands there.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use skupper_tests::application::WEB;
use skupper_tests::material::{Authority, Credential, Leaf};
use skupper_tests::space::{LIMIT, Space};
use skupper_tests::stage::Stage;
use xtask::cargo::workspace;
use xtask::wait;

use crate::Scenario;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::shared("readme_a_first_link", first_link).own_cluster(),
    Scenario::shared("readme_your_own_certificates", own_certificates),
];

/// A command, and what stands below it as its output.
#[derive(Debug, PartialEq, Eq)]
struct Typed {
    line: String,
    prints: String,
}

/// The commands of the `console` blocks of a section: a line continues after a backslash, and up to the end of a here-document.
fn commands(section: &str) -> Result<Vec<Typed>> {
    let text = std::fs::read_to_string(workspace().join("README.md")).context("README.md")?;
    let (_, rest) = text
        .split_once(&format!("\n## {section}\n"))
        .with_context(|| format!("README.md has no section {section}"))?;
    let section = rest.split("\n## ").next().unwrap_or_default();
    let mut all: Vec<Typed> = Vec::new();
    for block in section.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        let mut open = false;
        for line in block.lines() {
            match (line.strip_prefix("$ "), all.last_mut()) {
                (Some(command), _) => {
                    open = command.ends_with('\\') || command.contains("<<EOT");
                    all.push(Typed {
                        line: command.to_owned(),
                        prints: String::new(),
                    });
                }
                (None, Some(last)) if open => {
                    let here = last.line.contains("<<EOT");
                    last.line += &format!("\n{line}");
                    open = if here {
                        line != "EOT"
                    } else {
                        line.ends_with('\\')
                    };
                }
                (None, Some(last)) => last.prints += &format!("{line}\n"),
                (None, None) => {}
            }
        }
    }
    ensure!(!all.is_empty(), "the section has no command");
    Ok(all)
}

fn first_link(stage: &Stage) -> Result<()> {
    // Made by the reader; looked at, and removed, by us.
    let mut spaces: Option<(Space, Space)> = None;
    let folder = tempfile::tempdir()?;
    std::os::unix::fs::symlink(workspace().join("deploy"), folder.path().join("deploy"))?;
    for Typed { line, .. } in commands("A first link in five minutes")? {
        println!("$ {line}");
        match (&spaces, line.contains("--image")) {
            (None, _) if line.starts_with("kubectl create namespace") => {
                // The second of the two comes with the first.
                spaces = Some((stage.space("west")?, stage.space("east")?));
            }
            (Some(_), _) if line.starts_with("kubectl create namespace") => {}
            // Images from the internet: stand-ins, with the same label and port.
            (Some((west, _)), true) if line.contains("create deployment backend") => {
                west.web_server("backend", "hello from west")?;
            }
            (Some((_, east)), true) => {
                east.shows(east.service_address("backend", WEB)?, "hello from west")?;
            }
            _ => {
                stage.shell(folder.path(), &line)?;
            }
        }
    }
    let (_, east) = spaces.context("no namespace was made")?;
    let links = east.shell("skupper link status")?;
    ensure!(links.contains("Ready"), "its links: {links}");
    Ok(())
}

fn own_certificates(stage: &Stage) -> Result<()> {
    let west = stage.space("readme")?;
    let folder = tempfile::tempdir()?;
    let ca = Authority::new("the reader's CA")?;
    // As the section says, it signs what is not brought: the server certificate trusts it, too.
    west.apply(&ca.credential().secret("skupper-site-ca"))?;
    let mut server = ca.issue(&Leaf::server(&["west.example"]))?;
    write(folder.path(), &server)?;
    let mut typed = 0;
    for Typed { line, prints } in commands("Your own certificates for incoming links")? {
        println!("$ {line}");
        if line.contains("apply -f skupper-site-server.yaml") {
            // Now the Site is there, and the Secret of another one is applied over it.
            west.site("west", Some("default"))?;
            west.await_ready("site", "west")?;
            server = ca.issue(&Leaf::server(&["west.example"]))?;
            let manifest = server.secret("skupper-site-server").to_string();
            std::fs::write(folder.path().join("skupper-site-server.yaml"), manifest)?;
        }
        if line.contains("link generate") {
            west.await_ready("certificate", "skupper-link")?;
        }
        let type_it = || west.shell(&format!("cd {}; {line}", folder.path().display()));
        if prints.is_empty() {
            type_it()?;
        } else {
            wait::until(&format!("{prints:?}"), LIMIT, || {
                let said = type_it()?;
                ensure!(said == prints, "it prints {said:?}");
                Ok(Some(()))
            })?;
        }
        if line.contains("apply -f skupper-site-server.yaml") {
            let endpoints = west.endpoints("west")?;
            let host = endpoints[0]["host"].as_str().unwrap_or_default();
            stage.await_presented(&west, host, &server.secret(""))?;
        }
        typed += 1;
    }
    ensure!(typed >= 8, "only {typed} commands were found");
    ensure!(
        west.get("secret", "skupper-site-server")?["data"] == server.secret("")["data"],
        "the reader's Secret changed"
    );
    Ok(())
}

/// The elements as files, named as the reader's are.
fn write(folder: &Path, credential: &Credential) -> Result<()> {
    for (name, text) in [
        ("tls.crt", &credential.crt),
        ("tls.key", &credential.key),
        ("ca.crt", &credential.ca),
    ] {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}
