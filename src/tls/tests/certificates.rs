use super::*;

fn certificate(pem: &Pem) -> Certificate {
    Certificate::new(CertificateDer::from_pem_slice(&pem.bytes).unwrap())
}

/// All expectations were printed by Debian's nginx 1.22.
#[test]
fn a_certificate_is_told_as_by_nginx() {
    let certificate = certificate(&fixture!("strange.crt"));
    assert_eq!(
        certificate.s_dn(),
        r#"CN=multi+2.3.4.5=#0C036F6464,street=Am Weg 1,SN=Sur,GN=Given,serialNumber=12/34,emailAddress=a@b.example,UID=u1,DC=example,OU=\  leading and trailing\ ,OU=\#first,O=M\C3\BCller\, S\C3\B6hne \+ Co\; \<a\\b\>,L=N\C3\BCrnberg,ST=Bayern,C=DE"#
    );
    assert_eq!(certificate.i_dn(), "CN=root,O=Test CA,C=DE");
    assert_eq!(
        certificate.s_dn_legacy(),
        r#"/C=DE/ST=Bayern/L=N\xC3\xBCrnberg/O=M\xC3\xBCller, S\xC3\xB6hne \+ Co; <a\b>/OU=#first/OU=  leading and trailing /DC=example/UID=u1/emailAddress=a@b.example/serialNumber=12\/34/GN=Given/SN=Sur/street=Am Weg 1/2.3.4.5=odd+CN=multi"#
    );
    assert_eq!(certificate.i_dn_legacy(), "/C=DE/O=Test CA/CN=root");
    assert_eq!(certificate.serial(), "ABCDEF0123456789");
    assert_eq!(certificate.fingerprint(), "a42ae23ed29280631b45c1750eebc5b96f7cb9ee");
    assert_eq!(certificate.v_start(), "Nov 22 19:39:48 2026 GMT");
    assert_eq!(certificate.v_end(), "Oct 29 19:39:48 2126 GMT");
    let days: i64 = certificate.v_remain().parse().unwrap();
    assert!((30_000..40_000).contains(&days), "{days}");
}

#[test]
fn the_forms_of_a_whole_certificate_are_nginx_s() {
    let file = fixture!("v1.crt");
    let text = String::from_utf8(file.bytes.clone()).unwrap();
    let certificate = certificate(&file);
    assert_eq!(certificate.raw_cert(), text);
    let mut lines = certificate.cert();
    assert_eq!(lines.matches("\n\t").count(), text.lines().count() - 1);
    lines = lines.replace("\n\t", "\n");
    assert_eq!(lines, text.trim_end());
    let escaped = certificate.escaped_cert();
    assert!(escaped.starts_with(
        "-----BEGIN%20CERTIFICATE-----%0AMIIBMDCB1gIDAI8BMAoGCCqGSM49BAMCMC4xCzAJBgNVBAYTAkRFMRAwDgYDVQQK%0AD"
    ));
    assert!(escaped.ends_with("-----END%20CERTIFICATE-----%0A"));
    assert_eq!(certificate.serial(), "8F01");
}

#[test]
fn an_expired_certificate_has_no_days_left_and_one_that_is_none_says_nothing() {
    let mut expired = params("expired");
    (expired.not_before, expired.not_after) = (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2021, 3, 4));
    let pair = issue(&expired, &authority("root"));
    let certificate = certificate(&pair.certificate);
    assert_eq!((certificate.v_remain(), certificate.v_end()), ("0".into(), "Mar  4 00:00:00 2021 GMT".into()));
    let none = Certificate::new(vec![0x30, 0x03, 1, 2, 3].into());
    assert_eq!((none.s_dn(), none.serial(), none.v_end(), none.v_remain()), Default::default());
}
