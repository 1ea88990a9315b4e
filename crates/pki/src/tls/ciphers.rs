//! Cipher lists in OpenSSL's notation, for the configurations that have one.

use std::sync::Arc;

use rustls::CipherSuite;
use rustls::crypto::CryptoProvider;

/// Which cipher suites of TLS 1.2 are spoken; those of TLS 1.3 are spoken in any case, as with OpenSSL's lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ciphers(Option<Vec<CipherSuite>>);

/// The suites of TLS 1.2 that this program speaks, with the words of OpenSSL that select each.
const SUITES: [(CipherSuite, &[&str]); 6] = [
    (
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        &[
            "ECDHE-ECDSA-AES256-GCM-SHA384",
            "ECDSA",
            "aECDSA",
            "AES",
            "AES256",
            "AESGCM",
            "SHA384",
        ],
    ),
    (
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        &[
            "ECDHE-RSA-AES256-GCM-SHA384",
            "aRSA",
            "AES",
            "AES256",
            "AESGCM",
            "SHA384",
        ],
    ),
    (
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        &[
            "ECDHE-ECDSA-CHACHA20-POLY1305",
            "ECDSA",
            "aECDSA",
            "CHACHA20",
            "SHA256",
        ],
    ),
    (
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        &["ECDHE-RSA-CHACHA20-POLY1305", "aRSA", "CHACHA20", "SHA256"],
    ),
    (
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        &[
            "ECDHE-ECDSA-AES128-GCM-SHA256",
            "ECDSA",
            "aECDSA",
            "AES",
            "AES128",
            "AESGCM",
            "SHA256",
        ],
    ),
    (
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        &[
            "ECDHE-RSA-AES128-GCM-SHA256",
            "aRSA",
            "AES",
            "AES128",
            "AESGCM",
            "SHA256",
        ],
    ),
];

/// Words that select all of them.
const ALL: [&str; 11] = [
    "ALL", "DEFAULT", "HIGH", "TLSv1.2", "ECDH", "ECDHE", "EECDH", "kECDHE", "kEECDH", "AEAD",
    "FIPS",
];

/// What OpenSSL, and so upstream's tools, call a cipher suite: `TLS_AES_256_GCM_SHA384`, `ECDHE-RSA-AES256-GCM-SHA384`.
pub fn cipher_name(suite: CipherSuite) -> String {
    let known = SUITES.iter().find(|(known, _)| *known == suite);
    if let Some(name) = known.and_then(|(_, words)| words.first()) {
        return (*name).to_owned();
    }
    let name = suite.as_str().unwrap_or_default();
    // Those of TLS 1.3 as RFC 8446 has them.
    match name.strip_prefix("TLS13_") {
        Some(rest) => format!("TLS_{rest}"),
        None => name.to_owned(),
    }
}

impl Ciphers {
    /// Reads a list: words separated by colons, commas or blanks, each of which adds the suites that it selects (`A+B`: those
    /// that both select); after `-` it takes them away, after `!` for good, after `+` it leaves them where they are. An empty
    /// list stands for all.
    ///
    /// `None` where no suite is left that this program speaks.
    pub fn parse(list: &str) -> Option<Self> {
        let mut words = list
            .split([':', ',', ';', ' '])
            .filter(|word| !word.is_empty())
            .peekable();
        if words.peek().is_none() {
            return Some(Ciphers(None));
        }
        let mut chosen: Vec<CipherSuite> = Vec::new();
        let mut banned: Vec<CipherSuite> = Vec::new();
        for word in words {
            if let Some(word) = word.strip_prefix('!') {
                banned.extend(selected(word));
            } else if let Some(word) = word.strip_prefix('-') {
                let gone: Vec<CipherSuite> = selected(word).collect();
                chosen.retain(|suite| !gone.contains(suite));
            } else if !word.starts_with(['+', '@']) {
                for suite in selected(word) {
                    if !chosen.contains(&suite) {
                        chosen.push(suite);
                    }
                }
            }
        }
        chosen.retain(|suite| !banned.contains(suite));
        (!chosen.is_empty()).then_some(Ciphers(Some(chosen)))
    }

    /// The cryptography with these suites only.
    pub(super) fn apply(&self, provider: Arc<CryptoProvider>) -> Arc<CryptoProvider> {
        let Some(chosen) = &self.0 else {
            return provider;
        };
        let known = &provider.cipher_suites;
        let newest = known.iter().filter(|suite| suite.tls13().is_some());
        let older = chosen
            .iter()
            .filter_map(|wanted| known.iter().find(|suite| suite.suite() == *wanted));
        let cipher_suites = newest.chain(older).copied().collect();
        Arc::new(CryptoProvider {
            cipher_suites,
            ..(*provider).clone()
        })
    }
}

fn selected(word: &str) -> impl Iterator<Item = CipherSuite> {
    SUITES
        .iter()
        .filter(move |(_, words)| {
            word.split('+')
                .all(|part| ALL.contains(&part) || words.contains(&part))
        })
        .map(|(suite, _)| *suite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_called_as_openssl_calls_them() {
        for (suite, name) in [
            (
                CipherSuite::TLS13_AES_256_GCM_SHA384,
                "TLS_AES_256_GCM_SHA384",
            ),
            (
                CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                "ECDHE-RSA-AES128-GCM-SHA256",
            ),
        ] {
            assert_eq!(cipher_name(suite), name);
        }
    }

    fn suites(list: &str) -> Vec<CipherSuite> {
        Ciphers::parse(list).unwrap().0.unwrap()
    }

    #[test]
    fn lists_select_what_openssls_words_say() {
        assert_eq!(Ciphers::parse(""), Some(Ciphers::default()));
        assert_eq!(suites("HIGH:!aNULL:!MD5").len(), 6);
        assert_eq!(
            suites("ECDHE-RSA-AES128-GCM-SHA256:ECDHE+AES256:!ECDSA"),
            [
                CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            ]
        );
        let usual = "ECDH+AESGCM:DH+AESGCM:ECDH+AES256:DH+AES256:ECDH+AES128:DH+AES:RSA+AESGCM:RSA+AES:!aNULL:!MD5:!DSS";
        assert_eq!(suites(usual).len(), 4);
        assert_eq!(suites("ALL,-AES,@SECLEVEL=2").len(), 2);
        assert_eq!(suites("!CHACHA20 ALL").len(), 4);
        assert_eq!(Ciphers::parse("AES128-SHA:DES-CBC3-SHA"), None);
        assert_eq!(Ciphers::parse("ECDSA:!ECDSA"), None);
    }

    #[test]
    fn the_suites_of_tls_1_3_stay() {
        let provider = super::super::provider();
        let some = Ciphers::parse("ECDHE-ECDSA-AES256-GCM-SHA384").unwrap();
        let suites = &some.apply(provider.clone()).cipher_suites;
        let newest = |suites: &[rustls::SupportedCipherSuite]| {
            suites
                .iter()
                .filter(|suite| suite.tls13().is_some())
                .count()
        };
        assert_eq!(newest(suites), newest(&provider.cipher_suites));
        assert_eq!(suites.len(), newest(suites) + 1);
        assert!(Arc::ptr_eq(
            &Ciphers::default().apply(provider.clone()),
            &provider
        ));
    }
}
