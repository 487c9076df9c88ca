//! The ledger that is measured: the one in the folder, or a new one.

use crate::data_folder::{self, Founding, OpenFolder, Problem};
use domain::command::Caller;
use domain::event::ledger::Profile;
use std::path::Path;

/// An open ledger with an admin key of this run's.
pub(super) struct Measured {
    pub(super) folder: OpenFolder,
    pub(super) key: String,
    pub(super) admin: Caller,
}

/// Opens the ledger in a folder, or makes one.
pub(super) fn open_or_found(dir: &Path) -> Result<Measured, Problem> {
    let key = data_folder::new_api_key()?;
    let mut folder = if data_folder::exists(dir) {
        data_folder::open(dir)?
    } else {
        let founding = Founding { profile: Profile::Dev, root: None, origin: None, admin_key: &key };
        data_folder::create(dir, &founding)?
    };
    crate::server::ensure_admin_key(dir, &mut folder, &key)?;
    let admin = Caller::key(data_folder::admin_record(&folder.salt, &key)?.key_id);
    Ok(Measured { folder, key, admin })
}
