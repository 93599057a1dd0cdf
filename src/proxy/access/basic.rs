//! `auth_basic`: a user and a password (nginx's ngx_http_auth_basic_module).
//!
//! Files are looked at and hashes counted beside the runtime: hashes no more at once than there are processors, so that
//! wrong passwords take neither the threads of files nor more than their share of time.

use super::{FORBIDDEN, UNAUTHORIZED, Word};
use crate::access::users::{User, Users};
use crate::files::open::off_runtime;
use crate::http::escape::{self, LogEscape};
use crate::proxy::request::Request;
use crate::proxy::snapshot::Basic;
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

pub async fn ask(request: &Request, basic: &Basic) -> Word {
    let realm = basic.realm.evaluate(&request.exchange).into_owned();
    if realm == b"off" {
        return Word::Abstain;
    }
    let Some((user, password)) = request.exchange.credentials() else {
        request.log_info("no user/password was provided for basic authentication");
        return demand(realm);
    };
    let path = PathBuf::from(OsStr::from_bytes(&basic.file.evaluate(&request.exchange)));
    let (sought, tried) = (user.clone(), password.clone());
    let file = path.clone();
    let found = off_runtime(move || USERS.as_ref().ok_or_else(no_key)?.find(&file, &sought, &tried)).await;
    let shown = || String::from_utf8_lossy(&escape::log(&user, LogEscape::Default)).into_owned();
    match found.and_then(|found| found) {
        Err(e) => {
            request.log_error(format_args!("open() \"{}\" failed ({e})", path.display()));
            let is_gone = e.raw_os_error() == Some(libc::ENOENT);
            if is_gone { Word::Refuse(FORBIDDEN, Vec::new()) } else { Word::Fail(500) }
        }
        Ok(None) => {
            request.log_error(format_args!("user \"{}\" was not found in \"{}\"", shown(), path.display()));
            demand(realm)
        }
        Ok(Some(known)) if known.is_verified() => Word::Pass,
        Ok(Some(known)) => match verify(known, password).await {
            Ok(Ok(true)) => Word::Pass,
            Ok(Ok(false)) => {
                request.log_error(format_args!("user \"{}\": password mismatch", shown()));
                demand(realm)
            }
            Ok(Err(unknown)) => {
                request.log_error(format_args!("user \"{}\" of \"{}\": {unknown}", shown(), path.display()));
                demand(realm)
            }
            Err(e) => {
                request.log_error(format_args!("the password of user \"{}\" could not be checked: {e}", shown()));
                Word::Fail(503)
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
