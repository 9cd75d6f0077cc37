//! The files of a directory, in memory.

use super::content_type;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// How much is kept in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of one file.
    pub file: u64,
    /// Bytes of all files.
    pub total: u64,
    /// Files and directories, with and without content.
    pub entries: usize,
}

/// A file that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub content: Bytes,
    pub content_type: &'static str,
    /// The entity tag, a digest of the content.
    pub tag: String,
}

/// All files of a directory by their path in it, such as `images/logo.png`.
pub(super) type Files = HashMap<String, Arc<Stored>>;

/// Reads a directory, and later what has changed in it.
#[derive(Debug)]
pub(super) struct Reader {
    root: PathBuf,
    limits: Limits,
    /// What was read last, by absolute path without links.
    known: HashMap<PathBuf, (Version, Arc<Stored>)>,
    /// What could not be read last time. It was logged then.
    unreadable: HashSet<PathBuf>,
}

/// Differs between two contents of a file, unless one was written right after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    device: u64,
    inode: u64,
    length: u64,
    /// Seconds and nanoseconds.
    changed: (i64, i64),
    /// A further change could have left the same time.
    is_recent: bool,
}

impl Reader {
    pub(super) fn new(root: &Path, limits: Limits) -> Reader {
        Reader { root: root.to_owned(), limits, known: HashMap::new(), unreadable: HashSet::new() }
    }

    /// Returns the files of the directory. Reads only those that are new or have changed. Hidden files, links that lead
    /// outside and what is neither a file nor a directory are left out, and so is what cannot be read, with a warning.
    pub(super) fn read(&mut self) -> io::Result<Files> {
        let mut scan = Scan {
            // The path may be a link that now leads elsewhere.
            root: self.root.canonicalize()?,
            limits: self.limits,
            before: &self.known,
            known: HashMap::new(),
            files: Files::new(),
            unreadable: Vec::new(),
            total: 0,
            entries: 0,
        };
        let root = scan.root.clone();
        scan.directory(&root, "", &mut Vec::new())?;
        let Scan { known, files, unreadable, .. } = scan;
        for (path, error) in &unreadable {
            if !self.unreadable.contains(path) {
                log::warn!("cannot serve {}: {error}", path.display());
            }
        }
        self.unreadable = unreadable.into_iter().map(|(path, _)| path).collect();
        self.known = known;
        Ok(files)
    }
}

/// One pass through the directory.
struct Scan<'a> {
    root: PathBuf,
    limits: Limits,
    before: &'a HashMap<PathBuf, (Version, Arc<Stored>)>,
    known: HashMap<PathBuf, (Version, Arc<Stored>)>,
    files: Files,
    unreadable: Vec<(PathBuf, io::Error)>,
    total: u64,
    entries: usize,
}

impl Scan<'_> {
    /// Adds the files of a directory, whose names begin with `prefix`. `parents` are the directories that contain it;
    /// links to them are not followed.
    fn directory(&mut self, path: &Path, prefix: &str, parents: &mut Vec<PathBuf>) -> io::Result<()> {
        // Complete before any of it is opened, so that one descriptor is open at a time.
        let names: io::Result<Vec<_>> = fs::read_dir(path).and_then(|entries| {
            entries.take(self.limits.entries + 1).map(|entry| Ok(entry?.file_name())).collect()
        });
        let names = match names {
            Ok(names) => names,
            Err(error) if parents.is_empty() => return Err(error),
            Err(error) => {
                self.unreadable.push((path.to_owned(), error));
                return Ok(());
            }
        };
        parents.push(path.to_owned());
        for name in names {
            self.entries += 1;
            if self.entries > self.limits.entries {
                return Err(too_much(format!("there are more than {} files", self.limits.entries)));
            }
            // No request has a name that is not UTF-8.
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            let Some(found) = self.resolve(&path.join(name)) else { continue };
            let name = format!("{prefix}{name}");
            match found.metadata() {
                Ok(about) if about.is_file() => self.file(found, &about, name)?,
                Ok(about) if about.is_dir() && !parents.contains(&found) => {
                    self.directory(&found, &format!("{name}/"), parents)?;
                }
                // Reading a pipe or a device could take for ever.
                Ok(_) => {}
                // It was removed in the meantime.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => self.unreadable.push((found, error)),
            }
        }
        parents.pop();
        Ok(())
    }

    /// Returns the path without links, if it is in the root and not hidden there.
    fn resolve(&self, path: &Path) -> Option<PathBuf> {
        let path = path.canonicalize().ok()?;
        let is_shown = path.strip_prefix(&self.root).ok()?.components().all(|component| {
            matches!(component, Component::Normal(name) if !name.as_encoded_bytes().starts_with(b"."))
        });
        is_shown.then_some(path)
    }

    fn file(&mut self, path: PathBuf, about: &Metadata, name: String) -> io::Result<()> {
        // Another link may have led to it.
        if let Some((_, stored)) = self.known.get(&path) {
            self.files.insert(name, Arc::clone(stored));
            return Ok(());
        }
        if about.len() > self.limits.file {
            return Err(self.too_large(&path));
        }
        let version = Version::new(about);
        let before = self.before.get(&path).filter(|(before, _)| *before == version && !version.is_recent);
        let stored = match before {
            Some((_, stored)) => Arc::clone(stored),
            None => match self.content(&path, about.len()) {
                Ok(content) => self.stored(&path, content),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => {
                    self.unreadable.push((path, error));
                    return Ok(());
                }
            },
        };
        let length = stored.content.len() as u64;
        if length > self.limits.file {
            return Err(self.too_large(&path));
        }
        self.total += length;
        if self.total > self.limits.total {
            return Err(too_much(format!("the files have more than {} in all", size(self.limits.total))));
        }
        self.files.insert(name, Arc::clone(&stored));
        self.known.insert(path, (version, stored));
        Ok(())
    }

    /// Reads a file, and of one that grows meanwhile at most one byte more than the limit.
    fn content(&self, path: &Path, length: u64) -> io::Result<Vec<u8>> {
        let mut content = Vec::with_capacity(length as usize);
        fs::File::open(path)?.take(self.limits.file + 1).read_to_end(&mut content)?;
        Ok(content)
    }

    /// Returns what is kept of a content; the same as before if it is the same.
    fn stored(&self, path: &Path, content: Vec<u8>) -> Arc<Stored> {
        if let Some((_, before)) = self.before.get(path)
            && before.content == content
        {
            return Arc::clone(before);
        }
        let digest = Sha256::digest(&content);
        let digest: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        Arc::new(Stored {
            content: content.into(),
            content_type: content_type::of_extension(extension),
            tag: format!("\"{digest}\""),
        })
    }

    fn too_large(&self, path: &Path) -> io::Error {
        too_much(format!("{} is larger than {}", path.display(), size(self.limits.file)))
    }
}

impl Version {
    fn new(about: &Metadata) -> Version {
        /// More than the granularity of times in any file system.
        const RECENT_SECONDS: i64 = 3;
        let now = UNIX_EPOCH.elapsed().map_or(0, |now| now.as_secs() as i64);
        Version {
            device: about.dev(),
            inode: about.ino(),
            length: about.len(),
            changed: (about.ctime(), about.ctime_nsec()),
            is_recent: about.ctime() >= now - RECENT_SECONDS,
        }
    }
}

fn too_much(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("{why}; let a proxy serve them"))
}

fn size(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const LIMITS: Limits = Limits { file: 10, total: 25, entries: 8 };

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("throng_files_{name}_{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn names(files: &Files) -> Vec<&str> {
        let mut names: Vec<&str> = files.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_exceeds_a_limit_is_named() {
        let path = directory("limits");
        let refusal = || Reader::new(&path, LIMITS).read().unwrap_err().to_string();
        fs::write(path.join("a"), [b'x'; 11]).unwrap();
        assert!(refusal().contains("/a is larger than"));
        for name in ["a", "b", "c"] {
            fs::write(path.join(name), [b'x'; 9]).unwrap();
        }
        assert!(refusal().contains("in all"));
        fs::write(path.join("c"), "").unwrap();
        assert_eq!(names(&Reader::new(&path, LIMITS).read().unwrap()), ["a", "b", "c"]);
        for name in 0..6 {
            fs::write(path.join(name.to_string()), "").unwrap();
        }
        assert!(refusal().contains("more than 8 files"));
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn links_to_parents_are_not_followed_and_a_content_with_several_names_counts_once() {
        let path = directory("links");
        fs::create_dir(path.join("deep")).unwrap();
        fs::write(path.join("deep/a"), [b'x'; 10]).unwrap();
        symlink(&path, path.join("deep/up")).unwrap();
        symlink("deep", path.join("again")).unwrap();
        symlink("deep/a", path.join("b")).unwrap();
        let files = Reader::new(&path, LIMITS).read().unwrap();
        assert_eq!(names(&files), ["again/a", "b", "deep/a"]);
        assert!(Arc::ptr_eq(&files["b"], &files["deep/a"]));
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_file_that_was_not_changed_is_kept_and_a_changed_one_read() {
        let path = directory("changes");
        fs::write(path.join("a"), "1").unwrap();
        fs::write(path.join("b"), "1").unwrap();
        let mut reader = Reader::new(&path, LIMITS);
        let first = reader.read().unwrap();
        // Of the same length, and possibly at the same time.
        fs::write(path.join("b"), "2").unwrap();
        let second = reader.read().unwrap();
        assert!(Arc::ptr_eq(&first["a"], &second["a"]));
        assert_eq!(second["b"].content, "2");
        assert_ne!(first["b"].tag, second["b"].tag);
        fs::remove_file(path.join("a")).unwrap();
        assert_eq!(names(&reader.read().unwrap()), ["b"]);
        fs::remove_dir_all(path).unwrap();
    }
}
