//! Findings in words: the sentence, the check in a word, and the remedy.

use std::fmt;

use super::finding::{Anchor, Element, Fault, Finding, Severity};
use crate::key::KeyError;
use crate::pem::PemProblem;
use crate::text::{distance, list, moment};

impl fmt::Display for Finding {
    /// One sentence without a full stop, with expected and presented values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = &self.place;
        match &self.fault {
            Fault::Missing { expected } => {
                write!(f, "{place} is missing or empty, expected {expected}")
            }
            Fault::NotPem { line, problem } => {
                write!(f, "{place} cannot be read: line {line}: {problem}")
            }
            Fault::NotCertificate { line, reason } if place.element == Element::Presented => {
                write!(f, "certificate {line} of {place} is {reason}")
            }
            Fault::NotCertificate { line, reason } => {
                write!(
                    f,
                    "{place} cannot be read: the block at line {line} is {reason}"
                )
            }
            Fault::NoCertificate { presented } => {
                let presented = list(presented);
                write!(f, "{place} holds no certificate, found {presented}")
            }
            Fault::UnexpectedBlock { line, presented } => write!(
                f,
                "{place} holds a block {presented} at line {line}, which is ignored: only certificates belong there"
            ),
            Fault::TooMany {
                presented,
                expected,
            } => write!(
                f,
                "{place} holds {presented} certificates, expected at most {expected}"
            ),
            Fault::Key(error) => write!(f, "{place} cannot be read: {error}"),
            Fault::KeyMismatch {
                expected,
                presented,
            } => write!(
                f,
                "tls.key does not belong to {place}: the certificate is for the key {expected} (key id {}), tls.key holds {presented} (key id {})",
                expected.key_id(),
                presented.key_id()
            ),
            Fault::LeafNotFirst { position, subject } => write!(
                f,
                "tls.key does not belong to {place} but to certificate {position} ({subject}): the certificate of the key has to come first"
            ),
            Fault::NotYetValid { not_before, now } => write!(
                f,
                "{place} is not yet valid: valid from {}, now is {} ({} too early)",
                moment(*not_before),
                moment(*now),
                distance(*now, *not_before)
            ),
            Fault::Expired { not_after, now } => write!(
                f,
                "{place} has expired: valid until {}, now is {} ({} too late)",
                moment(*not_after),
                moment(*now),
                distance(*not_after, *now)
            ),
            Fault::NoNames {
                expected,
                common_name,
            } => {
                write!(f, "{place} has no subject alternative name")?;
                if !expected.is_empty() {
                    write!(f, ", expected {}", list(expected))?;
                }
                match common_name {
                    Some(name) => write!(f, " (its common name {name} is not looked at)"),
                    None => Ok(()),
                }
            }
            Fault::NameNotCovered {
                expected,
                presented,
            } => write!(
                f,
                "{place} does not cover {expected}: its subject alternative names are {}",
                list(presented)
            ),
            Fault::UnknownIssuer {
                issuer,
                key_id,
                self_signed,
                expected,
                bundle,
            } => {
                if *self_signed {
                    write!(f, "{place} is self-signed")?;
                } else {
                    write!(f, "{place} is issued by {issuer}")?;
                }
                if let Some(id) = key_id {
                    write!(f, " (key id {id})")?;
                }
                let expected: Vec<String> = expected.iter().map(Anchor::to_string).collect();
                let not_there = if *self_signed {
                    "which is not in"
                } else {
                    "which is not among the CAs of"
                };
                write!(f, ", {not_there} {bundle}: {}", list(&expected))
            }
            Fault::IssuerKeyDiffers {
                issuer,
                key_id,
                expected,
                bundle,
            } => {
                let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
                let signed = match key_id {
                    Some(id) => format!("the key {id}"),
                    None => "another key".to_owned(),
                };
                write!(
                    f,
                    "{place} is signed by {signed} of {issuer}, but the CA of that name in {bundle} has the key {}: same name, different key",
                    list(&expected)
                )
            }
            Fault::BadSignature { issuer, key_id } => write!(
                f,
                "{place} names {issuer} (key id {key_id}) as its issuer, but its signature was not made by that key: it was altered or forged"
            ),
            Fault::UsageMissing {
                expected,
                presented,
            } => write!(
                f,
                "{place} lacks the usage {expected}: its usages are {}",
                list(presented)
            ),
            Fault::CaAsLeaf { expected } => write!(
                f,
                "{place} is a CA certificate, expected {} certificate that is no CA",
                expected.with_article()
            ),
            Fault::LeafAsCa { presented } => write!(
                f,
                "{place} is not a CA certificate ({presented}), expected basic constraints CA:TRUE"
            ),
            Fault::WeakKey { presented } => write!(
                f,
                "{place} has a key that peers refuse: {presented}, expected RSA of 2048 to 8192 bits, ECDSA P-256, P-384 or P-521, or Ed25519"
            ),
            Fault::WeakSignature { presented } => write!(
                f,
                "{place} is signed with {presented}, which peers refuse, expected SHA-256 or better"
            ),
            Fault::Version1 => write!(
                f,
                "{place} is of X.509 version 1, which cannot carry names, usages or basic constraints"
            ),
            Fault::NoRoot { issuer } => write!(
                f,
                "{place} ends at an intermediate CA issued by {issuer}, without the root: peers built on OpenSSL, as upstream's router, refuse such a chain"
            ),
            Fault::Path { reason } => write!(f, "{place} cannot be trusted: {reason}"),
        }
    }
}

impl Finding {
    /// The check that failed, in a word or two: `issuer`, `dates`, `name`, `usage`, `key`, `encoding`, …
    pub fn check(&self) -> &'static str {
        match &self.fault {
            Fault::Missing { .. } => "presence",
            Fault::NotPem { .. }
            | Fault::NotCertificate { .. }
            | Fault::NoCertificate { .. }
            | Fault::UnexpectedBlock { .. }
            | Fault::Version1 => "encoding",
            Fault::TooMany { .. } => "size",
            Fault::Key(_) | Fault::KeyMismatch { .. } | Fault::LeafNotFirst { .. } => "key",
            Fault::NotYetValid { .. } | Fault::Expired { .. } => "dates",
            Fault::NoNames { .. } | Fault::NameNotCovered { .. } => "name",
            Fault::UnknownIssuer { .. } | Fault::IssuerKeyDiffers { .. } | Fault::NoRoot { .. } => {
                "issuer"
            }
            Fault::BadSignature { .. } => "signature",
            Fault::UsageMissing { .. } => "usage",
            Fault::CaAsLeaf { .. } | Fault::LeafAsCa { .. } => "basic constraints",
            Fault::WeakKey { .. } | Fault::WeakSignature { .. } => "strength",
            Fault::Path { .. } => "path",
        }
    }

    /// What to do about it: one imperative sentence without a full stop.
    pub fn remedy(&self) -> String {
        let element = self.place.element;
        match &self.fault {
            Fault::Missing { expected } => {
                let what = expected.split(':').next().unwrap_or(expected);
                format!("put into {element} {what}")
            }
            Fault::NotPem { problem, .. } => match problem {
                PemProblem::EncodedTwice => format!(
                    "encode {element} once only: either write the PEM text under stringData, or its base64 under data"
                ),
                PemProblem::Der => format!(
                    "convert {element} to PEM, for instance with openssl x509 -inform der or openssl pkey -inform der"
                ),
                _ => format!("write {element} as PEM, complete from BEGIN to END"),
            },
            Fault::NotCertificate { .. } | Fault::NoCertificate { .. } => {
                "provide an X.509 certificate in PEM; openssl x509 -text shows whether it can be read".to_owned()
            }
            Fault::UnexpectedBlock { .. } => {
                format!("remove the block from {element}; a private key belongs into tls.key only")
            }
            Fault::TooMany { .. } => {
                format!("leave in {element} only the certificates that are needed")
            }
            Fault::Key(KeyError::Encrypted { .. }) => {
                "remove the passphrase, for instance with openssl pkey -in tls.key -out plain.key".to_owned()
            }
            Fault::Key(_) => {
                "provide an RSA (2048 bits or more), ECDSA or Ed25519 key in PEM, without passphrase".to_owned()
            }
            Fault::KeyMismatch { .. } => {
                "provide the key with which the certificate was requested, or request a certificate for this key".to_owned()
            }
            Fault::LeafNotFirst { .. } => {
                "order tls.crt as the own certificate first, then the intermediates".to_owned()
            }
            Fault::NotYetValid { .. } => {
                "check the clocks of both sides, or issue the certificate with an earlier start".to_owned()
            }
            Fault::Expired { .. } if element == Element::CaCrt => {
                "replace the CA certificate by its renewed one".to_owned()
            }
            Fault::Expired { .. } => {
                "issue the certificate again, or check the clocks of both sides".to_owned()
            }
            Fault::NoNames { expected, .. } => {
                let names = names_for(expected);
                format!("issue the certificate with {names} as subject alternative name")
            }
            Fault::NameNotCovered { expected, .. } => {
                let name = names_for(std::slice::from_ref(expected));
                format!("issue the certificate with {name} as subject alternative name, or connect to a name that it covers")
            }
            Fault::UnknownIssuer { .. } | Fault::IssuerKeyDiffers { .. }
                if self.severity == Severity::Note =>
            {
                "nothing, if the peers' ca.crt holds that CA: this one is there to verify them".to_owned()
            }
            Fault::UnknownIssuer {
                bundle,
                self_signed: false,
                ..
            } => {
                let append = match element {
                    Element::Presented => "the other side has to append that one to its tls.crt".to_owned(),
                    element => format!("append that one to {element}"),
                };
                format!("add the issuing CA to {bundle}, or use a certificate from one of the CAs there; where an intermediate CA issued it, {append}")
            }
            Fault::UnknownIssuer { bundle, .. } => format!(
                "use a certificate issued by one of the CAs of {bundle}, or put the CA that issues into {bundle}"
            ),
            Fault::IssuerKeyDiffers { bundle, .. } => format!(
                "put the CA with the key that signed into {bundle}, next to the present one if that is still in use, or issue the certificate from the CA that is there"
            ),
            Fault::BadSignature { .. } => "take the certificate again from the CA".to_owned(),
            Fault::UsageMissing { expected, .. } => {
                format!("issue the certificate with the usage {expected}")
            }
            Fault::CaAsLeaf { .. } => {
                "use the CA to issue a certificate of its own for this role, with basic constraints CA:FALSE".to_owned()
            }
            Fault::LeafAsCa { .. } => {
                "put the certificate of the issuing CA there, one with basic constraints CA:TRUE and the usage keyCertSign".to_owned()
            }
            Fault::WeakKey { .. } => "issue the certificate for a stronger key".to_owned(),
            Fault::WeakSignature { .. } => {
                "issue the certificate again with a SHA-256 signature".to_owned()
            }
            Fault::Version1 => {
                "issue a version 3 certificate, for instance with openssl x509 -req -extfile".to_owned()
            }
            Fault::NoRoot { issuer } => format!("append the root CA {issuer} to {element}"),
            Fault::Path { .. } => "use a chain that its CAs allow".to_owned(),
        }
    }

    /// Sentence and remedy in one line: `<sentence>; <remedy>`.
    pub fn advice(&self) -> String {
        format!("{self}; {}", self.remedy())
    }
}

/// How names are written as subject alternative names, an address both ways because upstream's router reads DNS names only.
fn names_for(names: &[String]) -> String {
    if names.is_empty() {
        return "the host name".to_owned();
    }
    let written: Vec<String> = names
        .iter()
        .map(|name| match name.parse::<std::net::IpAddr>() {
            Ok(_) => format!("IP:{name} and DNS:{name}"),
            Err(_) => format!("DNS:{name}"),
        })
        .collect();
    list(&written)
}
