//! Distinguished names as OpenSSL prints them: RFC 2253 (`$ssl_client_s_dn`) and the old form with slashes.

use x509_parser::der_parser::asn1_rs::{Any, Tag};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// OpenSSL's short names. An attribute that is not here is printed by its number.
const SHORT: &[(&str, &str)] = &[
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
    ("2.5.4.16", "postalAddress"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.20", "telephoneNumber"),
    ("2.5.4.41", "name"),
    ("2.5.4.42", "GN"),
    ("2.5.4.43", "initials"),
    ("2.5.4.44", "generationQualifier"),
    ("2.5.4.45", "x500UniqueIdentifier"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.65", "pseudonym"),
    ("2.5.4.72", "role"),
    ("2.5.4.97", "organizationIdentifier"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("1.2.840.113549.1.9.2", "unstructuredName"),
    ("1.3.6.1.4.1.311.60.2.1.1", "jurisdictionL"),
    ("1.3.6.1.4.1.311.60.2.1.2", "jurisdictionST"),
    ("1.3.6.1.4.1.311.60.2.1.3", "jurisdictionC"),
];

/// `CN=a,O=b`: from the last to the first, `+` between what belongs together (`XN_FLAG_RFC2253`).
pub fn rfc2253(name: &X509Name) -> String {
    let mut printed = String::new();
    for set in name.iter_rdn().collect::<Vec<_>>().into_iter().rev() {
        for (at, attribute) in set.iter().collect::<Vec<_>>().into_iter().rev().enumerate() {
            if !printed.is_empty() {
                printed.push(if at == 0 { ',' } else { '+' });
            }
            push_rfc2253(attribute, &mut printed);
        }
    }
    printed
}

fn push_rfc2253(attribute: &AttributeTypeAndValue, printed: &mut String) {
    let number = attribute.attr_type().to_id_string();
    let value = attribute.attr_value();
    let short = short_name(&number);
    printed.push_str(short.unwrap_or(&number));
    printed.push('=');
    match text(value).filter(|_| short.is_some()) {
        Some(text) => push_escaped(&text, printed),
        None => push_dump(value, printed),
    }
}

/// `/O=b/CN=a`, as `X509_NAME_oneline` writes it.
pub fn oneline(name: &X509Name) -> String {
    let mut printed = String::new();
    for set in name.iter_rdn() {
        for (at, attribute) in set.iter().enumerate() {
            let number = attribute.attr_type().to_id_string();
            printed.push(if at == 0 { '/' } else { '+' });
            printed.push_str(short_name(&number).unwrap_or(&number));
            printed.push('=');
            push_slashed(attribute.attr_value().data, &mut printed);
        }
    }
    printed
}

fn push_slashed(value: &[u8], printed: &mut String) {
    for &byte in value {
        match byte {
            b'/' | b'+' => printed.extend(['\\', char::from(byte)]),
            b' '..=b'~' => printed.push(char::from(byte)),
            _ => printed.push_str(&format!("\\x{byte:02X}")),
        }
    }
}

fn short_name(number: &str) -> Option<&'static str> {
    SHORT.iter().find(|(oid, _)| *oid == number).map(|(_, short)| *short)
}

/// A string's value; `None` for what is no string, which is dumped.
fn text(value: &Any) -> Option<String> {
    let data = value.data;
    match value.tag() {
        Tag::Utf8String => std::str::from_utf8(data).ok().map(str::to_owned),
        Tag::BmpString => {
            let units = data.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).collect::<Result<_, _>>().ok()
        }
        Tag::UniversalString => data
            .chunks_exact(4)
            .map(|four| char::from_u32(u32::from_be_bytes([four[0], four[1], four[2], four[3]])))
            .collect(),
        Tag::PrintableString | Tag::Ia5String | Tag::T61String | Tag::NumericString | Tag::VisibleString => {
            Some(data.iter().map(|&byte| char::from(byte)).collect())
        }
        _ => None,
    }
}

/// `ASN1_STRFLGS_RFC2253`: what delimits is escaped by a backslash, what is not printable ASCII as hexadecimal digits.
fn push_escaped(text: &str, printed: &mut String) {
    let last = text.len().saturating_sub(1);
    for (at, byte) in text.bytes().enumerate() {
        let delimits = matches!(byte, b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';')
            || (byte == b'#' && at == 0)
            || (byte == b' ' && (at == 0 || at == last));
        match byte {
            _ if delimits => printed.extend(['\\', char::from(byte)]),
            b' '..=b'~' => printed.push(char::from(byte)),
            _ => printed.push_str(&format!("\\{byte:02X}")),
        }
    }
}

/// The DER of a value in hexadecimal digits.
fn push_dump(value: &Any, printed: &mut String) {
    let header = &value.header;
    let identifier = (header.class() as u8) << 6 | u8::from(header.is_constructed()) << 5 | header.tag().0 as u8;
    let length = value.data.len();
    let mut der = vec![identifier];
    match length {
        0..0x80 => der.push(length as u8),
        0x80..0x100 => der.extend([0x81, length as u8]),
        _ => der.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    der.extend_from_slice(value.data);
    printed.push('#');
    der.iter().for_each(|byte| printed.push_str(&format!("{byte:02X}")));
}
