//! What nginx 1.22.1 did, as data.
//!
//! How it was obtained: nginx with one worker in front of tiny backends that answer with their number (1 is
//! the first `server` line), `proxy_next_upstream error timeout http_502`, `$upstream_addr` read back from a
//! response header, requests one after the other. "Dead" is a port nobody listens on; "now and then" a
//! backend that answers 502 when a request header tells it to. Clients of `ip_hash` came in by
//! `real_ip_header X-Real-IP` ([`CLIENTS`]), the keys of `hash $arg_k` are `key0`, `key1`, …
//!
//! How to read `picks`: one word per request. `2!1` went to 2, which failed, and then to 1. `|` is a pause of
//! 2.3 s. Of `least_conn`: `p` a request that ended at once, `h` one whose answer was held back, `r` the answer
//! of the oldest held one was let go.

#[derive(Debug)]
pub struct Recorded {
    pub what: &'static str,
    /// As in the configuration: address and parameters.
    pub servers: &'static [(&'static str, &'static str)],
    pub picks: &'static str,
}

pub const ROUND_ROBIN: &[Recorded] = &[
    Recorded {
        what: "weights (1, 1, 1)",
        servers: &[("127.0.0.1:18101", "weight=1"), ("127.0.0.1:18102", "weight=1"), ("127.0.0.1:18103", "weight=1")],
        picks: "1 2 3 1 2 3 1 2 3 1 2 3 1 2 3 1 2 3 1 2 3 1 2 3 1 2 3 1 2 3 1 2 3 1 2 3 1 2 3 1 2 3 1 2 3 1 2 3 1 2 \
            3 1 2 3 1 2 3 1 2 3",
    },
    Recorded {
        what: "weights (5, 1, 1)",
        servers: &[("127.0.0.1:18101", "weight=5"), ("127.0.0.1:18102", "weight=1"), ("127.0.0.1:18103", "weight=1")],
        picks: "1 1 2 1 3 1 1 1 1 2 1 3 1 1 1 1 2 1 3 1 1 1 1 2 1 3 1 1 1 1 2 1 3 1 1 1 1 2 1 3 1 1 1 1 2 1 3 1 1 1 \
            1 2 1 3 1 1 1 1 2 1",
    },
    Recorded {
        what: "weights (1, 2, 3)",
        servers: &[("127.0.0.1:18101", "weight=1"), ("127.0.0.1:18102", "weight=2"), ("127.0.0.1:18103", "weight=3")],
        picks: "3 2 1 3 2 3 3 2 1 3 2 3 3 2 1 3 2 3 3 2 1 3 2 3 3 2 1 3 2 3 3 2 1 3 2 3 3 2 1 3 2 3 3 2 1 3 2 3 3 2 \
            1 3 2 3 3 2 1 3 2 3",
    },
    Recorded {
        what: "weights (10, 3, 7, 2)",
        servers: &[
            ("127.0.0.1:18101", "weight=10"),
            ("127.0.0.1:18102", "weight=3"),
            ("127.0.0.1:18103", "weight=7"),
            ("127.0.0.1:18104", "weight=2"),
        ],
        picks: "1 3 2 1 3 1 4 1 3 1 2 3 1 3 1 4 1 3 1 2 3 1 1 3 2 1 3 1 4 1 3 1 2 3 1 3 1 4 1 3 1 2 3 1 1 3 2 1 3 1 \
            4 1 3 1 2 3 1 3 1 4",
    },
    Recorded {
        what: "weights (3, 3, 2, 1, 1)",
        servers: &[
            ("127.0.0.1:18101", "weight=3"),
            ("127.0.0.1:18102", "weight=3"),
            ("127.0.0.1:18103", "weight=2"),
            ("127.0.0.1:18104", "weight=1"),
            ("127.0.0.1:18105", "weight=1"),
        ],
        picks: "1 2 3 4 1 2 5 3 1 2 1 2 3 4 1 2 5 3 1 2 1 2 3 4 1 2 5 3 1 2 1 2 3 4 1 2 5 3 1 2 1 2 3 4 1 2 5 3 1 2 \
            1 2 3 4 1 2 5 3 1 2",
    },
    Recorded {
        what: "weights (100, 1)",
        servers: &[("127.0.0.1:18101", "weight=100"), ("127.0.0.1:18102", "weight=1")],
        picks: "1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 \
            2 1 1 1 1 1 1 1 1 1",
    },
    Recorded {
        what: "one down",
        servers: &[
            ("127.0.0.1:18101", "weight=2"),
            ("127.0.0.1:18102", "weight=2 down"),
            ("127.0.0.1:18103", "weight=3"),
        ],
        picks: "3 1 3 1 3 3 1 3 1 3 3 1 3 1 3 3 1 3 1 3 3 1 3 1 3 3 1 3 1 3 3 1 3 1 3 3 1 3 1 3",
    },
    Recorded {
        what: "a dead one, three fails",
        servers: &[
            ("127.0.0.1:18101", "weight=1 max_fails=3 fail_timeout=60"),
            ("127.0.0.1:18190", "weight=1 max_fails=3 fail_timeout=60"),
            ("127.0.0.1:18103", "weight=1 max_fails=3 fail_timeout=60"),
        ],
        picks: "1 2!3 3 1 2!3 1 3 2!1 3 1 3 1 3 1 3 1 3 1 3 1 3 1 3 1 3 1 3 1 3 1 3 1 3 1 3 1 3 1 3 1 3 1 3 1 3 1 3 \
            1 3 1 3 1 3 1 3 1 3 1 3 1",
    },
    Recorded {
        what: "the heaviest is dead, two fails",
        servers: &[
            ("127.0.0.1:18190", "weight=5 max_fails=2 fail_timeout=60"),
            ("127.0.0.1:18102", "weight=1 max_fails=2 fail_timeout=60"),
            ("127.0.0.1:18103", "weight=1 max_fails=2 fail_timeout=60"),
        ],
        picks: "1!2 3 1!2 2 3 2 3 2 3 2 3 2 3 2 3 2 3 2 3 2 3 2 3 2 3 2 3 2 3 2 3 2 3 2 3 2 3 2 3 2 3 2 3 2 3 2 3 2 \
            3 2 3 2 3 2 3 2 3 2 3 2",
    },
    Recorded {
        what: "a dead one that is never marked",
        servers: &[
            ("127.0.0.1:18101", "weight=3 max_fails=0"),
            ("127.0.0.1:18190", "weight=2 max_fails=0"),
            ("127.0.0.1:18103", "weight=1 max_fails=0"),
        ],
        picks: "1 2!1 3 1 2!1 1 3 1 2!1 1 2!1 3 1 2!1 1 3 1 2!1 1 2!1 3 1 2!1 1 3 1 2!1 1 2!1 3 1 2!1 1 3 1 2!1 1 \
            2!1 3 1 2!1 1 3 1 2!1 1 2!1 3 1 2!1 1 3 1 2!1 1 2!1 3 1 2!1 1",
    },
    Recorded {
        what: "a dead one asked again after each fail_timeout",
        servers: &[
            ("127.0.0.1:18101", "weight=2 max_fails=1 fail_timeout=1"),
            ("127.0.0.1:18102", "weight=1 max_fails=1 fail_timeout=1"),
            ("127.0.0.1:18190", "weight=1 max_fails=1 fail_timeout=1"),
        ],
        picks: "1 2 3!1 1 1 2 1 1 2 1 1 2 | 1 1 2 1 3!1 2 1 1 2 1 1 2 | 1 1 2 1 3!1 2 1 1 2 1 1 2 | 1 1 2 1 3!1 2 1 \
            1 2 1 1 2 |",
    },
    Recorded {
        what: "a dead one, two fails, asked again after each fail_timeout",
        servers: &[
            ("127.0.0.1:18101", "weight=2 max_fails=2 fail_timeout=1"),
            ("127.0.0.1:18190", "weight=3 max_fails=2 fail_timeout=1"),
            ("127.0.0.1:18103", "weight=2 max_fails=2 fail_timeout=1"),
        ],
        picks: "2!1 3 1 2!3 3 1 3 1 3 1 3 1 3 1 | 3 1 2!3 1 3 1 3 1 3 1 3 1 3 1 | 3 1 2!3 1 3 1 3 1 3 1 3 1 3 1 | 3 \
            2!1 3 1 3 1 3 1 3 1 3 1 3 1 |",
    },
    Recorded {
        what: "one fails now and then and recovers its weight",
        servers: &[
            ("127.0.0.1:18101", "weight=10 max_fails=20 fail_timeout=60"),
            ("127.0.0.1:18102", "weight=4 max_fails=20 fail_timeout=60"),
            ("127.0.0.1:18103", "weight=4 max_fails=20 fail_timeout=60"),
        ],
        picks: "1 2 1!3 3 1 2 1 3 1 1 2 1!3 3 1!2 2 1!3 1!3 2 1!3 3 1 2 1 3 1 2 1 1 3 1 2 1 3 1 2 1 1 3 1 2 1 3 1 2 \
            1 1!3 2 1 3 1 2 1 3 1!2 1 3 1 2 1 3 1 2 1 1 3 1 2 1 3 1!2 1 2 1 3 1 2 1!3 3 1 2",
    },
    Recorded {
        what: "each fails now and then",
        servers: &[
            ("127.0.0.1:18101", "weight=6 max_fails=3 fail_timeout=1"),
            ("127.0.0.1:18102", "weight=5 max_fails=3 fail_timeout=1"),
            ("127.0.0.1:18103", "weight=4 max_fails=3 fail_timeout=1"),
            ("127.0.0.1:18104", "weight=3 max_fails=3 fail_timeout=1"),
        ],
        picks: "1 2 3 4 1 2 3 1 2 4 1 3 2 1 4 3 2 1 1 2 | 3 4 1 2 3 1 2 4 1 3 2 1 4 3 2 1 1 2!3 4 1 | 3 2 1 4 3 2 1 \
            1 2 3 4 1 2 3 1 4 2 1 3 2 | 1 4 3 2 1 1 2 3 4 1 2 3!1 4 2 1 2 1 3 4 1 |",
    },
    Recorded {
        what: "the primary is dead, two backups",
        servers: &[
            ("127.0.0.1:18190", "max_fails=1 fail_timeout=60"),
            ("127.0.0.1:18102", "backup weight=2"),
            ("127.0.0.1:18103", "backup"),
        ],
        picks: "1!2 3 2 2 3 2 2 3 2 2 3 2 2 3 2 2 3 2 2 3 2 2 3 2 2 3 2 2 3 2 2 3 2 2 3 2 2 3 2 2",
    },
    Recorded {
        what: "both primaries are dead, asked again, two backups",
        servers: &[
            ("127.0.0.1:18190", "weight=1 max_fails=2 fail_timeout=1"),
            ("127.0.0.1:18191", "weight=1 max_fails=1 fail_timeout=1"),
            ("127.0.0.1:18103", "backup weight=3"),
            ("127.0.0.1:18104", "backup weight=1"),
        ],
        picks: "1!2!3 1!3 4 3 3 3 4 3 3 3 4 3 | 2!1!3 3 4 3 3 3 4 3 3 3 4 3 | 1!2!3 3 4 3 3 3 4 3 3 3 4 3 | 1!2!3 3 \
            4 3 3 3 4 3 3 3 4 3 |",
    },
    Recorded {
        what: "a dead one whose weight is used up by failed probes",
        servers: &[
            ("127.0.0.1:18101", "weight=3 max_fails=1 fail_timeout=1"),
            ("127.0.0.1:18190", "weight=4 max_fails=1 fail_timeout=1"),
            ("127.0.0.1:18103", "weight=2 max_fails=1 fail_timeout=1"),
        ],
        picks: "2!1 3 1 1 3 1 3 1 1 3 1 3 | 1 1 3 1 2!3 1 3 1 1 3 1 3 | 1 1 3 1 2!3 1 1 3 1 3 1 1 | 3 1 3 1 2!3 1 1 \
            3 1 3 1 1 | 3 1 3 1 2!1 3 1 3 1 1 3 1 | 3 1 3 1 2!1 3 1 3 1 1 3 1 |",
    },
];

pub const LEAST_CONN: &[Recorded] = &[
    Recorded {
        what: "one after the other, weights (1, 1, 1)",
        servers: &[("127.0.0.1:18101", "weight=1"), ("127.0.0.1:18102", "weight=1"), ("127.0.0.1:18103", "weight=1")],
        picks: "p1 p2 p3 p1 p2 p3 p1 p2 p3 p1 p2 p3 p1 p2 p3 p1 p2 p3 p1 p2 p3 p1 p2 p3 p1 p2 p3 p1 p2 p3 p1 p2 p3 \
            p1 p2 p3 p1 p2 p3 p1 p2 p3 p1 p2 p3 p1 p2 p3",
    },
    Recorded {
        what: "one after the other, weights (5, 1, 1)",
        servers: &[("127.0.0.1:18101", "weight=5"), ("127.0.0.1:18102", "weight=1"), ("127.0.0.1:18103", "weight=1")],
        picks: "p1 p1 p2 p1 p3 p1 p1 p1 p1 p2 p1 p3 p1 p1 p1 p1 p2 p1 p3 p1 p1 p1 p1 p2 p1 p3 p1 p1 p1 p1 p2 p1 p3 \
            p1 p1 p1 p1 p2 p1 p3 p1 p1 p1 p1 p2 p1 p3 p1",
    },
    Recorded {
        what: "one after the other, weights (1, 2, 3)",
        servers: &[("127.0.0.1:18101", "weight=1"), ("127.0.0.1:18102", "weight=2"), ("127.0.0.1:18103", "weight=3")],
        picks: "p3 p2 p1 p3 p2 p3 p3 p2 p1 p3 p2 p3 p3 p2 p1 p3 p2 p3 p3 p2 p1 p3 p2 p3 p3 p2 p1 p3 p2 p3 p3 p2 p1 \
            p3 p2 p3 p3 p2 p1 p3 p2 p3 p3 p2 p1 p3 p2 p3",
    },
    Recorded {
        what: "some held open, weights (1, 1, 1)",
        servers: &[("127.0.0.1:18101", "weight=1"), ("127.0.0.1:18102", "weight=1"), ("127.0.0.1:18103", "weight=1")],
        picks: "p1 h2 h3 h1 h3 p1 p2 h1 h2 h2 h1 p3 h3 p3 p1 p2 p3 r r h2 p3 h3 r p1 r p1 p3 h1 r p3 h1 p3 r h3 p2 \
            h2 h1 p2 r h2 p3 p2 h3 r h2 r p3 h1 h3 r r h3 h2 r p1 h1 p2 r h1 p3 p1 p2 r p3 p3 r r r p2 p2 p2 h2 \
            r r r p3 h1 h2 r p3 h3 p3 p3 h3 p3 h2 r p3 p3 h3 r r r r r r r r r r",
    },
    Recorded {
        what: "some held open, weights (5, 1, 1)",
        servers: &[("127.0.0.1:18101", "weight=5"), ("127.0.0.1:18102", "weight=1"), ("127.0.0.1:18103", "weight=1")],
        picks: "h1 h2 h3 r h1 p1 h1 h1 p1 h1 r p2 p2 r h3 p2 p2 p2 h2 p1 h1 h1 p2 r h3 p1 p1 r h1 h2 h1 r r h1 r r r \
            p1 h1 r p1 h1 h1 h2 h3 h1 h1 p1 r r h3 r p2 p2 h2 h1 p1 p1 p1 p1 r p1 h1 p1 r h1 r p1 h1 p1 p1 r h1 \
            r r p2 h2 h1 p1 r p3 p3 h3 r h1 p1 r h1 p1 p1 r r r r r r r r r r r r",
    },
    Recorded {
        what: "some held open, weights (1, 2, 3)",
        servers: &[("127.0.0.1:18101", "weight=1"), ("127.0.0.1:18102", "weight=2"), ("127.0.0.1:18103", "weight=3")],
        picks: "h3 p2 r p1 p2 p3 h2 h3 r h1 h2 p3 p3 p3 p3 r p3 r h3 r h1 h2 p3 r h3 h3 h2 h3 p3 p2 p3 h2 p3 h1 p3 r \
            h3 p1 p1 r h1 h2 h3 h2 p3 p3 r r p3 p3 h3 h3 r h2 h3 r h3 p3 p2 r p2 h2 r r p1 p1 p1 h1 h3 r h1 r r \
            h2 p3 h3 r h2 p3 p1 r p3 h3 r h3 p3 r h2 r r r r r r r r r r r r",
    },
    Recorded {
        what: "some held open, weights (4, 3, 2, 1)",
        servers: &[
            ("127.0.0.1:18101", "weight=4"),
            ("127.0.0.1:18102", "weight=3"),
            ("127.0.0.1:18103", "weight=2"),
            ("127.0.0.1:18104", "weight=1"),
        ],
        picks: "h1 h2 p3 p3 p4 p3 h3 p4 p4 r p4 h1 p4 h4 h1 r h2 p2 h2 r p3 r r p3 p3 h4 p3 h3 p1 p1 p1 p1 r r p1 h1 \
            h1 h2 h3 p1 h1 p2 p2 h2 p1 h1 r p2 h2 h1 p2 h3 p2 r h4 p4 r p2 p2 h4 p3 r h2 r h1 r p3 r h3 h1 r h2 \
            r r r h2 h1 h1 r h2 r r r h4 h3 p3 p1 p1 p3 p1 r r r r r r r r r r r",
    },
    Recorded {
        what: "some held open, each fails now and then, weights (6, 4, 2)",
        servers: &[
            ("127.0.0.1:18101", "weight=6 max_fails=3 fail_timeout=1"),
            ("127.0.0.1:18102", "weight=4 max_fails=3 fail_timeout=1"),
            ("127.0.0.1:18103", "weight=2 max_fails=3 fail_timeout=1"),
        ],
        picks: "p1!2 p2!3 p1 p3 p1 h2 h1 p3 p3 p3 r h2 p3 p3 p3!1 r r p1 p2 p1!3 h2 p3 p1 r p1 p3 p1 p2!1 h1 p2 p3 r \
            h2 p1 h1 p3 h3 p1 r h2 h1 p2 r p1 h1 h2 p1 p1 p1 p1 p1 h1 p3 h1 h2 p3 r h3 r r p2 h1 r p3 p1 p2 p1 \
            h2 p1 h1 p3 r h3 r p1 p2 p1 p1!2 p2 p2 r p2 p2 h2 p2 p2 p2 h2 r p2 p2 p2 r h3 h2 p2 r r r p2!3 r r r \
            r r",
    },
    Recorded {
        what: "some held open, each fails now and then, weights (3, 8, 3)",
        servers: &[
            ("127.0.0.1:18101", "weight=3 max_fails=3 fail_timeout=1"),
            ("127.0.0.1:18102", "weight=8 max_fails=3 fail_timeout=1"),
            ("127.0.0.1:18103", "weight=3 max_fails=3 fail_timeout=1"),
        ],
        picks: "h2 p1 p3 r p1 p2 h3 p2 h2 p1 h1 p2 p2 r r p2 p3 p2 h2 p3 p3 p3!2 p3 h3 p2 r h1 p2 r p2 p2 p2 p2 p2 \
            h2 p2 p2 p2 p2 p2 r p3 p3 p3 p3 h3 p2 r h1 r p2 h2 p2 p2!1 p2 p2 p2 p2 p2 r p3!2 p3 p3 p3 p3 r p1 h3 \
            h1 h2 h2 p1 r h2 p3 h1 h3 r h3 p2 p2!3 p2 r p1 p1 p1!2 r h2 p1!2 p1 p1 p1 p1 p1 h1 p2 p2 p2 p2 p2!1 \
            r r r r r r r",
    },
];

pub const IP_HASH: &[Recorded] = &[
    Recorded {
        what: "weights (1, 1, 1)",
        servers: &[("127.0.0.1:18101", "weight=1"), ("127.0.0.1:18102", "weight=1"), ("127.0.0.1:18103", "weight=1")],
        picks: "2 2 1 1 1 3 2 1 1 1 2 3 3 3 2 3 2 3 1 3 2 1 3 3 1 3 3 3 3 2 2 1 1 2 1 2 2 2 3 1 2 2 2 3 1 3 3 1 3 3 \
            1 2 1 2 1 2 2 2 1 3",
    },
    Recorded {
        what: "weights (1, 2, 3)",
        servers: &[("127.0.0.1:18101", "weight=1"), ("127.0.0.1:18102", "weight=2"), ("127.0.0.1:18103", "weight=3")],
        picks: "3 2 3 1 1 2 3 3 1 3 3 2 2 2 2 2 3 2 3 2 2 3 3 2 3 3 3 2 3 3 3 1 3 2 1 2 3 3 2 3 3 2 3 2 3 2 2 1 2 3 \
            1 2 1 2 1 3 2 2 1 3",
    },
    Recorded {
        what: "weights (5, 1, 1, 2)",
        servers: &[
            ("127.0.0.1:18101", "weight=5"),
            ("127.0.0.1:18102", "weight=1"),
            ("127.0.0.1:18103", "weight=1"),
            ("127.0.0.1:18104", "weight=2"),
        ],
        picks: "1 1 1 1 1 4 1 3 3 1 1 4 2 2 1 2 1 2 1 1 4 1 4 1 1 1 1 1 1 4 4 3 1 1 3 1 1 1 2 1 1 1 1 4 1 2 2 3 2 2 \
            1 1 3 4 1 1 1 1 1 2",
    },
    Recorded {
        what: "weights (1, 1, 1, 1, 1, 1, 1)",
        servers: &[
            ("127.0.0.1:18101", "weight=1"),
            ("127.0.0.1:18102", "weight=1"),
            ("127.0.0.1:18103", "weight=1"),
            ("127.0.0.1:18104", "weight=1"),
            ("127.0.0.1:18105", "weight=1"),
            ("127.0.0.1:18106", "weight=1"),
            ("127.0.0.1:18107", "weight=1"),
        ],
        picks: "7 6 2 5 2 4 5 3 5 3 1 1 1 2 7 2 4 5 2 5 6 4 4 2 1 4 3 7 6 7 2 3 4 1 3 5 6 5 6 3 7 5 2 7 5 1 2 2 5 4 \
            4 3 1 3 7 4 6 5 4 5",
    },
    Recorded {
        what: "one down",
        servers: &[
            ("127.0.0.1:18101", "weight=2"),
            ("127.0.0.1:18102", "weight=3 down"),
            ("127.0.0.1:18103", "weight=1"),
        ],
        picks: "1 1 3 1 1 1 3 1 1 1 1 3 3 1 1 3 1 1 1 3 1 3 3 1 1 3 3 1 3 3 1 1 1 1 1 1 3 3 1 1 1 1 1 3 3 3 3 1 3 3 \
            1 1 1 1 1 1 1 1 1 3",
    },
    Recorded {
        what: "a dead one, marked",
        servers: &[
            ("127.0.0.1:18101", "weight=1 max_fails=2 fail_timeout=60"),
            ("127.0.0.1:18102", "weight=1 max_fails=2 fail_timeout=60"),
            ("127.0.0.1:18190", "weight=2 max_fails=2 fail_timeout=60"),
        ],
        picks: "1 2 2 1 3!2 1 1 3!2 1 1 1 1 2 1 2 1 2 2 2 1 2 2 2 1 2 1 2 1 1 1 2 1 2 2 2 2 1 1 2 2 1 2 2 1 1 2 1 1 \
            1 2 1 2 1 2 2 1 2 2 1 2",
    },
    Recorded {
        what: "a dead one, never marked",
        servers: &[
            ("127.0.0.1:18190", "weight=2 max_fails=0"),
            ("127.0.0.1:18102", "weight=1 max_fails=0"),
            ("127.0.0.1:18103", "weight=1 max_fails=0"),
        ],
        picks: "1!2 1!3 1!3 1!3 2 1!2 1!3 3 2 3 2 1!3 2 1!3 1!2 1!3 2 2 1!2 1!3 3 3 1!3 2 1!3 3 3 2 3 1!2 2 1!2 3 \
            1!3 2 3 1!3 1!2 2 3 1!2 1!2 2 2 3 2 1!3 1!3 2 1!2 1!3 3 1!2 1!2 2 1!2 1!2 3 2 1!3",
    },
    Recorded {
        what: "nearly everything down or dead: past twenty tries to round robin",
        servers: &[
            ("127.0.0.1:18101", "weight=30 down"),
            ("127.0.0.1:18190", "weight=4 max_fails=0"),
            ("127.0.0.1:18103", "weight=1"),
            ("127.0.0.1:18104", "weight=1"),
            ("127.0.0.1:18191", "weight=3 max_fails=0"),
        ],
        picks: "5!2!3 2!5!3 4 2!5!3 5!2!3 5!4 5!2!3 5!2!4 2!5!3 5!3 5!2!4 5!3 5!2!3 3 2!4 2!5!4 5!2!3 2!4 2!5!4 \
            2!5!3 2!4 2!5!3 4 5!3 2!4 2!4 4 3 2!5!4 5!2!3 3 2!5!4 2!5!3 5!2!4 2!3 5!4 2!5!4 5!2!3 2!5!3 5!4 4 \
            2!5!4 5!2!3 5!2!3 4 2!4 2!5!4 4 2!4 2!5!3 2!5!4 5!2!4 4 5!2!3 4 3 2!5!4 2!5!4 5!3 2!4",
    },
];

pub const HASH: &[Recorded] = &[
    Recorded {
        what: "weights (1, 1, 1)",
        servers: &[("127.0.0.1:18101", "weight=1"), ("127.0.0.1:18102", "weight=1"), ("127.0.0.1:18103", "weight=1")],
        picks: "3 2 1 2 3 3 2 1 1 2 2 2 2 3 2 1 2 1 2 2 2 1 3 2 2 3 1 1 3 1 3 3 1 3 2 1 3 3 2 2 1 3 2 2 2 1 1 1 1 2 \
            1 2 3 3 3 1 1 1 2 2",
    },
    Recorded {
        what: "weights (1, 2, 3)",
        servers: &[("127.0.0.1:18101", "weight=1"), ("127.0.0.1:18102", "weight=2"), ("127.0.0.1:18103", "weight=3")],
        picks: "3 3 3 3 2 3 3 3 1 2 3 2 3 3 2 1 2 1 2 3 2 1 3 3 3 3 1 3 2 3 2 3 1 3 2 1 3 2 2 3 3 2 2 3 3 3 1 3 1 2 \
            1 2 2 3 3 1 3 1 2 3",
    },
    Recorded {
        what: "weights (5, 1, 1, 2)",
        servers: &[
            ("127.0.0.1:18101", "weight=5"),
            ("127.0.0.1:18102", "weight=1"),
            ("127.0.0.1:18103", "weight=1"),
            ("127.0.0.1:18104", "weight=2"),
        ],
        picks: "2 4 1 1 4 2 1 3 1 1 1 1 1 1 1 3 4 1 1 1 4 1 1 1 1 2 3 1 2 1 4 1 1 1 4 3 2 2 1 1 3 2 4 4 4 1 1 1 1 1 \
            1 4 2 1 2 1 1 1 4 4",
    },
    Recorded {
        what: "weights (1, 1, 1, 1, 1, 1, 1)",
        servers: &[
            ("127.0.0.1:18101", "weight=1"),
            ("127.0.0.1:18102", "weight=1"),
            ("127.0.0.1:18103", "weight=1"),
            ("127.0.0.1:18104", "weight=1"),
            ("127.0.0.1:18105", "weight=1"),
            ("127.0.0.1:18106", "weight=1"),
            ("127.0.0.1:18107", "weight=1"),
        ],
        picks: "1 3 4 4 3 5 5 4 7 6 1 5 4 6 2 5 7 1 7 4 1 3 6 1 5 2 2 4 3 5 1 2 6 1 4 5 5 5 2 7 5 6 5 5 7 6 6 3 5 3 \
            5 2 3 5 3 3 3 7 1 4",
    },
    Recorded {
        what: "one down",
        servers: &[
            ("127.0.0.1:18101", "weight=2"),
            ("127.0.0.1:18102", "weight=3 down"),
            ("127.0.0.1:18103", "weight=1"),
        ],
        picks: "3 1 3 1 1 3 3 3 1 1 1 1 1 3 1 1 1 1 1 1 1 1 3 1 3 3 1 1 1 1 1 3 1 3 1 1 3 1 1 1 1 1 1 3 3 3 1 1 1 1 \
            1 1 1 3 3 1 1 1 1 1",
    },
    Recorded {
        what: "a dead one, marked",
        servers: &[
            ("127.0.0.1:18101", "weight=1 max_fails=2 fail_timeout=60"),
            ("127.0.0.1:18102", "weight=1 max_fails=2 fail_timeout=60"),
            ("127.0.0.1:18190", "weight=2 max_fails=2 fail_timeout=60"),
        ],
        picks: "3!2 1 2 3!1 1 2 1 2 1 2 1 1 1 2 2 1 1 1 1 1 2 1 1 1 1 1 1 2 1 2 1 2 1 1 1 1 2 1 2 1 1 1 2 1 1 2 1 1 \
            1 1 1 1 1 2 2 1 1 1 1 1",
    },
    Recorded {
        what: "a dead one, never marked",
        servers: &[
            ("127.0.0.1:18190", "weight=2 max_fails=0"),
            ("127.0.0.1:18102", "weight=1 max_fails=0"),
            ("127.0.0.1:18103", "weight=1 max_fails=0"),
        ],
        picks: "3 1!3 1!3 2 2 1!3 1!3 3 1!3 3 1!2 3 2 1!3 1!3 2 3 1!2 3 1!2 1!3 2 3 1!2 1!2 3 2 1!3 2 1!3 2 1!3 1!2 \
            3 3 1!2 1!3 2 1!3 2 3 1!2 1!3 2 2 1!3 1!2 3 1!2 3 1!2 3 2 1!3 1!3 2 3 1!2 3 1!2",
    },
    Recorded {
        what: "nearly everything down: past twenty tries to round robin",
        servers: &[
            ("127.0.0.1:18101", "weight=50 down"),
            ("127.0.0.1:18102", "weight=50 down"),
            ("127.0.0.1:18103", "weight=1"),
            ("127.0.0.1:18104", "weight=2"),
        ],
        picks: "4 3 4 3 4 3 4 4 4 4 4 4 4 3 4 3 4 3 4 4 3 4 4 4 3 3 3 4 4 3 4 4 4 4 3 4 4 4 3 3 4 4 4 4 3 4 4 3 4 3 \
            4 3 4 4 3 3 4 4 4 4",
    },
    Recorded {
        what: "nearly everything down or dead: past twenty tries to round robin, by way of the dead",
        servers: &[
            ("127.0.0.1:18101", "weight=30 down"),
            ("127.0.0.1:18190", "weight=4 max_fails=0"),
            ("127.0.0.1:18103", "weight=1"),
            ("127.0.0.1:18104", "weight=1"),
            ("127.0.0.1:18191", "weight=3 max_fails=0"),
        ],
        picks: "4 2!3 5!2!3 2!5!4 5!2!4 2!3 4 5!2!4 3 5!3 2!5!3 2!5!3 2!4 2!5!3 2!5!3 5!2!4 5!4 5!2!3 2!4 2!5!3 3 \
            2!5!3 2!4 4 5!2!4 5!2!3 2!5!4 2!5!3 5!2!4 2!3 5!2!3 3 4 3 2!5!3 5!2!4 2!5!4 2!3 2!5!4 2!5!3 3 4 3 4 \
            2!3 5!4 5!2!4 2!5!3 2!4 5!2!3 2!4 2!5!4 2!5!3 2!5!3 5!2!4 2!4 5!2!3 2!5!3 5!2!4 5!2!3",
    },
];

pub const CONSISTENT: &[Recorded] = &[
    Recorded {
        what: "weights (1, 1, 1)",
        servers: &[("127.0.0.1:18101", "weight=1"), ("127.0.0.1:18102", "weight=1"), ("127.0.0.1:18103", "weight=1")],
        picks: "3 3 2 3 2 3 1 1 1 1 1 2 1 1 1 2 2 1 3 2 2 3 3 3 3 1 3 3 2 1 1 1 2 2 2 2 2 2 2 3 3 3 3 3 1 2 1 1 3 2 \
            3 1 3 1 3 1 3 2 1 1",
    },
    Recorded {
        what: "weights (1, 2, 3)",
        servers: &[("127.0.0.1:18101", "weight=1"), ("127.0.0.1:18102", "weight=2"), ("127.0.0.1:18103", "weight=3")],
        picks: "2 3 2 3 2 3 3 3 1 2 2 2 3 1 1 2 2 3 3 2 3 3 2 3 3 1 3 3 3 3 1 3 2 2 3 2 2 2 2 3 3 3 3 3 1 2 1 3 3 2 \
            2 3 3 1 2 2 3 2 2 1",
    },
    Recorded {
        what: "weights (5, 1, 1, 2)",
        servers: &[
            ("127.0.0.1:18101", "weight=5"),
            ("127.0.0.1:18102", "weight=1"),
            ("127.0.0.1:18103", "weight=1"),
            ("127.0.0.1:18104", "weight=2"),
        ],
        picks: "3 3 1 1 2 1 1 1 1 4 1 1 4 1 1 2 2 1 3 2 2 1 4 4 3 1 1 4 1 1 1 4 1 4 4 2 2 2 4 1 4 4 1 3 4 2 1 1 4 2 \
            3 1 1 1 4 1 1 1 1 1",
    },
    Recorded {
        what: "weights (1, 1, 1, 1, 1, 1, 1)",
        servers: &[
            ("127.0.0.1:18101", "weight=1"),
            ("127.0.0.1:18102", "weight=1"),
            ("127.0.0.1:18103", "weight=1"),
            ("127.0.0.1:18104", "weight=1"),
            ("127.0.0.1:18105", "weight=1"),
            ("127.0.0.1:18106", "weight=1"),
            ("127.0.0.1:18107", "weight=1"),
        ],
        picks: "3 3 4 3 2 5 6 5 5 4 5 4 7 6 1 2 2 1 6 2 2 3 3 4 3 1 5 4 6 5 7 1 6 6 4 2 2 2 4 3 7 6 5 3 1 2 1 7 4 2 \
            3 1 4 1 5 7 3 7 1 1",
    },
    Recorded {
        what: "one down",
        servers: &[
            ("127.0.0.1:18101", "weight=2"),
            ("127.0.0.1:18102", "weight=3 down"),
            ("127.0.0.1:18103", "weight=1"),
        ],
        picks: "3 3 1 1 1 3 1 1 1 1 1 1 1 1 1 1 3 1 3 3 1 3 3 1 3 1 1 3 1 1 1 1 1 1 1 3 1 1 3 1 1 1 3 3 1 1 1 1 1 3 \
            3 1 1 1 1 1 3 1 1 1",
    },
    Recorded {
        what: "a dead one, marked",
        servers: &[
            ("127.0.0.1:18101", "weight=1 max_fails=2 fail_timeout=60"),
            ("127.0.0.1:18102", "weight=1 max_fails=2 fail_timeout=60"),
            ("127.0.0.1:18190", "weight=2 max_fails=2 fail_timeout=60"),
        ],
        picks: "3!2 1 3!2 1 2 1 1 1 1 1 1 2 1 1 1 2 2 1 2 2 2 1 2 2 2 1 1 1 2 1 1 1 2 2 2 2 2 2 2 2 1 2 1 1 1 2 1 1 \
            2 2 2 1 2 1 2 1 2 2 1 1",
    },
    Recorded {
        what: "a dead one, never marked",
        servers: &[
            ("127.0.0.1:18190", "weight=2 max_fails=0"),
            ("127.0.0.1:18102", "weight=1 max_fails=0"),
            ("127.0.0.1:18103", "weight=1 max_fails=0"),
        ],
        picks: "1!3 3 1!2 3 2 3 1!3 1!2 1!3 1!2 1!3 1!2 3 1!2 1!2 2 2 1!2 3 2 2 3 1!3 1!3 3 2 1!3 3 1!2 1!2 1!2 1!2 \
            1!2 1!2 1!2 1!2 1!2 2 1!2 3 1!3 1!3 1!3 3 1!2 2 2 1!2 1!3 2 3 1!3 1!3 1!2 3 1!3 1!3 1!2 2 1!3",
    },
    Recorded {
        what: "nearly everything down: past twenty tries to round robin",
        servers: &[
            ("127.0.0.1:18101", "weight=50 down"),
            ("127.0.0.1:18102", "weight=50 down"),
            ("127.0.0.1:18103", "weight=1"),
            ("127.0.0.1:18104", "weight=2"),
        ],
        picks: "4 3 3 3 4 4 3 4 4 4 3 4 4 4 3 4 3 4 3 4 3 3 4 4 3 4 4 4 4 4 3 4 4 4 4 4 3 4 4 4 4 4 4 3 4 3 4 4 4 3 \
            3 4 4 3 4 4 4 3 4 4",
    },
    Recorded {
        what: "nearly everything down or dead: past twenty tries to round robin, by way of the dead",
        servers: &[
            ("127.0.0.1:18101", "weight=30 down"),
            ("127.0.0.1:18190", "weight=4 max_fails=0"),
            ("127.0.0.1:18103", "weight=1"),
            ("127.0.0.1:18104", "weight=1"),
            ("127.0.0.1:18191", "weight=3 max_fails=0"),
        ],
        picks: "2!3 2!3 2!4 5!3 2!4 2!5!4 2!5!3 5!2!4 5!4 4 2!5!4 5!2!3 2!5!4 5!2!4 2!5!4 5!2!4 5!3 2!5!3 2!3 5!2!3 \
            2!5!4 5!2!3 2!5!3 2!4 3 4 2!5!3 4 2!5!4 2!4 2!5!3 5!3 5!2!4 2!5!4 4 2!5!4 5!2!4 2!5!4 4 5!3 5!2!3 \
            2!4 2!5!3 2!3 2!5!4 2!3 5!4 2!5!3 4 5!2!4 3 2!5!3 5!2!4 2!5!4 5!2!3 5!2!4 2!3 5!2!4 2!5!3 2!5!4",
    },
    Recorded {
        what: "sockets and an address",
        servers: &[("unix:/tmp/edge-1.sock", ""), ("unix:/tmp/edge-2.sock", "weight=2"), ("127.0.0.1:18103", "")],
        picks: "3 3 2 3 1 1 1 2 2 2 2 1 2 2 1 1 2 2 2 3 1 2 2 2 3 2 2 1 2 2 1 2 2 2 2 2 2 2 1 1 2 2 1 3 2 3 1 1 2 2 \
            3 1 2 2 1 2 2 2 1 3",
    },
];

pub const CLIENTS: &[&str] = &[
    "207.48.56.132",
    "162.133.231.125",
    "178.255.26.69",
    "54.158.113.254",
    "215.2.109.9",
    "2001:db8:3773::5918",
    "60.119.162.160",
    "54.204.85.90",
    "117.13.223.16",
    "74.221.63.92",
    "157.125.40.28",
    "2001:db8:8fb8::6934",
    "116.81.125.96",
    "9.185.30.89",
    "155.40.75.185",
    "189.243.12.176",
    "158.3.157.69",
    "2001:db8:7f94::c176",
    "44.230.179.174",
    "191.8.45.23",
    "208.125.30.29",
    "33.115.51.100",
    "15.61.231.244",
    "2001:db8:6176::ce0a",
    "172.43.224.14",
    "117.254.131.46",
    "200.181.29.90",
    "132.249.205.65",
    "49.115.243.231",
    "2001:db8:9c87::3478",
    "199.239.140.22",
    "112.209.93.138",
    "206.160.12.204",
    "141.30.248.159",
    "130.174.88.29",
    "2001:db8:b983::b6e8",
    "147.84.222.148",
    "205.250.176.48",
    "162.58.245.218",
    "119.184.216.2",
    "166.180.214.98",
    "2001:db8:bc97::a59b",
    "77.49.228.53",
    "102.77.23.21",
    "87.11.85.98",
    "186.209.118.92",
    "29.231.62.115",
    "2001:db8:8d7f::7d0c",
    "218.103.217.108",
    "111.210.152.242",
    "73.190.154.251",
    "180.88.240.152",
    "158.119.1.119",
    "2001:db8:dc04::57a3",
    "89.178.212.152",
    "162.51.54.237",
    "33.163.32.65",
    "15.215.96.81",
    "8.153.151.233",
    "2001:db8:e856::cbb2",
];
