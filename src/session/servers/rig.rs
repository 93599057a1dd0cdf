//! What the tests of servers are made of: memcacheds, servers in this process, and one that can be killed and frozen.

use super::*;
use crate::memcached::{Key, Limits};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub const LONG: Duration = Duration::from_secs(20);
pub const MOMENT: Duration = Duration::from_millis(10);

pub fn free() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn memcached(address: SocketAddr) -> Child {
    let mut command = Command::new("memcached");
    command.args(["-l", "127.0.0.1", "-U", "0", "-m", "8", "-t", "1", "-p", &address.port().to_string()]);
    // SAFETY: a plain system call. memcached refuses to run as root unless it is told whom to become.
    if unsafe { libc::geteuid() } == 0 {
        command.args(["-u", "nobody"]);
    }
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("memcached is installed");
    let end = Instant::now() + LONG;
    while std::net::TcpStream::connect(address).is_err() {
        assert!(Instant::now() < end, "memcached does not listen");
        std::thread::sleep(MOMENT);
    }
    child
}

pub struct Memcached {
    address: SocketAddr,
    child: Child,
}

impl Memcached {
    pub fn start() -> Memcached {
        let address = free();
        Memcached { address, child: memcached(address) }
    }

    pub fn restart(&mut self) {
        self.kill();
        self.child = memcached(self.address);
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn node(&self) -> Arc<Node> {
        let limits = Limits { timeout: Duration::from_millis(500), ..Limits::default() };
        Node::new(format!("n{}", self.address.port()), self.address.to_string(), limits)
    }

    pub async fn count(&self) -> Option<String> {
        let value = self.node().get(&Key::own("inst", &["web", "t1"])).await.ok()??;
        Some(String::from_utf8_lossy(&value).into_owned())
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How a server in this process behaves.
#[derive(Clone, Copy, PartialEq)]
pub enum Manner {
    Answers,
    /// Answers, and says that it closes.
    Closes,
    /// Accepts and says nothing.
    Mute,
}

/// A server in this process. Dropped, it closes its port and its connections.
pub struct Talker {
    pub address: SocketAddr,
    manner: Arc<Mutex<(Manner, u32)>>,
    connections: Arc<Mutex<JoinSet<()>>>,
    pub listening: JoinSet<()>,
}

impl Talker {
    pub async fn start(manner: Manner) -> Talker {
        Talker::on(free(), manner).await
    }

    pub async fn on(address: SocketAddr, manner: Manner) -> Talker {
        let listener = TcpListener::bind(address).await.unwrap();
        let manner = Arc::new(Mutex::new((manner, 1)));
        let connections = Arc::new(Mutex::new(JoinSet::new()));
        let (said, open) = (manner.clone(), connections.clone());
        let mut task = JoinSet::new();
        task.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                open.lock().unwrap().spawn(talk(stream, said.clone()));
            }
        });
        Talker { address, manner, connections, listening: task }
    }

    pub fn is(&self, manner: Manner, instance: u32) {
        *self.manner.lock().unwrap() = (manner, instance);
    }

    pub fn hang_up(&self) {
        self.connections.lock().unwrap().abort_all();
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        self.hang_up();
    }
}

async fn talk(mut stream: TcpStream, manner: Arc<Mutex<(Manner, u32)>>) {
    let mut bytes = [0; 1024];
    while stream.read(&mut bytes).await.is_ok_and(|length| length > 0) {
        let (manner, instance) = *manner.lock().unwrap();
        let close = if manner == Manner::Closes { "Connection: close\r\n" } else { "" };
        let answer = format!("HTTP/1.1 200 \r\nX-Instance: {instance}\r\n{close}Content-Length: 0\r\n\r\n");
        if manner != Manner::Mute && stream.write_all(answer.as_bytes()).await.is_err() || !close.is_empty() {
            return;
        }
    }
}

/// A server that is a process of its own: this test program, once more.
pub struct Process(Child);

impl Process {
    pub fn start(address: SocketAddr) -> Process {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "session::servers::tests::a_server_for_the_other_tests", "--ignored", "--nocapture"]);
        let mut child = command.env("EDGE_TEST_SERVER", address.to_string()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("it listens")));
        Process(child)
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: a plain system call on a child that was not waited for.
        assert_eq!(unsafe { libc::kill(self.0.id() as i32, signal) }, 0);
    }

    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
