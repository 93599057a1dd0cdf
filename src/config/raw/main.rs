//! The keys of the process and of things that have names.

use crate::config::types::*;
use crate::config::value::{Named, Time};
use crate::keys;

keys! {
    /// Keys of the process and of things that have names.
    pub struct MainKeys {
        /// How many threads serve requests; `auto`: one for each processor. Counts from a start on, not from a reload.
        ["m"] worker_processes: String = "auto",
        /// The user, and perhaps the group, that edge runs as if root starts it. A small process stays root, for reloads.
        ["m"] user: String,
        /// The file that holds the number of the process.
        ["m"] pid: String = "logs/edge.pid",
        /// The socket of `edge -s reload`, `edge upstream` and `edge cache`; beside `pid` by default, as `edge.sock`; `off`: none.
        ["m"] control: String,
        /// Where errors are logged, and which.
        ["m"] error_log: ErrorLog = "{path: logs/error.log, level: error}",
        /// The most files (and so connections) the process may have open.
        ["m"] worker_rlimit_nofile: u64,
        /// The most connections at once, those to upstreams included.
        ["m"] worker_connections: u32 = "65535",
        /// How long a graceful stop waits for requests before it closes their connections.
        ["m"] worker_shutdown_timeout: Time = "30s",
        /// The zones of `limit_conn`, which count requests in flight, by name.
        ["h"] limit_conn_zone: LimitConnZones,
        /// The zones of `limit_req`, which count requests in their time, by name. They and what they have counted outlive a reload; one
        /// of another size begins anew, and a reload that changes a key is refused.
        ["h"] limit_req_zone: LimitReqZones,
        /// The formats of access logs, by name. `combined` is always there.
        ["h"] log_format: Named<LogFormat>,
        /// The zones of the cache, by name.
        ["h"] proxy_cache_path: CachePaths,
        /// The memcacheds that memcached-session-manager keeps sessions in, by name of the store.
        ["h"] session_store: SessionStores,
        /// The key of the hashes that `$session_id` prints, so that several edges, and one before and after a start, print the same for
        /// one session. Without it each start makes its own.
        ["h"] session_log_key: String,
        /// Accepted; Pingora's event loop chooses on its own.
        ["m"] use_event ("use"): Accepted,
        /// Accepted; connections are accepted as they come.
        ["m"] multi_accept: Accepted,
        /// Accepted; there is no mutex to take.
        ["m"] accept_mutex: Accepted,
        /// Accepted; the command line says whether edge runs in the background (`-d`).
        ["m"] daemon: Accepted,
        /// Accepted; whether there is a second process follows from `user`.
        ["m"] master_process: Accepted,
        /// Accepted; regular expressions are always compiled.
        ["m"] pcre_jit: Accepted,
        /// Accepted; clocks are read as they are needed.
        ["m"] timer_resolution: Accepted,
        /// Accepted; nothing is locked through files.
        ["m"] lock_file: Accepted,
        /// Accepted; edge has threads of its own for files.
        ["m"] thread_pool: Accepted,
        /// Accepted; the priority is a matter of the service manager.
        ["m"] worker_priority: Accepted,
        /// Accepted; the processors are a matter of the service manager.
        ["m"] worker_cpu_affinity: Accepted,
        /// Accepted; tables size themselves.
        ["h"] types_hash_max_size: Accepted,
        /// Accepted; tables size themselves.
        ["h"] types_hash_bucket_size: Accepted,
        /// Accepted; tables size themselves.
        ["h"] variables_hash_max_size: Accepted,
        /// Accepted; tables size themselves.
        ["h"] variables_hash_bucket_size: Accepted,
        /// Accepted; tables size themselves.
        ["h"] server_names_hash_max_size: Accepted,
        /// Accepted; tables size themselves.
        ["h"] server_names_hash_bucket_size: Accepted,
    }
}
