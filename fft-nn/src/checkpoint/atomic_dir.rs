//! A directory that appears whole or not at all.

use std::fs::File;
use std::io::{Error as IoError, ErrorKind};
use std::path::{Path, PathBuf};

use fft_core::{Error, Result};

/// A directory under construction, beside its destination under the name `.<name>.partial-<process>`.
///
/// [`commit`](Self::commit) renames it to the destination; dropped before, it is removed. A process that is killed leaves only
/// the directory of that clearly temporary name, never a part of the destination.
#[derive(Debug)]
pub struct AtomicDir {
    destination: PathBuf,
    temporary: PathBuf,
    force: bool,
    committed: bool,
}

impl AtomicDir {
    /// Starts a directory that will become `destination`. With `force` an existing directory is replaced by `commit`, provided
    /// that it is empty or holds a `config.json`: no directory is deleted that is not a model.
    ///
    /// # Errors
    /// [`Error::Io`] when the destination exists (and may not be replaced), has no name, or its parent cannot be written.
    pub fn create(destination: impl AsRef<Path>, force: bool) -> Result<Self> {
        let destination = destination.as_ref().to_path_buf();
        let name = name_of(&destination)?;
        check_replaceable(&destination, force)?;
        let temporary = temporary_beside(&destination, &name)?;
        Ok(Self { destination, temporary, force, committed: false })
    }

    /// The temporary directory, to write to.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// The directory that it becomes.
    pub fn destination(&self) -> &Path {
        &self.destination
    }

    /// Makes everything durable and gives the directory its name. A replaced directory is kept aside until the new one has
    /// its name.
    ///
    /// # Errors
    /// [`Error::Io`]; the destination is then as it was.
    pub fn commit(mut self) -> Result<()> {
        for entry in std::fs::read_dir(&self.temporary).map_err(|e| Error::io(&self.temporary, e))? {
            let path = entry.map_err(|e| Error::io(&self.temporary, e))?.path();
            sync(&path)?;
        }
        sync(&self.temporary)?;
        check_replaceable(&self.destination, self.force)?;
        let aside = self.temporary.with_extension(format!("replaced-{}", std::process::id()));
        let replaces = self.destination.symlink_metadata().is_ok();
        if replaces {
            std::fs::rename(&self.destination, &aside).map_err(|e| Error::io(&self.destination, e))?;
        }
        if let Err(e) = std::fs::rename(&self.temporary, &self.destination) {
            if replaces {
                std::fs::rename(&aside, &self.destination).map_err(|e| Error::io(&aside, e))?;
            }
            return Err(Error::io(&self.destination, e));
        }
        self.committed = true;
        if replaces {
            std::fs::remove_dir_all(&aside).map_err(|e| Error::io(&aside, e))?;
        }
        match self.destination.parent() {
            Some(parent) if parent != Path::new("") => sync(parent),
            _ => sync(Path::new(".")),
        }
    }
}

impl Drop for AtomicDir {
    fn drop(&mut self) {
        if !self.committed {
            // Nothing can be reported from here; the name says that what is left is partial.
            let _ = std::fs::remove_dir_all(&self.temporary);
        }
    }
}

/// Makes the file `path` so that it is the old one or the whole new one at every moment: `write` gets an empty directory beside it, named as that of an
/// [`AtomicDir`], and tells which file in it becomes `path`.
///
/// # Errors
/// [`Error::Io`]; those of `write`. `path` is then as it was.
pub(crate) fn replace_file(path: &Path, write: impl FnOnce(&Path) -> Result<PathBuf>) -> Result<()> {
    let temporary = temporary_beside(path, &name_of(path)?)?;
    let written = write(&temporary).and_then(|file| {
        sync(&file)?;
        std::fs::rename(&file, path).map_err(|e| Error::io(path, e))
    });
    // What is left is of no use; failing to remove it is no reason to fail.
    let _ = std::fs::remove_dir_all(&temporary);
    written
}

/// Writes `content` to the file `path`, which is the old one or the whole new one at every moment.
///
/// # Errors
/// [`Error::Io`]; the file is then as it was.
pub fn write_atomic(path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Result<()> {
    replace_file(path.as_ref(), |folder| {
        let file = folder.join("content");
        std::fs::write(&file, content).map_err(|e| Error::io(&file, e))?;
        Ok(file)
    })
}

fn name_of(path: &Path) -> Result<String> {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).ok_or_else(|| {
        Error::io(path, IoError::new(ErrorKind::InvalidInput, "is not the name of a new file or directory"))
    })
}

/// An empty directory beside `path`, whose name says that it is partial.
fn temporary_beside(path: &Path, name: &str) -> Result<PathBuf> {
    for attempt in 0..100 {
        let suffix = if attempt == 0 { String::new() } else { format!("-{attempt}") };
        let temporary = path.with_file_name(format!(".{name}.partial-{}{suffix}", std::process::id()));
        match std::fs::create_dir(&temporary) {
            Ok(()) => return Ok(temporary),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(Error::io(&temporary, e)),
        }
    }
    let source = IoError::new(ErrorKind::AlreadyExists, "too many partial directories lie beside it");
    Err(Error::io(path, source))
}

/// Checks that `path` is free, or a model's directory that may be replaced.
fn check_replaceable(path: &Path, force: bool) -> Result<()> {
    let refuse = |reason: &str| Err(Error::io(path, IoError::new(ErrorKind::AlreadyExists, reason)));
    let Ok(meta) = path.symlink_metadata() else { return Ok(()) };
    if !force {
        return refuse("exists already (--force replaces it)");
    }
    if !meta.is_dir() {
        return refuse("exists and is not a directory; it is not replaced");
    }
    let empty = std::fs::read_dir(path).map_err(|e| Error::io(path, e))?.next().is_none();
    if !empty && !path.join("config.json").is_file() {
        return refuse("exists and is not a model (it holds no config.json); it is not replaced");
    }
    Ok(())
}

/// Waits until a file or directory is on the disk.
pub(super) fn sync(path: &Path) -> Result<()> {
    // Directories can be opened and synchronised on Unix only; elsewhere a rename is as durable as it gets.
    if cfg!(not(unix)) && path.is_dir() {
        return Ok(());
    }
    File::open(path).and_then(|file| file.sync_all()).map_err(|e| Error::io(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(path)
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn appears_on_commit_and_vanishes_on_drop() {
        let folder = tempfile::tempdir().unwrap();
        let destination = folder.path().join("model");
        let dir = AtomicDir::create(&destination, false).unwrap();
        std::fs::write(dir.path().join("config.json"), "1").unwrap();
        assert!(!destination.exists());
        assert_eq!(names(folder.path()), [format!(".model.partial-{}", std::process::id())]);
        drop(dir);
        assert!(names(folder.path()).is_empty());
        let dir = AtomicDir::create(&destination, false).unwrap();
        let second = AtomicDir::create(&destination, false).unwrap();
        assert_ne!(dir.path(), second.path());
        std::fs::write(dir.path().join("config.json"), "1").unwrap();
        dir.commit().unwrap();
        assert!(second.commit().is_err(), "the destination was taken meanwhile");
        assert_eq!(names(folder.path()), ["model"]);
        assert_eq!(names(&destination), ["config.json"]);
    }

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.txt");
        write_atomic(&path, "old").unwrap();
        let failed = replace_file(&path, |partial| {
            std::fs::write(partial.join("half"), "new").unwrap();
            Err(Error::format(&path, "no more"))
        });
        assert!(failed.unwrap_err().to_string().contains("no more"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        write_atomic(&path, "new").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(folder.path()), ["log.txt"]);
        assert!(write_atomic("/", "x").is_err() && write_atomic(path.join("below"), "x").is_err());
    }

    #[test]
    fn replaces_only_models_and_only_with_force() {
        let folder = tempfile::tempdir().unwrap();
        let destination = folder.path().join("model");
        std::fs::create_dir(&destination).unwrap();
        std::fs::write(destination.join("letters.txt"), "dear").unwrap();
        for (force, reason) in [(false, "exists already"), (true, "not a model")] {
            let message = AtomicDir::create(&destination, force).unwrap_err().to_string();
            assert!(message.contains(reason), "{message}");
        }
        std::fs::write(destination.join("config.json"), "old").unwrap();
        let dir = AtomicDir::create(&destination, true).unwrap();
        std::fs::write(dir.path().join("config.json"), "new").unwrap();
        assert_eq!(std::fs::read_to_string(destination.join("config.json")).unwrap(), "old");
        dir.commit().unwrap();
        assert_eq!(names(folder.path()), ["model"]);
        assert_eq!(names(&destination), ["config.json"]);
        assert_eq!(std::fs::read_to_string(destination.join("config.json")).unwrap(), "new");
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(AtomicDir::create(&file, true).is_err());
        assert!(AtomicDir::create(folder.path().join("absent/model"), true).is_err());
        assert!(AtomicDir::create("/", true).is_err());
    }
}
