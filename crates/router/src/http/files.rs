//! Files of an HTTP port: what is beneath `httpRootDir`, and nothing that is no file.
//!
//! Who opens a FIFO waits for the other end, and who reads some device never comes to an end: a thread each time that a client
//! asks. Such are not there for clients.

use std::fs::Metadata;
use std::future::Future;
use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use rustix::fs::OFlags;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tokio::time::Instant;
use tower_http::services::ServeDir;
use tower_http::services::fs::{Backend, DefaultServeDirFallback, File as Served};

use crate::spell::Spell;

/// Serves files from beneath a directory. A relative one begins where the process works now (for a daemon that is `/`).
pub(super) fn beneath(root: &str) -> ServeDir<DefaultServeDirFallback, Regular> {
    // The current directory may be gone, and then there is nothing to serve either.
    let root = std::path::absolute(root).unwrap_or_else(|_| root.into());
    ServeDir::with_backend(root, Regular::default())
}

/// The file system, of which only regular files are opened.
#[derive(Clone, Default)]
pub(super) struct Regular {
    refused: Arc<Mutex<Spell>>,
}

/// A regular file.
pub(super) struct RegularFile(File);

impl Regular {
    /// What is neither a file nor one of the `others` is as good as absent.
    fn check(
        &self,
        path: &Path,
        found: Metadata,
        others: fn(&Metadata) -> bool,
    ) -> io::Result<Metadata> {
        if found.is_file() || others(&found) {
            return Ok(found);
        }
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        // Clients ask as often as they like.
        if !found.is_dir() && refused.begins(Instant::now()) {
            tracing::warn!(
                target: "HTTP",
                "{} is no regular file, so it is not served: keep FIFOs, sockets and devices out of httpRootDir", path.display()
            );
        }
        Err(io::ErrorKind::NotFound.into())
    }
}

type Pending<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

impl Backend for Regular {
    type File = RegularFile;
    type Metadata = Metadata;
    type OpenFuture = Pending<'static, RegularFile>;
    type MetadataFuture = Pending<'static, Metadata>;

    fn open(&self, path: PathBuf) -> Self::OpenFuture {
        let files = self.clone();
        Box::pin(async move {
            // Opening is enough for some devices to do something.
            files.check(&path, tokio::fs::metadata(&path).await?, |_| false)?;
            let mut options = OpenOptions::new();
            // It may have become a FIFO meanwhile; regular files know no waiting.
            let options = options
                .read(true)
                .custom_flags(OFlags::NONBLOCK.bits().cast_signed());
            let file = options.open(&path).await?;
            files.check(&path, file.metadata().await?, |_| false)?;
            Ok(RegularFile(file))
        })
    }

    fn metadata(&self, path: PathBuf) -> Self::MetadataFuture {
        let files = self.clone();
        Box::pin(
            async move { files.check(&path, tokio::fs::metadata(&path).await?, Metadata::is_dir) },
        )
    }
}

impl Served for RegularFile {
    type Metadata = Metadata;
    type MetadataFuture<'a> = Pending<'a, Metadata>;

    fn metadata(&self) -> Self::MetadataFuture<'_> {
        Box::pin(self.0.metadata())
    }
}

impl AsyncRead for RegularFile {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, room)
    }
}

impl AsyncSeek for RegularFile {
    fn start_seek(mut self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        Pin::new(&mut self.0).start_seek(position)
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Pin::new(&mut self.0).poll_complete(cx)
    }
}
