//! Which names a certificate covers (RFC 9525): subject alternative names only.

use std::net::IpAddr;

use crate::certificate::Certificate;

/// Whether the subject alternative names of a certificate cover a host name or address.
///
/// An address is covered by an IP name, or by a DNS name of the same text: upstream's router reads DNS names only, so its
/// users write addresses there. A DNS name may begin with the label `*`, which stands for exactly one label.
pub fn covers(certificate: &Certificate, host: &str) -> bool {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(host).parse::<IpAddr>() {
        let same = |name: &String| name.parse::<IpAddr>().is_ok_and(|name| name == address);
        return certificate.ip_addresses.contains(&address)
            || certificate.dns_names.iter().any(same);
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    certificate
        .dns_names
        .iter()
        .any(|pattern| matches(pattern, host))
}

fn matches(pattern: &str, host: &str) -> bool {
    let pattern = pattern.strip_suffix('.').unwrap_or(pattern);
    if pattern.is_empty() || host.is_empty() {
        return false;
    }
    let Some(parent) = pattern.strip_prefix("*.") else {
        return pattern.eq_ignore_ascii_case(host);
    };
    // `*.com` would cover whole top-level domains; webpki and browsers refuse it too.
    parent.contains('.')
        && host
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(parent))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn wildcards_stand_for_one_label() {
        assert!(matches("*.example.com", "A.example.com"));
        assert!(!matches("*.example.com", "example.com"));
        assert!(!matches("*.example.com", "a.b.example.com"));
        assert!(!matches("*.example.com", ".example.com"));
        assert!(!matches("*.com", "example.com"));
        assert!(!matches("a*.example.com", "ab.example.com"));
        assert!(!matches("*", "localhost"));
    }

    #[test]
    fn names_are_compared_without_case_and_final_dot() {
        assert!(matches("Skupper-Router.ns", "skupper-router.NS"));
        assert!(matches("a.example.", "a.example"));
        assert!(!matches("", ""));
    }
}
