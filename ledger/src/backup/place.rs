//! Where copies may go.

use std::path::{Path, PathBuf};

use super::BackupError;
use crate::disk::RealDisk;
use crate::durable;

/// Refuses a folder with anything in it but `allowed`: it is somebody else's.
pub(super) fn check_target(folder: &Path, allowed: &[&str]) -> Result<(), BackupError> {
    let names = durable::list(&RealDisk, folder)?;
    let Some(name) = names.iter().find(|name| !allowed.contains(&name.as_str())) else { return Ok(()) };
    if names.iter().any(|name| name == "journal") {
        return Err(refused(folder, "is the data folder of a ledger: it has a `journal`"));
    }
    Err(refused(folder, &format!("is in use for something else: it has `{name}`")))
}

/// Refuses two folders of which one is in the other.
pub(super) fn check_apart(source: &Path, target: &Path) -> Result<(), BackupError> {
    let (from, to) = (real(source), real(target));
    if to.starts_with(&from) || from.starts_with(&to) {
        return Err(refused(target, &format!("and `{}` lie one in the other", source.display())));
    }
    Ok(())
}

pub(super) fn refused(folder: &Path, problem: &str) -> BackupError {
    BackupError::Target { folder: folder.to_owned(), problem: problem.to_owned() }
}

/// The path without links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            real(parent).join(name)
        }
        _ => path.to_owned(),
    }
}
