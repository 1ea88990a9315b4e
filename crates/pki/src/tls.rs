//! rustls configurations from a credential: TLS 1.3, and 1.2 for older peers; hybrid post-quantum key exchange offered
//! first; sessions resumed where no client certificate is presented; peers verified by [`crate::verify`].

mod ciphers;

use std::fmt;
use std::sync::Arc;

use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, NoClientAuth, ResolvesServerCert, ServerSessionMemoryCache};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ServerConfig, SignatureScheme, SupportedProtocolVersion};
use rustls_pki_types::ServerName;
use thiserror::Error;

pub use ciphers::{Ciphers, cipher_name};

use crate::certificate::Certificate;
use crate::credential::Credential;
use crate::judge::{Expectation, Finding, Role, Severity, judge};
use crate::verify::{ClientVerifier, ServerVerifier, TrustBundle};

/// The cryptography in use: AWS-LC, with X25519MLKEM768 as the first key exchange.
pub fn provider() -> Arc<CryptoProvider> {
    use std::sync::OnceLock;
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let make = || Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Arc::clone(PROVIDER.get_or_init(make))
}

/// A TLS configuration that cannot be made.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The credential cannot be loaded.
    #[error("{}", sentences(.findings))]
    Unloadable {
        /// What is wrong; never empty.
        findings: Vec<Finding>,
    },
    /// A host that is neither a DNS name nor an address.
    #[error("{host:?} is not a host name or address to which TLS can connect: {reason}")]
    Host {
        /// The host, escaped.
        host: String,
        /// Why not.
        reason: String,
    },
    /// The TLS library refuses the combination of versions and algorithms.
    #[error("the TLS library refuses the configuration: {0}")]
    Library(String),
}

fn sentences(findings: &[Finding]) -> String {
    let sentences: Vec<String> = findings.iter().map(Finding::to_string).collect();
    sentences.join("; ")
}

/// Certificate chain and key that are presented to peers: loaded, and known to belong together.
#[derive(Clone)]
pub struct Identity {
    leaf: Certificate,
    certified: Arc<CertifiedKey>,
}

impl Identity {
    /// Loads `tls.crt` and `tls.key`. What can be loaded but does not fit (dates, issuer, usage) is loaded: whether peers
    /// accept it is theirs to decide, and [`judge`] says beforehand.
    pub fn load(credential: &Credential) -> Result<Self, TlsError> {
        // The bundle is not looked at, nor the time: neither makes an identity unloadable.
        let own = Credential {
            ca_crt: Vec::new(),
            ..credential.clone()
        };
        let expectation = Expectation::new(Role::Server, jiff::Timestamp::UNIX_EPOCH);
        let findings: Vec<Finding> = judge(&own, &expectation)
            .into_iter()
            .filter(|finding| finding.severity == Severity::Unloadable)
            .filter(|finding| finding.place.element != crate::judge::Element::CaCrt)
            .collect();
        if !findings.is_empty() {
            return Err(TlsError::Unloadable { findings });
        }
        let library = |error: &dyn fmt::Display| TlsError::Library(error.to_string());
        let chain = own.chain().map_err(|error| library(&error))?;
        let key = own.key().map_err(|error| library(&error))?;
        let ders = chain
            .iter()
            .map(|certificate| certificate.der().clone())
            .collect();
        let leaf = chain.into_iter().next();
        Ok(Self {
            leaf: leaf.ok_or_else(|| library(&"there is no certificate"))?,
            certified: Arc::new(CertifiedKey::new(ders, key.signer())),
        })
    }

    /// The certificate that peers see first.
    pub fn certificate(&self) -> &Certificate {
        &self.leaf
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.leaf)
    }
}

/// Which versions of TLS are spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    /// TLS 1.3 and 1.2.
    #[default]
    Tls12AndTls13,
    /// TLS 1.3 only.
    Tls13,
    /// TLS 1.2 only.
    Tls12,
}

impl Versions {
    fn list(self) -> &'static [&'static SupportedProtocolVersion] {
        use rustls::version::{TLS12, TLS13};
        static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        match self {
            Self::Tls12AndTls13 => &BOTH,
            Self::Tls13 => &BOTH[..1],
            Self::Tls12 => &BOTH[1..],
        }
    }
}

/// What a listener does.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// What is presented to clients.
    pub identity: Identity,
    /// The CAs of acceptable clients, who then have to present a certificate; `None` asks for none.
    pub clients: Option<TrustBundle>,
    /// Protocols for ALPN, preferred first; none: ALPN is not answered.
    pub alpn: Vec<Vec<u8>>,
    /// Versions of TLS.
    pub versions: Versions,
    /// Cipher suites.
    pub ciphers: Ciphers,
    /// The clock by which certificates are judged.
    pub clock: Arc<dyn TimeProvider>,
}

/// What a connector does.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// What is presented to servers that ask for it.
    pub identity: Option<Identity>,
    /// The CAs of acceptable servers.
    pub servers: TrustBundle,
    /// Whether the server's certificate has to cover the host connected to.
    pub verify_name: bool,
    /// Protocols for ALPN, preferred first; none: ALPN is not used.
    pub alpn: Vec<Vec<u8>>,
    /// Versions of TLS.
    pub versions: Versions,
    /// Cipher suites.
    pub ciphers: Ciphers,
    /// The clock by which certificates are judged.
    pub clock: Arc<dyn TimeProvider>,
}

/// Makes the configuration of a listener. Sessions are resumed by tickets within this configuration only: with the next one,
/// after a rotation, every peer is verified anew.
pub fn server_config(options: ServerOptions) -> Result<ServerConfig, TlsError> {
    let library = |error: rustls::Error| TlsError::Library(error.to_string());
    let verifier: Arc<dyn rustls::server::danger::ClientCertVerifier> = match options.clients {
        Some(bundle) => Arc::new(ClientVerifier::new(bundle)),
        None => Arc::new(NoClientAuth),
    };
    let mut config =
        ServerConfig::builder_with_details(options.ciphers.apply(provider()), options.clock)
            .with_protocol_versions(options.versions.list())
            .map_err(library)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(Presents(options.identity)));
    config.alpn_protocols = options.alpn;
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(library)?;
    config.session_storage = ServerSessionMemoryCache::new(1024);
    Ok(config)
}

/// Makes the configuration of a connector. One that presents a certificate presents it in each handshake: sessions are resumed
/// only without.
pub fn client_config(options: ClientOptions) -> Result<ClientConfig, TlsError> {
    let verifier = ServerVerifier::new(options.servers, options.verify_name);
    let is_known = options.identity.is_some();
    let mut config =
        ClientConfig::builder_with_details(options.ciphers.apply(provider()), options.clock)
            .with_protocol_versions(options.versions.list())
            .map_err(|error| TlsError::Library(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(Answers(options.identity)));
    config.alpn_protocols = options.alpn;
    if is_known {
        // OpenSSL servers that verify clients and set no session id context (upstream's router is one) give tickets, and answer
        // each with a fatal alert.
        config.resumption = Resumption::disabled();
    }
    Ok(config)
}

/// The name to connect to: a DNS name, which is sent as SNI, or an address, which is not.
pub fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    ServerName::try_from(bare.unwrap_or(host).to_owned()).map_err(|error| TlsError::Host {
        host: crate::text::escape(host),
        reason: error.to_string(),
    })
}

/// Presents one identity to every client. rustls's own resolver reads the certificate again and refuses version 1.
#[derive(Debug)]
struct Presents(Identity);

impl ResolvesServerCert for Presents {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.certified))
    }
}

/// Answers a server that asks for a certificate. The CAs that the server names are recorded and not obeyed: a certificate
/// from another CA is sent all the same, because the server's refusal says more than silence.
#[derive(Debug)]
struct Answers(Option<Identity>);

impl ResolvesClientCert for Answers {
    fn resolve(
        &self,
        root_hint_subjects: &[&[u8]],
        _sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        crate::verify::accepted_issuers(root_hint_subjects);
        self.0
            .as_ref()
            .map(|identity| Arc::clone(&identity.certified))
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}
