//! How much the store holds, and how much more may come: a quota over all of it, and an allowance a day for each
//! principal. Both are counted exactly, whoever stores at the same time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use proof::Hash;

use super::{ContentError, ContentStore};

/// Bytes of bodies that one principal may bring in a day (UTC), unless it is set otherwise. Far more than an agent
/// writes, far less than a disk.
pub const DAILY_BYTES: u64 = 4 * 1024 * 1024 * 1024;

const DAY: u64 = 24 * 60 * 60;

/// What a store counts.
#[derive(Debug, Default)]
pub(super) struct Usage {
    /// Read while bodies are stored, written while orphans are removed: a body that is stored again, and lies there
    /// already, must not go in between.
    gate: RwLock<()>,
    books: Mutex<Books>,
    allowances: Mutex<Allowances>,
}

#[derive(Debug, Default)]
struct Books {
    /// Without one nothing is counted.
    quota: Option<u64>,
    used: u64,
    /// Bodies that are being stored.
    writing: HashMap<Hash, Writing>,
}

#[derive(Debug, Default)]
struct Writing {
    writers: u32,
    /// What `used` holds for it.
    counted: u64,
}

#[derive(Debug)]
struct Allowances {
    daily: u64,
    day: u64,
    spent: HashMap<String, u64>,
}

impl Default for Allowances {
    fn default() -> Self {
        Self { daily: DAILY_BYTES, day: 0, spent: HashMap::new() }
    }
}

/// Room for bodies that are being stored. Dropped, it leaves the books as the disk has them.
pub(super) struct Reservation<'a> {
    store: &'a ContentStore,
    names: Vec<Hash>,
    _open: RwLockReadGuard<'a, ()>,
}

/// What a principal has been charged. Dropped without [`spend`](Self::spend), it is given back.
pub(super) struct Charge<'a> {
    usage: &'a Usage,
    who: &'a str,
    day: u64,
    bytes: u64,
}

impl Usage {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn allowances(&self) -> MutexGuard<'_, Allowances> {
        self.allowances.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// While the guard lives, nothing is stored.
    pub(super) fn close(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Charges a principal, unless it would go beyond its allowance.
    pub(super) fn charge<'a>(&'a self, who: &'a str, bytes: u64, now: Duration) -> Result<Charge<'a>, ContentError> {
        let (day, into_day) = (now.as_secs() / DAY, now.as_secs() % DAY);
        let mut allowances = self.allowances();
        if allowances.day != day {
            allowances.day = day;
            allowances.spent.clear();
        }
        let daily = allowances.daily;
        let spent = allowances.spent.entry(who.to_owned()).or_default();
        let after = spent.saturating_add(bytes);
        if after > daily {
            return Err(ContentError::OverAllowance {
                daily,
                spent: *spent,
                wanted: bytes,
                seconds_left: DAY - into_day,
            });
        }
        *spent = after;
        Ok(Charge { usage: self, who, day, bytes })
    }
}

impl Charge<'_> {
    /// So many of the bytes were new; the rest is given back.
    pub(super) fn spend(mut self, new: u64) {
        self.bytes = self.bytes.saturating_sub(new);
    }
}

impl Drop for Charge<'_> {
    fn drop(&mut self) {
        let mut allowances = self.usage.allowances();
        if allowances.day == self.day
            && let Some(spent) = allowances.spent.get_mut(self.who)
        {
            *spent = spent.saturating_sub(self.bytes);
        }
    }
}

impl ContentStore {
    /// Sets how many bytes the store may hold, salts included. What it holds now is counted first, which takes a look at
    /// every file.
    pub fn set_quota(&self, quota: u64) -> Result<(), ContentError> {
        let closed = self.usage.close();
        let mut used = 0_u64;
        for name in self.iter() {
            used = used.saturating_add(self.length(&name?)?.unwrap_or(0));
        }
        let mut books = self.usage.books();
        (books.quota, books.used) = (Some(quota), used);
        drop(closed);
        Ok(())
    }

    /// Sets how many bytes one principal may bring in a day.
    pub fn set_daily_allowance(&self, bytes: u64) {
        self.usage.allowances().daily = bytes;
    }

    /// Bytes that the store holds, salts included; known only where there is a quota.
    pub fn used(&self) -> Option<u64> {
        let books = self.usage.books();
        books.quota.map(|_| books.used)
    }

    /// Makes room in the books for bodies of these lengths on disk.
    pub(super) fn reserve(&self, bodies: impl Iterator<Item = (Hash, u64)>) -> Result<Reservation<'_>, ContentError> {
        let open = self.usage.gate.read().unwrap_or_else(PoisonError::into_inner);
        // Whatever has been entered when something fails is taken back by the reservation's end.
        let mut reserved = Reservation { store: self, names: Vec::new(), _open: open };
        for (name, length) in bodies {
            let mut books = self.usage.books();
            let Some(quota) = books.quota else { continue };
            if !books.writing.contains_key(&name) {
                let found = self.length(&name)?;
                let wanted = if found.is_some() { 0 } else { length };
                if books.used.saturating_add(wanted) > quota {
                    return Err(ContentError::OverQuota { quota, used: books.used, wanted });
                }
                books.used = books.used.saturating_add(wanted);
                books.writing.insert(name, Writing { writers: 0, counted: found.unwrap_or(length) });
            }
            if let Some(writing) = books.writing.get_mut(&name) {
                writing.writers += 1;
                reserved.names.push(name);
            }
        }
        Ok(reserved)
    }

    /// Removes a body's file with `remove`, and strikes it from the books.
    pub(super) fn strike(
        &self,
        name: &Hash,
        remove: impl FnOnce() -> Result<bool, ContentError>,
    ) -> Result<bool, ContentError> {
        let mut books = self.usage.books();
        // What is being stored right now is looked at when that is done.
        if books.quota.is_none() || books.writing.contains_key(name) {
            return remove();
        }
        let before = self.length(name)?.unwrap_or(0);
        let removed = remove();
        // A removal that failed may have happened all the same.
        let after = self.length(name).map_or(before, |length| length.unwrap_or(0));
        books.used = books.used.saturating_sub(before).saturating_add(after);
        removed
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut books = self.store.usage.books();
        for name in &self.names {
            let Some(writing) = books.writing.get_mut(name) else { continue };
            writing.writers -= 1;
            if writing.writers > 0 {
                continue;
            }
            let counted = writing.counted;
            books.writing.remove(name);
            // A disk that does not say now what is there leaves it as it was counted.
            let length = self.store.length(name).map_or(counted, |found| found.unwrap_or(0));
            books.used = books.used.saturating_sub(counted).saturating_add(length);
        }
    }
}
