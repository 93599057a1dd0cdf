//! Four backends that die, come back and hold requests, and what is done to them through a proxy.

use crate::support::backend::{self, Answer, Backend, Seen};
use crate::support::client::Client;
use crate::support::edge::Edge;
use crate::support::nginx::Nginx;
use crate::support::{ports, request, wait};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

#[derive(Clone, Debug)]
pub enum Step {
    /// GET of a target.
    Ask(String),
    /// GET on a connection of its own, from this address.
    AskFrom(Ipv4Addr),
    /// A request that is not answered before `LetGo`.
    Hold,
    LetGo,
    /// From now on this server hangs up on every request.
    Die(char),
    Return(char),
    Wait(Duration),
}

/// Closed: held requests wait.
#[derive(Default)]
struct Gate(Mutex<bool>, Condvar);

impl Gate {
    fn set(&self, open: bool) {
        *self.0.lock().unwrap() = open;
        self.1.notify_all();
    }

    fn pass(&self) {
        let open = self.0.lock().unwrap();
        drop(self.1.wait_timeout_while(open, Duration::from_secs(30), |open| !*open).unwrap());
    }
}

pub struct Farm {
    servers: Vec<(char, Backend)>,
    gate: Arc<Gate>,
}

impl Farm {
    pub fn start() -> Farm {
        let gate = Arc::new(Gate::default());
        let servers = ['a', 'b', 'c', 'd'].map(|name| (name, Backend::start(alive(name, gate.clone()))));
        Farm { servers: servers.into(), gate }
    }

    pub fn server(&self, name: char) -> &Backend {
        &self.servers.iter().find(|(n, _)| *n == name).expect("a to d").1
    }

    /// A whole nginx.conf, for the same port and backends each time.
    pub fn configuration(&self, upstream: &str, port: u16) -> String {
        let mut upstream = upstream.to_owned();
        for (name, backend) in &self.servers {
            let address = backend.address();
            upstream = upstream.replace(&format!("{{{name}}}"), &address.to_string());
            upstream = upstream.replace(&format!("{{{name}_port}}"), &address.port().to_string());
        }
        // Each request has a connection of its own to a backend: an idle one that broke would be a try without a failure.
        format!(
            "worker_processes 1;\nerror_log logs/error.log info;\npid logs/it.pid;\nevents {{ worker_connections 512; }}\n\
             http {{\naccess_log off;\nproxy_http_version 1.0;\nupstream app {{ {upstream} }}\n\
             server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://app; add_header X-Way $upstream_addr always; }} }}\n}}\n"
        )
    }

    /// Does the steps; gives what became of each request: the status, who answered, who was asked before.
    pub fn play(&self, front: SocketAddr, steps: &[Step]) -> Vec<String> {
        self.servers.iter().for_each(|(name, server)| server.now(alive(*name, self.gate.clone())));
        self.gate.set(false);
        let mut client = Client::connect(front);
        let mut held = Vec::new();
        let mut outcomes = Vec::new();
        for step in steps {
            match step {
                Step::Ask(target) => outcomes.push(self.ask(&mut client, target)),
                Step::AskFrom(ip) => outcomes.push(self.ask(&mut Client::connect_from(*ip, front), "/")),
                Step::Hold => {
                    let before = self.counts();
                    let mut client = Client::connect(front);
                    client.write(request::get("/hold").bytes());
                    outcomes.push(format!("holds {}", self.newly_asked(&before)));
                    held.push(client);
                }
                Step::LetGo => {
                    self.gate.set(true);
                    held.drain(..).for_each(|mut client| assert_eq!(client.response("GET").unwrap().status(), 200));
                    self.gate.set(false);
                }
                Step::Die(name) => self.server(*name).now(|_, answer| answer.close()),
                Step::Return(name) => self.server(*name).now(alive(*name, self.gate.clone())),
                Step::Wait(time) => std::thread::sleep(*time),
            }
        }
        self.gate.set(true);
        outcomes
    }

    fn ask(&self, client: &mut Client, target: &str) -> String {
        let answer = client.ask(&request::get(target)).unwrap();
        let mut way = answer.header("x-way").unwrap_or_default().to_owned();
        for (name, server) in &self.servers {
            way = way.replace(&server.address().to_string(), &name.to_string());
        }
        let who = if answer.status() == 200 { answer.text() } else { String::new() };
        format!("{} {who} by way of {way}", answer.status())
    }

    pub fn counts(&self) -> Vec<usize> {
        self.servers.iter().map(|(_, server)| server.requests()).collect()
    }

    fn newly_asked(&self, before: &[usize]) -> char {
        let found = wait::until(Duration::from_secs(10), || {
            self.counts().iter().zip(before).position(|(now, before)| now > before)
        });
        self.servers[found.expect("a request that is held arrives somewhere")].0
    }
}

fn alive(name: char, gate: Arc<Gate>) -> impl Fn(&Seen, &mut Answer) + Send + Sync + 'static {
    move |seen, answer| {
        if seen.target() == "/hold" {
            gate.pass();
        }
        answer.write(backend::ok(&name.to_string()));
    }
}

/// The same steps through nginx and through edge, which must end alike.
pub fn compare(upstream: &str, steps: &[Step]) {
    let (farm, port) = (Farm::start(), ports::free());
    let configuration = farm.configuration(upstream, port);
    let nginx = Nginx::start(&configuration, port);
    let expected = farm.play(nginx.address(), steps);
    drop(nginx);
    let edge = Edge::nginx_conf(&configuration, port).start();
    let found = farm.play(edge.address(), steps);
    assert!(expected.len() > 10, "{expected:?}");
    let differing: Vec<String> = expected
        .iter()
        .zip(&found)
        .enumerate()
        .filter(|(_, (nginx, edge))| nginx != edge)
        .map(|(at, (nginx, edge))| format!("request {at}: nginx: {nginx}; edge: {edge}"))
        .collect();
    assert!(differing.is_empty(), "{upstream}\n{}", differing.join("\n"));
}
