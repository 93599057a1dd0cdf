//! Configurations, one after the other: each differs from the one before in one way, and each has a number, its turn,
//! which every answer tells.

use std::fmt::Write;
use std::net::SocketAddr;

/// The turn of configurations that must never be in force.
const NEVER: usize = 999_999;

/// What a reload does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// Answers and routes change, as they do with every step.
    Routes,
    /// A listener comes.
    Add,
    /// It goes.
    Remove,
    /// The upstream has another server.
    Upstream,
    /// The access log moves.
    Log,
    /// The file is no YAML.
    BrokenFile,
    UnknownKey,
    /// Of two new listeners one cannot be.
    TakenPort,
    /// A certificate that is not there.
    NoCertificate,
    /// A certificate's file that holds none.
    NotACertificate,
}

pub const STEPS: [Step; 11] = [
    Step::Routes,
    Step::Add,
    Step::BrokenFile,
    Step::Upstream,
    Step::UnknownKey,
    Step::NotACertificate,
    Step::Remove,
    Step::TakenPort,
    Step::Log,
    Step::NoCertificate,
    Step::Routes,
];

#[derive(Clone, Copy)]
pub struct Places {
    pub stays: u16,
    /// The port of the listener that comes and goes.
    pub comes: u16,
    /// Somebody else listens on this one.
    pub taken: u16,
    pub origins: [SocketAddr; 2],
}

#[derive(Clone)]
pub struct State {
    pub places: Places,
    pub turn: usize,
    has_come: bool,
    origin: usize,
    log: usize,
}

/// A configuration that is to be refused.
pub struct Broken {
    pub configuration: String,
    /// What the error log must say.
    pub told: String,
}

/// What `/own` answers.
pub fn own(turn: usize) -> String {
    format!("turn {turn}")
}

/// Whether `/moving` is answered by edge itself; else by the origin.
pub fn moves(turn: usize) -> bool {
    turn % 2 == 1
}

impl State {
    pub fn first(places: Places) -> State {
        State { places, turn: 0, has_come: false, origin: 0, log: 0 }
    }

    pub fn take(&mut self, step: Step) {
        self.turn += 1;
        match step {
            Step::Add => self.has_come = true,
            Step::Remove => self.has_come = false,
            Step::Upstream => self.origin = 1 - self.origin,
            Step::Log => self.log += 1,
            _ => {}
        }
    }

    /// The configuration after a step that must not succeed.
    pub fn broken_by(&self, step: Step) -> Option<Broken> {
        let Places { taken, comes, .. } = self.places;
        let good = State { turn: NEVER, ..self.clone() }.configuration();
        let with_certificate = |path: &str| {
            format!(
                "{good}  - listen: {{ address: '127.0.0.1:{}', ssl: true }}\n    ssl_certificate: {path}\n    \
                 ssl_certificate_key: {path}\n    return: 204\n",
                // A free one: that it is not listened on is the certificate's doing.
                if self.has_come { taken } else { comes }
            )
        };
        let (configuration, told) = match step {
            Step::BrokenFile => (format!("{good}  - ]["), "edge.yaml:".into()),
            Step::UnknownKey => (format!("{good}    servername: a\n"), "unknown key `servername`".into()),
            Step::TakenPort => {
                let both = [comes, taken].map(|port| listener(port, NEVER));
                (good + &both.concat(), format!("cannot listen on 127.0.0.1:{taken}: Address already in use"))
            }
            Step::NoCertificate => (with_certificate("none/at-all.pem"), "none/at-all.pem".into()),
            Step::NotACertificate => (with_certificate("edge.yaml"), "ssl_certificate".into()),
            _ => return None,
        };
        Some(Broken { configuration, told })
    }

    pub fn configuration(&self) -> String {
        let State { turn, origin, log, has_come, .. } = *self;
        let Places { stays, comes, origins, .. } = self.places;
        let moving = match moves(turn) {
            true => format!("return: {{ status: 200, text: '{}' }}", own(turn)),
            false => format!("proxy_pass: http://app/item/, proxy_set_header: {{ X-Turn: {turn} }}"),
        };
        let mut text = format!(
            "worker_processes: 2
error_log: {{ path: logs/error.log, level: notice }}
access_log: logs/access-{log}.log
keepalive_requests: 1000000000
upstream:
  app: {{ servers: ['{address}'] }}
server:
  - listen: 127.0.0.1:{stays}
    add_header: {{ X-Turn: {turn} }}
    location:
      - {{ match: = /own, return: {{ status: 200, text: '{own}' }} }}
      - {{ match: /item/, proxy_pass: http://app, proxy_set_header: {{ X-Turn: {turn} }} }}
      - {{ match: /moving/, {moving} }}
      - {{ match: = /events, proxy_pass: http://app }}
      - {{ match: = /ws, proxy_pass: http://app, proxy_set_header: {{ Upgrade: $http_upgrade, Connection: upgrade }} }}
",
            address = origins[origin],
            own = own(turn),
        );
        if has_come {
            let _ = write!(text, "{}", listener(comes, turn));
        }
        text
    }
}

fn listener(port: u16, turn: usize) -> String {
    format!(
        "  - listen: 127.0.0.1:{port}\n    add_header: {{ X-Turn: {turn} }}\n    \
         return: {{ status: 200, text: coming }}\n"
    )
}
