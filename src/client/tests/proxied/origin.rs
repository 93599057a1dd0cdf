//! An upstream: answers a request with its target and its body, or misbehaves as told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Default)]
pub struct Origin {
    /// Closes after so many bytes of a body.
    pub breaks_after: Option<usize>,
    /// Answers this.
    pub answer: Option<Bytes>,
    pub never_answers: bool,
}

pub struct Running {
    pub address: SocketAddr,
    seen: Arc<Seen>,
}

struct Seen {
    requests: watch::Sender<usize>,
    answered: watch::Sender<usize>,
    head: Mutex<String>,
}

impl Running {
    /// Requests whose body arrived, as far as it was wanted.
    pub fn requests(&self) -> usize {
        *self.seen.requests.borrow()
    }

    pub fn last_head(&self) -> String {
        self.seen.head.lock().unwrap().clone()
    }

    pub async fn wait_requests(&self, count: usize) {
        self.seen.requests.subscribe().wait_for(|n| *n >= count).await.unwrap();
    }

    pub async fn wait_answered(&self, count: usize) {
        self.seen.answered.subscribe().wait_for(|n| *n >= count).await.unwrap();
    }
}

pub async fn origin(origin: Origin) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen =
        Arc::new(Seen { requests: watch::Sender::new(0), answered: watch::Sender::new(0), head: Mutex::default() });
    let running = Running { address, seen: seen.clone() };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (origin, seen) = (origin.clone(), seen.clone());
            tokio::spawn(async move {
                // the other side may leave at any time
                let _ = serve(BufReader::new(stream), origin, seen).await;
            });
        }
    });
    running
}

async fn serve(mut stream: BufReader<TcpStream>, origin: Origin, seen: Arc<Seen>) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8(head).unwrap();
        let target = head.split(' ').nth(1).unwrap().to_string();
        *seen.head.lock().unwrap() = head.clone();
        if let Some(most) = origin.breaks_after {
            stream.read_exact(&mut vec![0; most]).await?;
            seen.requests.send_modify(|n| *n += 1);
            return Ok(());
        }
        let body = read_body(&mut stream, &head.to_ascii_lowercase()).await?;
        seen.requests.send_modify(|n| *n += 1);
        if origin.never_answers {
            stream.read_u8().await?;
            return Ok(());
        }
        if head.to_ascii_lowercase().contains("upgrade: websocket") {
            let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
            stream.write_all(answer.as_bytes()).await?;
            return echo(stream).await;
        }
        let answer = match &origin.answer {
            Some(answer) => answer.to_vec(),
            None => [target.as_bytes(), b"|", &body].concat(),
        };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len());
        stream.write_all(&[head.as_bytes(), &answer].concat()).await?;
        seen.answered.send_modify(|n| *n += 1);
    }
}

async fn read_body(stream: &mut BufReader<TcpStream>, head: &str) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if let Some(length) = head.lines().find_map(|l| l.strip_prefix("content-length: ")) {
        body.resize(length.parse().unwrap(), 0);
        stream.read_exact(&mut body).await?;
    } else if head.contains("transfer-encoding: chunked") {
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.push(stream.read_u8().await?);
            }
            let size = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).await?;
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                return Ok(body);
            }
        }
    }
    Ok(body)
}

async fn echo(mut stream: BufReader<TcpStream>) -> std::io::Result<()> {
    let mut bytes = [0; 1024];
    loop {
        match stream.read(&mut bytes).await? {
            0 => return Ok(()),
            n => stream.write_all(&bytes[..n]).await?,
        }
    }
}
