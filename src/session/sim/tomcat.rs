//! A Tomcat with memcached-session-manager, sticky, with its races: a session is loaded under the old id before it is taken
//! over, its key is deleted at once and set again only at the end of the request, parallel requests load copies of their own.

use crate::memcached::{Key, Life, Node};
use crate::session::record::Named;
use crate::session::takeover::SetCookie;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

#[derive(Default)]
pub struct Session {
    tokens: Mutex<Vec<u32>>,
    /// Of two requests at once the later state is stored last: without this a living Tomcat could store them the other way
    /// round, of which no edge knows.
    saving: tokio::sync::Mutex<()>,
}

pub struct Process {
    heap: Mutex<HashMap<String, Arc<Session>>>,
    killed: watch::Sender<bool>,
    frozen: watch::Sender<bool>,
}

pub struct Tomcat {
    pub route: String,
    nodes: Vec<Arc<Node>>,
    runtime: tokio::runtime::Handle,
    process: Mutex<Option<Arc<Process>>>,
    /// Which nodes it believes to be there.
    pub believes: Vec<AtomicBool>,
    /// Between the old key's end and the new one's beginning, in milliseconds.
    pub slow_take: AtomicU64,
    /// Takeovers that have deleted the old key, since ever.
    pub takes: AtomicU64,
    /// What a probe is answered; 404 is Tomcat's.
    pub probe_status: AtomicU64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Probe,
    Application,
}

#[derive(Debug, Default)]
pub struct Reply {
    pub status: u16,
    pub set_cookie: Option<SetCookie>,
    pub tokens: Vec<u32>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Failed {
    Refused,
    Broken,
}

impl Tomcat {
    pub fn start(route: &str, nodes: &[Arc<Node>]) -> Arc<Tomcat> {
        let tomcat = Tomcat {
            route: route.to_owned(),
            nodes: nodes.to_vec(),
            runtime: tokio::runtime::Handle::current(),
            process: Mutex::new(None),
            believes: nodes.iter().map(|_| AtomicBool::new(true)).collect(),
            slow_take: AtomicU64::new(0),
            takes: AtomicU64::new(0),
            probe_status: AtomicU64::new(404),
        };
        tomcat.restart();
        Arc::new(tomcat)
    }

    pub fn restart(&self) {
        let process =
            Process { heap: Mutex::default(), killed: watch::channel(false).0, frozen: watch::channel(false).0 };
        *self.process.lock().unwrap() = Some(Arc::new(process));
    }

    pub fn kill(&self) {
        if let Some(process) = self.process.lock().unwrap().take() {
            process.killed.send_replace(true);
        }
    }

    pub fn freeze(&self, frozen: bool) {
        if let Some(process) = &*self.process.lock().unwrap() {
            process.frozen.send_replace(frozen);
        }
    }

    /// It goes on whoever asked, and whether or not that one waits.
    pub async fn handle(self: &Arc<Self>, id: Option<&str>, kind: Kind, update: Option<u32>) -> Result<Reply, Failed> {
        let process = self.process.lock().unwrap().clone().ok_or(Failed::Refused)?;
        let (tomcat, id) = (self.clone(), id.map(str::to_owned));
        let asked = self.runtime.spawn(async move {
            let mut killed = process.killed.subscribe();
            tokio::select! {
                biased;
                _ = killed.wait_for(|killed| *killed) => Err(Failed::Broken),
                reply = tomcat.serve(&process, id.as_deref(), kind, update) => Ok(reply),
            }
        });
        asked.await.unwrap_or(Err(Failed::Broken))
    }

    async fn serve(&self, process: &Process, id: Option<&str>, kind: Kind, update: Option<u32>) -> Reply {
        jitter(process).await;
        let mut id = id.and_then(Named::parse);
        let mut moved = false;
        if let Some(old) = &id {
            // The authenticator, before MSM.
            self.find(process, &old.text).await;
            jitter(process).await;
            if let Some(new) = self.take_over(process, old).await {
                moved = true;
                id = Some(new);
            }
        }
        let mut session = match &id {
            Some(id) => self.find(process, &id.text).await,
            None => None,
        };
        jitter(process).await;
        let mut made = false;
        if session.is_none() && update.is_some() && kind == Kind::Application {
            let new = self.new_id();
            let fresh = Arc::new(Session::default());
            process.heap.lock().unwrap().insert(new.text.clone(), fresh.clone());
            (id, session, made) = (Some(new), Some(fresh), true);
        }
        let mut tokens = Vec::new();
        if let (Some(session), Some(id)) = (&session, &id) {
            if let (Some(token), Kind::Application) = (update, kind) {
                session.tokens.lock().unwrap().push(token);
            }
            jitter(process).await;
            let _saving = session.saving.lock().await;
            tokens = session.tokens.lock().unwrap().clone();
            if moved || made || update.is_some() {
                self.save(&id.text, &tokens).await;
            }
        }
        let status = if kind == Kind::Probe { self.probe_status.load(SeqCst) as u16 } else { 200 };
        let set_cookie = id
            .filter(|_| moved || made)
            .map(|id| SetCookie { line: format!("JSESSIONID={}; Path=/; HttpOnly", id.text), id: id.text });
        Reply { status, set_cookie, tokens }
    }

    fn new_id(&self) -> Named {
        use std::hash::{BuildHasher, RandomState};
        let base = RandomState::new().hash_one(0);
        let node = (0..self.nodes.len()).find(|at| self.believes[*at].load(SeqCst)).unwrap_or(0);
        Named::parse(&format!("{base:016X}-{}.{}", self.nodes[node].name(), self.route)).unwrap()
    }

    async fn find(&self, process: &Process, id: &str) -> Option<Arc<Session>> {
        if let Some(session) = process.heap.lock().unwrap().get(id) {
            return Some(session.clone());
        }
        let node = self.node_of(&Named::parse(id)?)?;
        let value = self.nodes[node].get(&Key::checked(id.to_owned())?).await.ok()??;
        jitter(process).await;
        let session = Arc::new(Session { tokens: Mutex::new(read(&value)?), ..Session::default() });
        process.heap.lock().unwrap().insert(id.to_owned(), session.clone());
        Some(session)
    }

    fn node_of(&self, id: &Named) -> Option<usize> {
        self.nodes.iter().position(|node| Some(node.name()) == id.node.as_deref())
    }

    /// `changeSessionIdOnTomcatFailover` and `changeSessionIdOnMemcachedFailover`.
    async fn take_over(&self, process: &Process, old: &Named) -> Option<Named> {
        let node = self.node_of(old)?;
        let foreign = old.route.as_deref() != Some(&self.route);
        let believed = |at: &usize| self.believes[*at].load(SeqCst);
        if !foreign && believed(&node) {
            return None;
        }
        let node = if believed(&node) { node } else { (0..self.nodes.len()).find(believed)? };
        let new = Named::parse(&format!("{}-{}.{}", old.base, self.nodes[node].name(), self.route)).unwrap();
        if foreign && process.heap.lock().unwrap().contains_key(&new.text) {
            return Some(new);
        }
        let session = self.find(process, &old.text).await?;
        let key = Key::checked(old.text.clone()).unwrap();
        if let Some(held) = self.node_of(old).filter(believed) {
            let _ = self.nodes[held].delete(&key).await;
        }
        self.takes.fetch_add(1, SeqCst);
        tokio::time::sleep(Duration::from_millis(self.slow_take.load(SeqCst))).await;
        let mut heap = process.heap.lock().unwrap();
        heap.remove(&old.text);
        heap.insert(new.text.clone(), session);
        Some(new)
    }

    async fn save(&self, id: &str, tokens: &[u32]) {
        let named = Named::parse(id).unwrap();
        let Some(node) = self.node_of(&named) else { return };
        let value = write(id, tokens);
        let key = Key::checked(id.to_owned()).unwrap();
        let _ = self.nodes[node].set(&key, &value, Life::FOREVER).await;
        // `set` is not acknowledged: MSM's is.
        let _ = self.nodes[node].get(&key).await;
    }
}

/// Anything may come between two steps.
async fn jitter(process: &Process) {
    let mut frozen = process.frozen.subscribe();
    let _ = frozen.wait_for(|frozen| !*frozen).await;
    use std::hash::{BuildHasher, RandomState};
    match RandomState::new().hash_one(0) % 4 {
        0 => tokio::time::sleep(Duration::from_millis(1)).await,
        1 => tokio::task::yield_now().await,
        _ => {}
    }
    let _ = frozen.wait_for(|frozen| !*frozen).await;
}

pub fn write(id: &str, tokens: &[u32]) -> Vec<u8> {
    let attributes: Vec<u8> = tokens.iter().flat_map(|token| token.to_be_bytes()).collect();
    crate::session::takeover::stored_value(id, &attributes)
}

fn read(value: &[u8]) -> Option<Vec<u32>> {
    let length = u16::from_be_bytes(value.get(2..4)?.try_into().unwrap()) as usize;
    let words = value.get(length..)?.chunks_exact(4);
    Some(words.map(|word| u32::from_be_bytes(word.try_into().unwrap())).collect())
}
