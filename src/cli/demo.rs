//! `edge demo`: two applications, a session store and the edge in front of them, in one process on loopback.

mod application;

use super::fail;
use crate::demo;
use crate::server;
use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;

/// Where the same applications are without a takeover, for the page's switch.
const OFF: &str = "/off";
/// How the edge does.
const LIVE: &str = "/live/";

#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,

    /// The port of the edge on 127.0.0.1; 0: any free one
    #[arg(long, default_value_t = 8080)]
    port: u16,

    /// `off`: a dead application's session is taken over by every request for itself, as behind other proxies; updates are lost
    #[arg(long, value_enum, default_value_t = Takeover::On)]
    takeover: Takeover,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Takeover {
    On,
    Off,
}

#[derive(clap::Subcommand, Debug)]
enum Part {
    /// One application alone, a process to be killed, as a Tomcat whose memcached-session-manager uses real memcacheds
    Application(application::Arguments),
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let outcome = match &arguments.part {
        Some(Part::Application(application)) => application::run(application),
        None => serve(arguments.port, arguments.takeover),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(why),
    }
}

fn serve(port: u16, takeover: Takeover) -> Result<(), Box<dyn std::error::Error>> {
    let port = match port {
        // Free a moment ago is as good as it gets before the edge binds it.
        0 => TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port(),
        port => port,
    };
    let without_takeover = match takeover {
        Takeover::On => demo::Without::Under(OFF),
        Takeover::Off => demo::Without::Everywhere,
    };
    server::hide_authorities();
    // The applications have threads of their own, as separate servers would.
    let applications = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let demo = applications.block_on(demo::start(demo::Options { without_takeover, ..demo::Options::default() }))?;
    let home = tempfile::tempdir()?;
    let file = home.path().join("edge.yaml");
    std::fs::write(&file, configuration(&demo, port, takeover))?;
    let origin = format!("http://127.0.0.1:{port}");
    demo.set_origin(&origin);
    let options = server::Options { file: file.clone(), offline: true, ..Default::default() };
    server::serve_here(options, || welcome(&origin, &demo, &file)).map_err(|why| match why {
        server::Failure::Bind(why) => format!("{why}; choose another port: `edge demo --port 0`").into(),
        why => Box::<dyn std::error::Error>::from(why),
    })
}

fn welcome(origin: &str, demo: &demo::Demo, file: &Path) {
    println!("The demo is ready: open  {origin}/demo\n");
    println!("  how it does      {origin}{LIVE}");
    for app in &demo.apps {
        println!("  application {}   {}", app.route, app.address);
    }
    println!("  session store    {}", demo.store);
    println!("  edge             {origin}   configured by {}", file.display());
    println!("\nCtrl-C ends it.");
}

/// The edge.yaml of the demo: what one would write for two Tomcats, and the same once more without the takeover.
fn configuration(demo: &demo::Demo, port: u16, takeover: Takeover) -> String {
    let servers: String = demo
        .apps
        .iter()
        .map(|app| {
            format!("      - {{ address: '{}', route: {}, max_fails: 3, fail_timeout: 5s }}\n", app.address, app.route)
        })
        .collect();
    let upstream = |name: &str, session: &str| format!("  {name}:\n    servers:\n{servers}    session: {session}\n");
    let (with, without) = ("{ store: msm }", "{ store: msm, takeover: off }");
    let (upstreams, compared) = match takeover {
        Takeover::On => (
            upstream("applications", with) + &upstream("applications_without_takeover", without),
            format!("      - {{ match: {OFF}/, proxy_pass: 'http://applications_without_takeover/' }}\n"),
        ),
        Takeover::Off => (upstream("applications", without), String::new()),
    };
    format!(
        "worker_processes: 1\n\
         pid: edge.pid\n\
         error_log: {{ path: error.log, level: warn }}\n\
         access_log: {{ path: access.log }}\n\
         session_store:\n  msm: {{ memcached: {{ {node}: '{store}' }}, timeout: 50ms }}\n\
         upstream:\n{upstreams}\
         proxy_next_upstream: [error, timeout, http_502, http_503]\n\
         proxy_set_header: {{ Host: $http_host, X-Forwarded-For: $proxy_add_x_forwarded_for }}\n\
         server:\n  - listen: 127.0.0.1:{port}\n    location:\n      - {{ match: /, proxy_pass: 'http://applications' }}\n\
         \x20     - {{ match: {LIVE}, api: on, access_log: off }}\n{compared}",
        node = demo::NODE,
        store = demo.store,
    )
}
