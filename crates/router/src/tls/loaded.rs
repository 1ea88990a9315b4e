//! One revision of a credential, as loaded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, fs};

use jiff::Timestamp;
use rustls::time_provider::DefaultTimeProvider;
use rustls::{ClientConfig, ServerConfig};
use skupper_management::entity::SslProfile;
use skupper_pki::judge::Severity;
use skupper_pki::tls::{Ciphers, ClientOptions, Identity, ServerOptions, TlsError, Versions};
use skupper_pki::tls::{client_config, server_config};
use skupper_pki::{Credential, Expectation, Finding, Role, TrustBundle, judge};

use crate::password::{PasswordError, read_password};

/// ALPN protocols that TCP listeners take, the first that a client offers, too, being agreed on. HTTP/1.1 goes first, as at upstream's: the
/// server is offered nothing but what was agreed on, and more servers can do that.
const TCP_ALPN: [&[u8]; 2] = [b"http/1.1", b"h2"];
/// Configurations kept of one revision. Only the protocols that clients negotiate make them many.
const MOST_CONFIGURATIONS: usize = 64;

/// A revision of a credential that can be used. What does not *fit* (dates, issuer, usage) can be used: peers will say.
pub struct Loaded {
    /// Its revision.
    pub ordinal: u64,
    /// When it was loaded.
    pub at: Timestamp,
    /// What is presented to peers.
    pub identity: Option<Identity>,
    /// Whom peers' certificates are judged by.
    pub trusted: Option<TrustBundle>,
    profile: String,
    versions: Versions,
    ciphers: Ciphers,
    /// What users are called who have another name in their certificates.
    names: HashMap<String, String>,
    servers: Mutex<HashMap<ServerUse, Arc<ServerConfig>>>,
    clients: Mutex<HashMap<ClientUse, Arc<ClientConfig>>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct ServerUse {
    demand_certificate: bool,
    alpn: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct ClientUse {
    verify_name: bool,
    alpn: Option<String>,
}

/// Why a credential cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// No profile of that name.
    #[error("sslProfile '{0}' not found: create it, or correct the name")]
    NoProfile(String),
    /// A file cannot be read.
    #[error(
        "Failed to configure TLS {attribute} '{path}' from sslProfile '{profile}': the file cannot be read: {error}"
    )]
    File {
        /// The profile.
        profile: String,
        /// The attribute that names the file.
        attribute: &'static str,
        /// The file.
        path: String,
        /// Why not.
        error: String,
    },
    /// What is in the files of certificate and key cannot be used.
    #[error("Failed to configure TLS certFile '{path}' from sslProfile '{profile}': {error}")]
    Identity {
        /// The profile.
        profile: String,
        /// The certificate's file.
        path: String,
        /// Why not.
        error: TlsError,
    },
    /// There is a certificate, and no key for it.
    #[error(
        "Missing Private Keyfile (sslProfile: {0}): set privateKeyFile, or put the key into the file of the certificate"
    )]
    NoKey(String),
    /// The TLS library does not take it.
    #[error("sslProfile '{profile}': {error}")]
    Content {
        /// The profile.
        profile: String,
        /// Why not.
        error: TlsError,
    },
    /// The trust bundle cannot be used.
    #[error("Failed to configure TLS caCertFile '{path}' from sslProfile '{profile}': {error}")]
    Bundle {
        /// The profile.
        profile: String,
        /// The file.
        path: String,
        /// Why not.
        error: skupper_pki::verify::BundleError,
    },
    /// A file that the use needs is not configured.
    #[error("{user} requires {what} (sslProfile: {profile}): set {attribute}")]
    Missing {
        /// The profile.
        profile: String,
        /// Listener or Connector.
        user: &'static str,
        /// What it requires.
        what: &'static str,
        /// The attribute.
        attribute: &'static str,
    },
    /// A protocol version that is not known.
    #[error(
        "Failed to configure TLS Protocols '{found}' for sslProfile '{profile}': expected TLSv1.2, TLSv1.3 or both"
    )]
    Protocols {
        /// The profile.
        profile: String,
        /// The attribute.
        found: String,
    },
    /// A cipher list that leaves nothing to speak.
    #[error(
        "Failed to configure TLS Ciphers '{found}' for sslProfile '{profile}': none of the TLS 1.2 suites that it selects is spoken here: add ECDHE with AES-GCM or ChaCha20, or leave the attribute out"
    )]
    Ciphers {
        /// The profile.
        profile: String,
        /// The attribute.
        found: String,
    },
    /// The users' names cannot be read.
    #[error(
        "sslProfile '{profile}': uidNameMappingFile '{path}': expected a JSON object that maps user ids to names: {error}"
    )]
    Names {
        /// The profile.
        profile: String,
        /// The file.
        path: String,
        /// What is wrong in it.
        error: String,
    },
    /// The key's password cannot be found.
    #[error("sslProfile '{profile}': password: {error}")]
    Password {
        /// The profile.
        profile: String,
        /// Why not.
        error: PasswordError,
    },
    /// The key cannot be decrypted.
    #[error("sslProfile '{profile}': {error}")]
    Encrypted {
        /// The profile.
        profile: String,
        /// Why not.
        error: skupper_pki::key::KeyError,
    },
}

impl LoadError {
    /// The TLS library does not take what is loaded.
    pub(crate) fn library(profile: &str, error: &rustls::Error) -> Self {
        let error = TlsError::Library(error.to_string());
        LoadError::Content {
            profile: profile.to_owned(),
            error,
        }
    }

    /// What was found, where the content was judged.
    pub fn findings(&self) -> &[Finding] {
        match self {
            LoadError::Identity {
                error: TlsError::Unloadable { findings },
                ..
            } => findings,
            LoadError::Bundle { error, .. } => &error.findings,
            _ => &[],
        }
    }
}

/// The bytes of a profile's files; a file that is not configured is empty.
pub(crate) fn read_files(settings: &SslProfile) -> Result<Credential, LoadError> {
    let read = |attribute, path: &str| match path {
        "" => Ok(Vec::new()),
        path => read_file(&settings.name, attribute, path),
    };
    let tls_crt = read("certFile", &settings.cert_file)?;
    // Some put the key into the certificate's file.
    let key_file = match settings.private_key_file.as_str() {
        "" => &settings.cert_file,
        file => file,
    };
    let mut tls_key = read("privateKeyFile", key_file)?;
    if let Some(source) = settings.key_password() {
        let password = read_password(&source).map_err(|error| LoadError::Password {
            profile: settings.name.clone(),
            error,
        })?;
        tls_key =
            skupper_pki::key::decrypt_pem(&tls_key, password.as_bytes()).map_err(|error| {
                LoadError::Encrypted {
                    profile: settings.name.clone(),
                    error,
                }
            })?;
    }
    Ok(Credential {
        tls_crt,
        tls_key,
        ca_crt: read("caCertFile", &settings.ca_cert_file)?,
    })
}

fn read_file(profile: &str, attribute: &'static str, path: &str) -> Result<Vec<u8>, LoadError> {
    fs::read(path).map_err(|error| LoadError::File {
        profile: profile.to_owned(),
        attribute,
        path: path.to_owned(),
        error: error.to_string(),
    })
}

impl Loaded {
    /// Loads the files of a profile.
    pub(crate) fn load(settings: &SslProfile) -> Result<Self, LoadError> {
        let profile = settings.name.clone();
        let credential = read_files(settings)?;
        let identity = match settings.cert_file.as_str() {
            "" => None,
            _ if settings.private_key_file.is_empty() && !holds_key(&credential.tls_key) => {
                return Err(LoadError::NoKey(profile));
            }
            path => Some(
                Identity::load(&credential).map_err(|error| LoadError::Identity {
                    profile: profile.clone(),
                    path: path.to_owned(),
                    error,
                })?,
            ),
        };
        let trusted = match settings.ca_cert_file.is_empty() {
            true => None,
            false => {
                let bundle = TrustBundle::from_pem(&credential.ca_crt).map_err(|error| {
                    LoadError::Bundle {
                        profile: profile.clone(),
                        path: settings.ca_cert_file.clone(),
                        error,
                    }
                })?;
                Some(bundle.named(format!("ca.crt of sslProfile {profile}")))
            }
        };
        Ok(Loaded {
            ordinal: settings.ordinal,
            at: Timestamp::now(),
            identity,
            trusted,
            versions: versions(&profile, &settings.protocols)?,
            ciphers: ciphers(&profile, &settings.ciphers)?,
            names: names(&profile, &settings.uid_name_mapping_file)?,
            profile,
            servers: Mutex::default(),
            clients: Mutex::default(),
        })
    }

    /// What a user is called: as the profile's `uidNameMappingFile` says, if it says anything of this one.
    pub(crate) fn display_name(&self, user: String) -> String {
        self.names.get(&user).cloned().unwrap_or(user)
    }

    /// For an AMQP listener; `demand_certificate` asks clients for theirs.
    pub(crate) fn amqp_server(
        &self,
        demand_certificate: bool,
    ) -> Result<Arc<ServerConfig>, LoadError> {
        self.server(ServerUse {
            demand_certificate,
            alpn: false,
        })
    }

    /// For a TCP listener.
    pub(crate) fn tcp_server(
        &self,
        demand_certificate: bool,
    ) -> Result<Arc<ServerConfig>, LoadError> {
        self.server(ServerUse {
            demand_certificate,
            alpn: true,
        })
    }

    fn server(&self, wanted: ServerUse) -> Result<Arc<ServerConfig>, LoadError> {
        let mut made = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = made.get(&wanted) {
            return Ok(config.clone());
        }
        let missing = |what, attribute| LoadError::Missing {
            profile: self.profile.clone(),
            user: "Listener",
            what,
            attribute,
        };
        let identity = self.identity.clone();
        let identity =
            identity.ok_or_else(|| missing("a self-identifying certificate", "certFile"))?;
        let clients = match wanted.demand_certificate {
            false => None,
            true => Some(
                self.trusted
                    .clone()
                    .ok_or_else(|| missing("a CA for peer authentication", "caCertFile"))?,
            ),
        };
        let alpn = if wanted.alpn {
            TCP_ALPN.map(<[u8]>::to_vec).to_vec()
        } else {
            Vec::new()
        };
        let options = ServerOptions {
            identity,
            clients,
            alpn,
            versions: self.versions,
            ciphers: self.ciphers.clone(),
            clock: Arc::new(DefaultTimeProvider),
        };
        let mut config = server_config(options).map_err(|error| self.content(error))?;
        // Connections between routers have their own record layer.
        config.enable_secret_extraction = !wanted.alpn;
        if !wanted.alpn {
            // They last for days, and each new one is to be verified: nothing is resumed.
            config.send_tls13_tickets = 0;
        }
        let config = Arc::new(config);
        made.insert(wanted, config.clone());
        Ok(config)
    }

    /// For an AMQP connector, or a TCP connector with the protocol that the client negotiated.
    pub(crate) fn client(
        &self,
        verify_name: bool,
        alpn: Option<&str>,
    ) -> Result<Arc<ClientConfig>, LoadError> {
        let wanted = ClientUse {
            verify_name,
            alpn: alpn.map(str::to_owned),
        };
        let mut made = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = made.get(&wanted) {
            return Ok(config.clone());
        }
        let servers = self.trusted.clone().ok_or_else(|| LoadError::Missing {
            profile: self.profile.clone(),
            user: "Connector",
            what: "a CA certificate",
            attribute: "caCertFile",
        })?;
        let options = ClientOptions {
            identity: self.identity.clone(),
            servers,
            verify_name,
            alpn: alpn
                .map(|protocol| protocol.as_bytes().to_vec())
                .into_iter()
                .collect(),
            versions: self.versions,
            ciphers: self.ciphers.clone(),
            clock: Arc::new(DefaultTimeProvider),
        };
        let mut config = client_config(options).map_err(|error| self.content(error))?;
        // Connections between routers have their own record layer.
        config.enable_secret_extraction = alpn.is_none();
        let config = Arc::new(config);
        if made.len() >= MOST_CONFIGURATIONS {
            made.clear();
        }
        made.insert(wanted, config.clone());
        Ok(config)
    }

    fn content(&self, error: TlsError) -> LoadError {
        LoadError::Content {
            profile: self.profile.clone(),
            error,
        }
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("profile", &self.profile)
            .field("ordinal", &self.ordinal)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// Whether there is a private key among PEM blocks, of whatever kind it is.
fn holds_key(pem: &[u8]) -> bool {
    const END: &[u8] = b"PRIVATE KEY-----";
    pem.windows(END.len()).any(|octets| octets == END)
}

fn versions(profile: &str, protocols: &str) -> Result<Versions, LoadError> {
    let mut tls12 = false;
    let mut tls13 = false;
    let unknown = || LoadError::Protocols {
        profile: profile.to_owned(),
        found: protocols.to_owned(),
    };
    for protocol in protocols.split_whitespace() {
        match protocol {
            "TLSv1.2" => tls12 = true,
            "TLSv1.3" => tls13 = true,
            // Older ones are not spoken; beside a newer one they are no error.
            "TLSv1" | "TLSv1.1" => {}
            _ => return Err(unknown()),
        }
    }
    match (tls12, tls13) {
        (true, true) => Ok(Versions::Tls12AndTls13),
        (true, false) => Ok(Versions::Tls12),
        (false, true) => Ok(Versions::Tls13),
        (false, false) if protocols.trim().is_empty() => Ok(Versions::default()),
        (false, false) => Err(unknown()),
    }
}

fn ciphers(profile: &str, list: &str) -> Result<Ciphers, LoadError> {
    Ciphers::parse(list).ok_or_else(|| LoadError::Ciphers {
        profile: profile.to_owned(),
        found: list.to_owned(),
    })
}

fn names(profile: &str, path: &str) -> Result<HashMap<String, String>, LoadError> {
    if path.is_empty() {
        return Ok(HashMap::new());
    }
    let octets = read_file(profile, "uidNameMappingFile", path)?;
    serde_json::from_slice(&octets).map_err(|error| LoadError::Names {
        profile: profile.to_owned(),
        path: path.to_owned(),
        error: error.to_string(),
    })
}

/// What is wrong with a profile's files now, whether they are in use or not.
pub(crate) fn judge_files(settings: &SslProfile, role: Role, now: Timestamp) -> Vec<Finding> {
    let Ok(credential) = read_files(settings) else {
        return Vec::new();
    };
    let role = if settings.cert_file.is_empty() {
        Role::TrustBundle
    } else {
        role
    };
    let mut findings = judge(&credential, &Expectation::new(role, now));
    findings.retain(|finding| finding.severity > Severity::Note);
    findings
}
