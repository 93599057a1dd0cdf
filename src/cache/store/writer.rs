//! The thread of a zone that writes to its disk.
//!
//! All files are written, renamed and removed here, so that whether a file belongs to an object of the index cannot change
//! between looking and removing it. Who hands work over never waits, but for those who hand over much (purges).
//!
//! What always holds: whatever the disk refuses, the thread goes on. The queue holds a fill once; what else is in it comes
//! one by one from requests, or from those who wait for room.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::core::{Core, pages};
use super::filling::{Filling, Work};
use super::format::{self, BLOCK, Front};
use super::head::Head;
use super::home::Home;
use super::lock;
use crate::cache::key::{Hash, Variant};

/// Blocks of one fill before it is another one's turn.
const TURN: usize = 16;
/// From here on those who can wait do.
const ROOM: usize = 4096;
/// An object whose head outgrew its room is copied up to this size, and removed beyond.
const COPY: u64 = 64 << 20;
const TICK: Duration = Duration::from_millis(500);

pub enum Job {
    Fill(Arc<Filling>),
    /// The file of an object that is no more.
    Unlink(Hash, Variant),
    /// A soft purge.
    Stale(Hash, Variant),
    /// A new head for the object of that id.
    Update(Hash, Variant, u64, Arc<Head>, oneshot::Sender<bool>),
    Flush(SyncSender<()>),
    /// Look whether the zone has ended.
    Wake,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// One has been taken out and is being done.
    busy: bool,
}

#[derive(Default)]
pub struct Jobs {
    queue: Mutex<Queue>,
    more: Condvar,
    fewer: Condvar,
}

impl Jobs {
    pub fn push(&self, job: Job) {
        lock(&self.queue).jobs.push_back(job);
        self.more.notify_one();
    }

    /// For whoever hands over much: until there is room, but no longer than some seconds.
    pub fn wait_for_room(&self) {
        let queue = lock(&self.queue);
        let waited = self.fewer.wait_timeout_while(queue, Duration::from_secs(5), |queue| queue.jobs.len() > ROOM);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Until all that was handed over before is done. False if that took longer.
    pub fn flush(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        // A fill with more than one turn's work goes to the end of the queue again.
        while Instant::now() < end {
            let (done, wait) = sync_channel(1);
            self.push(Job::Flush(done));
            let told = wait.recv_timeout(end.saturating_duration_since(Instant::now())).is_ok();
            if told && self.is_idle() {
                return true;
            }
        }
        false
    }

    fn is_empty(&self) -> bool {
        lock(&self.queue).jobs.is_empty()
    }

    fn is_idle(&self) -> bool {
        let queue = lock(&self.queue);
        queue.jobs.is_empty() && !queue.busy
    }

    fn next(&self) -> Option<Job> {
        let mut queue = lock(&self.queue);
        queue.busy = false;
        let waited = self.more.wait_timeout_while(queue, TICK, |queue| queue.jobs.is_empty());
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        let job = queue.jobs.pop_front();
        queue.busy = !matches!(job, None | Some(Job::Flush(_) | Job::Wake));
        self.fewer.notify_all();
        job
    }
}

/// Until nobody holds the zone and everything is written. `leave` decides whether the thread may end.
pub fn run(core: &Arc<Core>, leave: impl Fn() -> bool) {
    let Some(home) = &core.home else {
        return;
    };
    loop {
        if let Some(job) = core.jobs.next() {
            work(core, home, job);
        }
        if core.holders.load(Ordering::Acquire) == 0 && core.jobs.is_empty() && leave() {
            return;
        }
    }
}

fn work(core: &Arc<Core>, home: &Home, job: Job) {
    match job {
        Job::Fill(filling) => write(core, home, filling),
        Job::Unlink(hash, variant) => unlink(core, home, &hash, variant),
        Job::Stale(hash, variant) => make_stale(core, home, &hash, variant),
        Job::Update(hash, variant, id, head, done) => {
            let updated = update(core, home, &hash, variant, Some(id), |_| Some(Arc::clone(&head)));
            // Whoever waited has given up if nobody takes it.
            let _ = done.send(updated);
        }
        Job::Flush(done) => drop(done.try_send(())),
        Job::Wake => {}
    }
}

fn write(core: &Arc<Core>, home: &Home, filling: Arc<Filling>) {
    for _ in 0..TURN {
        let done = match filling.work() {
            Work::Block(index, block) => write_block(home, &filling, index, &block).map(|()| filling.wrote_block()),
            Work::Finish(tail, len) => {
                if let Err(error) = finish(home, &filling, &tail, len) {
                    failed(core, &filling, &error);
                }
                return;
            }
            Work::Discard => return discard(&filling),
            Work::Nothing => return,
        };
        if let Err(error) = done {
            return failed(core, &filling, &error);
        }
    }
    core.jobs.push(Job::Fill(filling));
}

/// The temporary file, made when it is first needed.
fn file_of(home: &Home, filling: &Filling) -> io::Result<Arc<File>> {
    if let Some((file, _)) = &filling.state().file {
        return Ok(Arc::clone(file));
    }
    let (file, path) = home.create(filling.id)?;
    let file = Arc::new(file);
    filling.state().file = Some((Arc::clone(&file), path));
    Ok(file)
}

fn write_block(home: &Home, filling: &Filling, index: u64, block: &[u8]) -> io::Result<()> {
    let file = file_of(home, filling)?;
    let at = filling.front.block_at(index);
    file.write_all_at(block, at)?;
    file.write_all_at(&format::seal(filling.id, index, block), at + block.len() as u64)
}

fn finish(home: &Home, filling: &Arc<Filling>, tail: &[u8], len: u64) -> io::Result<()> {
    let file = file_of(home, filling)?;
    if !tail.is_empty() {
        write_block(home, filling, len / BLOCK as u64, tail)?;
    }
    let front = Front { body_len: len, ..(*filling.front).clone() };
    let encoded = filling.head.encode().and_then(|head| front.encode(&head, filling.id));
    let encoded = encoded.ok_or_else(|| io::Error::other("the head does not fit"))?;
    file.write_all_at(&encoded, 0)?;
    let doomed = filling.state().doomed;
    if doomed {
        discard(filling);
    } else {
        home.publish(&home.temporary(filling.id), filling.key.hash(), filling.variant)?;
    }
    filling.wrote_block();
    let file_len = front.file_len().unwrap_or(u64::MAX);
    if !filling.publish(file_len) && !doomed {
        // Purged at the last moment: the file has replaced an earlier one of that name, which is no more either.
        filling.core.forget(filling.key.hash(), filling.variant);
    }
    Ok(())
}

/// It may still be kept in memory.
fn failed(core: &Arc<Core>, filling: &Arc<Filling>, error: &io::Error) {
    core.complain(&format!("an answer could not be written: {error}; it is not kept on the disk"));
    let ended = filling.disk_failed();
    discard(filling);
    if ended {
        filling.publish(0);
    }
}

/// Those who read the file go on.
fn discard(filling: &Filling) {
    let state = filling.state();
    if let Some((_, path)) = &state.file {
        let path = path.clone();
        drop(state);
        // It is no more if the directory is no more.
        let _ = fs::remove_file(path);
    }
}

impl Core {
    /// The object of that name, whichever it is.
    fn forget(&self, hash: &Hash, variant: Variant) {
        let mut shard = self.shard(hash);
        if let Some(at) = shard.find(hash, variant) {
            shard.remove(at);
        }
        drop(shard);
        self.jobs.push(Job::Unlink(*hash, variant));
    }
}

fn unlink(core: &Core, home: &Home, hash: &Hash, variant: Variant) {
    let shard = core.shard(hash);
    let used_again = shard.find(hash, variant).is_some_and(|at| shard.get(at).is_on_disk());
    drop(shard);
    if used_again {
        return;
    }
    match fs::remove_file(home.file(hash, variant)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            core.complain(&format!("a file could not be removed: {error}"));
        }
        _ => {}
    }
}

fn make_stale(core: &Arc<Core>, home: &Home, hash: &Hash, variant: Variant) {
    let now = core.now();
    update(core, home, hash, variant, None, |head| (head.meta.fresh_until > now).then(|| Arc::new(head.stale(now))));
}

/// Gives the object on the disk another head, if it is still the one of that id. If that fails the object goes: a head
/// that was to be replaced must not be found again.
fn update(
    core: &Arc<Core>,
    home: &Home,
    hash: &Hash,
    variant: Variant,
    id: Option<u64>,
    change: impl Fn(&Head) -> Option<Arc<Head>>,
) -> bool {
    let path = home.file(hash, variant);
    match rewrite(core, home, &path, id, change) {
        Ok(done) => done,
        Err(error) => {
            core.complain(&format!("{} could not be updated and is removed: {error}", path.display()));
            core.forget(hash, variant);
            false
        }
    }
}

fn rewrite(
    core: &Arc<Core>,
    home: &Home,
    path: &Path,
    id: Option<u64>,
    change: impl Fn(&Head) -> Option<Arc<Head>>,
) -> io::Result<bool> {
    let file = match fs::OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    let (front, slot) = format::read_front(&file).map_err(io::Error::other)?;
    if id.is_some_and(|id| id != front.id) {
        return Ok(false);
    }
    let Some(head) = change(&slot.head) else {
        return Ok(true);
    };
    let head = head.encode().ok_or_else(|| io::Error::other("the head cannot be written"))?;
    let serial = core.moment().0.max(slot.serial.saturating_add(1));
    if !front.exchange(&file, &slot, &head, serial)? {
        copy(core, home, path, &file, &front, &head, serial)?;
    }
    Ok(true)
}

/// With more room for the head.
fn copy(core: &Core, home: &Home, path: &Path, file: &File, front: &Front, head: &[u8], serial: u64) -> io::Result<()> {
    if front.body_len > COPY {
        return Err(io::Error::other("its head outgrew its room, and it is too large to be copied"));
    }
    let larger = Front { slot_len: format::slot_len(head.len()), ..front.clone() };
    let encoded = larger.encode(head, serial).ok_or_else(|| io::Error::other("the head does not fit"))?;
    let (new, temporary) = home.create(core.moment().0)?;
    let copied = (|| {
        new.write_all_at(&encoded, 0)?;
        use std::io::{Seek, SeekFrom};
        (&*file).seek(SeekFrom::Start(front.body_at()))?;
        (&new).seek(SeekFrom::Start(larger.body_at()))?;
        io::copy(&mut &*file, &mut &new)?;
        fs::rename(&temporary, path)
    })();
    if copied.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    copied?;
    let pages = pages(larger.file_len().unwrap_or(u64::MAX));
    core.shard(front.key.hash()).resize(front.key.hash(), front.variant, pages);
    Ok(())
}
