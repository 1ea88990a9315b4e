//! One CA, one credential: ECDSA P-256, for every contender alike.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::process;

/// Files in PEM.
pub(super) struct Material {
    /// The CA's certificate.
    pub(super) ca: PathBuf,
    /// The certificate, for `localhost`, as server and client.
    pub(super) certificate: PathBuf,
    /// Its key.
    pub(super) key: PathBuf,
    /// Certificate and key in one file, as HAProxy wants it.
    pub(super) both: PathBuf,
}

impl Material {
    pub(super) fn make(folder: &Path) -> Result<Self> {
        let script = "umask 077; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -days 30 \
             -subj /CN=bench-ca -addext keyUsage=critical,keyCertSign && \
             openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tls.key -out tls.csr -subj /CN=localhost && \
             printf 'subjectAltName=DNS:localhost\\nextendedKeyUsage=serverAuth,clientAuth\\n' > ext && \
             openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile ext -out tls.crt && \
             cat tls.crt tls.key > both.pem";
        process::run(Command::new("sh").args(["-c", script]).current_dir(folder))
            .context("certificates by openssl")?;
        let file = |name: &str| folder.join(name);
        Ok(Material {
            ca: file("ca.crt"),
            certificate: file("tls.crt"),
            key: file("tls.key"),
            both: file("both.pem"),
        })
    }
}
