//! How much CPU time a server has used: the sum over its process and all that descend from it.
//!
//! The total comes from each process's CPU clock, which counts nanoseconds and includes threads that have ended;
//! /proc/PID/stat counts in ticks of 10 ms and only says how the total divides into user and system. A core's
//! line in /proc/stat tells how much of the server's core others took.

use std::{collections::HashMap, fs, io, mem, ops::Sub, time::Duration};

use crate::failure::{Context, Failure};

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    pub total: Duration,
    user_ticks: u64,
    system_ticks: u64,
}

impl Usage {
    pub fn user(&self) -> Duration {
        let ticks = self.user_ticks + self.system_ticks;
        if ticks == 0 { self.total } else { self.total.mul_f64(self.user_ticks as f64 / ticks as f64) }
    }

    pub fn system(&self) -> Duration {
        self.total.saturating_sub(self.user())
    }
}

impl Sub for Usage {
    type Output = Usage;

    fn sub(self, before: Usage) -> Usage {
        Usage {
            total: self.total.saturating_sub(before.total),
            user_ticks: self.user_ticks.saturating_sub(before.user_ticks),
            system_ticks: self.system_ticks.saturating_sub(before.system_ticks),
        }
    }
}

/// What the processes that descend from `root`, and itself, have used since each began.
pub fn usage_of_tree(root: u32) -> Result<Usage, Failure> {
    let processes = all_processes().context(|| "/proc".to_owned())?;
    let mut usage = Usage::default();
    for (&pid, stat) in processes.iter().filter(|(pid, _)| descends(**pid, root, &processes)) {
        usage.total += clock(pid).context(|| format!("the CPU clock of process {pid}"))?;
        usage.user_ticks += stat.user_ticks;
        usage.system_ticks += stat.system_ticks;
    }
    Ok(usage)
}

/// The processes that descend from `root`, and itself.
pub fn tree(root: u32) -> Result<Vec<u32>, Failure> {
    let processes = all_processes().context(|| "/proc".to_owned())?;
    Ok(processes.keys().copied().filter(|pid| descends(*pid, root, &processes)).collect())
}

fn descends(mut pid: u32, root: u32, processes: &HashMap<u32, Stat>) -> bool {
    // Bounded, should the table have changed under us into a circle.
    for _ in 0..64 {
        if pid == root {
            return true;
        }
        match processes.get(&pid) {
            Some(stat) => pid = stat.parent,
            None => return false,
        }
    }
    false
}

fn all_processes() -> io::Result<HashMap<u32, Stat>> {
    let mut processes = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process may end between being listed and being read.
        let line = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if let Some(stat) = Stat::read(&line) {
            processes.insert(pid, stat);
        }
    }
    Ok(processes)
}

fn clock(pid: u32) -> io::Result<Duration> {
    // SAFETY: both calls write into the variables given and nowhere else.
    unsafe {
        let mut id: libc::clockid_t = 0;
        let error = libc::clock_getcpuclockid(pid as libc::pid_t, &mut id);
        if error != 0 {
            return Err(io::Error::from_raw_os_error(error));
        }
        let mut time: libc::timespec = mem::zeroed();
        if libc::clock_gettime(id, &mut time) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
    }
}

/// The fields of /proc/PID/stat that matter here; proc(5) numbers them 4, 14 and 15.
#[derive(Debug, PartialEq)]
struct Stat {
    parent: u32,
    user_ticks: u64,
    system_ticks: u64,
}

impl Stat {
    fn read(line: &str) -> Option<Stat> {
        // The name, in brackets, may hold blanks and brackets itself: the last one ends it.
        let (_, rest) = line.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3);
        Some(Stat {
            parent: field(4)?.parse().ok()?,
            user_ticks: field(14)?.parse().ok()?,
            system_ticks: field(15)?.parse().ok()?,
        })
    }
}

/// How long one core has been at work for anybody, the hypervisor's other guests included.
pub fn core_busy(core: usize) -> Result<Duration, Failure> {
    let stat = fs::read_to_string("/proc/stat").context(|| "/proc/stat".to_owned())?;
    let ticks = read_core(&stat, core).ok_or_else(|| Failure::Unreadable { what: "/proc/stat", text: stat.clone() })?;
    // SAFETY: asks for a constant of the system.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1);
    Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
}

fn read_core(stat: &str, core: usize) -> Option<u64> {
    let name = format!("cpu{core}");
    let line = stat.lines().find(|line| line.split_ascii_whitespace().next() == Some(&name))?;
    let ticks: Vec<u64> = line.split_ascii_whitespace().skip(1).map(|field| field.parse().unwrap_or(0)).collect();
    // user nice system idle iowait irq softirq steal guest guest_nice; the guests are counted in user already.
    Some(ticks.get(..3)?.iter().sum::<u64>() + ticks.get(5..8)?.iter().sum::<u64>())
}

fn a_process_with_brackets_in_its_name_is_read() {
    let line = "4242 (a) (b c) S 17 4242 4242 0 -1 4194368 83 0 0 0 1234 5678 3 4 20 0 1 0 9 1 2\n";
    assert_eq!(Stat::read(line), Some(Stat { parent: 17, user_ticks: 1234, system_ticks: 5678 }));
    assert_eq!(Stat::read(""), None);
    assert_eq!(Stat::read("1 (init) S"), None);
}

fn only_descendants_belong_to_a_tree() {
    let stat = |parent| Stat { parent, user_ticks: 0, system_ticks: 0 };
    let processes = HashMap::from([(1, stat(0)), (5, stat(1)), (6, stat(5)), (7, stat(6)), (8, stat(1))]);
    let tree: Vec<bool> = [1, 5, 6, 7, 8].iter().map(|&pid| descends(pid, 5, &processes)).collect();
    assert_eq!(tree, [false, true, true, true, false]);
}

fn the_total_is_divided_as_the_ticks_are() {
    let usage = Usage { total: Duration::from_millis(1000), user_ticks: 30, system_ticks: 70 };
    assert_eq!(usage.user(), Duration::from_millis(300));
    assert_eq!(usage.system(), Duration::from_millis(700));
}

fn idle_and_waiting_time_does_not_count_as_busy() {
    let stat = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 3 100 200 4 5 6 7 8\ncpu10 1 1 1 1 1 1 1 1 0 0\n";
    assert_eq!(read_core(stat, 0), Some(21));
    assert_eq!(read_core(stat, 10), Some(6));
    assert_eq!(read_core(stat, 1), None);
}

fn a_process_that_works_is_seen_working() {
    let before = usage_of_tree(std::process::id()).expect("own process");
    while usage_of_tree(std::process::id()).expect("own process").total < before.total + Duration::from_millis(5) {}
    let used = usage_of_tree(std::process::id()).expect("own process") - before;
    assert!(used.total >= Duration::from_millis(5), "{used:?}");
}

pub const TESTS: &[(&str, fn())] = tests![
    a_process_with_brackets_in_its_name_is_read,
    only_descendants_belong_to_a_tree,
    the_total_is_divided_as_the_ticks_are,
    idle_and_waiting_time_does_not_count_as_busy,
    a_process_that_works_is_seen_working,
];
