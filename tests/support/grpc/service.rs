//! The service `test.Echo`, which every [`super::super::origin::Origin`] offers over HTTP/2.
//!
//! `Unary` gives its message back, `Fail` answers with trailers alone, `FailLate` with a message and then a failure, `Watch`
//! sends a message each time the test says so, `Collect` counts what was sent, `Chat` answers each message as it comes,
//! `Silent` never does, `Stall` not after its head.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Response};
use tokio::sync::Semaphore;

use super::super::wait;
use super::{Messages, framed};

/// What tests and calls know of each other.
pub struct Service {
    told: Semaphore,
    begun: AtomicUsize,
    cancelled: AtomicUsize,
}

impl Default for Service {
    fn default() -> Service {
        Service { told: Semaphore::new(0), begun: AtomicUsize::new(0), cancelled: AtomicUsize::new(0) }
    }
}

impl Service {
    /// Lets `Watch` send so many messages.
    pub fn tell(&self, messages: usize) {
        self.told.add_permits(messages);
    }

    /// Waits until so many calls were given up by their client.
    pub fn wait_cancelled(&self, count: usize) -> bool {
        wait_for(&self.cancelled, count)
    }

    /// Waits until so many calls have come.
    pub fn wait_begun(&self, count: usize) -> bool {
        wait_for(&self.begun, count)
    }

    pub fn cancelled(&self) -> usize {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// Answers one call.
    pub async fn answer(&self, method: &str, body: RecvStream, respond: SendResponse<Bytes>) {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let answered = match method {
            "Unary" => unary(body, respond).await,
            "Fail" => fail(respond),
            "FailLate" => fail_late(body, respond).await,
            "Watch" => self.watch(body, respond).await,
            "Collect" => collect(body, respond).await,
            "Chat" => chat(body, respond).await,
            "Silent" => silent(body, respond).await,
            "Stall" => stall(body, respond).await,
            other => panic!("test.Echo has no {other}"),
        };
        // Whether by a reset of the stream or by the end of its connection.
        if answered.is_err() {
            self.cancelled.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// As many messages as the first byte of the request's says.
    async fn watch(&self, body: RecvStream, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
        let count = whole(body).await?[0][0];
        let mut down = begin(&mut respond)?;
        for number in 0..count {
            tokio::select! {
                permit = self.told.acquire() => permit.expect("it is never closed").forget(),
                gone = std::future::poll_fn(|cx| down.poll_reset(cx)) => return Err(gone?.into()),
            }
            send(&mut down, format!("message {number}").as_bytes()).await?;
        }
        end(&mut down, "0", "")
    }
}

fn wait_for(counter: &AtomicUsize, count: usize) -> bool {
    let reached = || (counter.load(Ordering::SeqCst) >= count).then_some(());
    wait::until(Duration::from_secs(10), reached).is_some()
}

async fn unary(body: RecvStream, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let messages = whole(body).await?;
    let mut down = begin(&mut respond)?;
    send(&mut down, &messages[0]).await?;
    end(&mut down, "0", "well%20done")
}

fn fail(mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut head = head();
    head.headers_mut().extend(outcome("5", "none"));
    respond.send_response(head, true).map(drop)
}

async fn fail_late(body: RecvStream, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let messages = whole(body).await?;
    let mut down = begin(&mut respond)?;
    send(&mut down, &messages[0]).await?;
    end(&mut down, "13", "too%20late")
}

async fn collect(body: RecvStream, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let messages = whole(body).await?;
    let length: usize = messages.iter().map(Bytes::len).sum();
    let mut down = begin(&mut respond)?;
    send(&mut down, format!("{} {length}", messages.len()).as_bytes()).await?;
    end(&mut down, "0", "")
}

async fn chat(mut body: RecvStream, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let (mut down, mut messages) = (begin(&mut respond)?, Messages::default());
    while let Some(piece) = body.data().await.transpose()? {
        body.flow_control().release_capacity(piece.len())?;
        messages.feed(&piece);
        while let Some(message) = messages.next() {
            send(&mut down, &message).await?;
        }
    }
    end(&mut down, "0", "")
}

async fn silent(body: RecvStream, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    whole(body).await?;
    Err(std::future::poll_fn(|cx| respond.poll_reset(cx)).await?.into())
}

async fn stall(body: RecvStream, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    whole(body).await?;
    let mut down = begin(&mut respond)?;
    Err(std::future::poll_fn(|cx| down.poll_reset(cx)).await?.into())
}

fn head() -> Response<()> {
    let head = Response::builder().header("content-type", "application/grpc+proto").header("x-told", "so");
    head.body(()).expect("a head")
}

fn begin(respond: &mut SendResponse<Bytes>) -> Result<SendStream<Bytes>, h2::Error> {
    respond.send_response(head(), false)
}

async fn send(down: &mut SendStream<Bytes>, message: &[u8]) -> Result<(), h2::Error> {
    super::super::origin::send(down, framed(message).into(), false).await
}

fn end(down: &mut SendStream<Bytes>, status: &'static str, message: &'static str) -> Result<(), h2::Error> {
    down.send_trailers(outcome(status, message))
}

fn outcome(status: &'static str, message: &'static str) -> HeaderMap {
    let mut fields = HeaderMap::new();
    fields.insert("grpc-status", HeaderValue::from_static(status));
    if !message.is_empty() {
        fields.insert("grpc-message", HeaderValue::from_static(message));
    }
    fields
}

/// All messages of a call.
async fn whole(mut body: RecvStream) -> Result<Vec<Bytes>, h2::Error> {
    let mut messages = Messages::default();
    while let Some(piece) = body.data().await.transpose()? {
        body.flow_control().release_capacity(piece.len())?;
        messages.feed(&piece);
    }
    Ok(std::iter::from_fn(|| messages.next()).collect())
}
