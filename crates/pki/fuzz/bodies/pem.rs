//! A Secret whose three elements are anything at all, judged in every role.

use jiff::Timestamp;
use skupper_pki::{Credential, Expectation, Role, judge};

pub(crate) fn run(octets: &[u8]) {
    let credential = Credential {
        tls_crt: octets.to_vec(),
        tls_key: octets.to_vec(),
        ca_crt: octets.to_vec(),
    };
    let names = ["router.example.com".to_owned(), "10.0.0.1".to_owned()];
    for role in [Role::Server, Role::Client, Role::Ca, Role::TrustBundle] {
        let expectation = Expectation::new(role, Timestamp::UNIX_EPOCH).names(&names);
        for finding in judge(&credential, &expectation) {
            assert!(!finding.advice().contains('\n'));
        }
    }
}
