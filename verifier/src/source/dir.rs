//! A site in a folder.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use super::{Source, SourceError};

/// A folder that holds a static log site.
#[derive(Clone, Debug)]
pub struct Dir {
    root: PathBuf,
}

impl Dir {
    /// The site in this folder.
    pub const fn new(root: PathBuf) -> Self {
        Self { root }
    }
}

impl Source for Dir {
    fn read(&self, path: &str, max_bytes: u64) -> Result<Option<Vec<u8>>, SourceError> {
        read_file(&self.root.join(path), max_bytes)
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let Ok(files) = self.root.join(folder).read_dir() else { return Vec::new() };
        files.filter_map(|file| file.ok()?.file_name().into_string().ok()).collect()
    }
}

/// A regular file's bytes; `None` if there is no such file.
pub(crate) fn read_file(path: &Path, max_bytes: u64) -> Result<Option<Vec<u8>>, SourceError> {
    let name = path.display().to_string();
    let failed = |error: std::io::Error| SourceError::unreadable(&name, error);
    // Looked at before it is opened: opening a pipe would wait for somebody to write into it.
    match path.metadata() {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(SourceError::unreadable(&name, "not a regular file")),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= max_bytes) {
        Ok(Some(bytes))
    } else {
        Err(SourceError::TooLarge { path: name, max_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound_and_a_folder_never() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), b"12345").unwrap();
        std::fs::create_dir(folder.path().join("d")).unwrap();
        let dir = Dir::new(folder.path().to_owned());
        assert_eq!(dir.read("a", 5).unwrap(), Some(b"12345".to_vec()));
        assert!(matches!(dir.read("a", 4), Err(SourceError::TooLarge { max_bytes: 4, .. })));
        assert_eq!(dir.read("b", 5).unwrap(), None);
        assert_eq!(dir.read("a/b", 5).unwrap(), None);
        assert!(matches!(dir.read("d", 5), Err(SourceError::Unreadable { .. })));
    }
}
