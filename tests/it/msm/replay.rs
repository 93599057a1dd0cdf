//! Replaying a recording: the same servers, the same requests, and every difference told at its step.

use super::recording::{self, Bases, ByNode};
use crate::support::memcached::Memcached;
use crate::support::request::{self, Request};
use crate::support::response::Response;
use crate::support::standin::{Standin, WISHES};
use crate::support::wait;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::thread::JoinHandle;
use std::time::Duration;

/// What happened between two steps.
#[derive(Clone, Copy)]
pub enum Do {
    Kill(&'static str),
    Terminate(&'static str),
    Restart(&'static str),
    Freeze(&'static str),
    Thaw(&'static str),
    /// By number: 1 is n1.
    KillNode(usize),
    RestartNode(usize),
    FreezeNode(usize),
    ThawNode(usize),
    /// As long as MSM believes that a node is there.
    WaitASecond,
    Wait(u64),
    /// A request that takes three seconds and locks its session.
    Slow(&'static str),
    WaitForLock,
    SlowEnds,
}

pub struct Replay {
    name: String,
    between: Vec<(String, Vec<Do>)>,
    end: Option<String>,
    lengths: bool,
    /// Of how many steps at the beginning nobody recorded commands and keys.
    unheard: usize,
    more: Vec<String>,
}

impl Replay {
    pub fn of(name: &str) -> Replay {
        Replay { name: name.to_string(), between: Vec::new(), end: None, lengths: true, unheard: 0, more: Vec::new() }
    }

    /// What to do before a step, by the beginning of its name: before each `read-only at`, otherwise before the first only.
    pub fn before(mut self, step: &str, what: &[Do]) -> Replay {
        self.between.push((step.to_string(), what.to_vec()));
        self
    }

    pub fn until(mut self, step: &str) -> Replay {
        self.end = Some(step.to_string());
        self
    }

    pub fn without_lengths(mut self) -> Replay {
        self.lengths = false;
        self
    }

    pub fn without_memcached_in_the_first(mut self, steps: usize) -> Replay {
        self.unheard = steps;
        self
    }

    pub fn with(mut self, options: &[&str]) -> Replay {
        self.more.extend(options.iter().map(ToString::to_string));
        self
    }

    pub fn run(mut self) {
        let recording = recording::read(&self.name);
        let mut rig = Rig::start(&recording, &self.more);
        let steps = recording["steps"].as_array().expect("steps");
        for (at, step) in steps.iter().enumerate() {
            let name = step["step"].as_str().unwrap_or_default();
            if self.end.as_ref().is_some_and(|end| name.starts_with(end)) {
                return;
            }
            let what = self.between.iter().position(|(prefix, _)| name.starts_with(prefix));
            if let Some(what) = what {
                let is_each = self.between[what].0 == "read-only at";
                let todo = if is_each { self.between[what].1.clone() } else { self.between.remove(what).1 };
                todo.into_iter().for_each(|one| rig.act(one));
            }
            let place = format!("{} step {at} ({name})", self.name);
            rig.step(step, self.lengths, at >= self.unheard, &place);
        }
        let left: Vec<&String> =
            self.between.iter().map(|(prefix, _)| prefix).filter(|p| *p != "read-only at").collect();
        assert!(left.is_empty(), "{}: no such step: {left:?}", self.name);
    }
}

struct Rig {
    tomcats: BTreeMap<String, Standin>,
    nodes: Vec<Memcached>,
    is_running: Vec<bool>,
    /// How many commands of each node belong to earlier steps.
    heard: Vec<usize>,
    bases: Bases,
    last_id: String,
    slow: Option<JoinHandle<()>>,
}

impl Rig {
    fn start(recording: &Value, more: &[String]) -> Rig {
        let config = &recording["config"];
        let listed = config["memcachedNodes"].as_str().expect("nodes");
        let nodes: Vec<Memcached> = listed.split(',').map(|_| Memcached::start()).collect();
        let addresses = match listed {
            _ if listed.starts_with(|char: char| char.is_ascii_digit()) => nodes[0].address().to_string(),
            _ => {
                let named = nodes.iter().enumerate().map(|(at, node)| format!("n{}:{}", at + 1, node.address()));
                named.collect::<Vec<_>>().join(",")
            }
        };
        let asked = recording["steps"].as_array().expect("steps").iter().filter_map(|step| step["to"].as_str());
        let names: BTreeSet<&str> = asked.chain(["t1"]).collect();
        let tomcat = |name: &str| {
            let mut options = options(config, name);
            options.extend(more.iter().cloned());
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            (name.to_string(), Standin::start_with(name, &addresses, &options))
        };
        Rig {
            tomcats: names.into_iter().map(tomcat).collect(),
            is_running: nodes.iter().map(|_| true).collect(),
            heard: nodes.iter().map(|_| 0).collect(),
            nodes,
            bases: Bases::default(),
            last_id: String::new(),
            slow: None,
        }
    }

    fn tomcat(&mut self, name: &str) -> &mut Standin {
        self.tomcats.get_mut(name).expect("a Tomcat of the recording")
    }

    fn act(&mut self, what: Do) {
        match what {
            Do::Kill(name) => self.tomcat(name).kill(),
            Do::Terminate(name) => {
                self.tomcat(name).terminate();
                self.tomcat(name).wait_end();
            }
            Do::Restart(name) => self.tomcat(name).restart(),
            Do::Freeze(name) => self.tomcat(name).freeze(),
            Do::Thaw(name) => self.tomcat(name).thaw(),
            Do::KillNode(at) => {
                self.nodes[at - 1].kill();
                self.is_running[at - 1] = false;
            }
            Do::RestartNode(at) => {
                self.nodes[at - 1].restart();
                self.is_running[at - 1] = true;
            }
            Do::FreezeNode(at) => {
                self.nodes[at - 1].freeze();
                self.is_running[at - 1] = false;
            }
            Do::ThawNode(at) => {
                self.nodes[at - 1].thaw();
                self.is_running[at - 1] = true;
            }
            // Nothing can be waited for here but time itself.
            Do::WaitASecond => std::thread::sleep(Duration::from_millis(1100)),
            Do::Wait(seconds) => {
                std::thread::sleep(Duration::from_secs(seconds));
                // What a background thread does in the meantime is no step's.
                self.forget_commands();
            }
            Do::Slow(name) => {
                let (to, id) = (self.tomcat(name).address(), self.last_id.clone());
                self.slow = Some(std::thread::spawn(move || {
                    request::get("/slow?ms=3000").header("Cookie", &format!("JSESSIONID={id}")).send(to);
                }));
            }
            Do::WaitForLock => {
                let key = format!("lock:{}", self.last_id);
                let lies = || self.nodes.iter().any(|node| node.get(&key).is_some()).then_some(());
                assert!(wait::until(Duration::from_secs(5), lies).is_some(), "nobody locks the session");
                self.forget_commands();
            }
            Do::SlowEnds => {
                self.slow.take().expect("a slow request").join().expect("it is answered");
                self.forget_commands();
            }
        }
    }

    fn step(&mut self, step: &Value, lengths: bool, is_heard: bool, place: &str) {
        let mut about: BTreeSet<String> = BTreeSet::new();
        if let Some(line) = step["request"].as_str() {
            let cookie = step["cookie_sent"].as_str().unwrap_or_default();
            self.begin_unrecorded(step, cookie);
            let answer = self.send(step, line, cookie);
            self.compare_answer(step, &answer, place);
            about.extend(recording::bases(cookie));
            about.extend(recording::cookies(step).iter().flat_map(|cookie| recording::bases(cookie)));
            if is_heard {
                let expected = recording::recorded_commands(step, &self.bases, lengths);
                self.compare_commands(&expected, lengths, place);
            }
        }
        if let Some(expected) = recording::recorded_keys(step, lengths).filter(|_| is_heard) {
            about.extend(expected.iter().flat_map(|key| recording::bases(key)));
            self.compare_keys(&expected, &about, lengths, place);
        }
        self.forget_commands();
    }

    /// Some recordings begin with a session that there was before.
    fn begin_unrecorded(&mut self, step: &Value, id: &str) {
        let Some(base) = recording::base_of_cookie(id).filter(|base| !self.bases.knows(base)) else { return };
        if step["body"]["reqIdValid"] != true {
            return self.bases.learn(&base, &base);
        }
        let node = recording::node_of(id).unwrap_or_default();
        let to = step["to"].as_str().expect("a Tomcat");
        let answer = self.tomcat(to).ask(request::get("/count").header(WISHES, node), "");
        let cookie = answer.header("set-cookie").expect("a session").to_string();
        self.bases.learn(&base, &recording::base_of_cookie(&cookie).expect("an id"));
        self.forget_commands();
    }

    fn send(&mut self, step: &Value, line: &str, cookie: &str) -> Response {
        let (method, target) = line.split_once(' ').expect("a method and a target");
        let wishes = recording::new_nodes(step, &self.bases).join(" ");
        let mut request = Request::new(method, &self.bases.here(target)).header(WISHES, &wishes);
        if method == "POST" {
            request = request.body("j_username=alice&j_password=secret");
        }
        if step["body"]["authType"] == "BASIC" {
            request = request.header("Authorization", "Basic YWxpY2U6c2VjcmV0");
        }
        let id = self.bases.here(cookie);
        let to = step["to"].as_str().expect("a Tomcat");
        let answer = self.tomcat(to).ask(request, &id);
        self.last_id = id;
        answer
    }

    fn compare_answer(&mut self, step: &Value, answer: &Response, place: &str) {
        assert_eq!(u64::from(answer.status()), step["status"].as_u64().unwrap_or(0), "{place}: {answer}");
        let cookies: Vec<&str> = answer.head.headers.all("set-cookie").collect();
        let expected = recording::cookies(step);
        for (recorded, ours) in expected.iter().zip(&cookies) {
            if let (Some(recorded), Some(ours)) = (recording::base_of_cookie(recorded), recording::base_of_cookie(ours))
                && !self.bases.knows(&recorded)
            {
                self.bases.learn(&recorded, &ours);
            }
        }
        let ours: Vec<String> = cookies.iter().map(|cookie| self.bases.recorded(cookie)).collect();
        assert_eq!(ours, expected, "{place}: Set-Cookie");
        if !step["body"].is_object() {
            return;
        }
        let (recorded, ours) = (&step["body"], answer.json());
        for (theirs, mine) in [("route", "route"), ("counter", "counter"), ("isNew", "new"), ("reqIdValid", "valid")] {
            assert_eq!(ours[mine], recorded[theirs], "{place}: {theirs}");
        }
        if let Some(principal) = recorded["principal"].as_str() {
            assert_eq!(ours["user"], principal, "{place}: principal");
        }
        let id = recorded["id"].as_str();
        let first = id.map(|id| self.bases.here(id)[..6].to_string());
        assert_eq!(ours["session"].as_str(), first.as_deref(), "{place}: the session");
        assert_eq!(ours["node"].as_str(), id.and_then(recording::node_of), "{place}: the session's node");
    }

    fn compare_commands(&self, expected: &ByNode, lengths: bool, place: &str) {
        let ours = || -> ByNode {
            let nodes = self.nodes.iter().enumerate().map(|(at, node)| {
                let all: Vec<String> =
                    node.commands()[self.heard[at]..].iter().map(|c| self.bases.settled(c)).collect();
                (format!("n{}", at + 1), recording::commands(all.iter().map(String::as_str), lengths))
            });
            nodes.filter(|(_, list)| !list.is_empty()).collect()
        };
        // What is saved asynchronously comes after the answer.
        wait::until(Duration::from_secs(2), || (ours() == *expected).then_some(()));
        assert_eq!(ours(), *expected, "{place}: commands (left: ours)");
    }

    fn compare_keys(&self, expected: &BTreeSet<String>, about: &BTreeSet<String>, lengths: bool, place: &str) {
        let mut ours = BTreeSet::new();
        for (at, node) in self.nodes.iter().enumerate().filter(|(at, _)| self.is_running[*at]) {
            for (key, left) in node.keys() {
                let Some((flags, value)) = node.get(&key) else { continue };
                let key = self.bases.recorded(&key);
                if recording::bases(&key).iter().any(|base| about.contains(base)) {
                    let length = lengths.then_some(value.len());
                    let name = format!("n{}", at + 1);
                    ours.insert(recording::describe(&name, &key, flags, left.is_some(), &value, length));
                }
            }
        }
        assert_eq!(ours, *expected, "{place}: keys (left: ours)");
    }

    fn forget_commands(&mut self) {
        self.heard = self.nodes.iter().map(|node| node.commands().len()).collect();
    }
}

/// The options that make a stand-in what the recorded Tomcat was.
fn options(config: &Value, name: &str) -> Vec<String> {
    let is_sticky = config["mode"] == "sticky";
    // A node that was seen dead stays so for a replay's length, as it did while the real client waited to reconnect.
    let mut options = vec!["--max-reconnect-delay", "60000", "--mode", if is_sticky { "sticky" } else { "non_sticky" }];
    let seconds = config["maxInactive"].to_string();
    let delay = config["contextBackgroundProcessorDelay"].as_i64().unwrap_or(-1).to_string();
    options.extend(["--max-inactive-interval", &seconds, "--background-processor-delay", &delay]);
    options.extend(config["locking"].as_str().into_iter().flat_map(|locking| ["--locking", locking]));
    options.extend(config["contextPath"].as_str().into_iter().flat_map(|path| ["--context-path", path]));
    if config["sessionBackupAsync"] == true {
        options.push("--session-backup-async");
    }
    if config["auth"] == "FORM" {
        options.extend(["--login", "form"]);
    }
    if !is_sticky && config["jvmRoute"].is_string() {
        options.extend(["--jvm-route", name]);
    }
    let failover = config["failoverNodes"].as_str().unwrap_or_default();
    let own = failover.split(", ").find_map(|part| part.strip_prefix(name)?.strip_prefix(": "));
    options.extend(own.into_iter().flat_map(|nodes| ["--failover-nodes", nodes]));
    options.into_iter().map(str::to_string).collect()
}
