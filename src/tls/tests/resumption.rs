use super::*;

/// Two visits, the second to another server; whether the second was resumed.
async fn returns(versions: &[&'static SupportedProtocolVersion], first: &Settings, second: &Settings) -> bool {
    let client = Arc::new(client(versions, None));
    let (session, _) = visit(&client, "a.test", &server(first)).await;
    assert!(!session.reused());
    visit(&client, "a.test", &server(second)).await.0.reused()
}

#[tokio::test]
async fn a_session_goes_on_at_a_recompiled_server() {
    let tickets = settings(pair("a.test"));
    let cache = Settings { session_cache: true, session_tickets: false, ..tickets.clone() };
    for versions in [TLS12, TLS13] {
        assert!(returns(versions, &tickets, &tickets).await, "{versions:?}");
        assert!(returns(versions, &cache, &cache).await, "{versions:?}");
    }
}

#[tokio::test]
async fn a_session_does_not_go_on_without_tickets_and_cache() {
    let neither = Settings { session_tickets: false, ..settings(pair("a.test")) };
    for versions in [TLS12, TLS13] {
        assert!(!returns(versions, &neither, &neither).await);
    }
}

#[tokio::test]
async fn a_session_does_not_go_on_at_a_server_that_differs() {
    let authority = authority("ca");
    for (tickets, cache) in [(true, false), (false, true)] {
        let plain = Settings { session_tickets: tickets, session_cache: cache, ..settings(pair("a.test")) };
        let verifying = Settings {
            verify_client: VerifyClient::Optional,
            client_certificate: Some(pem("ca.crt", authority.pem())),
            ..plain.clone()
        };
        let renewed = Settings { pairs: vec![pair("a.test")], ..plain.clone() };
        for versions in [TLS12, TLS13] {
            assert!(!returns(versions, &plain, &verifying).await);
            assert!(!returns(versions, &verifying, &plain).await);
            assert!(!returns(versions, &plain, &renewed).await);
            assert!(returns(versions, &verifying, &verifying).await);
        }
    }
}

#[tokio::test]
async fn a_session_belongs_to_a_name() {
    let server = server(&settings(pair("a.test")));
    let client = Arc::new(client(BOTH, None));
    visit(&client, "a.test", &server).await;
    assert!(!visit(&client, "b.test", &server).await.0.reused());
    assert!(visit(&client, "a.test", &server).await.0.reused());
}

#[tokio::test]
async fn a_resumed_client_is_verified_anew() {
    let authority = authority("ca");
    let identity = issue(&params("alice"), &authority);
    let trusting = Settings {
        verify_client: VerifyClient::On,
        client_certificate: Some(pem("ca.crt", authority.pem())),
        ..settings(pair("a.test"))
    };
    let mut revoking = trusting.clone();
    revoking.crl = Some(clients::crl(&authority, &[clients::serial(&identity)]));
    for versions in [TLS12, TLS13] {
        let client = Arc::new(client(versions, Some(&identity)));
        visit(&client, "a.test", &server(&trusting)).await;
        let (session, _) = visit(&client, "a.test", &server(&trusting)).await;
        assert_eq!((session.reused(), session.client_verify()), (true, "SUCCESS"));
        assert_eq!(session.certificate().unwrap().s_dn(), "CN=alice");
        let (session, _) = visit(&client, "a.test", &server(&revoking)).await;
        assert_eq!((session.reused(), session.client_verify()), (true, "FAILED:certificate revoked"));
        assert_eq!(session.refusal(), Some(Refusal::CertificateError));
    }
}
