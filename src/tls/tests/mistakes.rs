use super::*;

fn compile(settings: &Settings) -> (bool, Vec<Mistake>) {
    let mut mistakes = Vec::new();
    let server = Server::compile(settings, &mut mistakes);
    (server.is_some(), mistakes)
}

/// The only mistake of the settings, without a server.
fn only(settings: &Settings) -> Mistake {
    let (compiled, mut mistakes) = compile(settings);
    assert_eq!((compiled, mistakes.len()), (false, 1), "{mistakes:?}");
    mistakes.remove(0)
}

fn of_certificate(certificate: Pem) -> (String, String) {
    let mistake = only(&settings(Pair { certificate, key: fixture!("ec.sec1.key") }));
    assert_eq!((mistake.part, mistake.is_warning), (Part::Certificate(0), false));
    (mistake.message, mistake.help.unwrap_or_default())
}

fn of_key(key: Pem) -> (String, String) {
    let mistake = only(&settings(Pair { certificate: fixture!("ec.crt"), key }));
    assert_eq!((mistake.part, mistake.is_warning), (Part::Key(0), false));
    (mistake.message, mistake.help.unwrap_or_default())
}

fn check((message, help): (String, String), says: &str, helps: &str) {
    assert!(message.contains(says) && help.contains(helps), "{message}\n{help}");
}

#[test]
fn a_file_that_is_no_certificate_is_told_what_it_is() {
    let section = |label: &str| pem("c.crt", format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n"));
    check(of_certificate(fixture!("rsa.pkcs8.key")), "holds no certificate, but: PRIVATE KEY", "exchanged?");
    check(of_certificate(pem("c.crt", " \n")), "`c.crt` is empty", "-----BEGIN CERTIFICATE-----");
    check(of_certificate(pem("c.crt", "hello")), "nothing in it is PEM", "-----BEGIN CERTIFICATE-----");
    check(of_certificate(pem("c.p12", [0x30, 0x82, 1, 2])), "is binary", "openssl x509 -inform der -in c.p12");
    check(of_certificate(section("CERTIFICATE REQUEST")), "but: CERTIFICATE REQUEST", "came back");
    check(of_certificate(section("TRUSTED CERTIFICATE")), "but: TRUSTED CERTIFICATE", "openssl x509 -in c.crt");
    check(of_certificate(section("CERTIFICATE")), "certificate 1 of `c.crt` is not a valid X.509", "openssl x509");
    let cut = fixture!("ec.crt");
    let cut = pem("c.crt", &cut.bytes[..cut.bytes.len() / 2]);
    check(of_certificate(cut), "`-----END CERTIFICATE-----` is missing", "cut off");
    let spoiled = pem("c.crt", "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n");
    check(of_certificate(spoiled), "not base64", "cut off");
}

#[test]
fn a_file_that_is_no_key_is_told_what_it_is() {
    let openssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
    check(of_key(fixture!("ec.crt")), "holds no private key, but: CERTIFICATE", "exchanged?");
    check(
        of_key(fixture!("encrypted.pkcs8.key")),
        "encrypted with a passphrase",
        "openssl pkey -in encrypted.pkcs8.key",
    );
    check(of_key(fixture!("encrypted.sec1.key")), "encrypted with a passphrase", "openssl pkey -in encrypted.sec1.key");
    check(of_key(fixture!("p521.key")), "P-521", "P-256");
    check(of_key(fixture!("rsa1024.key")), "RSA key of the wrong size", "2048");
    check(of_key(pem("k.key", openssh)), "but: OPENSSH PRIVATE KEY", "ssh-keygen");
    check(of_key(pem("k.der", [0x30, 0x81, 0x87])), "is binary", "openssl pkey -inform der");
    check(of_key(pem("k.key", "")), "`k.key` is empty", "-----BEGIN PRIVATE KEY-----");
}

#[test]
fn a_key_of_another_certificate_is_told_so() {
    check(
        of_key(fixture!("v1.key")),
        "`v1.key` does not belong to the certificate in `ec.crt`",
        "openssl pkey -in v1.key",
    );
    let mut reversed = fixture!("ca.crt");
    reversed.bytes.extend(fixture!("ec.crt").bytes);
    let mistake = only(&settings(Pair { certificate: reversed, key: fixture!("ec.sec1.key") }));
    assert_eq!(mistake.part, Part::Key(0));
    assert!(mistake.help.unwrap().contains("belongs to certificate 2 there"));
}

#[test]
fn a_certificate_out_of_its_time_is_a_warning() {
    let dated = |from: i32, to: i32| {
        let mut params = params("a.test");
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(from, 1, 1), rcgen::date_time_ymd(to, 1, 1));
        compile(&settings(issue(&params, &authority("root"))))
    };
    for (from, to, says) in [
        (2020, 2021, "the certificate in `leaf.crt` has expired on Jan  1 00:00:00 2021 GMT; clients will refuse it"),
        (
            2100,
            2101,
            "the certificate in `leaf.crt` is valid only from Jan  1 00:00:00 2100 GMT on; until then clients will refuse it",
        ),
    ] {
        let (compiled, mistakes) = dated(from, to);
        assert!(compiled && mistakes.len() == 1 && mistakes[0].is_warning);
        assert_eq!((mistakes[0].message.as_str(), mistakes[0].part), (says, Part::Certificate(0)));
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let broken = Settings {
        pairs: vec![
            Pair { certificate: pem("a.crt", ""), key: pem("a.key", "") },
            Pair { certificate: pem("b.crt", ""), key: fixture!("rsa.pkcs8.key") },
        ],
        tls13: false,
        ciphers: Some("AES128-SHA".into()),
        curves: Some("nonsense".into()),
        verify_client: VerifyClient::On,
        client_certificate: Some(pem("ca.crt", "")),
        trusted_certificate: Some(pem("trusted.crt", "")),
        crl: Some(fixture!("ca.crt")),
        stapling: Some(b"no".to_vec()),
        ..Settings::default()
    };
    let (compiled, mistakes) = compile(&broken);
    assert!(!compiled);
    let parts: Vec<Part> = mistakes.iter().map(|mistake| mistake.part).collect();
    use Part::*;
    assert_eq!(
        parts,
        [Curves, Ciphers, Ciphers, ClientCertificate, Trusted, Crl, Stapling, Certificate(0), Key(0), Certificate(1)]
    );
}

#[test]
fn settings_that_leave_nothing_are_mistakes() {
    let good = settings(pair("a.test"));
    let mistake = only(&Settings { tls12: false, tls13: false, ..good.clone() });
    assert_eq!((mistake.part, mistake.message.as_str()), (Part::Protocols, "no protocol is left that edge speaks"));
    let mistake = only(&Settings { tls13: false, ciphers: Some("SHA384".into()), ..good.clone() });
    assert_eq!(mistake.message, "`SHA384` leaves no cipher for TLS 1.2 that edge has");
    let (compiled, mistakes) = compile(&Settings { ciphers: Some("SHA384".into()), ..good.clone() });
    assert!(compiled && mistakes[0].is_warning && mistakes[0].message.ends_with("only TLS 1.3 will be spoken"));
    let mistake = only(&Settings { verify_client: VerifyClient::Optional, ..good.clone() });
    assert_eq!(
        (mistake.part, mistake.message.as_str()),
        (Part::ClientCertificate, "clients' certificates are verified, but against no CA")
    );
    let mistake = only(&Settings::default());
    assert_eq!(
        (mistake.part, mistake.message.as_str()),
        (Part::Certificate(0), "a server that speaks TLS needs a certificate")
    );
    let (compiled, mistakes) = compile(&Settings { reject_handshake: true, ..Settings::default() });
    assert!(compiled && mistakes.is_empty(), "a server that rejects needs none");
}

#[test]
fn a_revocation_list_that_is_none_is_told_so() {
    let root = authority("root");
    let with = |crl: Pem| {
        only(&Settings {
            verify_client: VerifyClient::On,
            client_certificate: Some(pem("ca.crt", root.pem())),
            crl: Some(crl),
            ..settings(pair("a.test"))
        })
    };
    let mistake = with(fixture!("ca.crt"));
    assert!(mistake.message.contains("holds no revocation list, but: CERTIFICATE"), "{mistake:?}");
    let mistake = with(pem("old.crl", include_bytes!("fixtures/version1.crl")));
    assert!(mistake.message.contains("the revocation list in `old.crl` is of version 1"), "{mistake:?}");
    assert!(mistake.help.as_ref().is_some_and(|help| help.contains("crl_extensions = crl_ext")), "{mistake:?}");
}
