//! `edge demo application`: one stand-in for a Tomcat, as a process of its own.
//!
//! So a failover can be tried with what really happens to servers: KILL, STOP and CONT, TERM. The names of the options are
//! those of memcached-session-manager's attributes.

use crate::demo::{App, IGNORE, Locking, Login, Mode, Msm, Tomcat, whole};
use regex::Regex;
use std::error::Error;
use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

type Node = (Option<String>, SocketAddr);

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The application's name: its answers tell it, and in sticky mode its session ids end with it
    #[arg(long, default_value = "t1")]
    route: String,

    /// What session ids end with, if it is not the name; `none` for nothing (the default with non_sticky)
    #[arg(long, value_name = "NAME")]
    jvm_route: Option<String>,

    /// Where to listen, on loopback; port 0: any free one. The address is printed once it listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// The nodes that keep the sessions: `n1:127.0.0.1:11211,n2:127.0.0.1:11212`, or one without a name
    #[arg(long, value_name = "NODES", required = true, value_delimiter = ',', value_parser = node)]
    memcached: Vec<Node>,

    /// Names of nodes to use only when no other is left
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    failover_nodes: Vec<String>,

    #[arg(long, value_enum, default_value = "sticky")]
    mode: ModeName,

    /// Which requests lock a non-sticky session: none, all, auto, or uriPattern:REGEX for those whose `METHOD URI?query`
    /// matches
    #[arg(long, value_name = "MODE", default_value = "none", value_parser = locking)]
    locking: Locking,

    /// Requests that take no session over, by their `METHOD URI?query`, all of it
    #[arg(long, value_name = "REGEX", default_value = IGNORE, value_parser = whole)]
    ignore: Regex,

    /// The path of a web application; may be given several times
    #[arg(long = "context-path", value_name = "PATH", default_value = "/", value_parser = context)]
    context: Vec<String>,

    /// Keep ids in URLs only
    #[arg(long)]
    no_cookies: bool,

    /// How one logs in below /secure/
    #[arg(long, value_enum, default_value = "basic")]
    login: LoginName,

    /// After how many idle seconds a session ends; 0 and less: never
    #[arg(long, value_name = "SECONDS", default_value_t = 1800, allow_negative_numbers = true)]
    max_inactive_interval: i32,

    /// The context's backgroundProcessorDelay: keys live six times as many seconds longer than their sessions, and from 1 on
    /// those of sessions that are only read are renewed
    #[arg(long, value_name = "SECONDS", default_value_t = -1, allow_negative_numbers = true)]
    background_processor_delay: i32,

    /// What keys begin with, without the `_` that follows
    #[arg(long, value_name = "TEXT", default_value = "")]
    storage_key_prefix: String,

    /// Save sessions after the answer, not before
    #[arg(long)]
    session_backup_async: bool,

    /// How many milliseconds a request waits for its session to be saved
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    session_backup_timeout: u64,

    /// After how many milliseconds a node that failed is tried again
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    max_reconnect_delay: u64,

    /// How many milliseconds it takes to make a session of what was loaded; in a JVM it is never nothing
    #[arg(long, value_name = "MS", default_value_t = 2)]
    load_time: u64,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
#[value(rename_all = "snake_case")]
enum ModeName {
    /// A session lives in its application; its copy in memcached is for the others when it dies
    Sticky,
    /// Sessions are loaded for each request and stored after it
    NonSticky,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum LoginName {
    Basic,
    Form,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    if !arguments.listen.ip().is_loopback() || !arguments.listen.is_ipv4() {
        return Err(format!("--listen {}: a stand-in listens on 127.0.0.1 only", arguments.listen).into());
    }
    let unknown = |name: &&String| !arguments.memcached.iter().any(|(node, _)| node.as_ref() == Some(*name));
    if let Some(name) = arguments.failover_nodes.iter().find(unknown) {
        return Err(format!("--failover-nodes {name}: no such node in --memcached").into());
    }
    if arguments.memcached.len() > 1 && arguments.memcached.iter().any(|(name, _)| name.is_none()) {
        return Err("--memcached: several nodes need names, as in n1:127.0.0.1:11211,n2:127.0.0.1:11212".into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve(tomcat(arguments)))
}

async fn serve(tomcat: Tomcat) -> Result<(), Box<dyn Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let port = tomcat.port;
    let app = App::start_alone(tomcat).await.map_err(|why| format!("cannot listen on 127.0.0.1:{port}: {why}"))?;
    // Who started it in a pipe waits for this line.
    writeln!(std::io::stdout(), "application {} listens on {}", app.route, app.address)?;
    std::io::stdout().flush()?;
    tokio::select! {
        _ = terminate.recv() => app.say_goodbye().await,
        _ = interrupt.recv() => {}
    }
    Ok(())
}

fn tomcat(arguments: &Arguments) -> Tomcat {
    let mut msm = Msm::new(arguments.memcached.clone());
    msm.failover_nodes = arguments.failover_nodes.clone();
    msm.mode = match arguments.mode {
        ModeName::Sticky => Mode::Sticky,
        ModeName::NonSticky => Mode::NonSticky,
    };
    msm.locking = arguments.locking.clone();
    msm.ignore = arguments.ignore.clone();
    msm.max_inactive = arguments.max_inactive_interval;
    msm.background_delay = arguments.background_processor_delay;
    msm.storage_key_prefix = arguments.storage_key_prefix.clone();
    msm.backup_async = arguments.session_backup_async;
    msm.backup_timeout = Duration::from_millis(arguments.session_backup_timeout);
    msm.reconnect = Duration::from_millis(arguments.max_reconnect_delay);
    msm.load_time = Duration::from_millis(arguments.load_time);

    let mut tomcat = Tomcat::new(&arguments.route, arguments.listen.port(), msm);
    match arguments.jvm_route.as_deref() {
        Some("none") => tomcat.jvm_route = None,
        Some(name) => tomcat.jvm_route = Some(name.to_string()),
        None => {}
    }
    tomcat.contexts = arguments.context.clone();
    tomcat.cookies = !arguments.no_cookies;
    tomcat.login = match arguments.login {
        LoginName::Basic => Login::Basic,
        LoginName::Form => Login::Form,
    };
    tomcat
}

/// `name:host:port`, or `host:port`.
fn node(text: &str) -> Result<Node, String> {
    let (name, address) = match text.split(':').count() {
        3 => text.split_once(':').map_or((None, text), |(name, rest)| (Some(name.to_string()), rest)),
        _ => (None, text),
    };
    if name
        .as_ref()
        .is_some_and(|name| name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
    {
        return Err("a node's name is made of letters, digits and _".to_string());
    }
    let address = address.to_socket_addrs().map_err(|why| format!("{why}; write NAME:HOST:PORT"))?.next();
    Ok((name, address.ok_or("no address of that name")?))
}

fn locking(text: &str) -> Result<Locking, String> {
    match text {
        "none" => Ok(Locking::Off),
        "all" => Ok(Locking::All),
        "auto" => Ok(Locking::Auto),
        _ => {
            let pattern = text.strip_prefix("uriPattern:").ok_or("none, all, auto or uriPattern:REGEX")?;
            whole(pattern).map(Locking::Pattern).map_err(|why| why.to_string())
        }
    }
}

fn context(text: &str) -> Result<String, String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
    match text.starts_with('/') && text.bytes().all(good) {
        true => Ok(text.to_string()),
        false => Err("a path that begins with /".to_string()),
    }
}
