//! Who a certificate's holder is, in the words of a router's configuration (`uidFormat`).

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512, digest};
use thiserror::Error;

use super::Certificate;

/// Most components of an identity.
const MOST: usize = 7;

/// A format that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "uidFormat '{found}': expected one to seven of c, s, l, o, u, n (components of the subject) and at most one of 1, 2, 5 (SHA-1, SHA-256, SHA-512 of the certificate)"
)]
pub struct UidFormatError {
    found: String,
}

/// Checks a format.
///
/// # Errors
/// [`UidFormatError`].
pub fn check_format(format: &str) -> Result<(), UidFormatError> {
    let known = format.chars().all(|letter| "csloun125".contains(letter));
    let hashes = format.chars().filter(char::is_ascii_digit).count();
    if format.is_empty() || format.len() > MOST || !known || hashes > 1 {
        let found = crate::text::escape(format);
        return Err(UidFormatError { found });
    }
    Ok(())
}

/// The components of a certificate that `format` names, in its order, joined by `;`. What the subject lacks is left out.
///
/// # Errors
/// [`UidFormatError`].
pub fn user_id(certificate: &Certificate, format: &str) -> Result<String, UidFormatError> {
    check_format(format)?;
    let hash = |algorithm| {
        let hash = digest(algorithm, certificate.der());
        hash.as_ref()
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect::<String>()
    };
    let parts = format.chars().filter_map(|letter| match letter {
        '1' => Some(hash(&SHA1_FOR_LEGACY_USE_ONLY)),
        '2' => Some(hash(&SHA256)),
        '5' => Some(hash(&SHA512)),
        letter => certificate.subject.part(letter).map(str::to_owned),
    });
    Ok(parts.collect::<Vec<_>>().join(";"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_checked() {
        for format in ["c", "cslou", "n2", "1", "cslounn"] {
            assert_eq!(check_format(format), Ok(()), "{format}");
        }
        for format in ["", "x", "12", "csloun1n", "N"] {
            assert!(check_format(format).is_err(), "{format}");
        }
    }

    /// Of /C=US/O=Acme/OU=Dev/CN=west, by openssl.
    const WEST: &str = "-----BEGIN CERTIFICATE-----\n\
        MIIByjCCAW+gAwIBAgIUAV4XUL8dzUE0BAmd02uTvhSfuxAwCgYIKoZIzj0EAwIw\n\
        OTELMAkGA1UEBhMCVVMxDTALBgNVBAoMBEFjbWUxDDAKBgNVBAsMA0RldjENMAsG\n\
        A1UEAwwEd2VzdDAgFw0yNjExMjUwODMzMjRaGA8yMTI2MTEwMTA4MzMyNFowOTEL\n\
        MAkGA1UEBhMCVVMxDTALBgNVBAoMBEFjbWUxDDAKBgNVBAsMA0RldjENMAsGA1UE\n\
        AwwEd2VzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABK69U9wwAkCe1W5VwfQr\n\
        jWCI8+cMbCshT6nxHioZl6LrimrGYE2tjSmHX6U2g1TBVq9bRZVVg4G2oNjdclhC\n\
        rVqjUzBRMB0GA1UdDgQWBBS5DJc0Zifwo0tfpAIso5+CT75BtzAfBgNVHSMEGDAW\n\
        gBS5DJc0Zifwo0tfpAIso5+CT75BtzAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49\n\
        BAMCA0kAMEYCIQCtxUyRImswIV6haZObNv2DrN/dqlJ7VtD1sssqaqWdugIhAOk9\n\
        5h8doGNGlNWa2tFFQrcujgekw6lHKOWeYzFhgKog\n\
        -----END CERTIFICATE-----\n";

    #[test]
    fn components_come_in_the_order_asked_for() {
        let west = super::super::read_pem(WEST.as_bytes()).unwrap().remove(0);
        assert_eq!(user_id(&west, "nouslc").unwrap(), "west;Acme;Dev;US");
        let hash = "e44bbafa21d070ac4037c8cf7b358be7103c1fef";
        assert_eq!(user_id(&west, "n1").unwrap(), format!("west;{hash}"));
    }
}
