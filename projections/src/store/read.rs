//! Questions to the rows.

use std::ops::Bound;

use domain::view;
use serde_json::Value;

use super::{Store, keys};
use crate::error::ReadError;
use crate::guard::Trouble;

/// Which end of a range of keys comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The smallest key; for keys by place in the log, the oldest.
    Ascending,
    /// The greatest key; for keys by place in the log, the newest.
    Descending,
}

impl Store {
    /// One row.
    pub fn row(&self, projection: &str, key: &str) -> Result<Option<Value>, ReadError> {
        check_name(projection)?;
        let key = keys::row(projection, key);
        let bytes = self.with_db(|db| db.get(&key))?;
        bytes.map(|bytes| self.read_row(&bytes)).transpose()
    }

    /// Rows whose key starts with `prefix`, in order of their keys, at most `limit`. With `after`,
    /// only those that come after that key in this order: the last key of one page begins the next.
    pub fn scan(
        &self,
        projection: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<(String, Value)>, ReadError> {
        check_name(projection)?;
        let (mut low, mut high) = keys::prefix_bounds(&keys::row(projection, prefix));
        if let Some(after) = after {
            let after = keys::row(projection, after);
            match order {
                Order::Ascending => narrow_low(&mut low, after),
                Order::Descending => narrow_high(&mut high, after),
            }
        }
        if is_empty(&low, &high) {
            return Ok(Vec::new());
        }
        let found = self.with_db(|db| {
            let range = db.range((low, high));
            let entries: Result<Vec<_>, _> = match order {
                Order::Ascending => range.take(limit).collect(),
                Order::Descending => range.rev().take(limit).collect(),
            };
            entries
        })?;
        let mut rows = Vec::with_capacity(found.len());
        for (key, row) in &found {
            let key = keys::split(key).map(|(_, key)| key.to_owned());
            let key = key.ok_or_else(|| self.damaged("a key that is no text"))?;
            rows.push((key, self.read_row(row)?));
        }
        Ok(rows)
    }

    /// Reads every row of a read model, in order of their keys, as the bytes that are stored.
    pub(crate) fn every_row(&self, projection: &str, mut visit: impl FnMut(&str, &[u8])) -> Result<(), ReadError> {
        let (low, high) = keys::prefix_bounds(&keys::row(projection, ""));
        self.with_db(|db| {
            for entry in db.range((low, high)) {
                let (key, row) = entry?;
                let key = keys::split(&key).map_or("", |(_, key)| key);
                visit(key, &row);
            }
            Ok(())
        })
    }

    fn read_row(&self, bytes: &[u8]) -> Result<Value, ReadError> {
        parse(bytes).inspect_err(|error| self.report(Trouble::Damaged(error.to_string())))
    }

    /// Notes damage that was found in what sled gave without complaint.
    pub(crate) fn damaged(&self, what: impl Into<String>) -> ReadError {
        let what = what.into();
        self.report(Trouble::Damaged(what.clone()));
        ReadError::Damaged(what)
    }
}

/// Reads a stored row. Only the parser of canonical JSON reads back every number as it was.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, ReadError> {
    proof::canonical::parse_canonical(bytes)
        .map_err(|error| ReadError::Damaged(format!("a row is not what was written: {error}")))
}

fn check_name(projection: &str) -> Result<(), ReadError> {
    if view::ALL.iter().any(|known| known.name == projection) {
        Ok(())
    } else {
        Err(ReadError::UnknownProjection(projection.to_owned()))
    }
}

fn narrow_low(low: &mut Bound<Vec<u8>>, after: Vec<u8>) {
    match low {
        Bound::Included(key) | Bound::Excluded(key) if *key > after => {}
        Bound::Included(_) | Bound::Excluded(_) | Bound::Unbounded => *low = Bound::Excluded(after),
    }
}

fn narrow_high(high: &mut Bound<Vec<u8>>, before: Vec<u8>) {
    match high {
        Bound::Included(key) | Bound::Excluded(key) if *key < before => {}
        Bound::Included(_) | Bound::Excluded(_) | Bound::Unbounded => {
            *high = Bound::Excluded(before);
        }
    }
}

/// sled panics on a range that ends before it starts.
fn is_empty(low: &Bound<Vec<u8>>, high: &Bound<Vec<u8>>) -> bool {
    match (low, high) {
        (Bound::Included(low) | Bound::Excluded(low), Bound::Excluded(high)) => low >= high,
        _ => false,
    }
}
