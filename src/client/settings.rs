//! What nginx's `client_*`, `keepalive_*`, `lingering_*` and `send_timeout` directives say about one connection.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The settings a connection begins with; a request's location may change some of them on its [`super::Connection`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// `client_header_buffer_size`, bytes: the first buffer a head is read into.
    pub client_header_buffer_size: usize,
    /// `large_client_header_buffers NUMBER SIZE`: how many more buffers a head may fill, and their bytes.
    pub large_client_header_buffers: (usize, usize),
    /// `max_headers`: fields of one head.
    pub max_headers: usize,
    /// `underscores_in_headers`: whether `_` may stand in a field's name.
    pub underscores_in_headers: bool,
    /// `ignore_invalid_headers`: whether fields with odd names are dropped instead of kept.
    pub ignore_invalid_headers: bool,
    /// `client_header_timeout`: the time for a whole head.
    pub client_header_timeout: Duration,
    /// `keepalive_timeout`: how long an idle connection is kept; zero closes it after each answer.
    pub keepalive_timeout: Duration,
    /// `keepalive_requests`: after so many requests the connection is closed.
    pub keepalive_requests: u64,
    /// `lingering_time`: how long at most bytes of a closing client are read and thrown away.
    pub lingering_time: Duration,
    /// `lingering_timeout`: how long to wait for more of them.
    pub lingering_timeout: Duration,
    /// How many bytes of a body nobody wants are read to keep a connection, or to close it gently.
    pub discard_size: u64,
    /// What holds for a body that is streamed, until a location says otherwise.
    pub body: BodyLimits,
    /// What holds for answers, until a location says otherwise.
    pub buffering: Buffering,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            client_header_buffer_size: 1024,
            large_client_header_buffers: (4, 8192),
            max_headers: 1000,
            underscores_in_headers: false,
            ignore_invalid_headers: true,
            client_header_timeout: Duration::from_secs(60),
            keepalive_timeout: Duration::from_secs(75),
            keepalive_requests: 1000,
            lingering_time: Duration::from_secs(30),
            lingering_timeout: Duration::from_secs(5),
            discard_size: 16 << 20,
            body: BodyLimits::default(),
            buffering: Buffering::default(),
        }
    }
}

/// How a request's body is read.
#[derive(Clone, Debug)]
pub struct BodyLimits {
    /// `client_max_body_size`, bytes; `None` is nginx's 0: no limit.
    pub max_size: Option<u64>,
    /// `client_body_buffer_size`, bytes: what a collected body takes in memory before it goes to a file.
    pub buffer: usize,
    /// `client_body_timeout`: the time between two reads.
    pub timeout: Duration,
    /// `client_body_temp_path`.
    pub temp_dir: Arc<Path>,
    /// `client_body_in_file_only`.
    pub in_file: InFile,
}

/// Whether a collected body is in a file with a name, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InFile {
    #[default]
    No,
    /// As long as its request is there.
    ForRequest,
    Stays,
}

impl Default for BodyLimits {
    fn default() -> Self {
        BodyLimits {
            max_size: Some(1 << 20),
            buffer: 16 << 10,
            timeout: Duration::from_secs(60),
            temp_dir: std::env::temp_dir().into(),
            in_file: InFile::No,
        }
    }
}

impl BodyLimits {
    /// Becomes a copy. Each request begins with one, and its directory is mostly the one that is here already.
    pub(super) fn follow(&mut self, other: &BodyLimits) {
        let BodyLimits { max_size, buffer, timeout, temp_dir, in_file } = other;
        (self.max_size, self.buffer, self.timeout, self.in_file) = (*max_size, *buffer, *timeout, *in_file);
        follow(&mut self.temp_dir, temp_dir);
    }
}

fn follow(directory: &mut Arc<Path>, other: &Arc<Path>) {
    if !Arc::ptr_eq(directory, other) {
        *directory = other.clone();
    }
}

/// How an answer waits for a slow client.
#[derive(Clone, Debug)]
pub struct Buffering {
    /// Bytes held in memory (nginx's `proxy_buffers`).
    pub memory: usize,
    /// `proxy_max_temp_file_size`, bytes: what goes to a file after that. Beyond both the upstream waits.
    pub max_temp_file_size: u64,
    /// `proxy_temp_path`.
    pub temp_dir: Arc<Path>,
    /// `send_timeout`: the time between two writes the client takes.
    pub send_timeout: Duration,
}

impl Default for Buffering {
    fn default() -> Self {
        Buffering {
            memory: 64 << 10,
            max_temp_file_size: 1 << 30,
            temp_dir: std::env::temp_dir().into(),
            send_timeout: Duration::from_secs(60),
        }
    }
}

impl Buffering {
    /// Becomes a copy, as [`BodyLimits::follow`].
    pub(super) fn follow(&mut self, other: &Buffering) {
        let Buffering { memory, max_temp_file_size, temp_dir, send_timeout } = other;
        (self.memory, self.max_temp_file_size, self.send_timeout) = (*memory, *max_temp_file_size, *send_timeout);
        follow(&mut self.temp_dir, temp_dir);
    }

    /// The same without buffers: a slow client holds its upstream back (nginx's `proxy_buffering off`).
    pub fn off(mut self) -> Self {
        self.memory = 0;
        self.max_temp_file_size = 0;
        self
    }

    pub(super) fn is_off(&self) -> bool {
        self.memory == 0 && self.max_temp_file_size == 0
    }
}
