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
        /// A socket that shows how edge does: a live page, `/status` (JSON), `/metrics` (for Prometheus). None by default; on loopback
        /// (`127.0.0.1:9145`) nobody else sees it. With `{ listen: …, token_file: … }` who knows the token may change something, too.
        /// A location with `api` shows the same to whom its `access` lets in.
        ["h"] admin: Admin,
        /// Traces for OpenTelemetry: `http://127.0.0.1:4318`, or a map of `endpoint` and what else is said of them. None by default. A request
        /// that is sampled becomes a span, and so does each server that is asked for it; all servers are told of the trace in `traceparent`.
        ["h"] trace: Trace,
        /// Where errors are logged, and which.
        ["m"] error_log: ErrorLog = "{path: logs/error.log, level: error}",
        /// The most files (and so connections) the process may have open.
        ["m"] worker_rlimit_nofile: u64,
        /// The most connections at once, those to upstreams included.
        ["m"] worker_connections: u32 = "65535",
        /// How long a graceful stop waits for requests before it closes their connections.
        ["m"] worker_shutdown_timeout: Time = "30s",
        /// Variables that become one text for another: `{ $backend: { source: $http_host, default: a, values: { shop.test: b } } }`.
        ["h"] map: Named<MapDefinition>,
        /// Variables that say where an address is: `{ $office: { default: 0, values: { 192.0.2.0/24: 1 } } }`.
        ["h"] geo: Named<GeoDefinition>,
        /// Variables that part clients by a hash: `{ $variant: { source: $remote_addr, values: { 10%: new, '*': old } } }`.
        ["h"] split_clients: Named<SplitDefinition>,
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
        /// Whether edge runs in the background, as with `-d`. Unlike in nginx it does not where nothing is said, unless it was
        /// started by nginx's name. Counts from a start on, not from a reload.
        ["m"] daemon: bool,
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
        /// Accepted; there is no mutex to wait for.
        ["m"] accept_mutex_delay: Accepted,
        /// Accepted; edge chooses how many events it takes at once.
        ["m"] epoll_events: Accepted,
        /// Accepted; edge has threads of its own for files.
        ["m"] worker_aio_requests: Accepted,
        /// Accepted; lines of debugging are for all clients or for none (`error_log` with `debug`).
        ["m"] debug_connection: Accepted,
        /// Accepted; edge stops nowhere by itself.
        ["m"] debug_points: Accepted,
        /// Accepted; the size of a core file is a matter of the service manager.
        ["m"] worker_rlimit_core: Accepted,
        /// Accepted; edge stays where it was started, and core files go where the system puts them.
        ["m"] working_directory: Accepted,
        /// Accepted; edge keeps the environment as it is.
        ["m"] env: Accepted,
        /// Accepted; certificates and keys that did not change are read again with each reload.
        ["m"] ssl_object_cache_inheritable: Accepted,
        /// Accepted; tables size themselves.
        ["h"] map_hash_max_size: Accepted,
        /// Accepted; tables size themselves.
        ["h"] map_hash_bucket_size: Accepted,
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
