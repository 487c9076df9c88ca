//! What of a project a tool gets to see.
//!
//! Left out: `target/` and `released/` at the top, other cargo target folders, whatever is withheld by its name
//! ([`crate::path`]), names that no job could name, and what is neither file, folder nor link. The counts are told.

use crate::action::{Failure, Refusal};
use crate::limits::{Limits, Pace};
use crate::path::{RELEASED, RelativePath, is_withheld};
use crate::root::Root;
use rustix::fs::FileType;

/// Files, folders and links of a tree, each in an order in which it can be made again.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) folders: Vec<RelativePath>,
    pub(crate) files: Vec<RelativePath>,
    /// With where they point.
    pub(crate) links: Vec<(RelativePath, String)>,
    /// How many names were left out because they are withheld or cannot be named.
    pub(crate) left_out: usize,
}

/// Lists a tree, or one folder of it. `excluded` are folders to leave out besides.
pub(crate) fn list(
    root: &Root,
    start: Option<&RelativePath>,
    excluded: &[RelativePath],
    limits: &Limits,
    pace: &Pace,
) -> Result<Listing, Refusal> {
    let mut listing = Listing::default();
    let mut open = vec![start.cloned()];
    while let Some(folder) = open.pop() {
        pace.check()?;
        let entries = root.entries(folder.as_ref().map(RelativePath::as_str))?;
        listing.left_out += entries.unnameable;
        for entry in entries.named {
            if is_withheld(&entry.name) {
                listing.left_out += 1;
                continue;
            }
            let text = folder.as_ref().map_or_else(|| entry.name.clone(), |folder| format!("{folder}/{}", entry.name));
            let Some(path) = RelativePath::found(text) else {
                listing.left_out += 1;
                continue;
            };
            add(&mut listing, &mut open, root, excluded, path, entry.kind)?;
        }
        if listing.files.len() + listing.folders.len() + listing.links.len() > limits.files {
            return Err(Refusal::new(Failure::TooLarge, format!("the project has more than {} files", limits.files)));
        }
    }
    Ok(listing)
}

fn add(
    listing: &mut Listing,
    open: &mut Vec<Option<RelativePath>>,
    root: &Root,
    excluded: &[RelativePath],
    path: RelativePath,
    kind: FileType,
) -> Result<(), Refusal> {
    match kind {
        FileType::RegularFile => listing.files.push(path),
        FileType::Directory if is_output(root, &path)? || excluded.contains(&path) => {}
        FileType::Directory => {
            listing.folders.push(path.clone());
            open.push(Some(path));
        }
        FileType::Symlink => match root.link_target(&path)? {
            Some(target) => listing.links.push((path, target)),
            None => listing.left_out += 1,
        },
        FileType::Fifo | FileType::Socket | FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => {
            listing.left_out += 1;
        }
    }
    Ok(())
}

/// Whether a folder holds what builds and releases made.
fn is_output(root: &Root, path: &RelativePath) -> Result<bool, Refusal> {
    match path.split() {
        (None, "target" | RELEASED) => Ok(true),
        (Some(_), "target") => match RelativePath::found(format!("{path}/CACHEDIR.TAG")) {
            Some(tag) => Ok(root.file(&tag)?.is_some()),
            None => Ok(false),
        },
        _ => Ok(false),
    }
}
