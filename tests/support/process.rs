//! A child process that cannot outlive the test.
//!
//! It runs in a process group of its own, which is killed when the value is dropped, and it is told by the kernel to die
//! when the test process does (`PR_SET_PDEATHSIG`). Its output goes to a file, which is printed when a test fails.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock, mpsc};
use std::time::Duration;

use super::wait;

/// How long a process may take to end after it was told to.
const END: Duration = Duration::from_secs(10);

pub struct Process {
    name: String,
    child: Child,
    output: PathBuf,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts the command, its output going to `output`. `dies_by` is the signal it gets if the test process dies:
    /// KILL, or TERM for a program that has children of its own to end.
    pub fn start(name: &str, mut command: Command, output: &Path, dies_by: i32) -> Process {
        let file = File::options().create(true).append(true).open(output).expect("the file for a process's output");
        command.stdin(Stdio::null()).stderr(file.try_clone().expect("a second handle")).stdout(file).process_group(0);
        // SAFETY: only plain system calls, which are allowed between fork and exec.
        unsafe {
            command.pre_exec(move || {
                allow_many_files();
                match libc::prctl(libc::PR_SET_PDEATHSIG, dies_by) {
                    0 => Ok(()),
                    _ => Err(io::Error::last_os_error()),
                }
            });
        }
        let child = spawn_from_a_lasting_thread(command).unwrap_or_else(|e| panic!("{name} does not start: {e}"));
        Process { name: name.to_string(), child, output: output.to_path_buf(), ended: None }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the process alone.
    pub fn signal(&self, signal: i32) {
        // SAFETY: a plain system call; the process is not reaped before `wait_end` or drop.
        unsafe { libc::kill(self.child.id() as i32, signal) };
    }

    /// Stops the process where it is, all of its threads; they go on with CONT.
    pub fn freeze(&self) {
        self.signal(libc::SIGSTOP);
        let threads = format!("/proc/{}/task", self.child.id());
        // The state stands behind the name, which is in parentheses.
        let is_stopped = |stat: String| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['T', 'Z']));
        let are_stopped = || {
            let mut threads = std::fs::read_dir(&threads).ok()?.flatten();
            threads
                .all(|thread| std::fs::read_to_string(thread.path().join("stat")).map_or(true, is_stopped))
                .then_some(())
        };
        assert!(wait::until(END, are_stopped).is_some(), "{} does not stop", self.name);
    }

    /// Kills the process and all of its group at once, as a crash would, and waits until it is gone.
    pub fn kill(&mut self) {
        if self.ended.is_none() {
            // SAFETY: as above; the group's id is the process's.
            unsafe { libc::killpg(self.child.id() as i32, libc::SIGKILL) };
            self.ended = self.child.wait().ok();
        }
    }

    /// Asks the process to end (TERM) and waits for it; kills it if it does not.
    pub fn stop(&mut self) {
        self.signal(libc::SIGTERM);
        if self.wait_end(END).is_none() {
            self.kill();
        }
    }

    /// The exit status, if the process ends within the limit.
    pub fn wait_end(&mut self, limit: Duration) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = wait::until(limit, || self.child.try_wait().ok().flatten());
        }
        self.ended
    }

    pub fn is_running(&mut self) -> bool {
        self.wait_end(Duration::ZERO).is_none()
    }

    /// All it has written so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.output).unwrap_or_default()).into_owned()
    }

    /// Waits until `ready`, and panics with the output if the process ends or the limit passes before.
    pub fn wait_ready(&mut self, limit: Duration, what: &str, mut ready: impl FnMut() -> bool) {
        let outcome = wait::until(limit, || {
            if ready() {
                return Some(true);
            }
            (!self.is_running()).then_some(false)
        });
        let problem = match outcome {
            Some(true) => return,
            Some(false) => format!("ended ({:?})", self.ended),
            None => format!("did not get ready in {limit:?}"),
        };
        panic!("{} {problem} before {what}; its output:\n{}", self.name, tail(&self.output()));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            show(&format!("output of {}", self.name), &self.output());
        }
    }
}

/// As many open files as the system lets this user have; shells often start with 1024.
fn allow_many_files() {
    // SAFETY: plain system calls on a value that lives during them.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}

/// Prints the end of a text, for a test that fails.
pub fn show(title: &str, text: &str) {
    if !text.is_empty() {
        eprintln!("--- {title} ---\n{}", tail(text));
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(60);
    lines[from..].join("\n")
}

type Order = (Command, mpsc::Sender<io::Result<Child>>);

/// The kernel takes the death of the *thread* that started a child for the parent's, and every test has a thread of its
/// own: so one thread, which lives as long as the test process, starts all children.
fn spawn_from_a_lasting_thread(command: Command) -> io::Result<Child> {
    static STARTER: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in inbox {
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (answer, child) = mpsc::channel();
    let orders = starter.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    orders.send((command, answer)).expect("the starting thread never ends");
    child.recv().expect("the starting thread answers every order")
}

/// Directories of things that live as long as the test process; removed when it exits.
static LASTING: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A temporary directory for something shared by all tests: statics are never dropped, so it is removed at exit.
pub fn lasting_directory(name: &str) -> PathBuf {
    extern "C" fn remove_all() {
        for directory in LASTING.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).drain(..) {
            let _ = std::fs::remove_dir_all(directory);
        }
    }
    let directory = temporary_directory(name).keep();
    let mut lasting = LASTING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if lasting.is_empty() {
        // SAFETY: registers a function without arguments that touches only the static above.
        unsafe { libc::atexit(remove_all) };
    }
    lasting.push(directory.clone());
    directory
}

/// A temporary directory that is removed when dropped.
pub fn temporary_directory(name: &str) -> tempfile::TempDir {
    tempfile::Builder::new().prefix(&format!("edge-test-{name}-")).tempdir().expect("a temporary directory")
}
