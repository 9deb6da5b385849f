//! The files that a source's path names: one file, those that match a pattern, those in a directory.
//!
//! In a directory, names that begin with `.` or `_`, or end in `.tmp` or `.part`, are files that are being written, and left out. A pattern is
//! matched as by a shell. Links are followed; what is no regular file is left out. Limit: [`MATCHES_MAX`] files.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::position::Meta;
use crate::config::file_problem;
use crate::config::glob::{MATCHES_MAX, has_wildcard, matches};

/// A directory that was changed within this before it was listed may have changed again without another time.
const TIME_STEP: Duration = Duration::from_secs(2);

/// A file that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub path: PathBuf,
    pub meta: Meta,
}

/// What a look found.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    pub files: Vec<Found>,
    /// The directories that were looked through, and their times of change where these can be relied on.
    directories: Vec<(PathBuf, Option<SystemTime>)>,
}

/// Looks for the files of `path`, sorted by name. The error is for people.
pub fn list(path: &Path) -> Result<Listing, String> {
    let told = |error: io::Error| format!("{}: {}", path.display(), file_problem(error));
    let mut listing = Listing::default();
    if has_wildcard(&path.to_string_lossy()) {
        listing.expand(path).map_err(told)?;
    } else if std::fs::metadata(path).map_err(told)?.is_dir() {
        listing.look_through(path, |name| !is_unfinished(name)).map_err(told)?;
    } else {
        listing.add(path.to_owned()).map_err(told)?;
    }
    if listing.files.len() > MATCHES_MAX {
        return Err(format!("{} names more than {MATCHES_MAX} files", path.display()));
    }
    listing.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(listing)
}

/// Whether a file of this name in a directory is taken to be still in the making.
fn is_unfinished(name: &str) -> bool {
    name.starts_with(['.', '_']) || name.ends_with(".tmp") || name.ends_with(".part")
}

impl Listing {
    /// Whether no file has come, gone or been renamed since.
    pub fn is_current(&self) -> bool {
        let same = |(path, time): &(PathBuf, Option<SystemTime>)| time.is_some() && changed(path) == *time;
        !self.directories.is_empty() && self.directories.iter().all(same)
    }

    fn expand(&mut self, pattern: &Path) -> io::Result<()> {
        let components: Vec<Component> = pattern.components().collect();
        let mut found = vec![PathBuf::new()];
        for (index, component) in components.iter().enumerate() {
            let name = component.as_os_str().to_string_lossy();
            if !has_wildcard(&name) {
                found.iter_mut().for_each(|path| path.push(component));
                continue;
            }
            let is_last = index + 1 == components.len();
            let mut next = Vec::new();
            let directories = found.len();
            for directory in found {
                let within = if directory.as_os_str().is_empty() { Path::new(".") } else { &directory };
                match self.names(within) {
                    // As in a shell, names that begin with a dot have to be named with it.
                    Ok(names) => next.extend(
                        names
                            .into_iter()
                            .filter(|found| matches(&name, found) && (name.starts_with('.') || !found.starts_with('.')))
                            .map(|found| directory.join(found)),
                    ),
                    Err(error) if directories == 1 => return Err(error),
                    Err(_) => {}
                }
                if next.len() > MATCHES_MAX {
                    return Err(io::Error::other(format!("it names more than {MATCHES_MAX} files")));
                }
            }
            if !is_last {
                next.retain(|path| path.is_dir());
            }
            found = next;
        }
        found.into_iter().try_for_each(|path| self.add(path))
    }

    fn look_through(&mut self, directory: &Path, wanted: impl Fn(&str) -> bool) -> io::Result<()> {
        let names = self.names(directory)?;
        names.into_iter().filter(|name| wanted(name)).try_for_each(|name| self.add(directory.join(name)))
    }

    /// The names in a directory; those that are not UTF-8 are left out.
    fn names(&mut self, directory: &Path) -> io::Result<Vec<String>> {
        let time = changed(directory);
        let settled = time.filter(|time| SystemTime::now().duration_since(*time).is_ok_and(|age| age >= TIME_STEP));
        let mut names = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        self.directories.push((directory.to_owned(), settled));
        Ok(names)
    }

    /// Adds the file if it is one; it may be gone by now.
    fn add(&mut self, path: PathBuf) -> io::Result<()> {
        match std::fs::metadata(&path) {
            Ok(meta) if meta.is_file() => self.files.push(Found { path, meta: Meta::of(&meta) }),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn changed(directory: &Path) -> Option<SystemTime> {
    std::fs::metadata(directory).and_then(|meta| meta.modified()).ok()
}

/// Files beside `path` with this inode, whatever their names are.
pub fn siblings(path: &Path, inode: u64) -> Vec<PathBuf> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let same = |entry: &std::fs::DirEntry| std::os::unix::fs::DirEntryExt::ino(entry) == inode;
    entries.filter_map(Result::ok).filter(same).take(MATCHES_MAX).map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &Path) -> Vec<String> {
        let name = |found: &Found| found.path.file_name().unwrap().to_string_lossy().into_owned();
        list(path).unwrap().files.iter().map(name).collect()
    }

    #[test]
    fn files_are_those_that_are_complete_and_regular() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["b.csv", "a.csv", ".hidden.csv", "_temporary", "c.csv.tmp", "d.part", "e.json"] {
            std::fs::write(at(name), "1\n").unwrap();
        }
        std::fs::create_dir(at("within")).unwrap();
        std::fs::write(at("within/a.csv"), "1\n").unwrap();
        std::os::unix::fs::symlink(at("b.csv"), at("link.csv")).unwrap();
        std::os::unix::fs::symlink(at("nothing"), at("broken.csv")).unwrap();
        assert_eq!(names(directory.path()), ["a.csv", "b.csv", "e.json", "link.csv"]);
        assert_eq!(names(&at("*.csv")), ["a.csv", "b.csv", "link.csv"]);
        assert_eq!(names(&at("*/a.csv")), ["a.csv"]);
        assert_eq!(names(&at("?.json")), ["e.json"]);
        assert!(list(&at("gone")).unwrap_err().ends_with("gone: no such file"));
        assert!(list(&at("gone/*.csv")).unwrap_err().ends_with("*.csv: no such file"));
        let inode = list(&at("a.csv")).unwrap().files[0].meta.inode;
        assert_eq!(siblings(&at("anything"), inode), [at("a.csv")]);
    }

    #[test]
    fn a_listing_is_current_until_its_directory_changes() {
        let directory = tempfile::tempdir().unwrap();
        assert!(!list(directory.path()).unwrap().is_current(), "too young to tell");
        let past = SystemTime::now() - Duration::from_secs(100);
        let handle = std::fs::File::open(directory.path()).unwrap();
        handle.set_modified(past).unwrap();
        let listing = list(directory.path()).unwrap();
        assert!(listing.is_current());
        std::fs::write(directory.path().join("a"), "").unwrap();
        assert!(!listing.is_current());
        assert!(!list(&directory.path().join("a")).unwrap().is_current(), "a file alone is looked at each time");
    }
}
