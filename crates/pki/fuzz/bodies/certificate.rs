//! What an unauthenticated peer presents in a handshake, and what a server lists as its CAs.

use jiff::Timestamp;
use skupper_pki::certificate::Name;
use skupper_pki::judge::Element;
use skupper_pki::verify::Chain;
use skupper_pki::{Certificate, Role, TrustBundle};

pub(crate) fn run(octets: &[u8]) {
    let _ = Name::from_der(octets);
    let Ok(leaf) = Certificate::from_der(octets) else {
        return;
    };
    let bundle = TrustBundle::new(vec![leaf.clone()]);
    let intermediates = [leaf.clone()];
    for role in [Role::Server, Role::Client] {
        let chain = Chain {
            leaf: &leaf,
            intermediates: &intermediates,
            element: Element::Presented,
        };
        if let Err(refusal) = bundle.verify(
            &chain,
            role,
            Some("router.example.com"),
            Timestamp::UNIX_EPOCH,
        ) {
            assert!(!refusal.findings.is_empty());
        }
    }
}
