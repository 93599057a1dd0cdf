//! What a scenario plays on: stand-ins for three Tomcats, two memcacheds, edges, visitors; and the judgement at its end.

use super::report;
use super::visitor::{Fate, Keeps, Tally, Visitor};
use crate::support::edge::{self, Edge};
use crate::support::is_long;
use crate::support::memcached::Memcached;
use crate::support::relay::Relay;
use crate::support::standin::Standin;
use crate::support::{ports, process, wait};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};
use std::time::Duration;

/// Visitors whose requests are under way at once.
const AT_ONCE: usize = 10;
const SERVERS: usize = 3;
/// For what edges notice by themselves.
const NOTICED: Duration = Duration::from_secs(15);

/// How a scenario's stage is built.
#[derive(Clone)]
pub struct Plan {
    pub name: &'static str,
    pub edges: usize,
    pub visitors: usize,
    pub keeps: Keeps,
    /// For the stand-ins.
    pub options: Vec<&'static str>,
    pub load_time: &'static str,
    /// Keys of `session`, after the first ones.
    pub session: &'static str,
    /// Of memcached.
    pub timeout: &'static str,
    /// The ways of each edge to memcached and to the servers can be cut.
    pub relays: bool,
    /// What happens here that nothing is promised for, by the names of its counters.
    pub unpromised: &'static [&'static str],
    /// What may happen with it.
    pub perhaps: &'static [&'static str],
}

/// The counters of all that nothing is promised for (`session/takeover/counts.rs`).
const UNPROMISED: [&str; 8] = [
    "lost_no_key",
    "lost_node_down",
    "lost_chosen_died",
    "lost_vanished",
    "lost_not_kept",
    "wait_expired",
    "unarbitrated",
    "stale_risk",
];

impl Plan {
    pub fn of(name: &'static str, edges: usize) -> Plan {
        Plan {
            name,
            edges,
            visitors: if is_long() { 2000 } else { 60 },
            keeps: Keeps::Cookie,
            options: Vec::new(),
            // So long it takes a JVM to make a session of what it loads: the time in which a takeover can go wrong.
            load_time: "5",
            session: "",
            // A memcached that a busy machine holds up is not to be taken for one that is gone: then nothing is promised.
            timeout: "2s",
            relays: false,
            unpromised: &[],
            perhaps: &[],
        }
    }

    /// Each of the first is counted, perhaps the others, and nothing else for which there is no promise.
    pub fn without_promise(self, unpromised: &'static [&'static str], perhaps: &'static [&'static str]) -> Plan {
        Plan { unpromised, perhaps, ..self }
    }

    pub fn keeping(self, keeps: Keeps) -> Plan {
        Plan { keeps, ..self }
    }

    pub fn with_options(mut self, options: &[&'static str]) -> Plan {
        self.options.extend(options);
        self
    }

    pub fn with_session(self, session: &'static str) -> Plan {
        Plan { session, ..self }
    }

    pub fn with_relays(self) -> Plan {
        Plan { relays: true, ..self }
    }
}

/// An edge and what lies between it and the others.
pub struct Place {
    pub edge: Edge,
    pub to_nodes: Vec<Relay>,
    pub to_servers: Vec<Relay>,
    _sockets: tempfile::TempDir,
}

/// What can be killed, frozen and cut off.
pub struct Stage {
    pub nodes: Vec<Memcached>,
    pub servers: Vec<Standin>,
    pub places: Vec<Place>,
}

pub struct Rig {
    pub plan: Plan,
    pub stage: Stage,
    pub visitors: Vec<Visitor>,
    /// Through which edges the visitors go.
    pub open: Vec<usize>,
    /// Where they go if not to edges.
    instead: Option<SocketAddr>,
    /// What an answer takes while nothing happens: half of them less.
    usual: Duration,
    /// What answers took beyond that, since something has happened.
    added: Vec<Duration>,
    _beside: RwLockReadGuard<'static, ()>,
}

/// Rigs stand beside each other; who takes the whole machine has it alone.
static MACHINE: RwLock<()> = RwLock::new(());

/// Waits until no rig stands, and lets none stand meanwhile. It does not queue: a test with two rigs would wait for itself.
pub fn alone() -> Option<RwLockWriteGuard<'static, ()>> {
    wait::until(Duration::from_secs(300), || match MACHINE.try_write() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    })
}

impl Rig {
    /// All sessions are the first server's; all but each fourth are on the first node.
    pub fn start(plan: &Plan) -> Rig {
        Rig::behind(plan, |_| None)
    }

    /// The same, where the visitors go to what is started in front of the servers, if anything is.
    pub fn behind(plan: &Plan, other: impl FnOnce(&[Standin]) -> Option<SocketAddr>) -> Rig {
        let beside = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
        let nodes = vec![Memcached::start(), Memcached::start()];
        let options = [&["--load-time", plan.load_time], &plan.options[..]].concat();
        let server = |at: usize| Standin::start(&format!("t{}", at + 1), &nodes, &options);
        let servers: Vec<Standin> = (0..SERVERS).map(server).collect();
        let places: Vec<Place> = (0..plan.edges).map(|_| place(plan, &nodes, &servers)).collect();
        let instead = other(&servers);
        let node = |at: usize| if at % 4 == 3 { "n2" } else { "n1" };
        let begin = |at: usize| Visitor::begin(at, plan.keeps, servers[0].address(), node(at));
        let visitors = (0..plan.visitors).map(begin).collect();
        let open = (0..plan.edges).collect();
        let mut rig = Rig {
            plan: plan.clone(),
            stage: Stage { nodes, servers, places },
            visitors,
            open,
            instead,
            usual: Duration::ZERO,
            added: Vec::new(),
            _beside: beside,
        };
        rig.usual = rig.usual_time();
        rig
    }

    /// And that nothing is lost before anything happens.
    fn usual_time(&mut self) -> Duration {
        self.round();
        report::percentile(self.take_added(), 50)
    }

    /// Every visitor's updates, all of which are answered.
    pub fn round(&mut self) {
        self.round_while(Fate::Answered, |_| ());
    }

    /// The same while this happens.
    pub fn round_while(&mut self, fate: Fate, happens: impl FnOnce(&mut Stage)) {
        let edges = self.edges();
        let (usual, waits) = (self.usual, Mutex::new(Vec::new()));
        let share = self.visitors.len().div_ceil(AT_ONCE);
        std::thread::scope(|scope| {
            for visitors in self.visitors.chunks_mut(share) {
                let (edges, waits) = (&edges, &waits);
                scope.spawn(move || {
                    for visitor in visitors {
                        visitor.burst(edges, fate);
                        let added = visitor.took.iter().map(|took| took.saturating_sub(usual));
                        waits.lock().expect("nobody panics with it").extend(added);
                    }
                });
            }
            happens(&mut self.stage);
        });
        self.added.extend(waits.into_inner().expect("nobody panics with it"));
    }

    /// What answers took beyond the usual since this was asked last.
    pub fn take_added(&mut self) -> Vec<Duration> {
        std::mem::take(&mut self.added)
    }

    /// For the report.
    pub fn added_of(&mut self, added: Vec<Duration>) {
        self.added.extend(added);
    }

    /// Where the visitors go.
    pub fn edges(&self) -> Vec<SocketAddr> {
        let edges = self.open.iter().map(|at| self.stage.places[*at].edge.address());
        self.instead.into_iter().chain(edges).collect()
    }

    /// What has become of everything, told in the report.
    pub fn judge(&mut self) -> Tally {
        let edges = self.edges();
        let (sum, share) = (Mutex::new(Tally::default()), self.visitors.len().div_ceil(AT_ONCE));
        std::thread::scope(|scope| {
            for visitors in self.visitors.chunks_mut(share) {
                let (edges, sum) = (&edges, &sum);
                scope.spawn(move || {
                    for visitor in visitors {
                        let tally = visitor.tally(edges);
                        *sum.lock().expect("nobody panics with it") += tally;
                    }
                });
            }
        });
        let tally = sum.into_inner().expect("nobody panics with it");
        let added = self.take_added();
        report::add(self.plan.name, self.plan.edges, tally, added);
        tally
    }

    /// Judges, and demands that nothing has gone wrong.
    pub fn finish(&mut self) {
        let tally = self.judge();
        let good = Tally { acknowledged: tally.acknowledged, cut: tally.cut, ..Tally::default() };
        assert!(tally == good, "{} with {} edges: {tally:?}\n{}", self.plan.name, self.plan.edges, self.troubles());
        assert!(tally.acknowledged > tally.cut, "hardly anything was tried: {tally:?}");
        self.check_counts();
    }

    /// That what nothing is promised for was counted if it has happened, and only then.
    fn check_counts(&self) {
        let counts = self.counts();
        let count = |name: &str| counts.get(name).copied().unwrap_or_default();
        let Plan { unpromised, perhaps, .. } = self.plan;
        let wrong = |name: &&&str| (count(name) > 0) != unpromised.contains(*name) && !perhaps.contains(*name);
        let wrong: Vec<&&str> = UNPROMISED.iter().filter(wrong).collect();
        let Plan { name, edges, .. } = self.plan;
        assert!(
            wrong.is_empty(),
            "{name} with {edges} edges: {unpromised:?} was to happen, {wrong:?} differs: {counts:?}"
        );
    }

    /// What the edges that are there have counted, together.
    fn counts(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for at in &self.open {
            let file = self.stage.places[*at].edge.file("edge.yaml");
            let output = Command::new(edge::program()).args(["session", "stats", "--json", "-c"]).arg(file).output();
            let output = output.expect("edge runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one line of JSON");
            let counts = told["sessions"].as_object().expect("the counts of the upstream");
            for (name, count) in counts {
                *all.entry(name.clone()).or_default() += count.as_u64().expect("a number");
            }
        }
        let unknown: Vec<&&str> = UNPROMISED.iter().filter(|name| !all.contains_key(**name)).collect();
        assert!(unknown.is_empty(), "{unknown:?} is counted nowhere: {all:?}");
        all
    }

    pub fn troubles(&self) -> String {
        let all: Vec<&str> = self.visitors.iter().flat_map(|visitor| &visitor.troubles).map(String::as_str).collect();
        all.iter().take(40).map(|trouble| format!("{trouble}\n")).collect()
    }
}

impl Stage {
    /// Waits until each of these edges has said this.
    pub fn wait_said(&self, edges: &[usize], text: &str) {
        for at in edges {
            let edge = &self.places[*at].edge;
            let said = wait::until(NOTICED, || edge.errors().contains(text).then_some(()));
            assert!(said.is_some(), "edge {at} does not say `{text}`:\n{}", edge.errors());
        }
    }

    /// `edge upstream drain t1` and the like, at each edge.
    pub fn operate(&self, word: &str, server: usize) {
        for edge in 0..self.places.len() {
            self.ask(edge, &[word], server).expect("it is done");
        }
    }

    /// `edge upstream WORDS t1`, at one edge: what it says, and whether it ended well.
    pub fn ask(&self, edge: usize, words: &[&str], server: usize) -> Result<String, String> {
        let file = self.places[edge].edge.file("edge.yaml");
        let server = format!("app/{}", self.name(server));
        let mut command = Command::new(edge::program());
        let output = command.arg("upstream").args(words).args([&server, "-c"]).arg(file).output().expect("edge runs");
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    /// `edge upstream list` of one edge.
    pub fn list(&self, edge: usize) -> String {
        let file = self.places[edge].edge.file("edge.yaml");
        let output = Command::new(edge::program()).args(["upstream", "list", "-c"]).arg(file).output();
        String::from_utf8_lossy(&output.expect("edge runs").stdout).into_owned()
    }

    /// `wait_said` of all edges, and of one of the servers.
    pub fn wait_seen(&self, server: usize, how: &str) {
        let edges: Vec<usize> = (0..self.places.len()).collect();
        self.wait_said(&edges, &format!("session server {} of app is {how}", self.name(server)));
    }

    /// Waits until a server other than the first is storing a session: it is taking over.
    pub fn wait_taking(&self, server: usize) {
        let route = format!(".{} ", self.servers[server].name);
        let stores = |command: &String| command.starts_with("set ") && command.contains(&route);
        let seen = wait::until(NOTICED, || {
            let mut commands = self.nodes.iter().flat_map(Memcached::commands);
            commands.any(|command| stores(&command)).then_some(())
        });
        assert!(seen.is_some(), "{} takes nothing over", self.servers[server].name);
    }

    /// As edges call it.
    fn name(&self, server: usize) -> String {
        name(&self.servers[server], !self.places[0].to_servers.is_empty())
    }
}

/// All edges have to call a server by the same name, also where each has its own way there.
fn name(server: &Standin, relays: bool) -> String {
    match relays {
        true => format!("unix:ways/{}", server.name),
        false => server.address().to_string(),
    }
}

fn place(plan: &Plan, nodes: &[Memcached], servers: &[Standin]) -> Place {
    let sockets = process::temporary_directory("ways");
    let to_nodes: Vec<Relay> = nodes.iter().filter(|_| plan.relays).map(|node| Relay::to(node.address())).collect();
    let socket = |server: &Standin| Relay::on_socket(&sockets.path().join(&server.name), server.address());
    let to_servers: Vec<Relay> = servers.iter().filter(|_| plan.relays).map(socket).collect();
    let node = |at: usize| to_nodes.get(at).map_or(nodes[at].address(), Relay::address);
    let port = ports::free();
    let listed =
        servers.iter().map(|one| format!("      - {{ address: '{}', route: {} }}\n", name(one, plan.relays), one.name));
    let configuration = format!(
        "worker_processes: 2\nerror_log: {{ path: logs/error.log, level: info }}\n\
         session_store:\n  msm: {{ memcached: {{ n1: '{}', n2: '{}' }}, timeout: {} }}\n\
         upstream:\n  app:\n    session: {{ store: msm, ignore: '.*\\.(css|js|svg)'{} }}\n    servers:\n{}\
         server:\n  - listen: 127.0.0.1:{port}\n    location:\n      - {{ match: /, proxy_pass: 'http://app' }}\n",
        node(0),
        node(1),
        plan.timeout,
        plan.session,
        listed.collect::<String>(),
    );
    let edge = Edge::yaml(&configuration, port).with_link("ways", sockets.path()).start();
    Place { edge, to_nodes, to_servers, _sockets: sockets }
}
