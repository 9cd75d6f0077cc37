//! A folder of files to be served.

use crate::support::Server;
use std::fs;
use std::path::PathBuf;

pub struct Files {
    pub folder: PathBuf,
}

impl Files {
    /// An empty folder, of which no other test has the name.
    pub fn new(name: &str) -> Files {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("http_{name}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Files { folder }
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A server of the folder, which gets a page if it has none: it is not served without.
    pub fn serve(&self, flags: &[&str]) -> Server {
        if !self.folder.join("index.html").exists() {
            self.write("index.html", "the page");
        }
        Server::start(&[&["--static-dir", self.folder.to_str().unwrap()], flags].concat())
    }
}
