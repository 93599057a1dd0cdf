use rustls::SupportedCipherSuite;

use super::*;

const ALL: &str = "EC256 RC256 ECHA RCHA EC128 RC128";

/// The six ciphers, shortened.
fn short(suites: &[SupportedCipherSuite]) -> String {
    let name = |suite: &SupportedCipherSuite| match ciphers::openssl_name(suite.suite()) {
        "ECDHE-ECDSA-AES256-GCM-SHA384" => "EC256",
        "ECDHE-RSA-AES256-GCM-SHA384" => "RC256",
        "ECDHE-ECDSA-CHACHA20-POLY1305" => "ECHA",
        "ECDHE-RSA-CHACHA20-POLY1305" => "RCHA",
        "ECDHE-ECDSA-AES128-GCM-SHA256" => "EC128",
        "ECDHE-RSA-AES128-GCM-SHA256" => "RC128",
        other => panic!("{other}"),
    };
    suites.iter().map(name).collect::<Vec<_>>().join(" ")
}

/// What `openssl ciphers` of OpenSSL 3.0 prints for the list, as far as edge has it.
#[test]
fn lists_of_ciphers_mean_what_openssl_says() {
    for (list, expected) in [
        ("DEFAULT", ALL),
        ("HIGH:!aNULL:!MD5", ALL),
        ("HIGH, !aNULL", ALL),
        ("ALL:!ADH:!LOW:!EXP:!MD5:@STRENGTH", ALL),
        ("HIGH:@SECLEVEL=1", ALL),
        ("HIGH:DEFAULT", ALL),
        ("+AES128:ALL", ALL),
        ("ECDHE:!COMPLEMENTOFDEFAULT", ALL),
        ("ALL:!COMPLEMENTOFDEFAULT:!eNULL", ALL),
        ("TLSv1.2:!SHA384", ALL),
        ("ECDHE+AESGCM:@STRENGTH", "EC256 RC256 EC128 RC128"),
        ("ECDHE+AES", "EC256 RC256 EC128 RC128"),
        ("ECDH+AESGCM", "EC256 RC256 EC128 RC128"),
        ("FIPS", "EC256 RC256 EC128 RC128"),
        ("AESGCM:+ECDHE-RSA-AES128-GCM-SHA256", "EC256 RC256 EC128 RC128"),
        ("EECDH+CHACHA20:EECDH+AESGCM", "ECHA RCHA EC256 RC256 EC128 RC128"),
        ("AES128:AES256", "EC128 RC128 EC256 RC256"),
        ("ALL:+AES256", "ECHA RCHA EC128 RC128 EC256 RC256"),
        ("HIGH:!AES256", "ECHA RCHA EC128 RC128"),
        ("ECDSA:RSA", "EC256 ECHA EC128"),
        ("aRSA+AESGCM", "RC256 RC128"),
        ("kEECDH+aECDSA", "EC256 ECHA EC128"),
        ("ECDHE-RSA-AES128-GCM-SHA256:HIGH", "RC128 EC256 RC256 ECHA RCHA EC128"),
        ("AES:-AES128:CHACHA20", "EC256 RC256 ECHA RCHA"),
        ("EECDH+AES256:-SHA", "EC256 RC256"),
        ("AESGCM+AES128", "EC128 RC128"),
        ("ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-CHACHA20-POLY1305", "EC128 RCHA"),
        ("SUITEB128", "EC128 EC256"),
        ("SHA384", ""),
        ("DEFAULT:!ECDHE", ""),
        ("AES128+RSA", ""),
        ("EDH+AESGCM", ""),
        ("-ALL:AESGCM:!AESGCM", ""),
        ("TLS_AES_128_GCM_SHA256:AES128", "EC128 RC128"),
    ] {
        let mut mistakes = Vec::new();
        assert_eq!(short(&ciphers::compile(Some(list), &mut mistakes)), expected, "{list}");
        assert_eq!(mistakes, [], "{list}");
    }
}

#[test]
fn mozilla_s_lists_pass_without_a_word() {
    for (list, expected) in [
        (
            "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
             ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:\
             DHE-RSA-CHACHA20-POLY1305",
            "EC128 RC128 EC256 RC256 ECHA RCHA",
        ),
        ("TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256", ""),
    ] {
        let mut mistakes = Vec::new();
        assert_eq!(short(&ciphers::compile(Some(list), &mut mistakes)), expected);
        assert_eq!(mistakes, []);
    }
}

#[test]
fn ciphers_that_edge_lacks_are_named_once_and_slips_get_a_suggestion() {
    let mut mistakes = Vec::new();
    let list = "ECDHE-RSA-AES128-SHA256:AES128-SHA:AES128-SHA:!DES-CBC3-SHA:!RC4-MD5:ECDHE-RSA-AES256-GCM-SHA385:\
                TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:ECDHE-RSA-AES256-GCM-SHA384:nonsense";
    assert_eq!(short(&ciphers::compile(Some(list), &mut mistakes)), "RC256");
    assert!(mistakes.iter().all(|mistake| mistake.is_warning && mistake.part == Part::Ciphers));
    let told: Vec<_> = mistakes.iter().map(|m| (m.message.as_str(), m.help.as_deref().unwrap())).collect();
    assert_eq!(told[0].0, "edge does without ECDHE-RSA-AES128-SHA256, AES128-SHA");
    let passed_over = |name: &str| format!("there is no cipher `{name}`; it is passed over");
    assert_eq!(told[1], (&*passed_over("ECDHE-RSA-AES256-GCM-SHA385"), "did you mean `ECDHE-RSA-AES256-GCM-SHA384`?"));
    assert_eq!(
        told[2],
        (&*passed_over("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), "did you mean `ECDHE-RSA-AES128-GCM-SHA256`?")
    );
    assert_eq!(told[3], (&*passed_over("nonsense"), "`openssl ciphers -v ALL` lists the names"));
    assert_eq!(told.len(), 4);
}

#[test]
fn curves_are_taken_in_their_order_and_by_all_their_names() {
    let names = |list: Option<&str>| {
        let mut mistakes = Vec::new();
        let groups = curves::compile(list, &mut mistakes);
        let names: Vec<_> = groups.iter().map(|group| curves::name(group.name())).collect();
        (names.join(":"), mistakes)
    };
    let all = "X25519:prime256v1:secp384r1";
    assert_eq!(names(None), (all.into(), vec![]));
    assert_eq!(names(Some("auto")), (all.into(), vec![]));
    assert_eq!(names(Some("P-384:prime256v1:P-256:x25519")), ("secp384r1:prime256v1:X25519".into(), vec![]));
    let (found, mistakes) = names(Some("X448:secp521r1:X25519"));
    assert_eq!((found.as_str(), mistakes.len(), mistakes[0].is_warning), ("X25519", 1, true));
    assert_eq!(mistakes[0].message, "edge does without X448, secp521r1; clients take another curve of the list");
    let (found, mistakes) = names(Some("secp521r1"));
    assert_eq!((found.as_str(), mistakes.len(), mistakes[0].is_warning), ("", 1, false));
    assert_eq!(mistakes[0].message, "`secp521r1` leaves no curve that edge knows");
    let (_, mistakes) = names(Some("X25519:curve25519"));
    assert_eq!((mistakes[0].message.as_str(), mistakes[0].is_warning), ("there is no curve `curve25519`", false));
}
