//! Twenty years of two linked sites. One of them never refreshes what it was handed: in not one second is a credential
//! refused that is within its own dates, whichever side looks.

use jiff::{SignedDuration, Timestamp};
use rustls::client::danger::ServerCertVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use serde_json::json;
use skupper_pki::verify::{ClientVerifier, ServerVerifier};
use skupper_pki::{Certificate as X509, Credential, TrustBundle};
use skupper_site::ObjectKind::{Certificate, Link};

use crate::links;
use crate::material::days;
use crate::world::{ADDRESS, World};

/// A credential as it was handed out, for ever unchanged, with the verifier that its holder uses.
struct HandedOut {
    chain: Vec<CertificateDer<'static>>,
    from: Timestamp,
    until: Timestamp,
    verifier: ServerVerifier,
}

/// What the accepting site uses, from one change to the next.
struct Accepting {
    credential: Credential,
    chain: Vec<CertificateDer<'static>>,
    verifier: ClientVerifier,
}

fn ders(chain: &[X509]) -> Vec<CertificateDer<'static>> {
    chain.iter().map(|one| one.der().clone()).collect()
}

impl HandedOut {
    fn of(credential: &Credential, at: Timestamp) -> Self {
        let chain = credential.chain().unwrap();
        let bundle = TrustBundle::from_pem(&credential.ca_crt).unwrap();
        HandedOut {
            chain: ders(&chain),
            from: at,
            until: chain[0].not_after,
            verifier: ServerVerifier::new(bundle, true),
        }
    }
}

impl Accepting {
    fn of(credential: Credential) -> Self {
        let bundle = TrustBundle::from_pem(&credential.ca_crt).unwrap();
        let chain = ders(&credential.chain().unwrap());
        Accepting {
            credential,
            chain,
            verifier: ClientVerifier::new(bundle),
        }
    }

    /// Both sides of a handshake, at one moment.
    fn assert_linked(&self, client: &HandedOut, at: Timestamp) {
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(
            u64::try_from(at.as_second()).unwrap(),
        ));
        let (leaf, intermediates) = client.chain.split_first().unwrap();
        let accepted = self.verifier.verify_client_cert(leaf, intermediates, now);
        assert!(
            accepted.is_ok(),
            "at {at} the site refuses what it handed out on {}: {accepted:?}",
            client.from
        );
        let name = ServerName::try_from(ADDRESS).unwrap();
        let (leaf, intermediates) = self.chain.split_first().unwrap();
        let accepted = client
            .verifier
            .verify_server_cert(leaf, intermediates, &name, &[], now);
        assert!(
            accepted.is_ok(),
            "at {at} the holder of what was handed out on {} refuses the site: {accepted:?}",
            client.from
        );
    }
}

#[test]
fn no_credential_is_refused_within_its_own_dates() {
    let mut west = World::with_site();
    west.create(
        Certificate,
        "link-east",
        json!({"spec": {"ca": "skupper-site-ca", "client": true, "subject": "east"}}),
    );
    west.settle();
    let (start, mut handed_out) = (
        west.now,
        vec![HandedOut::of(&west.credential("link-east"), west.now)],
    );
    let end = start.checked_add(days(365 * 20)).unwrap();
    let mut accepting = Accepting::of(west.credential("skupper-site-server"));
    let (mut next_copy, mut servers, mut cas) =
        (days(120), 1, vec![west.credential("skupper-site-ca")]);
    let mut checked = 0;
    while west.now < end {
        // The state holds from now to the second before the next change: look at both ends and between.
        let copy = start.checked_add(next_copy).unwrap();
        let next = west.wake_at.map_or(copy, |wake| wake.min(copy)).min(end);
        let last = next
            .checked_sub(SignedDuration::from_secs(1))
            .unwrap()
            .max(west.now);
        let middle = west
            .now
            .checked_add(last.duration_since(west.now) / 2)
            .unwrap();
        for client in &handed_out {
            for at in [west.now, middle, last.min(client.until)] {
                if at >= west.now && at <= client.until {
                    accepting.assert_linked(client, at);
                    checked += 1;
                }
            }
        }
        west.advance(next.duration_since(west.now));
        let server = west.credential("skupper-site-server");
        if server != accepting.credential {
            servers += 1;
            accepting = Accepting::of(server);
        }
        let ca = west.credential("skupper-site-ca");
        if cas.last() != Some(&ca) {
            assert_eq!(ca.tls_key, cas[0].tls_key);
            cas.push(ca);
        }
        if next == copy {
            next_copy += days(120);
            handed_out.retain(|client| client.until >= west.now);
            handed_out.push(HandedOut::of(&west.credential("link-east"), west.now));
        }
    }
    // It was no idle time: certificates of both kinds were renewed.
    assert!(
        servers > 20 && cas.len() > 3 && checked > 1_000,
        "{servers} server certificates, {} of CAs, {checked} looks",
        cas.len()
    );
    assert!(west.told("Expiring").is_empty(), "{:?}", west.events);
}

#[test]
fn the_site_that_never_refreshes_is_warned_in_time() {
    let mut west = World::with_site();
    west.create(
        Certificate,
        "link-east",
        json!({"spec": {"ca": "skupper-site-ca", "client": true, "subject": "east"}}),
    );
    west.settle();
    let mut east = links::without_secret();
    east.apply_credential("link-west", &west.credential("link-east"));
    east.settle();
    east.advance(days(365 * 20));
    let told: Vec<_> = east
        .told("Expiring")
        .into_iter()
        .filter(|event| event.kind == Link)
        .collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(east.told("Expired").len(), 1);
    let said = east.condition(Link, "to-west", "Operational");
    assert!(
        said.contains("(CN=east) has expired: it was valid until 2031-11-24T00:00:00Z"),
        "{said}"
    );
}
