//! TLS with workloads: the clients of a listener, the server of a connector. Nobody may take for ever over a handshake.

use std::future::Future;
use std::io;
use std::time::Duration;

use skupper_management::entity::{TcpConnector, TcpListener};
use skupper_management::report::Refusal;
use skupper_pki::Certificate;
use skupper_pki::verify::{Side, watch};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::socket::Socket;
use crate::context::Context;
use crate::net::{TcpStream, has_left};
use crate::tls::{Attempt, HANDSHAKE, LoadError, Loaded, server_name};

/// Secures a client's socket; with the protocol that was negotiated with it. Nothing for a client that leaves without a word: a
/// probe whether the port is open.
pub(super) async fn client(
    settings: &TcpListener,
    context: &Context,
    stream: TcpStream,
    mut attempt: Attempt,
) -> Result<Option<(Socket, Option<String>)>, Box<Refusal>> {
    let profile = context.profiles.get(&settings.ssl_profile);
    let loaded = profile.and_then(|profile| profile.current());
    let loaded = loaded.map_err(|error| attempt.no_credential(&error))?;
    let config = loaded.tcp_server(settings.authenticate_peer);
    let config = config.map_err(|error| attempt.no_credential(&error))?;
    attempt.ordinal = loaded.ordinal;
    let handshake = async move {
        let first = stream.peek(&mut [0]).await;
        if has_left(&first) {
            return Ok(None);
        }
        first?;
        TlsAcceptor::from(config).accept(stream).await.map(Some)
    };
    let shaken = shake_hands(handshake, HANDSHAKE, &attempt, Side::Server, ours(&loaded));
    let Some(stream) = shaken.await? else {
        return Ok(None);
    };
    let protocol = stream.get_ref().1.alpn_protocol();
    let protocol = protocol.map(|protocol| String::from_utf8_lossy(protocol).into_owned());
    Ok(Some((Socket::tls(stream.into()), protocol)))
}

/// Secures a socket to a server, with the protocol that its client has negotiated.
pub(super) async fn server(
    settings: &TcpConnector,
    context: &Context,
    stream: TcpStream,
    alpn: Option<&str>,
    mut attempt: Attempt,
) -> Result<Socket, Box<Refusal>> {
    let profile = context.profiles.get(&settings.ssl_profile);
    let loaded = profile.and_then(|profile| profile.current());
    let loaded = loaded.map_err(|error| attempt.no_credential(&error))?;
    let config = loaded.client(settings.verify_hostname, alpn);
    let config = config.map_err(|error| attempt.no_credential(&error))?;
    attempt.ordinal = loaded.ordinal;
    let content = |error| LoadError::Content {
        profile: settings.ssl_profile.clone(),
        error,
    };
    let name =
        server_name(&settings.host).map_err(|error| attempt.no_credential(&content(error)))?;
    let handshake = TlsConnector::from(config).connect(name, stream);
    let stream = shake_hands(handshake, HANDSHAKE, &attempt, Side::Client, ours(&loaded)).await?;
    Ok(Socket::tls(stream.into()))
}

fn ours(loaded: &Loaded) -> Option<&Certificate> {
    let identity = loaded.identity.as_ref()?;
    Some(identity.certificate())
}

async fn shake_hands<S>(
    handshake: impl Future<Output = io::Result<S>>,
    patience: Duration,
    attempt: &Attempt,
    side: Side,
    ours: Option<&Certificate>,
) -> Result<S, Box<Refusal>> {
    let refusal = match timeout(patience, watch(handshake)).await {
        Ok((Ok(stream), _)) => return Ok(stream),
        Ok((Err(error), record)) => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(error) => attempt.handshake(error, &record, side, ours),
            None => attempt.cut(side, ours, &error),
        },
        Err(_) => attempt.silent(side, patience),
    };
    Err(Box::new(refusal))
}

#[cfg(test)]
mod tests {
    use skupper_management::report::Refuser;

    use super::*;

    #[tokio::test]
    async fn nobody_is_waited_for_for_ever() {
        let attempt = Attempt {
            peer: "10.0.0.1:443".to_owned(),
            ..Attempt::default()
        };
        for (side, whom) in [
            (Side::Client, "the server at "),
            (Side::Server, "the client at "),
        ] {
            let never = std::future::pending::<io::Result<()>>();
            let patience = Duration::from_millis(1);
            let refusal = shake_hands(never, patience, &attempt, side, None).await;
            let refusal = refusal.unwrap_err();
            assert_eq!((refusal.by, &*refusal.check), (Refuser::Nobody, "timeout"));
            let begins =
                format!("{whom}10.0.0.1:443 did not finish the TLS handshake within 1ms: check");
            assert!(refusal.message.starts_with(&begins), "{}", refusal.message);
        }
    }
}
