//! Clients that show certificates: who has none, a wrong one or a good one is told in nginx's words.

use crate::support::backend::Backend;
use crate::support::certificates::{Authority, Issued};
use crate::support::curl::{Curl, Said};
use crate::support::front::Front;
use crate::support::request::HOST;

use super::{Site, backend, curl, front};

const NONE: &str = "No required SSL certificate was sent";
const WRONG: &str = "The SSL certificate error";

struct Door {
    front: Front,
    authority: Authority,
    _backend: Backend,
}

impl Door {
    /// A server that asks for certificates of `authority`.
    fn new(authority: Authority, verify: &str, list: Option<&std::path::Path>) -> Door {
        let (issued, backend) = (authority.server(&[HOST]), backend());
        let site = Site::tls(HOST, &issued)
            .with("ssl_verify_client", verify)
            .with("ssl_client_certificate", authority.file().display());
        let site = match list {
            Some(list) => site.with("ssl_crl", list.display()),
            None => site,
        };
        let front = front(&[site], true, backend.address());
        Door { front, authority, _backend: backend }
    }

    fn curl(&self, shown: Option<&Issued>, more: &[&str]) -> Curl {
        let curl = curl(&self.front, &self.authority, HOST).with(more);
        match shown {
            Some(issued) => curl.with(["--cert"]).with([&issued.certificate]).with(["--key"]).with([&issued.key]),
            None => curl,
        }
    }

    /// Over each version of TLS and of HTTP: a wrong certificate is no reason to break a handshake.
    fn every_way(&self, shown: Option<&Issued>) -> Vec<Said> {
        let ways: [&[&str]; 3] =
            [&["--tls-max", "1.2", "--http1.1"], &["--tlsv1.3", "--http1.1"], &["--tlsv1.3", "--http2"]];
        ways.iter().map(|way| self.curl(shown, way).get("/own")).collect()
    }

    fn refuses(&self, shown: Option<&Issued>, words: &str) {
        for said in self.every_way(shown) {
            let said = said.expecting(400);
            assert!(said.text().contains(words), "{words}:\n{said}");
        }
    }

    fn takes(&self, shown: Option<&Issued>, verified: &str) {
        for said in self.every_way(shown) {
            let said = said.expecting(200);
            assert!(said.text().ends_with(verified), "{verified}:\n{said}");
        }
    }
}

#[test]
fn a_certificate_that_is_required_must_be_good() {
    let authority = Authority::new("the test's");
    let somebody = Authority::new("somebody else's");
    let (good, expired) = (authority.client("alice"), authority.expired_client("bob"));
    // For servers alone, of the right authority.
    let (strange, server) = (somebody.client("mallory"), authority.server(&["mallory.test"]));
    let door = Door::new(authority, "on", None);
    door.takes(Some(&good), "SUCCESS");
    door.refuses(None, NONE);
    for wrong in [&expired, &strange, &server] {
        door.refuses(Some(wrong), WRONG);
    }
}

#[test]
fn a_certificate_that_is_optional_may_be_missing_but_not_wrong() {
    let authority = Authority::new("the test's");
    let somebody = Authority::new("somebody else's");
    let (good, strange) = (authority.client("alice"), somebody.client("mallory"));
    let door = Door::new(authority, "optional", None);
    door.takes(None, "NONE");
    door.takes(Some(&good), "SUCCESS");
    door.refuses(Some(&strange), WRONG);
}

#[test]
fn a_certificate_without_an_authority_may_be_looked_at_by_the_application() {
    let authority = Authority::new("the test's");
    let somebody = Authority::new("somebody else's");
    let (good, strange) = (authority.client("alice"), somebody.client("mallory"));
    let door = Door::new(authority, "optional_no_ca", None);
    door.takes(None, "NONE");
    door.takes(Some(&good), "SUCCESS");
    for said in door.every_way(Some(&strange)) {
        assert!(said.expecting(200).text().contains(" FAILED:"));
    }
}

#[test]
fn a_revoked_certificate_is_refused() {
    let authority = Authority::new("the test's");
    let (good, revoked) = (authority.client("alice"), authority.client("bob"));
    let list = authority.revoking(&[&revoked]);
    let door = Door::new(authority, "on", Some(&list));
    door.takes(Some(&good), "SUCCESS");
    door.refuses(Some(&revoked), WRONG);
}

/// A session begun where nobody asked for a certificate must not open the door of a server that does.
#[test]
fn a_session_of_one_server_is_no_key_to_another() {
    let (authority, backend) = (Authority::new("the test's"), backend());
    let (open, closed) = (authority.server(&["open.test"]), authority.server(&["closed.test"]));
    let sites = [
        Site::tls("open.test", &open),
        Site::tls("closed.test", &closed)
            .with("ssl_verify_client", "on")
            .with("ssl_client_certificate", authority.file().display()),
    ];
    let front = front(&sites, false, backend.address());
    curl(&front, &authority, "closed.test").get("/own").expecting(400);
    // The name in the handshake is the open server's, the host is not: nginx answers 421.
    let said = curl(&front, &authority, "open.test").with(["-H", "Host: closed.test"]).get("/own").expecting(421);
    assert!(said.text().contains("Misdirected Request"), "{said}");
}
