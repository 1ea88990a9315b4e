//! Distinguished names, compared byte for byte as path validation does.

use std::fmt;

use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use crate::text;

/// A distinguished name. Equal when the DER is equal, which is how chains are built.
#[derive(Clone)]
pub struct Name {
    der: Vec<u8>,
    shown: String,
    common_name: Option<String>,
    /// Country, state, locality, organisation, unit and name by the letter that `uidFormat` has for them.
    parts: Vec<(char, String)>,
}

impl Name {
    pub(super) fn read(name: &X509Name<'_>) -> Self {
        let parts: Vec<String> = name.iter_attributes().map(attribute).collect();
        Self {
            der: name.as_raw().to_vec(),
            shown: text::escape(&parts.join(", ")),
            common_name: name.iter_common_name().last().map(value),
            parts: name
                .iter_attributes()
                .filter_map(|part| Some((letter(part)?, value(part))))
                .collect(),
        }
    }

    /// Reads a name from its DER encoding, as in the list of acceptable CAs that a TLS server sends.
    pub fn from_der(der: &[u8]) -> Option<Self> {
        use x509_parser::prelude::FromDer;
        let (rest, name) = X509Name::from_der(der).ok()?;
        rest.is_empty().then(|| Self::read(&name))
    }

    /// The DER encoding.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The last common name, as sent: not escaped, not shortened.
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    /// The first component of the kind that `uidFormat` has the letter for, as sent.
    pub(super) fn part(&self, letter: char) -> Option<&str> {
        let found = self.parts.iter().find(|(kind, _)| *kind == letter);
        found.map(|(_, value)| value.as_str())
    }

    /// As RFC 2253 writes it (`CN=web,O=Example,C=US`: the last component first, what has a meaning or is not ASCII escaped), in
    /// full: who the holder is for whoever compares names, as upstream's routers do in policies. For people there is [`Display`].
    ///
    /// [`Display`]: fmt::Display
    pub fn as_user(&self) -> String {
        use x509_parser::prelude::FromDer;
        // It was read from these octets.
        let Ok((_, name)) = X509Name::from_der(&self.der) else {
            return String::new();
        };
        let mut components: Vec<String> = name
            .iter_rdn()
            .map(|component| {
                let mut values: Vec<String> = component.iter().map(escaped_attribute).collect();
                values.reverse();
                values.join("+")
            })
            .collect();
        components.reverse();
        components.join(",")
    }

    /// Whether there is no attribute in it.
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }
}

fn letter(part: &AttributeTypeAndValue<'_>) -> Option<char> {
    use x509_parser::oid_registry as oid;
    let kinds = [
        (oid::OID_X509_COUNTRY_NAME, 'c'),
        (oid::OID_X509_STATE_OR_PROVINCE_NAME, 's'),
        (oid::OID_X509_LOCALITY_NAME, 'l'),
        (oid::OID_X509_ORGANIZATION_NAME, 'o'),
        (oid::OID_X509_ORGANIZATIONAL_UNIT, 'u'),
        (oid::OID_X509_COMMON_NAME, 'n'),
    ];
    let found = kinds.into_iter().find(|(kind, _)| kind == part.attr_type());
    found.map(|(_, letter)| letter)
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Name {}

impl fmt::Display for Name {
    /// `CN=west site CA, O=Example`, escaped and bounded; `(no name)` when empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            f.write_str("(no name)")
        } else {
            f.write_str(&self.shown)
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let registry = x509_parser::objects::oid_registry();
    let kind = match x509_parser::objects::oid2abbrev(attribute.attr_type(), registry) {
        Ok(short) => short.to_owned(),
        Err(_) => attribute.attr_type().to_id_string(),
    };
    format!("{kind}={}", value(attribute))
}

/// One attribute as RFC 2253 §2.3 and §2.4 write it.
fn escaped_attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    use x509_parser::asn1_rs::ToDer;
    let oid = attribute.attr_type().to_id_string();
    let Some((_, kind)) = SHORT_NAMES.iter().find(|(known, _)| *known == oid) else {
        let octets = attribute.attr_value().to_der_vec().unwrap_or_default();
        let octets: String = octets.iter().map(|octet| format!("{octet:02X}")).collect();
        return format!("{oid}=#{octets}");
    };
    let value = value(attribute);
    let mut escaped = String::with_capacity(value.len());
    let last = value.len().saturating_sub(1);
    for (at, octet) in value.bytes().enumerate() {
        let special = match octet {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => true,
            b'#' => at == 0,
            b' ' => at == 0 || at == last,
            _ => false,
        };
        match octet {
            _ if special => escaped.extend(['\\', char::from(octet)]),
            b' '..=b'~' => escaped.push(char::from(octet)),
            _ => escaped.push_str(&format!("\\{octet:02X}")),
        }
    }
    format!("{kind}={escaped}")
}

/// What OpenSSL calls the kinds of attributes, by which upstream's routers know users. Others are written by their number.
const SHORT_NAMES: [(&str, &str); 23] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.15", "businessCategory"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.41", "name"),
    ("2.5.4.42", "GN"),
    ("2.5.4.43", "initials"),
    ("2.5.4.44", "generationQualifier"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.65", "pseudonym"),
    ("2.5.4.97", "organizationIdentifier"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

fn value(attribute: &AttributeTypeAndValue<'_>) -> String {
    use x509_parser::asn1_rs::Tag;
    let octets = attribute.as_slice();
    match attribute.attr_value().tag() {
        Tag::BmpString => {
            let units = octets
                .as_chunks()
                .0
                .iter()
                .map(|pair| u16::from_be_bytes(*pair));
            let read =
                char::decode_utf16(units).map(|read| read.unwrap_or(char::REPLACEMENT_CHARACTER));
            read.collect()
        }
        Tag::UniversalString => {
            let units = octets
                .as_chunks()
                .0
                .iter()
                .map(|four| u32::from_be_bytes(*four));
            units
                .map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        // In practice it is Latin-1 that is in them.
        Tag::TeletexString => octets.iter().copied().map(char::from).collect(),
        _ => String::from_utf8_lossy(octets).into_owned(),
    }
}
