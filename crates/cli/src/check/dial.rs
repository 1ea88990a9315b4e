//! A TLS handshake to an endpoint, from here.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use skupper_api::Endpoint;
use skupper_pki::Certificate;
use skupper_pki::tls::server_name;
use skupper_pki::verify::{HandshakeFailure, PeerRecord, Side, watch};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::report::Advice;

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// What opens SASL (AMQP 1.0 part 5.3): the router answers with the same if the client's certificate is accepted. Until then
/// TLS 1.3 leaves open whether it was.
const SASL_HEADER: [u8; 8] = *b"AMQP\x03\x01\x00\x00";

/// How far a connection came.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Both sides accepted each other.
    Accepted(Accepted),
    /// It failed before TLS.
    Unreached(Advice),
    /// TLS failed.
    Refused(Box<HandshakeFailure>),
    /// TLS succeeded, and the other side does not speak AMQP.
    NoRouter(String),
}

/// What was agreed on.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// Version of TLS and key exchange, in words.
    pub(crate) agreed: String,
}

/// Connects, and tells what the other side presented.
pub(crate) async fn dial(
    endpoint: &Endpoint,
    config: ClientConfig,
    ours: Option<&Certificate>,
) -> (Outcome, PeerRecord) {
    match reach(endpoint).await {
        Ok((stream, name)) => shake(stream, name, config, ours).await,
        Err(advice) => (Outcome::Unreached(advice), PeerRecord::default()),
    }
}

async fn reach(endpoint: &Endpoint) -> Result<(TcpStream, ServerName<'static>), Advice> {
    let host = endpoint.host.as_str();
    let name = server_name(host)
        .map_err(|error| Advice::new(error.to_string(), "correct the endpoint"))?;
    let port: u16 = endpoint.port.parse().map_err(|_| {
        Advice::new(
            format!("{:?} is not a port", endpoint.port),
            "correct the endpoint",
        )
    })?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let addresses = timeout(PATIENCE, tokio::net::lookup_host((bare, port))).await;
    let unresolved = |why: String| {
        Advice::new(
            format!("the name {host} does not resolve here: {why}"),
            "correct the host of the endpoint, or the DNS of this machine; the router resolves names in its own cluster",
        )
    };
    let addresses: Vec<_> = match addresses {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return Err(unresolved(error.to_string())),
        Err(_) => return Err(unresolved("no answer in time".to_owned())),
    };
    let mut last = "no address".to_owned();
    for address in addresses {
        match timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, name)),
            Ok(Err(error)) => last = format!("{address}: {error}"),
            Err(_) => last = format!("{address}: no answer in {} s", PATIENCE.as_secs()),
        }
    }
    Err(Advice::new(
        format!("no connection from here: {last}"),
        "check host and port, that the other site runs, and the firewalls between; the router may reach what this machine does not",
    ))
}

async fn shake(
    stream: TcpStream,
    name: ServerName<'static>,
    config: ClientConfig,
    ours: Option<&Certificate>,
) -> (Outcome, PeerRecord) {
    let connector = TlsConnector::from(Arc::new(config));
    let (ended, mut record) = match timeout(PATIENCE, watch(connector.connect(name, stream))).await
    {
        Ok(ended) => ended,
        Err(_) => {
            let advice = Advice::new(
                "the other side does not answer the TLS handshake",
                "check that a router listens there",
            );
            return (Outcome::Unreached(advice), PeerRecord::default());
        }
    };
    let mut tls = match ended {
        Ok(tls) => tls,
        Err(error) => return (failure(&error, &record, ours), record),
    };
    let agreed = agreed(&tls);
    let mut answer = [0; 8];
    let exchange = async {
        tls.write_all(&SASL_HEADER).await?;
        tls.flush().await?;
        tls.read_exact(&mut answer).await
    };
    let outcome = match timeout(PATIENCE, watch(exchange)).await {
        Ok((Ok(_), _)) if answer.starts_with(b"AMQP") => Outcome::Accepted(Accepted { agreed }),
        Ok((Ok(_), _)) => {
            Outcome::NoRouter("what listens there answers, and not with AMQP".to_owned())
        }
        Ok((Err(error), later)) => {
            record.refusal = record.refusal.or(later.refusal);
            failure(&error, &record, ours)
        }
        Err(_) => Outcome::NoRouter("what listens there does not answer".to_owned()),
    };
    (outcome, record)
}

fn agreed(tls: &TlsStream<TcpStream>) -> String {
    let (_, connection) = tls.get_ref();
    let version = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS",
    };
    match connection.negotiated_key_exchange_group() {
        Some(group) => format!("{version}, {:?}", group.name()),
        None => version.to_owned(),
    }
}

fn failure(error: &io::Error, record: &PeerRecord, ours: Option<&Certificate>) -> Outcome {
    if let Some(failure) = HandshakeFailure::explain_io(error, record, Side::Client, ours) {
        return Outcome::Refused(Box::new(failure));
    }
    if record.presented.is_empty() {
        return Outcome::Unreached(Advice::new(
            format!("the other side closes the connection before TLS: {error}"),
            "check host and port: what listens there may not speak TLS",
        ));
    }
    Outcome::NoRouter(format!(
        "the other side closes the connection after the TLS handshake: {error}"
    ))
}
