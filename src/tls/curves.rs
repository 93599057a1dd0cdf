//! `ssl_ecdh_curve`: OpenSSL's names for the groups of the key exchange.

use rustls::NamedGroup;
use rustls::crypto::SupportedKxGroup;
use rustls::crypto::ring::kx_group::{SECP256R1, SECP384R1, X25519};

use super::{Mistake, Part};

type Group = &'static dyn SupportedKxGroup;

/// What OpenSSL knows and ring does not; naming them is no mistake, for the others of the list remain.
const LACKING: &[&str] = &[
    "secp521r1",
    "p-521",
    "x448",
    "prime192v1",
    "p-192",
    "secp224r1",
    "p-224",
    "secp256k1",
    "brainpoolp256r1",
    "brainpoolp384r1",
    "brainpoolp512r1",
    "ffdhe2048",
    "ffdhe3072",
    "ffdhe4096",
    "ffdhe6144",
    "ffdhe8192",
    "x25519mlkem768",
    "secp256r1mlkem768",
    "secp384r1mlkem1024",
];

/// The groups of a list, in its order. `auto` and nothing are OpenSSL's, as far as there are any.
pub fn compile(list: Option<&str>, mistakes: &mut Vec<Mistake>) -> Vec<Group> {
    let all: Vec<Group> = vec![X25519, SECP256R1, SECP384R1];
    let Some(list) = list.filter(|list| *list != "auto") else {
        return all;
    };
    let mut groups: Vec<Group> = Vec::new();
    let mut lacking = Vec::new();
    let mut wrong = false;
    for name in list.split(':').filter(|name| !name.is_empty()) {
        let lower = name.to_ascii_lowercase();
        match lower.as_str() {
            "x25519" => groups.push(X25519),
            "prime256v1" | "p-256" | "secp256r1" => groups.push(SECP256R1),
            "secp384r1" | "p-384" => groups.push(SECP384R1),
            known if LACKING.contains(&known) => lacking.push(name),
            _ => {
                wrong = true;
                let mistake = Mistake::error(Part::Curves, format!("there is no curve `{name}`"));
                mistakes.push(mistake.with_help("write `auto`, or some of `X25519:prime256v1:secp384r1`"));
            }
        }
    }
    let mut seen = Vec::new();
    groups.retain(|group| {
        !seen.contains(&group.name()) && {
            seen.push(group.name());
            true
        }
    });
    if !groups.is_empty() && !lacking.is_empty() {
        let message = format!("edge does without {}; clients take another curve of the list", lacking.join(", "));
        mistakes.push(Mistake::warning(Part::Curves, message));
    } else if groups.is_empty() && !wrong {
        let message = format!("`{list}` leaves no curve that edge knows");
        let mistake = Mistake::error(Part::Curves, message);
        mistakes.push(mistake.with_help("write `auto`, or some of `X25519:prime256v1:secp384r1`"));
    }
    groups
}

/// As nginx prints `$ssl_curve`.
pub fn name(group: NamedGroup) -> &'static str {
    match group {
        NamedGroup::X25519 => "X25519",
        NamedGroup::secp256r1 => "prime256v1",
        NamedGroup::secp384r1 => "secp384r1",
        _ => "",
    }
}
