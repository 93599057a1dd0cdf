//! The command line: one file a command, each with its arguments first and what it does below.

mod cache;
mod check;
mod completions;
mod convert;
mod demo;
mod explain;
mod rules;
mod schema;
mod serve;
mod session;
mod signal;
mod top;
mod upstream;
mod version;

use crate::convert::tomcat::Source;
use clap::{Parser, Subcommand};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A programmable edge proxy that runs nginx's configuration, or the same in typed YAML.
#[derive(Parser, Debug)]
#[command(name = "edge", version, disable_version_flag = true, disable_help_flag = true)]
#[command(args_conflicts_with_subcommands = true, args_override_self = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    configuration: Configuration,

    /// Check the configuration and end: 0 if it is right, 1 if not
    #[arg(short = 't')]
    test: bool,

    /// Check the configuration and print it: edge.yaml as it is in force, secrets masked; of an nginx.conf its files, as nginx does
    #[arg(short = 'T')]
    dump: bool,

    /// With -t: say nothing but mistakes
    #[arg(short = 'q')]
    quiet: bool,

    /// Run in the background, as with `daemon: on`; what was started ends once every listener is bound: 0, or 1 after saying
    /// what went wrong
    #[arg(short = 'd', conflicts_with_all = ["test", "dump", "signal"])]
    daemon: bool,

    /// Tell a running edge: reload (0: the new configuration is in force), quit, stop or reopen
    #[arg(short = 's', value_name = "SIGNAL")]
    signal: Option<signal::Signal>,

    /// Print the version
    #[arg(long = "version", action = clap::ArgAction::Version)]
    version: (),

    /// Print the version as nginx prints its own
    #[arg(short = 'v')]
    shows_version: bool,

    /// The same, and what edge was built with and has of nginx's modules
    #[arg(short = 'V')]
    shows_modules: bool,

    /// Print help (`-h`: in short)
    #[arg(short = 'h', long = "help", short_alias = '?', action = clap::ArgAction::Help, global = true)]
    help: (),
}

/// Which configuration.
#[derive(clap::Args, Clone, Debug)]
struct Configuration {
    /// The configuration: edge.yaml, or an nginx.conf (told by its ending), which is looked for below PREFIX
    #[arg(short = 'c', value_name = "FILE", default_value = default_file(), global = true)]
    file: PathBuf,

    /// Where relative paths begin; the directory of FILE by default
    #[arg(short = 'p', value_name = "PREFIX", global = true)]
    prefix: Option<PathBuf>,

    /// The error log until the configuration names one, opened before it is read; `stderr`: none
    #[arg(short = 'e', value_name = "FILE", global = true)]
    error_log: Option<PathBuf>,

    /// Directives of nginx.conf that are read before the file
    #[arg(short = 'g', value_name = "DIRECTIVES", global = true)]
    globals: Option<String>,

    /// Go on without directives of nginx.conf that edge has not; each is told as a warning
    #[arg(long, global = true)]
    ignore_unsupported: bool,

    /// Ask no name server: for checks where there is no network
    #[arg(long, global = true)]
    offline: bool,

    /// A context.xml or server.xml of the Tomcats: how memcached-session-manager keeps their sessions, and their jvmRoutes.
    /// Repeat it for several; ADDRESS=FILE where a port does not tell whose server.xml it is
    #[arg(long = "context", visible_alias = "session", value_name = "FILE", global = true, value_parser = source)]
    tomcats: Vec<Source>,
}

fn source(text: &str) -> Result<Source, std::convert::Infallible> {
    Ok(text.into())
}

/// Whether edge was started by the name of nginx, such as through a link: then its defaults are nginx's.
fn called_as_nginx() -> bool {
    std::env::args_os().next().is_some_and(|name| Path::new(&name).file_name() == Some(OsStr::new("nginx")))
}

fn default_file() -> &'static str {
    if called_as_nginx() { "/etc/nginx/nginx.conf" } else { "edge.yaml" }
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Say which server and location answer a request, and why
    Explain(explain::Arguments),
    /// Run the tests of rule files, or say who decided over limits that several edges share
    #[command(subcommand)]
    Rules(rules::Rules),
    /// Take a server of the running edge out of rotation, or back
    #[command(subcommand)]
    Upstream(upstream::Upstream),
    /// Say what the running edge has stored, or make it forget
    #[command(subcommand)]
    Cache(cache::Cache),
    /// Show how the running edge does, anew every second
    Top(top::Arguments),
    /// Say what memcached holds of a session
    #[command(subcommand)]
    Session(session::Session),
    /// Print an nginx.conf as edge.yaml; 2: something in it has no counterpart, and stands as a comment
    Convert(convert::Arguments),
    /// Print the JSON Schema of edge.yaml, for editors
    Schema,
    /// Print what a shell needs to complete words of this command line
    Completions(completions::Completions),
    /// Print the manual page of edge, or of one of its commands
    Man(completions::Man),
    /// Two small applications, a session store and the edge in front, on loopback, with a page to look at
    Demo(demo::Arguments),
}

/// Runs what the command line asks for.
pub fn run(mut arguments: Arguments) -> ExitCode {
    arguments.configuration.look_below_prefix();
    let configuration = &arguments.configuration;
    match arguments.command {
        None if arguments.shows_modules => version::show_modules(),
        None if arguments.shows_version => version::show(),
        Some(Command::Explain(explain)) => explain::run(&explain, configuration),
        Some(Command::Rules(command)) => rules::run(&command, configuration),
        Some(Command::Upstream(command)) => upstream::run(&command, configuration),
        Some(Command::Cache(command)) => cache::run(&command, configuration),
        Some(Command::Top(arguments)) => top::run(&arguments, configuration),
        Some(Command::Session(command)) => session::run(&command, configuration),
        Some(Command::Convert(arguments)) => convert::run(&arguments, configuration),
        Some(Command::Schema) => schema::run(),
        Some(Command::Completions(arguments)) => completions::completions(&arguments),
        Some(Command::Man(arguments)) => completions::man(&arguments),
        Some(Command::Demo(demo)) => demo::run(&demo),
        None if arguments.test || arguments.dump => check::run(configuration, arguments.dump, arguments.quiet),
        None => match arguments.signal {
            Some(signal) => signal::run(signal, configuration),
            None => serve::run(configuration, arguments.daemon),
        },
    }
}

/// The words of the command line. What is wrong with them is told with the status nginx ends with.
pub fn arguments() -> Result<Arguments, ExitCode> {
    Arguments::try_parse().map_err(|e| {
        let _ = e.print();
        if e.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    })
}

impl Configuration {
    /// As nginx: its configuration is looked for below the prefix. An edge.yaml is where the shell says it is.
    fn look_below_prefix(&mut self) {
        if let Some(prefix) = self.prefix.as_ref().filter(|_| self.file.extension().is_some_and(|e| e == "conf")) {
            self.file = prefix.join(&self.file);
        }
    }

    fn options(&self, check_only: bool) -> crate::server::Options {
        crate::server::Options {
            file: self.file.clone(),
            prefix: self.prefix.clone(),
            offline: self.offline,
            check_only,
            tomcats: self.tomcats.clone(),
            globals: self.globals.clone(),
            error_log: self.error_log.clone(),
            ignore_unsupported: self.ignore_unsupported,
            as_nginx: called_as_nginx(),
        }
    }
}

/// Tells why nothing came of a command.
fn fail(why: impl std::fmt::Display) -> ExitCode {
    eprintln!("edge: {why}");
    ExitCode::FAILURE
}
