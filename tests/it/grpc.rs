//! gRPC from end to end: calls over TLS and HTTP/2 from a client, through edge, to a service without TLS and to one with it.
//!
//! Both must hold wherever it can be seen: a call's outcome is the service's, and its messages arrive when they are sent.

use bytes::Bytes;

use crate::process::reload;
use crate::support::certificates::Authority;
use crate::support::edge::Edge;
use crate::support::grpc::{self, Call, Outcome};
use crate::support::http2::{self, Http2};
use crate::support::origin::Origin;
use crate::support::request::HOST;
use crate::support::tls::Tls;
use crate::support::{ports, wait};

/// A service, and edge before it.
struct Stage {
    origin: Origin,
    edge: Edge,
    tls: Tls,
    configuration: String,
}

impl Stage {
    fn start(origin: Origin, scheme: &str, keys: &str) -> Stage {
        let pass = format!("grpc_pass: {scheme}://{}", origin.address());
        let (edge, tls, configuration) = edge_before(&pass, keys);
        Stage { origin, edge, tls, configuration }
    }

    fn plain() -> Stage {
        Self::start(Origin::h2c(), "grpc", "")
    }

    /// One without TLS and one with it.
    fn both() -> [Stage; 2] {
        [Self::plain(), Self::start(Origin::tls(&Authority::new("the service's").server(&["app"])), "grpcs", "")]
    }

    async fn connect(&self) -> Http2 {
        Http2::open(self.edge.address(), Some(&self.tls)).await
    }
}

fn edge_before(pass: &str, keys: &str) -> (Edge, Tls, String) {
    let authority = Authority::new("the test's");
    let (issued, port) = (authority.server(&[HOST]), ports::free());
    let configuration = format!(
        "worker_processes: 2\nerror_log: {{ path: logs/error.log, level: info }}\nclient_max_body_size: 0\n\
         log_format: {{ short: '$request_uri $status $upstream_status $request_method' }}\n\
         access_log: {{ path: logs/access.log, format: short }}\n\
         server:\n  - listen: {{ address: '127.0.0.1:{port}', ssl: true }}\n    http2: on\n    ssl_certificate: a.pem\n    \
         ssl_certificate_key: a.key\n    location:\n      - match: /\n        {pass}\n{keys}"
    );
    let plan = Edge::yaml(&configuration, port).with_file("a.pem", issued.certificate_pem());
    let edge = plan.with_file("a.key", issued.key_pem()).start();
    (edge, Tls::trusting(&authority).offering("h2").build(), configuration)
}

/// Waits for a line of the access log that begins so.
fn wait_logged(edge: &Edge, begin: &str) -> String {
    let read = || std::fs::read_to_string(edge.file("logs/access.log")).unwrap_or_default();
    let line = || read().lines().find(|line| line.starts_with(begin)).map(str::to_owned);
    wait::until(std::time::Duration::from_secs(5), line).unwrap_or_else(|| panic!("no {begin}:\n{}", read()))
}

fn assert_outcome(outcome: &Outcome, status: &str, message: Option<&str>) {
    assert_eq!((outcome.http, outcome.status.as_deref()), (200, Some(status)), "{outcome:?}");
    assert_eq!(outcome.message.as_deref(), message, "{outcome:?}");
}

#[test]
fn a_call_has_its_message_its_trailers_and_what_goes_with_them() {
    for stage in Stage::both() {
        http2::run(async {
            let connection = stage.connect().await;
            let metadata = [("grpc-timeout", "5S"), ("x-trace-bin", "AAEC"), ("user-agent", "grpc-test/1")];
            let Call { mut up, down } = grpc::call(&connection, "Unary", &metadata).await;
            up.send(b"hello").await.unwrap();
            up.end().unwrap();
            let outcome = down.outcome().await.unwrap();
            assert_outcome(&outcome, "0", Some("well%20done"));
            assert_eq!(outcome.messages, ["hello"]);
            let head = |name| outcome.head.get(name).map(|value| value.to_str().unwrap());
            assert_eq!((head("content-type"), head("x-told")), (Some("application/grpc+proto"), Some("so")));
            assert!(!outcome.trailers_only && !outcome.head.contains_key("grpc-status"), "{outcome:?}");
            let seen = stage.origin.last();
            for (name, value) in metadata.into_iter().chain([("te", "trailers")]) {
                assert_eq!(seen.header(name), Some(value), "{seen:?}");
            }
            assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/test.Echo/Unary"));
        });
        assert_eq!(wait_logged(&stage.edge, "/test.Echo/Unary"), "/test.Echo/Unary 200 200 POST");
    }
}

#[test]
fn a_failure_is_the_services_own_with_and_without_a_message_before_it() {
    for stage in Stage::both() {
        http2::run(async {
            let connection = stage.connect().await;
            for _ in 0..3 {
                let outcome = grpc::unary(&connection, "Fail", b"x").await.unwrap();
                assert_outcome(&outcome, "5", Some("none"));
                assert!(outcome.trailers_only && outcome.messages.is_empty(), "{outcome:?}");
                let outcome = grpc::unary(&connection, "FailLate", b"x").await.unwrap();
                assert_outcome(&outcome, "13", Some("too%20late"));
                assert_eq!(outcome.messages, ["x"]);
            }
        });
    }
}

/// Each message is sent only when the one before has arrived.
#[test]
fn messages_of_a_stream_arrive_while_the_call_runs() {
    for stage in Stage::both() {
        http2::run(async {
            let connection = stage.connect().await;
            let Call { mut up, mut down } = grpc::call(&connection, "Watch", &[]).await;
            up.send(&[20]).await.unwrap();
            up.end().unwrap();
            assert_eq!(down.head().await.unwrap().status, 200);
            for number in 0..20 {
                stage.origin.service().tell(1);
                assert_eq!(down.message().await.unwrap(), Some(Bytes::from(format!("message {number}"))));
            }
            assert_outcome(&down.outcome().await.unwrap(), "0", None);
        });
    }
}

#[test]
fn a_stream_of_the_client_arrives_whole() {
    for stage in Stage::both() {
        http2::run(async {
            let connection = stage.connect().await;
            let Call { mut up, down } = grpc::call(&connection, "Collect", &[]).await;
            for number in 0..200 {
                up.send(&vec![b'x'; number]).await.unwrap();
            }
            up.end().unwrap();
            let outcome = down.outcome().await.unwrap();
            assert_outcome(&outcome, "0", None);
            assert_eq!(outcome.messages, [format!("200 {}", 199 * 200 / 2)]);
        });
    }
}

/// Sends a message only after the one before has come back.
async fn ping_pong(Call { up, down }: &mut Call, count: usize) {
    for number in 0..count {
        let message = format!("ping {number}");
        up.send(message.as_bytes()).await.unwrap();
        assert_eq!(down.message().await.unwrap(), Some(Bytes::from(message)));
    }
}

async fn hang_up(Call { mut up, down }: Call) {
    up.end().unwrap();
    assert_outcome(&down.outcome().await.unwrap(), "0", None);
}

#[test]
fn both_sides_talk_in_turns() {
    for stage in Stage::both() {
        http2::run(async {
            let connection = stage.connect().await;
            let mut call = grpc::call(&connection, "Chat", &[]).await;
            ping_pong(&mut call, 100).await;
            hang_up(call).await;
        });
    }
}

#[test]
fn large_messages_go_both_ways_at_once() {
    const SIZE: usize = 5 << 20;
    let message: Bytes = (0..SIZE).map(|i| (i * 7 % 251) as u8).collect();
    for stage in Stage::both() {
        http2::run(async {
            let connection = stage.connect().await;
            for method in ["Unary", "Chat"] {
                let outcome = grpc::unary(&connection, method, &message).await.unwrap();
                assert_eq!(outcome.status.as_deref(), Some("0"), "{:?}", outcome.head);
                assert!(outcome.messages == [message.clone()], "{method}: not what was sent");
            }
        });
    }
}

#[test]
fn fifty_calls_run_at_once_on_one_connection() {
    for stage in Stage::both() {
        http2::run(async {
            let connection = stage.connect().await;
            let mut calls = Vec::new();
            for _ in 0..50 {
                let mut call = grpc::call(&connection, "Chat", &[]).await;
                ping_pong(&mut call, 1).await;
                calls.push(call);
            }
            let talks = calls.into_iter().map(|mut call| {
                tokio::spawn(async move {
                    ping_pong(&mut call, 20).await;
                    hang_up(call).await;
                })
            });
            for talk in talks.collect::<Vec<_>>() {
                talk.await.unwrap();
            }
        });
        assert_eq!(stage.origin.calls().len(), 50);
    }
}

#[test]
fn a_call_that_is_cancelled_is_cancelled_at_the_service() {
    for stage in Stage::both() {
        http2::run(async {
            let connection = stage.connect().await;
            let service = stage.origin.service();
            for (at, method) in ["Silent", "Stall", "Watch", "Chat"].into_iter().enumerate() {
                let Call { mut up, mut down } = grpc::call(&connection, method, &[]).await;
                up.send(&[9]).await.unwrap();
                if method != "Chat" {
                    up.end().unwrap();
                }
                if method != "Silent" {
                    down.head().await.unwrap();
                }
                assert!(service.wait_begun(at + 1), "{method}");
                up.cancel();
                assert!(service.wait_cancelled(at + 1), "{method}:\n{}", stage.edge.errors());
            }
            // The client's connection is none the worse.
            assert_outcome(&grpc::unary(&connection, "Unary", b"a").await.unwrap(), "0", Some("well%20done"));
        });
        assert!(wait_logged(&stage.edge, "/test.Echo/Silent").starts_with("/test.Echo/Silent 499 "));
    }
}

#[test]
fn a_client_that_leaves_cancels_its_calls() {
    let stage = Stage::plain();
    http2::run(async {
        let connection = stage.connect().await;
        let mut call = grpc::call(&connection, "Chat", &[]).await;
        ping_pong(&mut call, 1).await;
        drop((call, connection));
        assert!(stage.origin.service().wait_cancelled(1), "{}", stage.edge.errors());
    });
}

#[test]
fn a_service_that_takes_too_long_is_504_and_given_up() {
    let stage = Stage::start(Origin::h2c(), "grpc", "        grpc_read_timeout: 300ms\n");
    http2::run(async {
        let connection = stage.connect().await;
        let outcome = grpc::unary(&connection, "Silent", b"a").await.unwrap();
        assert_eq!((outcome.http, outcome.status), (504, None));
        // After the head there is no other answer than the end of the stream.
        let failed = grpc::unary(&connection, "Stall", b"a").await.unwrap_err();
        assert!(failed.is_reset() && failed.is_remote(), "{failed}");
        assert!(stage.origin.service().wait_cancelled(2));
        assert_outcome(&grpc::unary(&connection, "Unary", b"a").await.unwrap(), "0", Some("well%20done"));
    });
    assert!(wait_logged(&stage.edge, "/test.Echo/Silent").starts_with("/test.Echo/Silent 504 504"));
    assert!(stage.edge.wait_error("upstream timed out"), "{}", stage.edge.errors());
}

/// The time between two messages counts, not that of the call.
#[test]
fn a_call_may_take_longer_than_the_time_between_its_messages() {
    let stage = Stage::start(Origin::h2c(), "grpc", "        grpc_read_timeout: 1s\n");
    http2::run(async {
        let connection = stage.connect().await;
        let mut call = grpc::call(&connection, "Chat", &[]).await;
        let began = tokio::time::Instant::now();
        while began.elapsed().as_millis() < 2_500 {
            ping_pong(&mut call, 1).await;
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        }
        hang_up(call).await;
    });
}

#[test]
fn a_dead_service_is_502() {
    let dead = ports::dead();
    let (edge, tls, _) = edge_before(&format!("grpc_pass: grpc://{}", dead.address()), "");
    http2::run(async {
        let connection = Http2::open(edge.address(), Some(&tls)).await;
        for _ in 0..2 {
            let outcome = grpc::unary(&connection, "Unary", b"a").await.unwrap();
            assert_eq!((outcome.http, outcome.status), (502, None));
        }
    });
    assert!(edge.wait_error("connect() failed (111: Connection refused) while connecting to upstream"));
}

#[test]
fn a_dead_service_is_passed_over_for_one_that_lives() {
    let (dead, alive) = (ports::dead(), Origin::h2c());
    let authority = Authority::new("the test's");
    let (issued, port) = (authority.server(&[HOST]), ports::free());
    let edge = Edge::yaml(
        &format!(
            "upstream:\n  app: {{ servers: ['{}', '{}'] }}\nserver:\n  - listen: {{ address: '127.0.0.1:{port}', ssl: true }}\n    \
             http2: on\n    ssl_certificate: {}\n    ssl_certificate_key: {}\n    location: [{{ match: /, grpc_pass: app }}]\n",
            dead.address(),
            alive.address(),
            issued.certificate.display(),
            issued.key.display()
        ),
        port,
    )
    .start();
    let tls = Tls::trusting(&authority).offering("h2").build();
    http2::run(async {
        let connection = Http2::open(edge.address(), Some(&tls)).await;
        for _ in 0..4 {
            assert_outcome(&grpc::unary(&connection, "Unary", b"a").await.unwrap(), "0", Some("well%20done"));
        }
    });
}

#[test]
fn a_reload_is_not_noticed_by_a_call_that_runs() {
    for stage in Stage::both() {
        http2::run(async {
            let connection = stage.connect().await;
            let mut call = grpc::call(&connection, "Chat", &[]).await;
            ping_pong(&mut call, 10).await;
            for turn in 0..3 {
                let added = format!("{}        add_header: {{ X-Turn: {turn} }}\n", stage.configuration);
                tokio::task::block_in_place(|| reload(&stage.edge, &added));
                ping_pong(&mut call, 10).await;
                let outcome = grpc::unary(&connection, "Unary", b"a").await.unwrap();
                assert_eq!(outcome.head.get("x-turn").unwrap().to_str().unwrap(), turn.to_string());
            }
            hang_up(call).await;
        });
    }
}
