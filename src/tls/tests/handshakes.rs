use std::io::IoSlice;

use pingora_core::protocols::{ALPN, GetTimingDigest, Ssl};

use super::*;

fn certificate(stream: &ClientStream) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

fn first(pair: &Pair) -> Vec<u8> {
    CertificateDer::from_pem_slice(&pair.certificate.bytes).unwrap().to_vec()
}

#[tokio::test]
async fn the_name_picks_the_server_and_its_certificate() {
    let pairs = [pair("a.test"), pair("b.test")];
    let servers = pairs.clone().map(|pair| server(&settings(pair)));
    for (at, name) in ["a.test", "B.test"].into_iter().enumerate() {
        let mut asked = None;
        let (accepted, connected) = meet(&Arc::new(client(BOTH, None)), name, |name| {
            asked = name.map(str::to_owned);
            Some(servers[at].clone())
        })
        .await;
        assert_eq!(asked, Some(name.to_lowercase()));
        assert_eq!(accepted.unwrap().session.server_name(), asked.as_deref());
        assert_eq!(certificate(&connected.unwrap()), first(&pairs[at]));
    }
}

#[tokio::test]
async fn a_client_that_names_nobody_gets_the_default_server() {
    let server = server(&settings(pair("a.test")));
    let (accepted, _) = meet(&Arc::new(client(BOTH, None)), "127.0.0.1", |name| {
        assert_eq!(name, None);
        Some(server)
    })
    .await;
    assert_eq!(accepted.unwrap().session.server_name(), None);
}

#[tokio::test]
async fn the_session_tells_what_nginx_tells() {
    let settings = Settings { prefer_server_ciphers: true, ..settings(rsa_pair()) };
    let (session, _) = visit(&Arc::new(client(TLS12, None)), "rsa.test", &server(&settings)).await;
    let told = (session.protocol(), session.cipher(), session.curve(), session.alpn(), session.reused());
    assert_eq!(told, ("TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384", "X25519", "", false));
    assert_eq!((session.client_verify(), session.refusal()), ("NONE", None));
    let settings = Settings { curves: Some("secp384r1".into()), ..settings };
    let (session, _) = visit(&Arc::new(client(TLS13, None)), "rsa.test", &server(&settings)).await;
    let told = (session.protocol(), session.cipher(), session.curve());
    assert_eq!(told, ("TLSv1.3", "TLS_AES_256_GCM_SHA384", "secp384r1"));
}

#[tokio::test]
async fn a_protocol_that_is_off_is_not_spoken() {
    let only13 = server(&Settings { tls12: false, ..settings(pair("a.test")) });
    let only12 = server(&Settings { tls13: false, ..settings(pair("a.test")) });
    for (server, works, fails) in [(only13, TLS13, TLS12), (only12, TLS12, TLS13)] {
        visit(&Arc::new(client(works, None)), "a.test", &server).await;
        visit(&Arc::new(client(BOTH, None)), "a.test", &server).await;
        let (accepted, connected) = meet(&Arc::new(client(fails, None)), "a.test", |_| Some(server)).await;
        assert!(matches!(accepted, Err(Rejected::Failed(Failure::Tls(_)))), "{accepted:?}");
        assert!(connected.unwrap_err().to_string().contains("ProtocolVersion"), "the alert arrives");
    }
}

#[tokio::test]
async fn a_client_gets_the_certificate_it_can_verify() {
    let (ecdsa, rsa) = (pair("a.test"), rsa_pair());
    let both = Settings { pairs: vec![rsa.clone(), ecdsa.clone()], ..Settings::default() };
    let ecdsa_first = server(&both);
    let rsa_ciphers = server(&Settings { ciphers: Some("aRSA".into()), ..both });
    let (_, stream) = visit(&Arc::new(client(BOTH, None)), "a.test", &ecdsa_first).await;
    assert_eq!(certificate(&stream), first(&ecdsa));
    let (_, stream) = visit(&Arc::new(client(TLS12, None)), "a.test", &rsa_ciphers).await;
    assert_eq!(certificate(&stream), first(&rsa));
    let mut of_rsa = default_provider();
    of_rsa.cipher_suites.retain(|suite| suite.suite().as_str().is_some_and(|name| name.contains("_RSA_")));
    let old = ClientConfig::builder_with_provider(of_rsa.into()).with_protocol_versions(TLS12).unwrap();
    let old = old.dangerous().with_custom_certificate_verifier(Arc::new(Trusting)).with_no_client_auth();
    let (session, stream) = visit(&Arc::new(old), "a.test", &ecdsa_first).await;
    assert_eq!(certificate(&stream), first(&rsa));
    assert!(session.cipher().starts_with("ECDHE-RSA-"), "{}", session.cipher());
}

#[tokio::test]
async fn keys_of_all_kinds_and_forms_serve() {
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let generated = [ed25519, p384].map(|key| Pair {
        certificate: pem("a.crt", params("a.test").self_signed(&key).unwrap().pem()),
        key: pem("a.key", key.serialize_pem()),
    });
    let pkcs1 = Pair { certificate: fixture!("rsa.crt"), key: fixture!("rsa.pkcs1.key") };
    let sec1 = Pair { certificate: fixture!("ec.crt"), key: fixture!("ec.sec1.key") };
    for pair in generated.into_iter().chain([pkcs1, sec1, rsa_pair()]) {
        let server = server(&settings(pair));
        visit(&Arc::new(client(TLS13, None)), "a.test", &server).await;
        visit(&Arc::new(client(TLS12, None)), "a.test", &server).await;
    }
}

#[tokio::test]
async fn http_2_is_offered_before_http_1() {
    let with = server(&Settings { http2: true, ..settings(pair("a.test")) });
    let without = server(&settings(pair("a.test")));
    let spoken = |protocols: &[&str]| {
        let mut client = client(BOTH, None);
        client.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(client)
    };
    for (server, offered, chosen, pingora) in [
        (&with, &["http/1.1", "h2"][..], "h2", Some(ALPN::H2)),
        (&with, &["http/1.1"], "http/1.1", Some(ALPN::H1)),
        (&without, &["h2", "http/1.1"], "http/1.1", Some(ALPN::H1)),
        (&with, &[], "", None),
    ] {
        let server = server.clone();
        let (accepted, _) = meet(&spoken(offered), "a.test", |_| Some(server)).await;
        let Accepted { stream, session } = accepted.unwrap();
        assert_eq!(session.alpn(), chosen);
        assert_eq!(stream.selected_alpn_proto(), pingora);
    }
    let (accepted, connected) = meet(&spoken(&["spdy/3"]), "a.test", |_| Some(with)).await;
    assert!(matches!(accepted, Err(Rejected::Failed(_))));
    assert!(connected.unwrap_err().to_string().contains("NoApplicationProtocol"));
}

#[tokio::test]
async fn a_rejecting_server_says_unrecognized_name() {
    let rejecting = server(&Settings { reject_handshake: true, ..Settings::default() });
    for chosen in [Some(rejecting), None] {
        let (accepted, connected) = meet(&Arc::new(client(BOTH, None)), "a.test", |_| chosen).await;
        let Err(Rejected::Failed(failure)) = accepted else { panic!("{accepted:?}") };
        assert_eq!(failure.to_string(), "handshake rejected: no server takes `a.test`");
        let error = connected.unwrap_err().to_string();
        assert!(error.contains("UnrecognisedName"), "{error}");
    }
}

#[tokio::test]
async fn plain_http_comes_back_whole() {
    let (mut near, far) = connection().await;
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(5000));
    near.write_all(request.as_bytes()).await.unwrap();
    near.shutdown().await.unwrap();
    let Err(Rejected::Plain(mut far)) = accept(far, |_| None).await else { panic!() };
    let mut received = String::new();
    far.read_to_string(&mut received).await.unwrap();
    assert_eq!(received, request);
}

#[tokio::test]
async fn garbage_fails() {
    let empty_hello = &b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"[..];
    let not_a_hello = b"\x16\x03\x01\x00\x04\x02\x00\x00\x00";
    let much = [0xff; 3000];
    for (garbage, is_alerted) in [
        (empty_hello, true),
        (not_a_hello, true),
        (b"\x16\x03\x01\x00\x05hello", false),
        (b"\x80\x2e\x01\x03\x01", false),
        (b"\x16\xff\xff\xff\xff\xff", false),
        (&much, false),
    ] {
        let (mut near, far) = connection().await;
        near.write_all(garbage).await.unwrap();
        near.shutdown().await.unwrap();
        let accepted = accept(far, |_| panic!("nobody is asked")).await;
        let has_failed = matches!(accepted, Err(Rejected::Failed(_)));
        assert!(has_failed || matches!(accepted, Err(Rejected::Closed)), "{garbage:?}: {accepted:?}");
        let mut answer = Vec::new();
        // After garbage that edge did not read the connection may be reset.
        let _ = near.read_to_end(&mut answer).await;
        assert!(!is_alerted || (has_failed && answer[..3] == [21, 3, 3]), "{garbage:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_in_its_hello_has_closed() {
    let (near, far) = connection().await;
    drop(near);
    assert!(matches!(accept(far, |_| None).await, Err(Rejected::Closed)));
    let (mut near, far) = connection().await;
    near.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03half a hello").await.unwrap();
    drop(near);
    assert!(matches!(accept(far, |_| None).await, Err(Rejected::Closed)));
}

#[tokio::test]
async fn a_dropped_handshake_closes_the_socket() {
    let (mut near, far) = connection().await;
    near.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
    let mut handshake = Box::pin(accept(far, |_| None));
    assert!(futures_ready(&mut handshake).await.is_none());
    drop(handshake);
    // Closed with bytes unread or not: the end or a reset, and no waiting.
    let end = near.read(&mut [0; 16]).await;
    assert!(matches!(end, Ok(0)) || end.is_err(), "{end:?}");
}

/// Polls once.
async fn futures_ready<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    tokio::select! { biased; ready = future => Some(ready), () = std::future::ready(()) => None }
}

#[tokio::test]
async fn the_stream_is_what_pingora_wants() {
    let server = server(&settings(pair("a.test")));
    let (accepted, connected) = meet(&Arc::new(client(BOTH, None)), "a.test", |_| Some(server)).await;
    let (Accepted { stream, session }, mut connected) = (accepted.unwrap(), connected.unwrap());
    let digest = stream.get_ssl_digest().unwrap();
    assert_eq!((&*digest.version, &*digest.cipher), (session.protocol(), session.cipher()));
    assert_eq!(stream.get_timing_digest().len(), 2);
    let mut stream: pingora_core::protocols::Stream = Box::new(stream);
    assert!(stream.as_any().downcast_ref::<TlsStream>().is_some());
    assert!(stream.is_write_vectored());
    let parts = [IoSlice::new(b"one "), IoSlice::new(b"two "), IoSlice::new(b"three")];
    assert_eq!(stream.write_vectored(&parts).await.unwrap(), 13);
    stream.flush().await.unwrap();
    let mut received = [0; 13];
    connected.read_exact(&mut received).await.unwrap();
    assert_eq!(&received, b"one two three");
    let large = vec![7; 1_000_000];
    let (written, received) = tokio::join!(
        async {
            stream.write_all(&large).await.unwrap();
            stream.shutdown().await.unwrap();
        },
        async {
            let mut received = Vec::new();
            // Without a close_notify rustls would call this an unexpected end.
            connected.read_to_end(&mut received).await.unwrap();
            received
        }
    );
    let () = written;
    assert_eq!(received, large);
}

#[tokio::test]
async fn an_ocsp_response_is_stapled() {
    #[derive(Debug)]
    struct Stapled(Arc<std::sync::Mutex<Vec<u8>>>);
    impl ServerCertVerifier for Stapled {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            response: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, rustls::Error> {
            *self.0.lock().unwrap() = response.to_vec();
            Ok(ServerCertVerified::assertion())
        }
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Trusting.verify_tls12_signature(message, certificate, signed)
        }
        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Trusting.verify_tls13_signature(message, certificate, signed)
        }
        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            Trusting.supported_verify_schemes()
        }
    }
    let response = vec![0x30, 3, 0x0a, 1, 0];
    let server = server(&Settings { stapling: Some(response.clone()), ..settings(pair("a.test")) });
    let seen = Arc::default();
    let builder = ClientConfig::builder_with_provider(default_provider().into()).with_protocol_versions(BOTH).unwrap();
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Stapled(Arc::clone(&seen))));
    visit(&Arc::new(builder.with_no_client_auth()), "a.test", &server).await;
    assert_eq!(*seen.lock().unwrap(), response);
}
