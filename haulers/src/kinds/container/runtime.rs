//! The runtimes: where they are, what they say of a container, and having one removed.

use crate::criu::call;
use crate::ledger;
use crate::programs;
use crate::tasks::Task;
use phaul_core::executor::ports::{Ledger, Resource};
use phaul_core::failure::Failure;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

/// How long a runtime may take to say something.
const ASK: Duration = Duration::from_secs(30);
/// The longest id, in bytes.
const ID_MAX: usize = 255;

/// A runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runtime {
    /// runc.
    Runc,
    /// crun.
    Crun,
}

/// What a runtime says of a container.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct State {
    /// `running`, `paused`, `stopped`, `created`.
    pub status: String,
    /// The pid of its first process; 0 if it has none.
    #[serde(default)]
    pub pid: i32,
    /// Its bundle.
    pub bundle: PathBuf,
    /// What was noted of it when it was made.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

impl State {
    /// The container's first process, if it is there.
    pub(crate) fn init(&self) -> Option<Task> {
        (self.pid > 0).then(|| Task::find(self.pid)).flatten()
    }
}

impl Runtime {
    /// Its name: that of its program, and the kind in a plan.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Runc => "runc",
            Self::Crun => "crun",
        }
    }

    /// The runtime of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Runc, Self::Crun]
            .into_iter()
            .find(|runtime| runtime.name() == name)
    }

    /// Its file of options for CRIU.
    pub(crate) fn criu_config(self) -> &'static str {
        match self {
            Self::Runc => "runc.conf",
            Self::Crun => "crun.conf",
        }
    }

    /// The directory of its states: the given one or its default.
    pub(crate) fn root(self, given: Option<&Path>) -> PathBuf {
        given.map_or_else(|| Path::new("/run").join(self.name()), Path::to_owned)
    }

    /// What a runtime makes for itself when it first has a container on a host.
    fn first_things(self, root: Option<&Path>) -> Vec<Resource> {
        let states = self.root(root);
        let mut things = vec![Resource::EmptyDirectory {
            path: states.clone(),
        }];
        if self == Self::Crun {
            // In place of what a container must not see.
            things.push(Resource::EmptyDirectory {
                path: states.join(".empty-directory"),
            });
            things.push(Resource::File {
                path: states.join(".empty-file"),
            });
        }
        things
    }

    /// Records what the runtime will make for itself.
    pub(super) fn account_for_first_things(
        self,
        root: Option<&Path>,
        ledger: &mut dyn Ledger,
    ) -> Result<(), Failure> {
        for thing in self.first_things(root) {
            let (Resource::EmptyDirectory { path } | Resource::File { path }) = &thing else {
                continue;
            };
            ledger::account(ledger, &path.clone(), thing)?;
        }
        Ok(())
    }

    /// The runtime has a container here: what it made for itself is its own.
    pub(super) fn keep_first_things(
        self,
        root: Option<&Path>,
        ledger: &mut dyn Ledger,
    ) -> Result<(), Failure> {
        let mut things = self.first_things(root).into_iter();
        things.try_for_each(|thing| ledger.gone(&thing))
    }

    /// Its program.
    pub(crate) fn find(self) -> Result<PathBuf, Failure> {
        let name = self.name();
        programs::find(name).ok_or_else(|| {
            let cause = format!("{name} is not installed on this host");
            Failure::new("runtime-missing", cause).hint(format!("install the package `{name}`"))
        })
    }

    /// Its version, as it says it.
    pub(crate) async fn version(self) -> Result<String, Failure> {
        // crun makes the directory of its states even for that.
        let states = self.root(None);
        let is_new = !states.exists();
        let asked = self.ask(None, &["--version"]).await;
        if is_new {
            // Somebody else's container may be in it by now: then it stays.
            let _ = std::fs::remove_dir(&states);
        }
        let output = asked?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let first = text.lines().next().unwrap_or_default();
        let version = first.split_whitespace().last().unwrap_or_default();
        Ok(version.to_owned())
    }

    /// The state of a container; none if there is none of that id.
    pub(crate) async fn state(
        self,
        root: Option<&Path>,
        id: &str,
    ) -> Result<Option<State>, Failure> {
        check_id(id)?;
        if !self.root(root).join(id).exists() {
            return Ok(None);
        }
        let output = self.ask(root, &["state", id]).await?;
        if !output.status.success() {
            return Err(self.complaint("says nothing of the container", id, &output));
        }
        serde_json::from_slice(&output.stdout)
            .map(Some)
            .map_err(|error| {
                let cause = format!("the state of the container {id} cannot be read: {error}");
                Failure::new("runtime", cause)
            })
    }

    async fn ask(self, root: Option<&Path>, words: &[&str]) -> Result<Output, Failure> {
        let name = self.name();
        let failed = |error: io::Error| {
            Failure::lost("runtime", format!("{name} cannot be started: {error}"))
        };
        let asked = Command::new(self.find()?)
            .args(self.root_option(root))
            .args(words)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        timeout(ASK, asked)
            .await
            .map_err(|_| Failure::lost("runtime", format!("{name} does not answer")))?
            .map_err(failed)
    }

    /// The options before the verb of a call: its states, and a log in the directory of an
    /// attempt.
    pub(crate) fn global_options(
        self,
        root: Option<&Path>,
        attempt: &Path,
    ) -> Vec<std::ffi::OsString> {
        let mut options = self.root_option(root);
        let log = attempt.join(call::LOG);
        let log = [
            "--log".as_ref(),
            log.as_os_str(),
            "--log-format".as_ref(),
            "json".as_ref(),
        ];
        options.extend(log.map(OsStr::to_owned));
        options
    }

    /// The option that names the directory of states, if it is not the default.
    fn root_option(self, root: Option<&Path>) -> Vec<std::ffi::OsString> {
        root.map_or_else(Vec::new, |root| {
            vec![OsStr::new("--root").to_owned(), root.as_os_str().to_owned()]
        })
    }

    fn complaint(self, what: &str, id: &str, output: &Output) -> Failure {
        let text = String::from_utf8_lossy(&output.stderr);
        let said: Vec<String> = text.lines().map(str::to_owned).collect();
        let last = said.last().map_or("", String::as_str);
        Failure::new("runtime", format!("{} {what} {id}: {last}", self.name())).log(said)
    }
}

/// Refuses an id that would mean another path or option to a runtime.
pub(crate) fn check_id(id: &str) -> Result<(), Failure> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_+.-".contains(letter);
    let good = !id.is_empty()
        && id.len() <= ID_MAX
        && id.chars().all(plain)
        && !id.starts_with(['-', '.']);
    if good {
        return Ok(());
    }
    Err(Failure::new(
        "container-id",
        format!("{id:?} cannot be the id of a container"),
    )
    .hint("an id has letters, digits and any of `_+.-`, and begins with none of `-.`"))
}

/// Has a container removed by its runtime, with every process in it. One that is not there
/// counts as removed.
pub(crate) async fn delete(runtime: Runtime, root: Option<&Path>, id: &str) -> Result<(), Failure> {
    check_id(id)?;
    let directory = runtime.root(root).join(id);
    if !directory.exists() {
        return Ok(());
    }
    let output = runtime.ask(root, &["delete", "--force", id]).await?;
    if output.status.success() || !directory.exists() {
        return Ok(());
    }
    let failure = runtime.complaint("cannot delete the container", id, &output);
    Err(Failure {
        code: "resource-stuck".to_owned(),
        kind: phaul_core::failure::FailureKind::Lost,
        ..failure
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_are_paths_or_options_are_refused() {
        for good in ["web", "a_b+c.d-1", "0"] {
            assert!(check_id(good).is_ok(), "{good}");
        }
        let long = "x".repeat(300);
        for bad in [
            "", ".", "..", "a/b", "-f", "--all", "a b", "ü", "a\n", &long,
        ] {
            assert!(check_id(bad).is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn a_container_that_is_not_there_is_deleted() {
        let dir = tempfile::tempdir().unwrap();
        assert!(
            delete(Runtime::Runc, Some(dir.path()), "none")
                .await
                .is_ok()
        );
        let state = Runtime::Crun.state(Some(dir.path()), "none").await;
        assert_eq!(state.unwrap(), None);
    }
}
