//! Connecting through an HTTP proxy (management reference §8.9): `CONNECT host:port`, then the connection is the peer's.

use std::collections::HashMap;
use std::io;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use skupper_management::entity::ProxyProfile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::dial::{self, For, Unreached};
use crate::net::TcpStream;
use crate::password::read_password;

/// The longest answer that is read.
const LONGEST: usize = 16 * 1024;
/// The longest status line that is repeated in a sentence.
const STATUS_LINE: usize = 256;
/// A proxy that is connected and says nothing is given up after this.
const PATIENCE: Duration = Duration::from_secs(30);

/// The proxies that connectors may name.
#[derive(Default)]
pub struct Proxies {
    by_name: RwLock<HashMap<String, ProxyProfile>>,
}

impl Proxies {
    /// Enters or replaces one.
    pub(crate) fn set(&self, profile: ProxyProfile) {
        let mut profiles = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        profiles.insert(profile.name.clone(), profile);
    }

    /// Removes one.
    pub(crate) fn remove(&self, name: &str) {
        let mut profiles = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        profiles.remove(name);
    }

    /// One by its name.
    pub(crate) fn get(&self, name: &str) -> Option<ProxyProfile> {
        let profiles = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        profiles.get(name).cloned()
    }
}

/// Opens a connection to a peer through a proxy; a sentence where that fails.
pub(super) async fn connect(
    profile: &ProxyProfile,
    target: &str,
    whom: For<'_>,
) -> Result<TcpStream, String> {
    connect_within(profile, target, whom, PATIENCE).await
}

async fn connect_within(
    profile: &ProxyProfile,
    target: &str,
    whom: For<'_>,
    patience: Duration,
) -> Result<TcpStream, String> {
    let place = format!("{}:{}", profile.host, profile.port);
    let unconnected = |error: Unreached| {
        format!(
            "Proxy connection not established to {place}, {error}: correct host and port of the proxyProfile"
        )
    };
    let mut stream = dial::connect(&profile.host, &profile.port, None, whom)
        .await
        .map_err(unconnected)?;
    let answered = tokio::time::timeout(patience, negotiate(&mut stream, profile, target)).await;
    let why = match answered {
        Ok(Ok(())) => return Ok(stream),
        Ok(Err(why)) => why,
        Err(_) => format!("no answer within {} s", patience.as_secs_f32()),
    };
    Err(format!(
        "Proxy connection negotiation failed through {place} for {target}, {why}"
    ))
}

async fn negotiate(
    stream: &mut TcpStream,
    profile: &ProxyProfile,
    target: &str,
) -> Result<(), String> {
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if !profile.username.is_empty() {
        let password = match profile.proxy_password() {
            Some(source) => read_password(&source)
                .map_err(|error| format!("proxyProfile {}: {error}", profile.name))?,
            None => String::new(),
        };
        let credential = STANDARD.encode(format!("{}:{password}", profile.username));
        request.push_str(&format!("Proxy-Authorization: Basic {credential}\r\n"));
    }
    request.push_str("\r\n");
    let failed = |error: io::Error| format!("proxy response read error {error}");
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut answer = Vec::with_capacity(256);
    // Octet by octet: what follows the answer is the peer's.
    while !answer.ends_with(b"\r\n\r\n") && !answer.ends_with(b"\n\n") {
        if answer.len() >= LONGEST {
            return Err("proxy response not terminated".to_owned());
        }
        let octet = stream.read_u8().await.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => "proxy response EOF".to_owned(),
            _ => failed(error),
        })?;
        answer.push(octet);
    }
    judge(&answer)
}

/// What a proxy's answer says: any 2xx is consent.
fn judge(answer: &[u8]) -> Result<(), String> {
    let line = answer
        .split(|octet| *octet == b'\n')
        .next()
        .unwrap_or_default();
    let line = String::from_utf8_lossy(line.get(..STATUS_LINE).unwrap_or(line));
    let line = line.trim();
    let (version, rest) = line.split_once(' ').unwrap_or((line, ""));
    if !matches!(version, "HTTP/1.0" | "HTTP/1.1") {
        return Err("proxy malformed header version".to_owned());
    }
    let code = rest.split(' ').next().unwrap_or_default();
    match code.parse::<u16>() {
        Ok(200..=299) => Ok(()),
        Ok(407) => Err(format!(
            "proxy request denied {}: set username and password of the proxyProfile",
            rest.escape_debug()
        )),
        Ok(_) => Err(format!("proxy request denied {}", rest.escape_debug())),
        Err(_) => Err("proxy malformed header status code".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_that_is_silent_is_given_up() {
        // Nobody takes who waits in its queue.
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap();
        let profile = ProxyProfile {
            host: at.ip().to_string(),
            port: at.port().to_string(),
            ..ProxyProfile::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let descriptors = crate::descriptors::Descriptors::new();
        let whom = For::Link(&descriptors);
        let connected = connect_within(&profile, "far:5671", whom, Duration::from_millis(20));
        let said = runtime.block_on(connected).unwrap_err();
        assert_eq!(
            said,
            format!(
                "Proxy connection negotiation failed through {at} for far:5671, no answer within 0.02 s"
            )
        );
    }

    #[test]
    fn answers_are_judged() {
        assert_eq!(
            judge(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"),
            Ok(())
        );
        assert_eq!(judge(b"HTTP/1.0 299\n\n"), Ok(()));
        let denied = judge(b"HTTP/1.1 403 Forbidden\r\n\r\n").unwrap_err();
        assert_eq!(denied, "proxy request denied 403 Forbidden");
        let denied = judge(b"HTTP/1.1 407 Who are you\r\n\r\n").unwrap_err();
        assert!(denied.contains("set username and password"), "{denied}");
        assert!(judge(b"SSH-2.0-x\r\n\r\n").unwrap_err().contains("version"));
        assert!(
            judge(b"HTTP/1.1 yes\r\n\r\n")
                .unwrap_err()
                .contains("status code")
        );
    }
}
