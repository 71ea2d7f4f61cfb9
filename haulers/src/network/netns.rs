//! Network namespaces, and work within one.

use nix::sched::{CloneFlags, setns};
use nix::sys::stat::fstat;
use phaul_core::failure::Failure;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;

/// A network namespace, kept alive as long as this lives.
#[derive(Debug, Clone)]
pub(crate) struct Netns {
    namespace: Arc<File>,
    name: String,
}

impl Netns {
    /// This process's own, which is the host's.
    ///
    /// # Errors
    ///
    /// `network-namespace` if `/proc` has none.
    pub(crate) fn own() -> Result<Self, Failure> {
        Self::open(Path::new("/proc/self/ns/net"), "the host's own".to_owned())
    }

    /// The one a task is in.
    ///
    /// # Errors
    ///
    /// `network-namespace` if there is no such task.
    pub(crate) fn of_task(pid: i32) -> Result<Self, Failure> {
        let path = format!("/proc/{pid}/ns/net");
        Self::open(Path::new(&path), format!("that of process {pid}"))
    }

    /// The one that a path is bound to, such as `/run/netns/NAME`.
    ///
    /// # Errors
    ///
    /// `network-namespace` if it cannot be opened or is something else.
    pub(crate) fn at(path: &Path) -> Result<Self, Failure> {
        let found = Self::open(path, path.display().to_string())?;
        found.inside(|| Ok(()))?;
        Ok(found)
    }

    fn open(path: &Path, name: String) -> Result<Self, Failure> {
        let namespace = File::open(path).map_err(|error| unusable(&name, &error))?;
        Ok(Self::from_file(namespace, name))
    }

    /// From an open namespace; the name is for messages.
    pub(super) fn from_file(namespace: File, name: String) -> Self {
        Self {
            namespace: Arc::new(namespace),
            name,
        }
    }

    /// What it is called in messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The open namespace, for the kernel.
    pub(super) fn file(&self) -> &File {
        &self.namespace
    }

    /// Whether the two are the same namespace.
    ///
    /// # Errors
    ///
    /// `network-namespace` if one cannot be looked at.
    pub(crate) fn is(&self, other: &Self) -> Result<bool, Failure> {
        let id = |netns: &Self| {
            fstat(&netns.namespace)
                .map(|about| (about.st_dev, about.st_ino))
                .map_err(|error| unusable(&netns.name, &error.into()))
        };
        Ok(id(self)? == id(other)?)
    }

    /// Does some work within the namespace. It has a thread of its own, which ends with it: a
    /// thread of the runtime never changes its namespace. Sockets that it opens belong to the
    /// namespace for good; `/proc/sys/net` is the namespace's.
    ///
    /// # Errors
    ///
    /// `network-namespace` if the namespace cannot be entered, or the work's own error.
    pub(super) fn inside<T: Send>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send,
    ) -> Result<T, Failure> {
        let within = thread::scope(|scope| {
            let entered = thread::Builder::new()
                .name("phaul-netns".to_owned())
                .spawn_scoped(scope, || {
                    setns(&self.namespace, CloneFlags::CLONE_NEWNET)?;
                    work()
                })?;
            entered
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the thread within it ended early")))
        });
        within.map_err(|error| unusable(&self.name, &error))
    }
}

fn unusable(name: &str, error: &io::Error) -> Failure {
    Failure::new(
        "network-namespace",
        format!("the network namespace ({name}) cannot be used: {error}"),
    )
    .hint("check that the process or path exists and that phaul runs as root")
}
