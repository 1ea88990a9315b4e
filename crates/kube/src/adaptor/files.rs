//! Files that the router reads: each is replaced as a whole, so that nobody ever reads half of one.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use skupper_management::config::SslProfile;
use skupper_site::names::TLS_KEY;

use super::credentials::{self, File, Files};

/// The directory with a subdirectory for each profile.
#[derive(Clone, Debug)]
pub(super) struct Directory(PathBuf);

/// What could not be written, and where.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", path.display())]
pub(super) struct WriteError {
    path: PathBuf,
    source: io::Error,
}

impl Directory {
    pub(super) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The files that a profile has now, if all that it names are there.
    pub(super) fn read(&self, profile: &SslProfile) -> Option<Files> {
        if !credentials::is_plain_name(&profile.name) {
            return None;
        }
        let directory = self.0.join(&profile.name);
        let files = credentials::names(profile).map(|name| {
            let content = fs::read(directory.join(name)).ok()?;
            (!content.is_empty()).then_some(File { name, content })
        });
        files.collect::<Option<Vec<_>>>().map(Files)
    }

    /// Writes a profile's files. The caller has made sure of its name.
    pub(super) fn write(&self, profile: &str, files: &Files) -> Result<(), WriteError> {
        let directory = self.0.join(profile);
        make_directory(&directory)?;
        for File { name, content } in &files.0 {
            let mode = if *name == TLS_KEY { 0o600 } else { 0o644 };
            replace(&directory.join(name), content, mode)?;
        }
        Ok(())
    }

    /// Writes a file of a subdirectory, readable for its owner only. The caller has made sure of both names.
    pub(super) fn write_secret(
        &self,
        directory: &str,
        name: &str,
        content: &[u8],
    ) -> Result<(), WriteError> {
        let directory = self.0.join(directory);
        make_directory(&directory)?;
        let path = directory.join(name);
        if fs::read(&path).is_ok_and(|before| before == content) {
            return Ok(());
        }
        replace(&path, content, 0o600)
    }

    /// Writes the router's configuration, which its container reads as whatever user it runs as.
    pub(super) fn write_config(&self, content: &str) -> Result<(), WriteError> {
        make_directory(&self.0)?;
        replace(&self.0.join("skrouterd.json"), content.as_bytes(), 0o644)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

fn make_directory(path: &Path) -> Result<(), WriteError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .map_err(|source| WriteError {
            path: path.to_owned(),
            source,
        })
}

/// Writes beside the place and moves there.
fn replace(path: &Path, content: &[u8], mode: u32) -> Result<(), WriteError> {
    let failed = |source| WriteError {
        path: path.to_owned(),
        source,
    };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let write = || {
        // What an earlier run left behind may have another mode.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&beside)?;
        file.write_all(content)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        fs::rename(&beside, path)
    };
    write().map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn profile(name: &str) -> SslProfile {
        SslProfile {
            name: name.to_owned(),
            cert_file: "c".to_owned(),
            private_key_file: "k".to_owned(),
            ca_cert_file: "a".to_owned(),
            ..SslProfile::default()
        }
    }

    fn files(text: &str) -> Files {
        let file = |name| File {
            name,
            content: text.as_bytes().to_vec(),
        };
        Files(credentials::names(&profile("p")).map(file).collect())
    }

    #[test]
    fn files_are_written_with_their_modes_replaced_whole_and_read_back() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::new(place.path().join("certs"));
        assert_eq!(directory.read(&profile("p")), None);
        directory.write("p", &files("one")).unwrap();
        assert_eq!(directory.read(&profile("p")), Some(files("one")));
        let path = |name: &str| directory.path().join("p").join(name);
        let before = fs::metadata(path("tls.key")).unwrap();
        assert_eq!(before.mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path("tls.crt")).unwrap().mode() & 0o777, 0o644);

        // Somebody who has the old file open goes on reading the old content.
        let mut open = fs::File::open(path("tls.crt")).unwrap();
        fs::write(path("tls.crt.new"), "left behind").unwrap();
        directory.write("p", &files("another")).unwrap();
        let mut text = String::new();
        io::Read::read_to_string(&mut open, &mut text).unwrap();
        assert_eq!(text, "one");
        assert_eq!(directory.read(&profile("p")), Some(files("another")));
        assert_eq!(fs::read_dir(directory.path().join("p")).unwrap().count(), 3);

        fs::remove_file(path("ca.crt")).unwrap();
        assert_eq!(directory.read(&profile("p")), None, "a part is not enough");
        let without_ca = SslProfile {
            ca_cert_file: String::new(),
            ..profile("p")
        };
        assert!(directory.read(&without_ca).is_some());
        assert_eq!(directory.read(&profile("../certs/p")), None);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("p"), "a file").unwrap();
        let error = Directory::new(place.path())
            .write("p", &files("x"))
            .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("cannot write {}/p", place.path().display())),
            "{error}"
        );
    }
}
