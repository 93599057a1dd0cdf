//! `auth_basic`, and the action `basic_auth` of rules: a user and a password (nginx's ngx_http_auth_basic_module).
//!
//! Files are looked at and hashes counted beside the runtime: hashes no more at once than there are processors, so that
//! wrong passwords take neither the threads of files nor more than their share of time.

use super::{FORBIDDEN, UNAUTHORIZED, Word};
use crate::access::users::{User, Users};
use crate::files::open::off_runtime;
use crate::http::escape::{self, LogEscape};
use crate::proxy::request::Request;
use crate::proxy::snapshot::Basic;
use crate::rules::Met;
use crate::rules::action::BasicAuth;
use crate::rules::outcome::Answer;
use http::HeaderValue;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

static USERS: LazyLock<Option<Users>> = LazyLock::new(|| Users::new().ok());
static HASHERS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    Arc::new(Semaphore::new(processors))
});
/// How long a password waits for its turn.
const TURN: Duration = Duration::from_secs(10);

/// What is known of who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Known {
    /// A user, with the right password.
    User,
    Nobody,
    /// There is no such file.
    NoFile,
    /// It cannot be known: the status of the answer.
    Failed(u16),
}

pub async fn ask(request: &Request, basic: &Basic) -> Word {
    let realm = basic.realm.evaluate(&request.exchange).into_owned();
    if realm == b"off" {
        return Word::Abstain;
    }
    let path = PathBuf::from(OsStr::from_bytes(&basic.file.evaluate(&request.exchange)));
    match look(request, path, |_| true).await {
        Known::User => Word::Pass,
        Known::Nobody => demand(realm),
        Known::NoFile => Word::Refuse(FORBIDDEN, Vec::new()),
        Known::Failed(status) => Word::Fail(status),
    }
}

/// What a rule demands.
pub(in crate::proxy) async fn ask_for_rule(request: &Request, basic: &BasicAuth) -> Met {
    // The page that tells who was refused; and who was let in asks for what edge asks for itself.
    if request.is_errand || (request.error_page_used && request.failed == UNAUTHORIZED) {
        return Met::Passed;
    }
    match look(request, basic.file(&request.exchange), |user| basic.means(user)).await {
        Known::User => Met::Passed,
        Known::Nobody => Met::Unauthorized(basic.demand(&request.exchange)),
        Known::NoFile => Met::Answer(Answer::Status(FORBIDDEN)),
        Known::Failed(status) => Met::Answer(Answer::Status(status)),
    }
}

/// Looks for the user whom a request names, among those that are meant.
async fn look(request: &Request, path: PathBuf, is_meant: impl Fn(&[u8]) -> bool) -> Known {
    let Some((user, password)) = request.exchange.credentials() else {
        request.log_info("no user/password was provided for basic authentication");
        return Known::Nobody;
    };
    let shown = || String::from_utf8_lossy(&escape::log(&user, LogEscape::Default)).into_owned();
    if !is_meant(&user) {
        request.log_error(format_args!("user \"{}\" is none of those who may come in", shown()));
        return Known::Nobody;
    }
    let (sought, tried) = (user.clone(), password.clone());
    let file = path.clone();
    let found = off_runtime(move || USERS.as_ref().ok_or_else(no_key)?.find(&file, &sought, &tried)).await;
    match found.and_then(|found| found) {
        Err(e) => {
            request.log_error(format_args!("open() \"{}\" failed ({e})", path.display()));
            let is_gone = e.raw_os_error() == Some(libc::ENOENT);
            if is_gone { Known::NoFile } else { Known::Failed(500) }
        }
        Ok(None) => {
            request.log_error(format_args!("user \"{}\" was not found in \"{}\"", shown(), path.display()));
            Known::Nobody
        }
        Ok(Some(known)) if known.is_verified() => Known::User,
        Ok(Some(known)) => match verify(known, password).await {
            Ok(Ok(true)) => Known::User,
            Ok(Ok(false)) => {
                request.log_error(format_args!("user \"{}\": password mismatch", shown()));
                Known::Nobody
            }
            Ok(Err(unknown)) => {
                request.log_error(format_args!("user \"{}\" of \"{}\": {unknown}", shown(), path.display()));
                Known::Nobody
            }
            Err(e) => {
                request.log_error(format_args!("the password of user \"{}\" could not be checked: {e}", shown()));
                Known::Failed(503)
            }
        },
    }
}

fn no_key() -> io::Error {
    io::Error::other("the system gives no random numbers")
}

/// An error: nobody came to do it in time.
async fn verify(user: User, password: Vec<u8>) -> io::Result<Result<bool, crate::access::passwords::Unknown>> {
    let turn = timeout(TURN, HASHERS.clone().acquire_owned()).await.map_err(|_| io::ErrorKind::TimedOut)?;
    off_runtime(move || {
        let verified = user.verify(&password);
        drop(turn);
        verified
    })
    .await
}

fn demand(realm: Vec<u8>) -> Word {
    match HeaderValue::try_from([b"Basic realm=\"".as_slice(), &realm, b"\""].concat()) {
        Ok(demand) => Word::Refuse(UNAUTHORIZED, vec![demand]),
        Err(_) => Word::Fail(500),
    }
}
