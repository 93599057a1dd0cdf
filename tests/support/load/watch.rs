//! Connections that must live through everything: an event stream and a websocket whose messages are numbered.
//!
//! They are watched from the side: `finish` tells how many messages came, in order and none twice, or what went wrong.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::wire::{Unopened, Wire};
use super::{PATIENCE, runtime};
use crate::support::client::Failure;
use crate::support::request;
use crate::support::response::{Framing, Head};
use crate::support::tls::Tls;
use crate::support::wait;

/// Between two messages of the websocket.
const PAUSE: Duration = Duration::from_millis(20);

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub struct Watch {
    shared: Arc<Shared>,
    task: JoinHandle<Result<(), String>>,
}

#[derive(Default)]
struct Shared {
    messages: AtomicUsize,
    ended: AtomicBool,
}

impl Watch {
    /// An event stream of `origin`.
    pub fn events(to: SocketAddr, tls: Option<&Tls>, target: &str) -> Watch {
        let (tls, target) = (tls.cloned(), target.to_owned());
        Self::start(move |shared| async move {
            let mut wire = open(to, tls.as_ref()).await?;
            follow(&shared, &mut wire, &target).await.map_err(|e| shared.tell("the event stream", &e))
        })
    }

    /// A websocket of `origin`, which sends back whatever it gets.
    pub fn websocket(to: SocketAddr, tls: Option<&Tls>, target: &str) -> Watch {
        let (tls, target) = (tls.cloned(), target.to_owned());
        Self::start(move |shared| async move {
            let mut wire = open(to, tls.as_ref()).await?;
            talk(&shared, &mut wire, &target).await.map_err(|e| shared.tell("the websocket", &e))
        })
    }

    fn start<F>(run: impl FnOnce(Arc<Shared>) -> F) -> Watch
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let shared = Arc::new(Shared::default());
        let task = runtime().spawn(run(shared.clone()));
        let watch = Watch { shared, task };
        watch.wait(1);
        watch
    }

    pub fn messages(&self) -> usize {
        self.shared.messages.load(Ordering::SeqCst)
    }

    /// Waits until so many messages have come, or it has failed.
    pub fn wait(&self, count: usize) {
        wait::until(PATIENCE, || (self.messages() >= count || self.task.is_finished()).then_some(()));
    }

    /// How many messages came. It must be alive now: one more must come.
    pub fn finish(self) -> Result<usize, String> {
        self.wait(self.messages() + 2);
        self.shared.ended.store(true, Ordering::SeqCst);
        let messages = self.messages();
        runtime().block_on(self.task).expect("a watch does not panic").map(|()| messages)
    }
}

impl Shared {
    fn is_over(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    fn tell(&self, what: &str, failure: &Failure) -> String {
        format!("{what}, after {} messages: {failure}", self.messages.load(Ordering::SeqCst))
    }

    /// The number of the message that must come next.
    fn next(&self) -> usize {
        self.messages.load(Ordering::SeqCst) + 1
    }
}

async fn open(to: SocketAddr, tls: Option<&Tls>) -> Result<Wire, String> {
    Wire::open(to, tls, PATIENCE).await.map_err(|e| match e {
        Unopened::Unconnected(failure) => format!("not connected: {failure}"),
        Unopened::Unshaken(failure) => format!("no handshake: {failure}"),
    })
}

async fn follow(shared: &Shared, wire: &mut Wire, target: &str) -> Result<(), Failure> {
    wire.write(&request::get(target).header("Accept", "text/event-stream").bytes()).await?;
    let head = wire.head().await?;
    expect_status(&head, 200)?;
    if crate::support::parse::framing(&head, "GET")? != Framing::Chunked {
        return Err(Failure::Malformed(format!("an event stream that is not chunked:\n{head}")));
    }
    let mut text = Vec::new();
    while !shared.is_over() {
        if !wire.chunk(&mut text).await? {
            return Err(Failure::Malformed("it has ended".into()));
        }
        // What is between two empty lines, however it was cut into chunks.
        while let Some(end) = text.windows(2).position(|two| two == b"\n\n") {
            let event: Vec<u8> = text.drain(..end + 2).collect();
            let expected = super::origin::event(shared.next());
            if event != expected.as_bytes() {
                let event = String::from_utf8_lossy(&event).into_owned();
                return Err(Failure::Malformed(format!("{event:?} in the place of {expected:?}")));
            }
            shared.messages.fetch_add(1, Ordering::SeqCst);
        }
    }
    Ok(())
}

async fn talk(shared: &Shared, wire: &mut Wire, target: &str) -> Result<(), Failure> {
    let upgrade = request::get(target)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    wire.write(&upgrade.bytes()).await?;
    expect_status(&wire.head().await?, 101)?;
    while !shared.is_over() {
        let message = format!("message {}", shared.next());
        let masked = message.bytes().enumerate().map(|(at, byte)| byte ^ MASK[at % 4]);
        let head = [0x81, 0x80 | message.len() as u8];
        let frame: Vec<u8> = head.into_iter().chain(MASK).chain(masked).collect();
        wire.write(&frame).await?;
        let mut back = Vec::new();
        wire.take(2 + message.len(), &mut back).await?;
        if back != [&[0x81, message.len() as u8], message.as_bytes()].concat() {
            return Err(Failure::Malformed(format!("{back:?} in the place of {message:?}")));
        }
        shared.messages.fetch_add(1, Ordering::SeqCst);
        wire.rests(PAUSE).await?;
    }
    Ok(())
}

fn expect_status(head: &Head, status: u16) -> Result<(), Failure> {
    match head.status == status {
        true => Ok(()),
        false => Err(Failure::Malformed(format!("not {status}:\n{head}"))),
    }
}
