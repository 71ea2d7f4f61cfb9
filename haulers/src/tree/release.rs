//! Letting the restored workload run, and telling whether it does when that went wrong.
//!
//! After the action script of `post-restore` has returned, CRIU (4.2, `restore_root_task`)
//! unlocks the network, takes every task with ptrace, lets the tasks take on their credentials,
//! catches each at its last system call, takes its own code out of them, calls the script of
//! `pre-resume`, lets go of the tasks, and calls the script of `post-resume`. If CRIU is killed
//! on the way:
//! - after `pre-resume` every task is whole and stopped by ptrace only: the kernel detaches the
//!   tasks of a tracer that ended, so all of them run. The mark [`RESUMING`] proves it.
//! - before, the tasks wait in CRIU's own code, at one shared word, for the last stage. CRIU
//!   never came to set it (they wait for ever and none has run an instruction of its own), or
//!   it did, and all of them run. So one look at the root, which was seen waiting there while
//!   it was held, tells: it still waits at the same address, or the workload runs.
//!
//! A workload that runs is never restored again: it has had effects outside its memory, and
//! going back to the images would have them twice. One whose root is gone without any mark is
//! restored again: CRIU ended it itself, as it does with what it cannot bring to an end, or was
//! killed in the millisecond in which it has breakpoints in the tasks, so that they crashed at
//! them. In that last case alone what some tasks did meanwhile can happen twice; the
//! alternative would be a workload that runs nowhere.

use super::target::{RESTORED, Restored, TreeTarget};
use crate::attempt::{Attempt, Note, noted};
use crate::criu::hold::{RESUMED, RESUMING};
use crate::criu::rpc;
use crate::criu::verdict::{Verdict, decide};
use crate::tasks::Task;
use phaul_core::executor::ports::Ledger;
use phaul_core::failure::{Failure, FailureKind};
use phaul_core::protocol::Manifest;
use std::fs::{self, File};
use std::time::{Duration, Instant, SystemTime};
use tokio::time::{sleep, timeout};

/// Under this name it is noted down that the workload was let run.
pub(super) const RELEASED: &str = "released";
/// How long the hold may take to carry the verdict out.
const CARRY_OUT: Duration = Duration::from_secs(5);
/// How long CRIU may take after the verdict.
const FINISH: Duration = Duration::from_secs(60);
/// How long a CRIU of an earlier life of this process may take to end by itself.
const LEAVE: Duration = Duration::from_secs(10);
/// How long tasks take to get on after CRIU's end, if they do.
const GET_ON: Duration = Duration::from_millis(300);
/// How often the workload is restored and let run before it is given up for now.
const TRIES: u32 = 3;

/// What became of a restored workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Became {
    /// It runs, or ran and has ended by itself.
    Running,
    /// It does not run: none of its tasks ever ran, or it was broken before it could.
    Not,
}

impl TreeTarget {
    /// See [`phaul_core::executor::ports::TargetHauler::release`].
    pub(super) async fn let_run(
        &mut self,
        farewell: &Manifest,
        ledger: &mut dyn Ledger,
    ) -> Result<u64, Failure> {
        let (begin, began) = (Instant::now(), SystemTime::now());
        let mut again = TRIES;
        loop {
            let restored = noted::<Restored>(ledger, RESTORED).filter(Note::is_of_this_boot);
            let root = restored.and_then(|note| note.what.tasks.first().copied());
            if let Err(failure) = self.wiring.connect(root, ledger).await {
                tracing::error!(
                    cause = failure.cause,
                    "the workload runs without its network"
                );
            }
            let told = self.tell().await;
            if told.is_ok() || self.became(ledger).await? == Became::Running {
                break;
            }
            self.sweep(ledger).await?;
            if again == 0 {
                return told.map(|()| 0);
            }
            again -= 1;
            tracing::warn!("the held tasks are lost; the workload is restored again");
            if let Err(failure) = self.bring_back(ledger).await {
                self.sweep(ledger).await?;
                if failure.kind != FailureKind::Lost {
                    return Err(failure);
                }
            }
        }
        let took = self.marked().map_or_else(
            || begin.elapsed(),
            |marked| {
                marked
                    .duration_since(began)
                    .unwrap_or_default()
                    .min(begin.elapsed())
            },
        );
        self.wiring.connected(farewell, ledger).await;
        self.kind.released(ledger)?;
        ledger.fact(RELEASED, true.into())?;
        self.move_out(ledger)?;
        self.live = None;
        Ok(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
    }

    /// When CRIU had let every task run: a runtime takes a moment more to say so.
    fn marked(&self) -> Option<SystemTime> {
        let mark = self.attempts.newest()?.directory.join(RESUMED);
        fs::metadata(mark).ok()?.modified().ok()
    }

    /// Tells the hold to release and waits until CRIU says that the workload runs.
    async fn tell(&mut self) -> Result<(), Failure> {
        let lost = || Failure::lost("hold-broken", "the restored workload is not held any more");
        let live = self.live.as_mut().ok_or_else(lost)?;
        let line = live.line.as_mut().ok_or_else(lost)?;
        let said = timeout(CARRY_OUT, line.verdict(Verdict::Release)).await;
        if said.map_err(|_| lost())?? != Verdict::Release {
            return Err(lost());
        }
        let answer = timeout(FINISH, live.job.answer()).await;
        answer.map_err(|_| lost())?.map_err(|failure| Failure {
            kind: FailureKind::Lost,
            ..failure
        })?;
        // If the script could not leave the mark, a later look must not miss it.
        if let Some(attempt) = self.attempts.newest() {
            let _ = File::create_new(attempt.directory.join(RESUMED));
        }
        Ok(())
    }
}

/// What became of a restore, from what is noted down and what is there. CRIU is ended, so that
/// nothing changes any more.
pub(super) async fn became(
    attempt: Option<Attempt>,
    started: Option<Note<Task>>,
    criu: Option<Task>,
    restored: Option<Note<Restored>>,
    released_before: bool,
) -> Result<Became, Failure> {
    let Some(attempt) = attempt else {
        return Ok(if released_before {
            Became::Running
        } else {
            Became::Not
        });
    };
    let decided = decide(&attempt.directory, Verdict::Discard);
    let decided = decided.map_err(|error| {
        Failure::new(
            "verdict",
            format!("the verdict cannot be made out: {error}"),
        )
    })?;
    let this_boot = started.as_ref().is_none_or(Note::is_of_this_boot);
    let started = started.filter(|note| note.is_of_this_boot() && note.attempt == attempt.number);
    for process in criu.into_iter().chain(started.map(|note| note.what)) {
        rpc::end(process, LEAVE).await;
    }
    if decided != Verdict::Release {
        return Ok(Became::Not);
    }
    if !this_boot {
        return Err(Failure::new(
            "workload-lost",
            "the workload ran here and ended when this host was started anew",
        )
        .hint("its images are still here: `phaul agent resolve` can restore it from them"));
    }
    // A script that CRIU left behind may still make its mark, and tasks may still get on.
    let marked = || [RESUMED, RESUMING].map(|name| attempt.directory.join(name).exists());
    if !marked().contains(&true) {
        sleep(GET_ON).await;
    }
    let restored = restored.filter(|note| note.attempt == attempt.number);
    let has_left = restored.is_some_and(|Note { what, .. }| {
        let alive = what.tasks.first().filter(|root| root.is_alive());
        alive.is_some_and(|root| waits_at(root.pid) != Some(what.root_waits_at))
    });
    Ok(if marked().contains(&true) || has_left {
        Became::Running
    } else {
        Became::Not
    })
}

/// The address of the futex at which a task waits, if it waits at one.
pub(super) fn waits_at(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/syscall")).ok()?;
    parse_wait(&text)
}

fn parse_wait(text: &str) -> Option<u64> {
    let mut words = text.split_whitespace();
    if words.next()?.parse() != Ok(nix::libc::SYS_futex) {
        return None;
    }
    u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::Attempts;
    use crate::attempt::tests::Book;
    use crate::tasks::boot_id;
    use std::process::{Child, Command};

    fn attempt() -> (tempfile::TempDir, Attempt) {
        let directory = tempfile::tempdir().unwrap();
        let attempts = Attempts::new(directory.path(), "restore");
        let attempt = attempts.begin(&mut Book::default()).unwrap();
        (directory, attempt)
    }

    fn note(root_waits_at: u64) -> (Child, Note<Restored>) {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let task = Task::find(i32::try_from(child.id()).unwrap()).unwrap();
        let note = Note {
            attempt: 1,
            boot: boot_id(),
            what: Restored {
                tasks: vec![task],
                root_waits_at,
            },
        };
        (child, note)
    }

    fn end(mut child: Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn without_a_verdict_it_never_ran_and_never_will() {
        let (_directory, attempt) = attempt();
        let now = became(Some(attempt.clone()), None, None, None, false).await;
        assert_eq!(now.unwrap(), Became::Not);
        let verdict = decide(&attempt.directory, Verdict::Release).unwrap();
        assert_eq!(verdict, Verdict::Discard, "a late hold must not release");
    }

    #[tokio::test]
    async fn a_mark_proves_that_it_runs_even_if_it_has_ended_since() {
        for mark in [RESUMING, RESUMED] {
            let (_directory, attempt) = attempt();
            decide(&attempt.directory, Verdict::Release).unwrap();
            File::create(attempt.directory.join(mark)).unwrap();
            let now = became(Some(attempt), None, None, None, false).await;
            assert_eq!(now.unwrap(), Became::Running);
        }
    }

    #[tokio::test]
    async fn without_a_mark_the_tasks_tell() {
        // A sleeper does not wait at a futex, so it is not where it was held.
        let (_directory, attempt) = attempt();
        decide(&attempt.directory, Verdict::Release).unwrap();
        let (child, restored) = note(0x1000);
        let now = became(
            Some(attempt.clone()),
            None,
            None,
            Some(restored.clone()),
            false,
        )
        .await;
        assert_eq!(now.unwrap(), Became::Running);
        end(child);
        let now = became(Some(attempt), None, None, Some(restored), false).await;
        assert_eq!(now.unwrap(), Became::Not, "all gone");
    }

    #[tokio::test]
    async fn what_ran_in_another_boot_is_lost() {
        let (_directory, attempt) = attempt();
        decide(&attempt.directory, Verdict::Release).unwrap();
        let criu = Note {
            attempt: 1,
            boot: "another".to_owned(),
            what: Task {
                pid: 1,
                start_ticks: 1,
            },
        };
        let failure = became(Some(attempt), Some(criu), None, None, false).await;
        assert_eq!(failure.unwrap_err().code, "workload-lost");
    }

    #[test]
    fn the_address_of_a_futex() {
        let futex = nix::libc::SYS_futex;
        let text = format!("{futex} 0x7f01 0x0 0x2 0x0 0x0 0x0 0x7ffc 0x11\n");
        assert_eq!(parse_wait(&text), Some(0x7f01));
        for other in ["running\n", "-1 0x7ffc 0x11\n", "999999 0x1 0x2\n", ""] {
            assert_eq!(parse_wait(other), None, "{other:?}");
        }
    }
}
