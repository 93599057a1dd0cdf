//! A way to a memcached that is slow, cuts what it carries into pieces, and breaks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Numbers that only look random: the same for the same beginning.
pub struct Dice(AtomicU64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(AtomicU64::new(seed))
    }

    /// Below `end`.
    pub fn below(&self, end: u64) -> u64 {
        let mut x = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % end
    }
}

/// What happens to each piece, in thousandths.
#[derive(Clone, Copy)]
pub struct Troubles {
    pub late: u64,
    pub by: Duration,
    pub cut: u64,
    pub split: u64,
}

impl Troubles {
    /// All of it late by this, and nothing else.
    pub fn late(by: Duration) -> Troubles {
        Troubles { late: 1000, by, cut: 0, split: 0 }
    }
}

pub struct Troubled {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Troubled {
    pub async fn before(memcached: SocketAddr, troubles: Troubles) -> Troubled {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let dice = Arc::new(Dice::new(address.port().into()));
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let dice = Arc::clone(&dice);
                tokio::spawn(async move {
                    let far = TcpStream::connect(memcached).await.ok()?;
                    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                    // The end of one way is the end of both.
                    tokio::select! {
                        _ = carry(near_in, far_out, &dice, troubles) => {}
                        _ = carry(far_in, near_out, &dice, troubles) => {}
                    }
                    Some(())
                });
            }
        });
        Troubled { address, connections, task }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many there have been.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Troubled {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    dice: &Dice,
    troubles: Troubles,
) -> Option<()> {
    let mut piece = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut piece).await.ok().filter(|length| *length > 0)?;
        let mut rest = &piece[..length];
        while !rest.is_empty() {
            if dice.below(1000) < troubles.late {
                tokio::time::sleep(troubles.by).await;
            }
            let part = match dice.below(1000) < troubles.split {
                true => 1 + dice.below(rest.len() as u64) as usize,
                false => rest.len(),
            };
            if dice.below(1000) < troubles.cut {
                return None;
            }
            to.write_all(&rest[..part]).await.ok()?;
            rest = &rest[part..];
        }
    }
}
