use rcgen::{
    CertificateRevocationListParams, ExtendedKeyUsagePurpose, KeyIdMethod, RevokedCertParams, SerialNumber,
    date_time_ymd,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;

pub fn serial(pair: &Pair) -> Vec<u8> {
    let der = CertificateDer::from_pem_slice(&pair.certificate.bytes).unwrap();
    X509Certificate::from_der(&der).unwrap().1.raw_serial().to_vec()
}

pub fn crl(authority: &Authority, revoked: &[Vec<u8>]) -> Pem {
    crl_until(authority, revoked, 2126)
}

fn crl_until(authority: &Authority, revoked: &[Vec<u8>], year: i32) -> Pem {
    let revoked = revoked.iter().map(|serial| RevokedCertParams {
        serial_number: SerialNumber::from_slice(serial),
        revocation_time: date_time_ymd(2020, 1, 1),
        reason_code: None,
        invalidity_date: None,
    });
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(year, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    pem("ca.crl", params.signed_by(authority).unwrap().pem().unwrap())
}

fn chain(mut pair: Pair, above: &[&Authority]) -> Pair {
    above.iter().for_each(|authority| pair.certificate.bytes.extend(authority.pem().bytes()));
    pair
}

fn verifying(mode: VerifyClient, authority: Option<Pem>) -> Settings {
    Settings { verify_client: mode, client_certificate: authority, ..settings(pair("a.test")) }
}

/// `$ssl_client_verify` and nginx's own status, for TLS 1.2 and 1.3 alike.
async fn verdict(settings: &Settings, identity: Option<&Pair>) -> (String, Option<u16>) {
    let server = server(settings);
    let mut verdicts = Vec::new();
    for versions in [TLS12, TLS13] {
        let (session, _) = visit(&Arc::new(client(versions, identity)), "a.test", &server).await;
        verdicts.push((session.client_verify().to_owned(), session.refusal().map(Refusal::status)));
    }
    assert_eq!(verdicts[0], verdicts[1]);
    verdicts.remove(0)
}

fn told(verdict: &str, status: Option<u16>) -> (String, Option<u16>) {
    (verdict.to_owned(), status)
}

/// Every expectation here is what Debian's nginx 1.22 says in the same case.
#[tokio::test]
async fn certificates_are_judged_as_by_nginx() {
    let (root, stranger) = (authority("root"), authority("stranger"));
    let (inter, strange) = (below("inter", &root), below("strange", &stranger));
    let deeper = below("deeper", &inter);
    let mut expired = params("expired");
    (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let mut early = params("early");
    (early.not_before, early.not_after) = (date_time_ymd(2100, 1, 1), date_time_ymd(2101, 1, 1));
    let mut purpose = params("purpose");
    purpose.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let unverified = "FAILED:unable to verify the first certificate";
    let no_issuer = "FAILED:unable to get local issuer certificate";
    let cases = [
        (issue(&params("good"), &root), "SUCCESS", None, unverified, None),
        (issue(&params("deep"), &inter), unverified, Some(495), unverified, None),
        (chain(issue(&params("deep"), &inter), &[&inter]), "SUCCESS", None, no_issuer, None),
        (chain(issue(&params("too deep"), &deeper), &[&deeper, &inter]), no_issuer, Some(495), no_issuer, None),
        (
            issue(&expired, &root),
            "FAILED:certificate has expired",
            Some(495),
            "FAILED:certificate has expired",
            Some(495),
        ),
        (
            issue(&early, &root),
            "FAILED:certificate is not yet valid",
            Some(495),
            "FAILED:certificate is not yet valid",
            Some(495),
        ),
        (issue(&purpose, &root), "FAILED:unsuitable certificate purpose", Some(495), unverified, None),
        (pair("self"), "FAILED:self-signed certificate", Some(495), "FAILED:self-signed certificate", None),
        (issue(&params("foreign"), &stranger), unverified, Some(495), unverified, None),
        (
            chain(issue(&params("foreign"), &stranger), &[&stranger]),
            "FAILED:self-signed certificate in certificate chain",
            Some(495),
            "FAILED:self-signed certificate in certificate chain",
            None,
        ),
        (chain(issue(&params("foreign"), &strange), &[&strange]), no_issuer, Some(495), no_issuer, None),
    ];
    let ca = || Some(pem("ca.crt", root.pem()));
    for (identity, verified, status, unverified, status_no_ca) in &cases {
        for mode in [VerifyClient::On, VerifyClient::Optional] {
            assert_eq!(verdict(&verifying(mode, ca()), Some(identity)).await, told(verified, *status));
        }
        let no_ca = verifying(VerifyClient::OptionalNoCa, None);
        assert_eq!(verdict(&no_ca, Some(identity)).await, told(unverified, *status_no_ca));
    }
    assert_eq!(verdict(&verifying(VerifyClient::On, ca()), None).await, told("NONE", Some(496)));
    assert_eq!(verdict(&verifying(VerifyClient::Optional, ca()), None).await, told("NONE", None));
    let deep = Settings { verify_depth: 2, ..verifying(VerifyClient::On, ca()) };
    assert_eq!(verdict(&deep, Some(&cases[3].0)).await, told("SUCCESS", None));
}

#[tokio::test]
async fn a_server_that_does_not_ask_gets_no_certificate() {
    let identity = issue(&params("good"), &authority("root"));
    assert_eq!(verdict(&settings(pair("a.test")), Some(&identity)).await, told("NONE", None));
}

#[tokio::test]
async fn an_intermediate_alone_vouches_for_nobody_and_helps_with_its_root() {
    let root = authority("root");
    let inter = below("inter", &root);
    let identity = issue(&params("good"), &inter);
    let alone = verifying(VerifyClient::On, Some(pem("inter.crt", inter.pem())));
    let mut mistakes = Vec::new();
    let compiled = Arc::new(Server::compile(&alone, &mut mistakes).unwrap());
    assert!(
        mistakes[0].is_warning && mistakes[0].message.contains("no certificate of the CA is a root"),
        "{mistakes:?}"
    );
    let (session, _) = visit(&Arc::new(client(BOTH, Some(&identity))), "a.test", &compiled).await;
    assert_eq!(session.client_verify(), "FAILED:unable to get issuer certificate");
    let both = Settings { trusted_certificate: Some(pem("root.crt", root.pem())), ..alone };
    assert_eq!(verdict(&both, Some(&identity)).await, told("SUCCESS", None));
}

#[tokio::test]
async fn a_self_signed_certificate_may_be_trusted_by_name() {
    let mut params = params("pinned");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = pem("pinned.crt", params.self_signed(&key).unwrap().pem());
    let identity = Pair { certificate: certificate.clone(), key: pem("pinned.key", key.serialize_pem()) };
    let settings = verifying(VerifyClient::On, Some(certificate));
    assert_eq!(verdict(&settings, Some(&identity)).await, told("SUCCESS", None));
    assert_eq!(verdict(&settings, Some(&pair("pinned"))).await.1, Some(495));
    let stranger = Some(pem("ca.crt", authority("stranger").pem()));
    let unknown = verifying(VerifyClient::OptionalNoCa, stranger);
    assert_eq!(verdict(&unknown, Some(&identity)).await, told("FAILED:self-signed certificate", None));
}

#[tokio::test]
async fn a_certificate_of_version_1_is_taken_from_a_root() {
    let identity = Pair { certificate: fixture!("v1.crt"), key: fixture!("v1.key") };
    let settings = verifying(VerifyClient::On, Some(fixture!("ca.crt")));
    assert_eq!(verdict(&settings, Some(&identity)).await, told("SUCCESS", None));
    let other = verifying(VerifyClient::OptionalNoCa, Some(pem("other.crt", authority("other").pem())));
    let unverified = told("FAILED:unable to verify the first certificate", None);
    assert_eq!(verdict(&other, Some(&identity)).await, unverified);
    let mut namesake = authority_params("root");
    namesake.distinguished_name = rcgen::DistinguishedName::new();
    namesake.distinguished_name.push(DnType::CountryName, rcgen::DnValue::Utf8String("DE".into()));
    let namesake = Authority::self_signed(namesake, KeyPair::generate().unwrap()).unwrap();
    let namesake = verifying(VerifyClient::On, Some(pem("namesake.crt", namesake.pem())));
    assert_eq!(verdict(&namesake, Some(&identity)).await.1, Some(495));
}

#[tokio::test]
async fn a_client_without_the_key_fails_the_handshake() {
    let identity = issue(&params("good"), &authority("root"));
    for certificate in [identity.certificate, fixture!("v1.crt")] {
        let stolen = Pair { certificate, key: pair("thief").key };
        for versions in [TLS12, TLS13] {
            let server = server(&verifying(VerifyClient::OptionalNoCa, None));
            let (accepted, _) = meet(&Arc::new(client(versions, Some(&stolen))), "a.test", |_| Some(server)).await;
            let Err(Rejected::Failed(failure)) = accepted else { panic!("{accepted:?}") };
            assert!(failure.to_string().contains("BadSignature"), "{failure}");
        }
    }
}

#[tokio::test]
async fn revocation_lists_are_looked_at() {
    let root = authority("root");
    let (good, bad) = (issue(&params("good"), &root), issue(&params("bad"), &root));
    let with = |crl| Settings { crl: Some(crl), ..verifying(VerifyClient::On, Some(pem("ca.crt", root.pem()))) };
    let revoking = with(crl(&root, &[serial(&bad)]));
    assert_eq!(verdict(&revoking, Some(&good)).await, told("SUCCESS", None));
    assert_eq!(verdict(&revoking, Some(&bad)).await, told("FAILED:certificate revoked", Some(495)));
    let foreign = with(crl(&authority("stranger"), &[]));
    assert_eq!(verdict(&foreign, Some(&good)).await, told("FAILED:unable to get certificate CRL", Some(495)));
    let old = with(crl_until(&root, &[], 2021));
    assert_eq!(verdict(&old, Some(&good)).await, told("FAILED:CRL has expired", Some(495)));
}

#[tokio::test]
async fn clients_are_told_the_names_of_ssl_client_certificate_only() {
    #[derive(Debug)]
    struct Listening(Arc<std::sync::Mutex<Vec<Vec<u8>>>>);
    impl rustls::client::ResolvesClientCert for Listening {
        fn resolve(&self, hints: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
            *self.0.lock().unwrap() = hints.iter().map(|hint| hint.to_vec()).collect();
            None
        }
        fn has_certs(&self) -> bool {
            true
        }
    }
    let (named, trusted) = (authority("named"), authority("trusted"));
    let mut settings = verifying(VerifyClient::Optional, Some(pem("named.crt", named.pem())));
    settings.trusted_certificate = Some(pem("trusted.crt", trusted.pem()));
    let heard = Arc::default();
    let mut client = client(BOTH, None);
    client.client_auth_cert_resolver = Arc::new(Listening(Arc::clone(&heard)));
    visit(&Arc::new(client), "a.test", &server(&settings)).await;
    let (_, certificate) = X509Certificate::from_der(named.der()).unwrap();
    assert_eq!(*heard.lock().unwrap(), [certificate.subject().as_raw().to_vec()]);
    let identity = issue(&params("good"), &trusted);
    assert_eq!(verdict(&settings, Some(&identity)).await, told("SUCCESS", None));
}
