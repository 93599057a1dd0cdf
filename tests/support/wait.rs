//! Waiting with a limit for something that has no event to wait for, such as another program's port.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Asks every 10 ms until the answer is Some, or the limit has passed.
pub fn until<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = ask() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether something accepts connections there, now.
pub fn accepts(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok()
}
