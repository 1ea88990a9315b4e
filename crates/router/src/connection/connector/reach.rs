//! The way to a connector's peer: its place, a proxy before it, TLS.

use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use skupper_management::entity::Connector as Settings;
use skupper_management::report::{Refusal, Refuser};
use skupper_pki::verify::Side;

use crate::connection::handshake::Library;
use crate::connection::proxy;
use crate::connection::transport::{Transport, TransportError};
use crate::context::Context;
use crate::dial::{self, For};
use crate::net::TcpStream;
use crate::tls::{Attempt, LoadError, Loaded, server_name};

/// Connects to the peer, or to the proxy before it.
pub(super) async fn connect(
    settings: &Settings,
    attempt: &Attempt,
    context: &Context,
) -> Result<TcpStream, Box<Refusal>> {
    let Settings {
        host,
        port,
        proxy_profile,
        family,
        role,
        ..
    } = settings;
    let whom = match role.keeps_section() {
        true => For::Link(&context.descriptors),
        false => For::Workload(&context.descriptors),
    };
    if !proxy_profile.is_empty() {
        return connect_by_proxy(settings, attempt, context, whom).await;
    }
    let connected = dial::connect(host, port, *family, whom).await;
    connected.map_err(|why| Box::new(attempt.unreachable(why.check, &why.error)))
}

async fn connect_by_proxy(
    settings: &Settings,
    attempt: &Attempt,
    context: &Context,
    whom: For<'_>,
) -> Result<TcpStream, Box<Refusal>> {
    let name = &settings.proxy_profile;
    let target = settings.host_port();
    let connected = match context.proxies.get(name) {
        Some(profile) => proxy::connect(&profile, &target, whom).await,
        None => Err(format!(
            "Proxy connection negotiation failed trying to reach {target}, no proxy profile named {name}: create it, or correct the connector"
        )),
    };
    connected.map_err(|text| Box::new(attempt.protocol(Refuser::Us, "proxy", text)))
}

/// Puts TLS on the socket if the connector has a profile.
pub(super) async fn secure(
    settings: &Settings,
    stream: TcpStream,
    context: &Context,
    attempt: &mut Attempt,
) -> Result<(Transport, Option<Arc<Loaded>>), Box<Refusal>> {
    if settings.ssl_profile.is_empty() {
        return Ok((Transport::clear(stream, &[]), None));
    }
    let (loaded, connection) =
        tls(settings, context).map_err(|error| Box::new(attempt.no_credential(&error)))?;
    attempt.ordinal = loaded.ordinal;
    match Transport::secure(stream, connection, &[]).await {
        Ok(transport) => Ok((transport, Some(loaded))),
        Err((error, record)) => {
            let ours = loaded
                .identity
                .as_ref()
                .map(|identity| identity.certificate());
            Err(Box::new(match error {
                TransportError::Tls(error) => {
                    attempt.handshake(&error, &record, Side::Client, ours)
                }
                TransportError::Socket(error) => attempt.cut(Side::Client, ours, &error),
            }))
        }
    }
}

fn tls(settings: &Settings, context: &Context) -> Result<(Arc<Loaded>, Library), LoadError> {
    let Settings {
        ssl_profile,
        verify_hostname,
        host,
        ..
    } = settings;
    let loaded = context.profiles.get(ssl_profile)?.current()?;
    let config = loaded.client(*verify_hostname, None)?;
    let content = |error| LoadError::Content {
        profile: ssl_profile.clone(),
        error,
    };
    let name = server_name(host).map_err(content)?;
    match UnbufferedClientConnection::new(config, name) {
        Ok(connection) => Ok((loaded, Library::Client(connection))),
        Err(error) => Err(LoadError::library(ssl_profile, &error)),
    }
}
