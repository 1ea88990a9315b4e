//! Another implementation on the other side: OpenSSL's programs, where they are installed.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};

use super::super::Records;
use super::{Side, configs, credential, library};
use crate::connection::handshake::{Library, Progress};

/// A program of OpenSSL's with one of our credentials; killed when dropped.
struct Program {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Program {
    fn start(folder: &Path, words: &[&str]) -> Self {
        let mut child = Command::new("openssl")
            .args(words)
            .args(["-CAfile", "ca", "-cert", "crt", "-key", "key", "-tls1_3"])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Program {
            child,
            input,
            output,
        }
    }

    /// What follows on the next line that begins so.
    fn hear(&mut self, beginning: &str) -> String {
        let mut lines = self.output.by_ref().lines().map_while(Result::ok);
        let rest = lines.find_map(|line| Some(line.strip_prefix(beginning)?.to_owned()));
        rest.unwrap_or_else(|| panic!("it ended before it said {beginning:?}"))
    }

    fn say(&mut self, text: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(text.as_bytes()).unwrap();
        input.flush().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Our side of a connection, blocking.
struct Ours {
    stream: TcpStream,
    records: Records,
    cipher: Vec<u8>,
    got: Vec<u8>,
    closed: bool,
}

impl Ours {
    fn establish(mut stream: TcpStream, mut library: Library) -> Self {
        let limit = Some(Duration::from_secs(60));
        stream.set_read_timeout(limit).unwrap();
        let (mut cipher, mut plain) = (BytesMut::new(), BytesMut::new());
        loop {
            let mut sent = Vec::new();
            let mut send = |octets: Bytes| sent.extend_from_slice(&octets);
            let (used, progress) = library.advance(&mut cipher, &mut plain, &mut send).unwrap();
            cipher.advance(used);
            stream.write_all(&sent).unwrap();
            if progress == Progress::Established {
                break;
            }
            let mut block = [0; 4096];
            let count = stream.read(&mut block).unwrap();
            assert_ne!(count, 0, "it ended in the handshake");
            cipher.extend_from_slice(&block[..count]);
        }
        Ours {
            stream,
            records: library.into_records().unwrap(),
            cipher: cipher.to_vec(),
            got: plain.to_vec(),
            closed: false,
        }
    }

    /// Reads until there is `wanted` in what came, or the good-bye; answers what is to be answered at once.
    fn read_until(&mut self, wanted: &str) {
        loop {
            let opened = self.records.open(&mut self.cipher, 0, 0).unwrap();
            self.got.extend_from_slice(&self.cipher[..opened.plain]);
            self.cipher.drain(..opened.rest);
            self.closed |= opened.closed;
            self.send(b"");
            if self.closed || String::from_utf8_lossy(&self.got).contains(wanted) {
                return;
            }
            let mut block = [0; 4096];
            let count = self.stream.read(&mut block).unwrap();
            assert_ne!(count, 0, "{wanted:?} did not come");
            self.cipher.extend_from_slice(&block[..count]);
        }
    }

    fn send(&mut self, mut octets: &[u8]) {
        let mut sealed = VecDeque::new();
        while octets.has_remaining() || self.records.wants_write() {
            self.records.seal(&mut octets, &mut sealed).unwrap();
        }
        for record in sealed {
            self.stream.write_all(&record).unwrap();
        }
    }
}

fn have_openssl() -> bool {
    let found = Command::new("openssl").arg("version").output().is_ok();
    if !found {
        eprintln!("no openssl here: nothing is tried against it");
    }
    found
}

fn home() -> (tempfile::TempDir, skupper_pki::Credential) {
    let (home, credential) = (tempfile::tempdir().unwrap(), credential());
    for (name, text) in [
        ("ca", &credential.ca_crt),
        ("crt", &credential.tls_crt),
        ("key", &credential.tls_key),
    ] {
        std::fs::write(home.path().join(name), text).unwrap();
    }
    (home, credential)
}

/// `K` on its input makes either program change its keys and ask for ours.
fn converse(ours: &mut Ours, program: &mut Program) {
    program.say("first\n");
    ours.read_until("first\n");
    for round in 0..3 {
        program.say("K\n");
        let word = format!("after keys {round}\n");
        // A line by itself: the programs look for commands at the beginning of what they read at once.
        std::thread::sleep(Duration::from_millis(200));
        program.say(&word);
        ours.read_until(&word);
        ours.records.update_wanted = true;
        ours.send(format!("answer {round}\n").as_bytes());
    }
    ours.send(&vec![b'x'; 100_000]);
    ours.send(b"\nthe end\n");
    let heard: Vec<_> = program
        .output
        .by_ref()
        .lines()
        .map_while(Result::ok)
        .take_while(|line| line != "the end")
        .collect();
    for round in 0..3 {
        let word = format!("answer {round}");
        assert!(heard.contains(&word), "{word:?} was not heard");
    }
    let long = heard.iter().map(String::len).max();
    assert_eq!(long, Some(100_000));
}

#[test]
fn a_client_of_another_implementation() {
    if !have_openssl() {
        return;
    }
    let (home, credential) = home();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let words = ["s_client", "-quiet", "-no_ign_eof", "-connect", &address];
    let mut program = Program::start(home.path(), &words);
    let (stream, _) = listener.accept().unwrap();
    let library = library(Side::Server, &configs(&credential, 2));
    let mut ours = Ours::establish(stream, library);
    converse(&mut ours, &mut program);
    // The client, unlike the server, says good-bye when it is told to quit.
    program.say("Q\n");
    ours.read_until("nothing of the kind");
    assert!(ours.closed, "it ended without a good-bye");
}

#[test]
fn a_server_of_another_implementation() {
    if !have_openssl() {
        return;
    }
    let (home, credential) = home();
    let words = [
        "s_server",
        "-Verify",
        "1",
        "-naccept",
        "1",
        "-accept",
        "127.0.0.1:0",
    ];
    let mut program = Program::start(home.path(), &words);
    // The system has chosen its port.
    let stream = TcpStream::connect(program.hear("ACCEPT ")).unwrap();
    let library = library(Side::Client, &configs(&credential, 2));
    converse(&mut Ours::establish(stream, library), &mut program);
}
