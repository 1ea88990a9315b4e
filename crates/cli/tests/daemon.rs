//! `skupper router --daemon`, which goes on without who started it.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tokio::net::TcpSocket;

fn start(config: &Path, pid_file: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skupper"));
    // Both are found although the daemon works elsewhere.
    let name = |path: &Path| path.file_name().unwrap().to_owned();
    command.current_dir(config.parent().unwrap());
    command.args(["router", "-d", "-c"]).arg(name(config));
    command.arg("-P").arg(name(pid_file)).output().unwrap()
}

/// A process that must not outlive the test.
struct Daemon(String);

impl Daemon {
    fn kill(&self, signal: &str) -> bool {
        let killed = Command::new("kill").args([signal, &self.0]).status();
        killed.is_ok_and(|status| status.success())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has ended where the test has gone well.
        self.kill("-KILL");
    }
}

#[test]
fn a_router_goes_on_by_itself_and_says_why_if_it_cannot() {
    let home = tempfile::tempdir().unwrap();
    let (config, pid_file) = (home.path().join("router.json"), home.path().join("pid"));
    std::fs::write(&config, r#"[["router", {"id": "not$ok"}]]"#).unwrap();
    let refused = start(&config, &pid_file);
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && why.contains("Router ID \"not$ok\""),
        "{why}"
    );
    assert!(!pid_file.exists());

    // Its log goes where who started it would have looked for the news.
    let logs = r#"["log", {"module": "DEFAULT", "enable": "info+", "outputFile": "stdout"}]"#;
    // Bound, so that it is nobody else's, and not listened at.
    let port = TcpSocket::new_v4().unwrap();
    port.set_reuseaddr(true).unwrap();
    port.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = port.local_addr().unwrap();
    // As at upstream's, a relative directory begins where the daemon works.
    let files = home.path().strip_prefix("/").unwrap().display();
    let web = format!(
        r#"["listener", {{"name": "web", "host": "127.0.0.1", "port": "{}", "httpRootDir": "{files}"}}]"#,
        address.port()
    );
    let sections = format!(r#"[["router", {{"id": "daemon"}}], {logs}, {web}]"#);
    std::fs::write(&config, sections).unwrap();
    let started = start(&config, &pid_file);
    assert!(started.status.success(), "{started:?}");
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    let daemon = Daemon(pid.trim().to_owned());
    let process = Path::new("/proc").join(pid.trim());
    let stat = std::fs::read_to_string(process.join("stat")).unwrap();
    // Behind the name in parentheses: state, parent, group, session.
    let session = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(3);
    assert_eq!(session, Some(pid.trim()), "it leads a session of its own");
    assert_eq!(
        std::fs::read_link(process.join("cwd")).unwrap(),
        Path::new("/")
    );
    let mut page = TcpStream::connect(address).unwrap();
    let request = b"GET /pid HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    page.write_all(request).unwrap();
    let mut answer = String::new();
    page.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with(&pid),
        "{answer}"
    );

    assert!(daemon.kill("-TERM"));
    let begun = Instant::now();
    while process.join("fd").exists()
        && std::fs::read_dir(process.join("fd")).is_ok_and(|mut open| open.next().is_some())
    {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not end");
        sleep(Duration::from_millis(20));
    }
}
