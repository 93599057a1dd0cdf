//! Which core the servers get and which one wrk and the origin share: two that are really two, not the two
//! threads of one.

use std::{collections::BTreeSet, fs, io, mem};

use crate::failure::{Context, Failure};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cores {
    pub server: usize,
    /// For wrk, and for this program, which does next to nothing.
    pub client: usize,
    /// wrk's too, where there is no third.
    pub origin: usize,
}

/// Chooses among the cores this program may use, and moves it off the server's.
pub fn choose() -> Result<Cores, Failure> {
    let allowed = allowed().context(|| "sched_getaffinity".to_owned())?;
    let cores = pick(&allowed, siblings);
    if cores.server == cores.client {
        eprintln!(
            "warning: one core only, on which everybody is in everybody's way: trust nothing but the CPU times, and those little"
        );
    }
    pin(cores.client).context(|| "sched_setaffinity".to_owned())?;
    Ok(cores)
}

/// The last core serves, since interrupts favour the first ones.
fn pick(allowed: &[usize], siblings: impl Fn(usize) -> BTreeSet<usize>) -> Cores {
    let mut taken = BTreeSet::new();
    let mut physical = Vec::new();
    for &core in allowed {
        if taken.insert(core) {
            taken.extend(siblings(core));
            physical.push(core);
        }
    }
    // Two threads of one core are better than a single one.
    let usable = if physical.len() > 1 { &physical[..] } else { allowed };
    let server = usable.last().copied().unwrap_or(0);
    let client = usable.first().copied().unwrap_or(0);
    let origin = if usable.len() > 2 { usable[1] } else { client };
    Cores { server, client, origin }
}

fn siblings(core: usize) -> BTreeSet<usize> {
    let path = format!("/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list");
    fs::read_to_string(path).map(|list| read_list(&list)).unwrap_or_default()
}

/// Reads `0,4` or `0-3,8`.
fn read_list(list: &str) -> BTreeSet<usize> {
    let mut cores = BTreeSet::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) {
            cores.extend(first..=last);
        }
    }
    cores
}

fn allowed() -> io::Result<Vec<usize>> {
    // SAFETY: a cpu_set_t of zeroes is an empty set, and the call writes no further than its size.
    unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        if libc::sched_getaffinity(0, mem::size_of_val(&set), &mut set) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok((0..libc::CPU_SETSIZE as usize).filter(|&core| libc::CPU_ISSET(core, &set)).collect())
    }
}

/// Binds the calling process, and with it all it will start, to one core. Safe between fork and exec.
pub fn pin(core: usize) -> io::Result<()> {
    // SAFETY: as above; nothing is allocated.
    unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(core, &mut set);
        match libc::sched_setaffinity(0, mem::size_of_val(&set), &set) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

fn two_threads_of_one_core_are_not_taken_for_two_cores() {
    let pairs = |core: usize| BTreeSet::from([core % 2, core % 2 + 2]);
    assert_eq!(pick(&[0, 1, 2, 3], pairs), Cores { server: 1, client: 0, origin: 0 });
}

fn a_third_core_goes_to_the_origin() {
    assert_eq!(pick(&[2, 3, 5], |_| BTreeSet::new()), Cores { server: 5, client: 2, origin: 3 });
}

fn a_single_core_does_everything() {
    assert_eq!(pick(&[7], |_| BTreeSet::new()), Cores { server: 7, client: 7, origin: 7 });
}

fn a_list_of_cores_may_hold_ranges() {
    assert_eq!(read_list("0-2,8\n"), BTreeSet::from([0, 1, 2, 8]));
}

pub const TESTS: &[(&str, fn())] = tests![
    two_threads_of_one_core_are_not_taken_for_two_cores,
    a_third_core_goes_to_the_origin,
    a_single_core_does_everything,
    a_list_of_cores_may_hold_ranges,
];
