//! Which processes edge consists of, decided before there are threads: a fork knows only the one that forks.
//!
//! ```text
//! edge              one process
//! edge, root, user  keeper (root) ── worker (user)
//! edge -d, daemon on started, ends once all is bound ── one of the above
//! ```

use super::background::{self, Background};
use super::keeper;
use super::load::{Loader, Options};
use super::privileges::{Account, is_root};
use super::sockets::Inherited;
use super::{Failure, Heritage, limits, serve};
use crate::observe::errors;
use crate::system::{self, Request};
use std::process::ExitCode;

/// Runs until a signal ends it; with `in_background`, the process that was started only until all is bound. To be called
/// while the process has one thread.
pub fn run(options: Options, in_background: bool) -> Result<ExitCode, Failure> {
    errors::install();
    hide_authorities();
    let wishes = Wishes::read(&options);
    let in_background = in_background || wishes.daemon;
    let mut heritage = Heritage { sockets: Inherited::take(), background: None };
    if in_background {
        heritage.background = match heritage.sockets.is_some() {
            true => Some(Background::inherited()),
            false => match background::enter()? {
                background::Side::Started(status) => return Ok(status),
                background::Side::Background(background) => Some(background),
            },
        };
    }
    // What only root may do at all: as the user the limit could not be raised any more.
    limits::raise(wishes.nofile);
    match (wishes.user, is_root()) {
        (Some(user), true) => {
            let account = Account::find(&user)?;
            if account.user != 0
                && let keeper::Side::Keeper(status) = keeper::split(&options, account, &mut heritage)?
            {
                return Ok(status);
            }
        }
        (None, true) => log::warn!("edge runs as root: name a `user`"),
        (Some(_), false) => {
            log::warn!("the `user` key makes sense only if edge is started by root; it is ignored");
        }
        (None, false) => {}
    }
    serve(Loader::new(options), heritage, || ()).map(|()| ExitCode::SUCCESS)
}

/// What must be known before there are threads.
struct Wishes {
    daemon: bool,
    user: Option<String>,
    nofile: Option<u64>,
}

impl Wishes {
    /// Mistakes are told when the configuration is read anew, by who serves.
    fn read(options: &Options) -> Wishes {
        let main = options.read().raw.main;
        Wishes {
            daemon: main.daemon.map_or(options.as_nginx, |daemon| daemon.value),
            user: main.user.map(|user| user.value),
            nofile: main.worker_rlimit_nofile.map(|most| most.value),
        }
    }
}

/// Shows Pingora an empty list of the system's authorities. Its connectors read the list when they are made, and panic where there
/// is none, as in a small image; none of edge's connections goes by it: each that checks names its own. To be called while
/// the process has one thread.
pub fn hide_authorities() {
    // SAFETY: nobody else reads or writes the environment: there is one thread.
    unsafe {
        std::env::set_var("SSL_CERT_FILE", "/dev/null");
        std::env::remove_var("SSL_CERT_DIR");
    }
}

/// Every listener is bound: whoever waits for that is told, and the terminal is let go.
pub fn tell_ready(background: Option<Background>) {
    if let Some(mut background) = background {
        background.ready();
    }
    // The last, since the keeper tells whoever waits.
    tell_keeper();
}

/// What the files say is in force: the keeper goes by it from now on, also when they change.
pub fn tell_keeper() {
    // Without an answer there is no keeper, or none any more, which is found out elsewhere.
    let _ = system::ask(&Request::Ready, None);
}
