//! A disk in memory that loses, tears, refuses and lies: for tests of whatever stands on a disk.
//!
//! It promises what [the trait's module](super) assumes, and not a bit more. Bytes that were not
//! synced, and names whose directory was not, are seen until the [`crash`](SimulatedDisk::crash); then
//! each sector and each change of a name survives or not, as the seed has it. The same seed and the
//! same operations in the same order give the same disk.

mod content;
mod faults;
mod names;
mod random;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Access, Disk, DiskFile};
use crate::durable::Mode;
use crate::lock::{DirLock, LockError};
use crate::width::in_memory;
use content::{Content, SECTOR_BYTES};
use faults::{Faults, Trouble};
use names::{Change, Names, Node};
use random::Random;

pub use faults::{Fault, Operation};

/// A disk in memory. Clones share it; it outlives whatever was opened on it.
#[derive(Clone)]
pub struct SimulatedDisk {
    shared: Arc<Mutex<State>>,
}

/// A number that a file keeps, whatever it is called.
type FileId = u64;

struct State {
    random: Random,
    names: Names,
    files: BTreeMap<FileId, Content>,
    next_file: FileId,
    faults: Faults,
    is_lying: bool,
    /// Counts crashes and kills: what was opened in an earlier life is dead.
    life: u64,
    locked: BTreeSet<PathBuf>,
    free_bytes: u64,
    clock: Duration,
}

/// A file that is open.
struct SimulatedFile {
    disk: SimulatedDisk,
    file: FileId,
    life: u64,
    access: Access,
}

/// A lock that is held.
struct Held {
    disk: SimulatedDisk,
    data_dir: PathBuf,
    life: u64,
}

impl SimulatedDisk {
    /// An empty one. All that is left to chance follows from the seed.
    pub fn new(seed: u64) -> Self {
        let state = State {
            random: Random::new(seed),
            names: Names::default(),
            files: BTreeMap::new(),
            next_file: 0,
            faults: Faults::default(),
            is_lying: false,
            life: 0,
            locked: BTreeSet::new(),
            free_bytes: 1 << 40,
            clock: Duration::from_secs(1_790_000_000),
        };
        Self { shared: Arc::new(Mutex::new(state)) }
    }

    /// Lets the `nth` operation of this kind from now on fail, counted from zero.
    ///
    /// A write that fails has reached the kernel in part, up to the end of some sector. A sync of a file that fails has taken some
    /// sectors to the disk and gives the others up: they are seen as before, but no later sync takes
    /// them, and it succeeds. A sync of a directory that fails leaves everything as it was.
    pub fn fail_nth(&self, operation: Operation, nth: u64, fault: Fault) {
        self.lock().faults.fail_nth(operation, nth, fault);
    }

    /// Cuts the power in the middle of the `nth` operation of any kind from now on, counted from
    /// zero: it and all later ones fail, until the [`crash`](Self::crash) has been dealt with.
    pub fn cut_power_at(&self, nth: u64) {
        self.lock().faults.cut_power_at(nth);
    }

    /// How many operations there have been.
    pub fn operations(&self) -> u64 {
        self.lock().faults.operations()
    }

    /// How many of them have failed because a fault was asked for or the power was off.
    pub fn failures(&self) -> u64 {
        self.lock().faults.failures()
    }

    /// Whether the power has been cut.
    pub fn is_off(&self) -> bool {
        self.lock().faults.is_off()
    }

    /// From now on every sync succeeds and does nothing, or syncs are honest again.
    pub fn lie(&self, is_lying: bool) {
        self.lock().is_lying = is_lying;
    }

    /// Sets what [`Disk::free_bytes`] says. Writes are not measured against it.
    pub fn set_free_bytes(&self, bytes: u64) {
        self.lock().free_bytes = bytes;
    }

    /// Lets the disk's clock go on; it stands still otherwise.
    pub fn pass_time(&self, time: Duration) {
        self.lock().clock += time;
    }

    /// The machine stops, and starts again. What was not durable survives in part: each write of a
    /// sector on its own, each change of a name only together with those before it in the same
    /// directory. Open files and locks are gone, faults that were asked for and did not come are
    /// forgotten, and syncs are honest.
    pub fn crash(&self) {
        let state = &mut *self.lock();
        // Sometimes nearly everything is lost, sometimes hardly anything.
        let odds = state.random.below(5).saturating_mul(25);
        let random = &mut state.random;
        state.names.crash(&mut || random.below(100) < odds);
        let named: BTreeSet<FileId> = state.names.files().collect();
        state.files.retain(|file, _| named.contains(file));
        for content in state.files.values_mut() {
            content.crash(&mut || random.below(100) < odds);
        }
        state.restart();
    }

    /// The process is killed, and the machine goes on. Everything that was written is seen still, but
    /// for what a failed sync has given up: the kernel may forget that now.
    pub fn kill(&self) {
        let state = &mut *self.lock();
        for content in state.files.values_mut() {
            if state.random.below(2) == 0 {
                content.evict();
            }
        }
        state.restart();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, file: FileId, access: Access, life: u64) -> Box<dyn DiskFile> {
        Box::new(SimulatedFile { disk: self.clone(), file, life, access })
    }
}

impl State {
    fn restart(&mut self) {
        self.faults.clear();
        self.is_lying = false;
        self.locked.clear();
        self.life += 1;
    }

    /// Starts an operation on names. When the power fails in the middle of it, it may have happened.
    fn change(&mut self, operation: Operation, change: Change) -> io::Result<()> {
        match self.faults.begin(operation) {
            Ok(()) => self.names.make(change),
            Err(trouble) => {
                if matches!(trouble, Trouble::PowerCut) && self.random.below(2) == 0 {
                    self.names.make(change)?;
                }
                Err(trouble.into())
            }
        }
    }

    fn content(&mut self, file: FileId) -> io::Result<&mut Content> {
        self.files.get_mut(&file).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for SimulatedDisk {
    fn create_new(&self, path: &Path, _: Mode) -> io::Result<Box<dyn DiskFile>> {
        let state = &mut *self.lock();
        state.names.check_free(path)?;
        let file = state.next_file;
        state.next_file += 1;
        let mut content = Content::default();
        content.touch(state.clock);
        state.files.insert(file, content);
        state.change(Operation::Create, Change::Link { path: path.into(), node: Node::File(file) })?;
        Ok(self.file(file, Access::Write, state.life))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let state = &mut *self.lock();
        state.faults.begin(Operation::Open)?;
        let file = state.names.file(path)?;
        Ok(self.file(file, access, state.life))
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        let state = &mut *self.lock();
        state.faults.begin(Operation::Open)?;
        let file = state.names.file(path)?;
        Ok(state.content(file)?.length())
    }

    fn is_dir(&self, path: &Path) -> bool {
        self.lock().names.is_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let state = &mut *self.lock();
        state.names.file(from)?;
        state.change(Operation::Rename, Change::Rename { from: from.into(), to: to.into() })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.lock();
        state.names.file(path)?;
        state.change(Operation::Remove, Change::Unlink { path: path.into() })
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.lock();
        for path in state.names.within(path)? {
            state.change(Operation::Remove, Change::Unlink { path })?;
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = &mut *self.lock();
        state.faults.begin(Operation::List)?;
        state.names.list(dir)
    }

    fn create_dir(&self, dir: &Path, _: Mode) -> io::Result<()> {
        let state = &mut *self.lock();
        state.names.check_free(dir)?;
        state.change(Operation::CreateDir, Change::Link { path: dir.into(), node: Node::Dir })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let state = &mut *self.lock();
        state.faults.begin(Operation::SyncDir)?;
        if !state.names.is_dir(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if !state.is_lying {
            state.names.sync(dir);
        }
        Ok(())
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(self.lock().free_bytes)
    }

    fn clock(&self) -> Duration {
        self.lock().clock
    }

    fn modified(&self, path: &Path) -> io::Result<Duration> {
        let state = &mut *self.lock();
        state.faults.begin(Operation::Open)?;
        let file = state.names.file(path)?;
        Ok(state.content(file)?.modified())
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.lock();
        state.faults.begin(Operation::Open)?;
        let file = state.names.file(path)?;
        let now = state.clock;
        state.content(file)?.touch(now);
        Ok(())
    }

    fn lock(&self, data_dir: &Path) -> Result<DirLock, LockError> {
        crate::durable::ensure_dir_on(self, data_dir, Mode::Private)?;
        let path = data_dir.join("lock");
        let state = &mut *self.lock();
        if !state.locked.insert(data_dir.into()) {
            return Err(LockError::Held { path, by: None });
        }
        let held = Held { disk: self.clone(), data_dir: data_dir.into(), life: state.life };
        Ok(DirLock::held_by(path, Box::new(held)))
    }
}

impl SimulatedFile {
    fn with<T>(
        &self,
        operation: Operation,
        work: impl FnOnce(&mut State, Result<(), Trouble>) -> io::Result<T>,
    ) -> io::Result<T> {
        let state = &mut *self.disk.lock();
        if state.life != self.life {
            return Err(io::Error::other("opened before the crash"));
        }
        let begun = state.faults.begin(operation);
        work(state, begun)
    }

    fn sync(&self) -> io::Result<()> {
        self.with(Operation::Sync, |state, begun| {
            let State { random, files, is_lying, .. } = state;
            let content = files.get_mut(&self.file).ok_or(io::ErrorKind::NotFound)?;
            match begun {
                Ok(()) if !*is_lying => content.sync(),
                Ok(()) | Err(Trouble::PowerCut | Trouble::Off) => {}
                Err(Trouble::Fault(_)) => content.fail_sync(&mut || random.below(2) == 0),
            }
            Ok(begun?)
        })
    }
}

/// How much of a write at `offset` is done when it fails: whole sectors.
fn part(random: &mut Random, length: usize, offset: u64) -> usize {
    let into_sector = in_memory(offset) % SECTOR_BYTES;
    let end = random.up_to(length).saturating_add(into_sector) / SECTOR_BYTES * SECTOR_BYTES;
    end.saturating_sub(into_sector)
}

impl DiskFile for SimulatedFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        if self.access != Access::Write {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.with(Operation::Write, |state, begun| {
            let taken = match begun {
                Ok(()) => bytes.len(),
                Err(Trouble::Off) => 0,
                Err(Trouble::PowerCut | Trouble::Fault(_)) => part(&mut state.random, bytes.len(), offset),
            };
            let taken_bytes = bytes.get(..taken).unwrap_or_default();
            let now = state.clock;
            let content = state.content(self.file)?;
            content.write(taken_bytes, offset);
            content.touch(now);
            begun?;
            Ok(taken)
        })
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.with(Operation::Read, |state, begun| {
            begun?;
            state.content(self.file)?.read(buffer, offset)
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.with(Operation::Read, |state, begun| {
            begun?;
            Ok(state.content(self.file)?.length())
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let state = &mut *self.disk.lock();
        if state.life == self.life {
            state.locked.remove(&self.data_dir);
        }
    }
}

impl fmt::Debug for SimulatedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimulatedDisk")
    }
}

impl fmt::Debug for SimulatedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimulatedFile({})", self.file)
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held({})", self.data_dir.display())
    }
}

#[cfg(test)]
mod tests;
