//! From a URL and options to a client of a router's agent.

use std::time::Duration;

use skupper_client::{Client, Endpoint, Tls};
use skupper_management::protocol::{MANAGEMENT, address_of_edge_router, address_of_router};
use skupper_pki::tls::{Ciphers, ClientOptions, Identity, Versions, client_config, server_name};
use skupper_pki::{Credential, TrustBundle};

use crate::arguments::{Connection, Target};
use crate::error::ToolError;

const AMQP: u16 = 5672;
const AMQPS: u16 = 5671;
/// Whom the system trusts, where no trust anchors are named.
const SYSTEM_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Where a URL leads.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    tls: bool,
    host: String,
    port: u16,
    /// An agent's address, which goes before what the options say.
    path: Option<String>,
}

/// A client that asks the agent of the target.
pub(crate) fn connect(options: &Connection, target: &Target) -> Result<Client, ToolError> {
    if options.sasl_username.is_some()
        || options.sasl_password.is_some()
        || options.sasl_password_file.is_some()
    {
        let text = "--sasl-username and --sasl-password are not supported: authenticate by a client certificate \
                    (--ssl-certificate, --ssl-key) or ask a listener that demands none";
        return Err(ToolError::Unsupported(text.to_owned()));
    }
    let mut place = place(&options.bus)?;
    place.tls |= options.ssl_certificate.is_some() || options.ssl_trustfile.is_some();
    let timeout = Duration::try_from_secs_f64(options.timeout).map_err(|error| {
        ToolError::Unsupported(format!("--timeout {}: {error}", options.timeout))
    })?;
    let mut endpoint = match place.tls {
        true => Endpoint::tls(place.host.as_str(), place.port, tls(options, &place.host)?),
        false => Endpoint::tcp(place.host.as_str(), place.port),
    };
    endpoint.connect_timeout = timeout;
    let agent = match (place.path, &target.router, &target.edge_router) {
        (Some(path), ..) => path,
        (None, Some(router), _) => address_of_router(router),
        (None, None, Some(router)) => address_of_edge_router(router),
        (None, None, None) => MANAGEMENT.to_owned(),
    };
    let name = format!("skupper-tools-{}", std::process::id());
    Ok(Client::new(endpoint, &name)
        .with_timeout(timeout)
        .with_agent(agent))
}

fn place(url: &str) -> Result<Place, ToolError> {
    let error = |reason: &str| ToolError::Url {
        url: url.to_owned(),
        reason: reason.to_owned(),
    };
    let (tls, rest) = match url.split_once("://") {
        None => (false, url),
        Some(("amqp", rest)) => (false, rest),
        Some(("amqps", rest)) => (true, rest),
        Some((scheme, _)) => {
            return Err(error(&format!(
                "the scheme '{scheme}' is neither amqp nor amqps"
            )));
        }
    };
    let (authority, path) = rest
        .split_once('/')
        .map_or((rest, None), |(authority, path)| (authority, Some(path)));
    let (host, port) = match authority
        .strip_prefix('[')
        .and_then(|inner| inner.split_once(']'))
    {
        Some((host, port)) => (host, port.strip_prefix(':')),
        // An IPv6 address without brackets has no port behind it.
        None if authority.matches(':').count() > 1 => (authority, None),
        None => authority
            .split_once(':')
            .map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        None | Some("" | "amqp") => {
            if tls {
                AMQPS
            } else {
                AMQP
            }
        }
        Some("amqps") => AMQPS,
        Some(port) => port
            .parse()
            .map_err(|_| error(&format!("'{port}' is no port")))?,
    };
    let host = if host.is_empty() { "0.0.0.0" } else { host };
    let path = path.filter(|path| !path.is_empty()).map(str::to_owned);
    Ok(Place {
        tls,
        host: host.to_owned(),
        port,
        path,
    })
}

fn tls(options: &Connection, host: &str) -> Result<Tls, ToolError> {
    if options.ssl_password.is_some() || options.ssl_password_file.is_some() {
        let text = "--ssl-password is not supported: store the key without a password, e.g. with `openssl pkey`";
        return Err(ToolError::Unsupported(text.to_owned()));
    }
    let (anchors_option, anchors_path) = match &options.ssl_trustfile {
        Some(path) => ("--ssl-trustfile", path.as_str()),
        None => ("--ssl-trustfile (not given), the system's", SYSTEM_BUNDLE),
    };
    let credential_error =
        |option: &'static str, path: &str, reason: String| ToolError::Credential {
            option,
            path: path.to_owned(),
            reason,
        };
    let servers = TrustBundle::from_pem(&read(anchors_option, anchors_path)?)
        .map_err(|error| credential_error(anchors_option, anchors_path, error.to_string()))?;
    let identity = match &options.ssl_certificate {
        None => None,
        Some(path) => {
            let key = options.ssl_key.as_deref().unwrap_or(path);
            let credential = Credential {
                tls_crt: read("--ssl-certificate", path)?,
                tls_key: read("--ssl-key", key)?,
                ca_crt: Vec::new(),
            };
            let identity = Identity::load(&credential)
                .map_err(|error| credential_error("--ssl-certificate", path, error.to_string()))?;
            Some(identity)
        }
    };
    let client_certificate = identity.is_some();
    let config = client_config(ClientOptions {
        identity,
        servers,
        verify_name: !options.ssl_disable_peer_name_verify,
        alpn: Vec::new(),
        versions: Versions::default(),
        ciphers: Ciphers::default(),
        clock: std::sync::Arc::new(rustls::time_provider::DefaultTimeProvider),
    });
    let config = config
        .map_err(|error| credential_error(anchors_option, anchors_path, error.to_string()))?;
    let server_name = server_name(host).map_err(|error| ToolError::Url {
        url: host.to_owned(),
        reason: error.to_string(),
    })?;
    Ok(Tls {
        config: config.into(),
        server_name,
        client_certificate,
    })
}

fn read(option: &'static str, path: &str) -> Result<Vec<u8>, ToolError> {
    std::fs::read(path).map_err(|error| ToolError::File {
        option,
        path: path.to_owned(),
        error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_as_users_write_them() {
        let place = |url: &str| {
            let place = place(url).unwrap();
            (place.tls, place.host, place.port, place.path)
        };
        let plain = |host: &str, port| (false, host.to_owned(), port, None);
        assert_eq!(place("0.0.0.0"), plain("0.0.0.0", 5672));
        assert_eq!(place(""), plain("0.0.0.0", 5672));
        assert_eq!(place("localhost:10001"), plain("localhost", 10001));
        assert_eq!(place("amqp://h"), plain("h", 5672));
        assert_eq!(place("[::1]:7"), plain("::1", 7));
        assert_eq!(place("::1"), plain("::1", 5672));
        assert_eq!(
            place("amqps://127.0.0.1"),
            (true, "127.0.0.1".to_owned(), 5671, None)
        );
        let path = place("amqp://h:1/_topo/0/B/$management").3;
        assert_eq!(path.as_deref(), Some("_topo/0/B/$management"));
        for wrong in ["http://h", "h:port", "h:70000"] {
            assert!(
                super::place(wrong).unwrap_err().to_string().contains(wrong),
                "{wrong}"
            );
        }
    }
}
