//! A program that serves: started on its core, waited for, and gone when dropped, with all it started.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    cores,
    failure::{Context, Failure},
};

const START_LIMIT: Duration = Duration::from_secs(10);
const STOP_LIMIT: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(10);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Makes Ctrl-C and TERM end the run by the ordinary way, which stops the servers and removes the files.
pub fn heed_signals() {
    extern "C" fn note(_: libc::c_int) {
        INTERRUPTED.store(true, Ordering::Relaxed);
    }
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: the handler does nothing but store to an atomic.
        unsafe { libc::signal(signal, note as extern "C" fn(libc::c_int) as libc::sighandler_t) };
    }
}

pub fn stop_if_interrupted() -> Result<(), Failure> {
    if INTERRUPTED.load(Ordering::Relaxed) { Err(Failure::Interrupted) } else { Ok(()) }
}

/// A thousand connections are more than most shells allow; what is started inherits this.
pub fn allow_many_files() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls are given a whole structure of ours.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}

/// Makes the command run on one core, in a session of its own, undisturbed if we may; and end when this program
/// does, even by kill -9.
pub fn bind_to(core: usize, command: &mut Command) -> &mut Command {
    let bind = move || {
        // SAFETY: system calls with constants.
        unsafe {
            libc::setsid();
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
        }
        put_first();
        cores::pin(core)
    };
    // SAFETY: between fork and exec, `bind` only makes system calls.
    unsafe { command.pre_exec(bind) }
}

/// Has servers, client and origin, all alike, preferred to whatever else the machine does. Losing the core for a
/// while does not only delay a server: requests pile up meanwhile, and many at once are cheaper.
///
/// Linux usually weighs sessions first, and processes only within one: hence both. Ordinary users are refused, and
/// measure with more noise.
fn put_first() {
    // SAFETY: system calls on constants; what `open` refuses is not written to.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, -20);
        let file = libc::open(c"/proc/self/autogroup".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if file >= 0 {
            libc::write(file, c"-20".as_ptr().cast(), 3);
            libc::close(file);
        }
    }
}

pub struct Process {
    name: String,
    child: Child,
    dir: PathBuf,
}

impl Process {
    /// Starts the command in `dir`, which gets its output, and waits until it listens on all `ports`.
    pub fn start(name: &str, mut command: Command, core: usize, dir: &Path, ports: &[u16]) -> Result<Process, Failure> {
        let file = |name: &str| File::create(dir.join(name)).context(|| dir.join(name).display().to_string());
        command.current_dir(dir).stdin(std::process::Stdio::null());
        command.stdout(file("stdout.log")?).stderr(file("stderr.log")?);
        let child = bind_to(core, &mut command).spawn().context(|| name.to_owned())?;
        let mut process = Process { name: name.to_owned(), child, dir: dir.to_owned() };
        for &port in ports {
            process.wait_for(port)?;
        }
        Ok(process)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait_for(&mut self, port: u16) -> Result<(), Failure> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect(address).is_err() {
            stop_if_interrupted()?;
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(self.not_started(&format!("{status}")));
            }
            if Instant::now() > deadline {
                return Err(self.not_started(&format!("it does not listen on port {port}")));
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn not_started(&self, why: &str) -> Failure {
        let said: String = ["stderr.log", "error.log"]
            .iter()
            .filter_map(|name| fs::read_to_string(self.dir.join(name)).ok())
            .flat_map(|text| text.lines().take(10).map(|line| format!("\n  {line}")).collect::<Vec<_>>())
            .collect();
        Failure::NotStarted { server: self.name.clone(), why: format!("{why}{said}") }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let pid = self.pid() as libc::pid_t;
        // SAFETY: signals to a child that has not been waited for, whose number is therefore still its own.
        unsafe { libc::kill(pid, libc::SIGTERM) };
        let deadline = Instant::now() + STOP_LIMIT;
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(PAUSE);
        }
        // SAFETY: the group is named after the child, and what is left of it is ours.
        unsafe { libc::kill(-pid, libc::SIGKILL) };
        // Nothing is left to do about a child that cannot even be waited for.
        let _ = self.child.wait();
    }
}

/// Where a server listens.
#[derive(Clone, Copy)]
pub struct Ports {
    pub plain: u16,
    pub tls: u16,
}

/// Ports that are free now; they are held until all are chosen, so that no two are the same.
pub fn free_ports<const N: usize>() -> Result<[u16; N], Failure> {
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context(|| "a free port".to_owned())?;
        *port = listener.local_addr().context(|| "a free port".to_owned())?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// A directory in memory where there is one, so that no disk is measured along with the logs; removed on drop.
pub fn temporary_dir() -> Result<tempfile::TempDir, Failure> {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let dir = tempfile::Builder::new().prefix("edge-compare-").tempdir_in(&parent);
    let dir = dir.context(|| parent.display().to_string())?;
    make_reachable(dir.path())?;
    Ok(dir)
}

/// Lets servers in that have become somebody else, as nginx's workers do when started by root.
pub fn make_reachable(dir: &Path) -> Result<(), Failure> {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).context(|| dir.display().to_string())
}

pub fn make_dir(parent: &Path, name: &str) -> Result<PathBuf, Failure> {
    let dir = parent.join(name);
    fs::create_dir_all(&dir).context(|| dir.display().to_string())?;
    make_reachable(&dir)?;
    Ok(dir)
}
