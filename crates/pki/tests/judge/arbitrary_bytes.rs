//! Nothing that stands in a Secret panics, and every sentence stays short and on one line.

use proptest::prelude::*;
use skupper_pki::{
    Certificate, Credential, Expectation, PrivateKey, Role, TrustBundle, judge, pem,
};

use super::names;
use super::support::{issuer, now, server};

fn base() -> &'static (Credential, Certificate) {
    static BASE: std::sync::OnceLock<(Credential, Certificate)> = std::sync::OnceLock::new();
    BASE.get_or_init(|| {
        let credential = server(&issuer("CA"), &["a.b", "10.0.0.1"]);
        let leaf = credential.leaf().unwrap();
        (credential, leaf)
    })
}

fn judge_all(credential: &Credential) {
    let names = names();
    for role in [Role::Server, Role::Client, Role::Ca, Role::TrustBundle] {
        let bundle = TrustBundle::new(vec![base().1.clone()]);
        for expectation in [
            Expectation::new(role, now()).names(&names),
            Expectation::new(role, now()).trusted_by(&bundle),
        ] {
            for finding in judge(credential, &expectation) {
                let sentence = finding.advice();
                assert!(
                    sentence.len() < 8_000 && !sentence.contains('\n'),
                    "{sentence}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn never_panic(crt in any::<Vec<u8>>(), key in any::<Vec<u8>>(), ca in any::<Vec<u8>>()) {
        judge_all(&Credential { tls_crt: crt, tls_key: key, ca_crt: ca });
    }

    #[test]
    fn never_panic_as_the_content_of_blocks(der in any::<Vec<u8>>()) {
        let certificate = pem::encode("CERTIFICATE", &der).into_bytes();
        for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
            let _ = PrivateKey::from_pem(pem::encode(label, &der).as_bytes());
        }
        judge_all(&Credential { tls_crt: certificate.clone(), tls_key: base().0.tls_key.clone(), ca_crt: certificate });
    }

    #[test]
    fn never_panic_when_a_certificate_is_damaged(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>()) {
        let mut der = base().1.der().to_vec();
        for (at, byte) in &changes {
            let at = at.index(der.len());
            der[at] = *byte;
        }
        let damaged = pem::encode("CERTIFICATE", &der).into_bytes();
        judge_all(&Credential { tls_crt: damaged.clone(), ca_crt: damaged, ..base().0.clone() });
        der.truncate(cut.index(der.len()) + 1);
        let cut = pem::encode("CERTIFICATE", &der).into_bytes();
        judge_all(&Credential { tls_crt: cut, ..base().0.clone() });
        // A key of the same form.
        let key = pem::blocks(&base().0.tls_key).remove(0).unwrap();
        let mut der = key.der;
        for (at, byte) in &changes {
            let at = at.index(der.len());
            der[at] = *byte;
        }
        let _ = PrivateKey::from_pem(pem::encode(&key.label, &der).as_bytes());
    }
}
