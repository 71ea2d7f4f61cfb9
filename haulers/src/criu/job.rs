//! A dump or a restore that is under way: by a CRIU of phaul's own, or by a container runtime
//! that drives its CRIU itself.

use super::call::{self, Call};
use super::proto::{Options, RequestType};
use super::rpc::Worker;
use super::{config, log};
use crate::tasks::Task;
use phaul_core::failure::Failure;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Dumping the workload.
    Dump,
    /// Restoring it.
    Restore,
}

impl Work {
    /// The name of CRIU's log.
    fn log(self) -> &'static str {
        match self {
            Self::Dump => config::DUMP_LOG,
            Self::Restore => config::RESTORE_LOG,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Dump => "criu-dump",
            Self::Restore => "criu-restore",
        }
    }

    fn request(self) -> RequestType {
        match self {
            Self::Dump => RequestType::Dump,
            Self::Restore => RequestType::Restore,
        }
    }

    /// Completes "CRIU could not …".
    fn phrase(self) -> &'static str {
        match self {
            Self::Dump => "dump the workload",
            Self::Restore => "restore the workload",
        }
    }
}

/// A dump or a restore.
#[derive(Debug)]
pub(crate) struct Job {
    work: Work,
    directory: PathBuf,
    by: By,
}

#[derive(Debug)]
enum By {
    Criu {
        worker: Worker,
        options: Box<Options>,
        /// CRIU opens these by their numbers in this process.
        _opened: [File; 2],
    },
    Runtime(Call),
}

/// Who does the work: kept apart from the job, which waits for its end meanwhile.
#[derive(Debug, Clone)]
pub(crate) enum Witness {
    /// A CRIU that phaul started.
    Criu(Task),
    /// A CRIU that says so in the directory of its attempt.
    Noted(PathBuf),
}

impl Witness {
    /// CRIU, once it is there.
    pub(crate) fn criu(&self) -> Option<Task> {
        match self {
            Self::Criu(task) => Some(*task),
            Self::Noted(directory) => call::criu_in(directory),
        }
    }
}

impl Job {
    /// A job for a CRIU of phaul's own, which is started and waits. `options` gets the numbers
    /// of the descriptors of `images` and of the attempt's directory.
    pub(crate) fn own(
        work: Work,
        directory: &Path,
        images: &Path,
        options: impl FnOnce(i32, i32) -> Options,
    ) -> Result<Self, Failure> {
        let opened = [open(images)?, open(directory)?];
        let [images_fd, work_fd] = opened.each_ref().map(AsRawFd::as_raw_fd);
        Ok(Self {
            work,
            directory: directory.to_owned(),
            by: By::Criu {
                worker: Worker::spawn(directory)?,
                options: Box::new(options(images_fd, work_fd)),
                _opened: opened,
            },
        })
    }

    /// A job for a runtime, which is not started before [`Job::begin`].
    pub(crate) fn runtime(work: Work, directory: &Path, call: Call) -> Self {
        Self {
            work,
            directory: directory.to_owned(),
            by: By::Runtime(call),
        }
    }

    /// The process that phaul started: CRIU, or what becomes the runtime.
    pub(crate) fn process(&self) -> Task {
        match &self.by {
            By::Criu { worker, .. } => worker.task(),
            By::Runtime(call) => call.task(),
        }
    }

    /// How to find out who CRIU is.
    pub(crate) fn witness(&self) -> Witness {
        match &self.by {
            By::Criu { worker, .. } => Witness::Criu(worker.task()),
            By::Runtime(_) => Witness::Noted(self.directory.clone()),
        }
    }

    /// Lets the work begin.
    pub(crate) async fn begin(&mut self) -> Result<(), Failure> {
        match &mut self.by {
            By::Criu {
                worker, options, ..
            } => {
                let request = worker.request(self.work.request(), Some((**options).clone()));
                request.await
            }
            By::Runtime(call) => call.begin().await,
        }
    }

    /// Waits for the end of the work: an error says why it failed. Dropping the future loses
    /// nothing.
    pub(crate) async fn answer(&mut self) -> Result<(), Failure> {
        match &mut self.by {
            By::Criu { worker, .. } => match worker.answer(self.work.request()).await {
                Ok(answer) if answer.success() => Ok(()),
                Ok(answer) => Err(self.explained(answer.cr_errmsg())),
                Err(lost) => Err(Failure {
                    log: self.explained("").log,
                    ..lost
                }),
            },
            By::Runtime(call) => match call.answer().await {
                Ok(true) => Ok(()),
                Ok(false) if self.directory.join(self.work.log()).exists() => {
                    let said = call.said(&self.directory);
                    Err(self.explained(&said))
                }
                Ok(false) => Err(call.refused(self.work.phrase(), &self.directory)),
                Err(lost) => Err(lost),
            },
        }
    }

    /// The failure of work that ended well before the hold called.
    pub(crate) fn without_verdict(&self) -> Failure {
        let cause = format!(
            "CRIU could {} without asking for the verdict",
            self.work.phrase()
        );
        Failure::new(self.work.code(), cause)
            .hint("see whether a configuration of CRIU on this host takes its action script away")
    }

    fn explained(&self, text: &str) -> Failure {
        let path = self.directory.join(self.work.log());
        log::failure(self.work.code(), self.work.phrase(), &path, text)
    }

    /// Whether CRIU still runs; does not wait.
    pub(crate) fn criu_runs(&mut self) -> bool {
        match &mut self.by {
            By::Criu { worker, .. } => worker.runs(),
            By::Runtime(_) => call::criu_in(&self.directory).is_some_and(|criu| criu.is_alive()),
        }
    }

    /// Waits until the process that phaul started has ended by itself. True if it did within
    /// this time.
    pub(crate) async fn ended(&mut self, within: Duration) -> bool {
        match &mut self.by {
            By::Criu { worker, .. } => worker.ended(within).await,
            By::Runtime(call) => call.ended(within).await,
        }
    }

    /// Kills CRIU and whoever drives it, and waits for their end.
    pub(crate) async fn kill(&mut self) {
        match &mut self.by {
            By::Criu { worker, .. } => worker.kill().await,
            By::Runtime(call) => call.kill(&self.directory).await,
        }
    }
}

fn open(directory: &Path) -> Result<File, Failure> {
    File::open(directory).map_err(|error| {
        let cause = format!("cannot open {}: {error}", directory.display());
        Failure::new("attempt-directory", cause)
    })
}
