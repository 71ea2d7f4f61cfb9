//! The zoo's children, and what they share with their parent.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::{Pid, ftruncate, getpid, getppid};
use phaul_tests::workloads::fork::start_child;
use phaul_tests::workloads::pattern::Xorshift;

use super::Zoo;
use super::sys::SharedWords;

/// The words of one region: the turn, and what was written in it.
const REGION_WORDS: NonZeroUsize = NonZeroUsize::new(4096).expect("4096 is not zero");

/// The parent's ends.
#[derive(Debug)]
pub(crate) struct Children {
    pub(crate) pipes: Pipes,
    pub(crate) shared: Region,
    pub(crate) memfd: Region,
}

/// The parent's ends of the pipes to the echo.
#[derive(Debug)]
pub(crate) struct Pipes {
    pub(crate) to_echo: PipeWriter,
    pub(crate) from_echo: PipeReader,
}

/// Starts all children.
pub(crate) fn start(zoo: &Zoo) -> io::Result<Children> {
    let (echo_reads, to_echo) = io::pipe()?;
    let (from_echo, echo_writes) = io::pipe()?;
    let shared = Region {
        words: SharedWords::anonymous(REGION_WORDS)?.words(),
    };
    let file = memfd_create("zoo", MFdFlags::MFD_CLOEXEC)?;
    ftruncate(&file, (REGION_WORDS.get() * size_of::<AtomicU64>()) as i64)?;
    let memfd = Region {
        words: SharedWords::of_file(&file, REGION_WORDS)?.words(),
    };
    let parent = getpid();
    start_child(|| {})?;
    start_child(|| partner(zoo, parent, [("shared", &shared), ("memfd", &memfd)]))?;
    let mut pipes = Some((echo_reads, echo_writes, to_echo, from_echo));
    start_child(|| {
        if let Some((echo_reads, echo_writes, to_echo, from_echo)) = pipes.take() {
            // The parent's ends, or the echo would never see that the parent has ended.
            drop((to_echo, from_echo));
            echo(zoo, echo_reads, echo_writes);
        }
    })?;
    let (_, _, to_echo, from_echo) = pipes.take().ok_or(io::ErrorKind::BrokenPipe)?;
    // The memfd stays open besides being mapped: a descriptor of it is a thing to be carried over,
    // too.
    std::mem::forget(file);
    Ok(Children {
        pipes: Pipes { to_echo, from_echo },
        shared,
        memfd,
    })
}

/// Answers each number with one that follows from it, and knows itself which number comes next.
fn echo(zoo: &Zoo, mut reads: PipeReader, mut writes: PipeWriter) {
    let mut word = [0; 8];
    for number in 1_u64.. {
        if reads.read_exact(&mut word).is_err() {
            return;
        }
        if word != number.to_le_bytes() {
            zoo.ledger.corrupt(&format!(
                "pipe: {} reached the echo for {number}",
                u64::from_le_bytes(word)
            ));
        }
        if writes.write_all(&answer(number).to_le_bytes()).is_err() {
            return;
        }
    }
}

/// What the echo answers.
pub(crate) fn answer(number: u64) -> u64 {
    Xorshift::new(number).number()
}

/// Takes the even turns on both regions, as long as the parent lives.
fn partner(zoo: &Zoo, parent: Pid, regions: [(&str, &Region); 2]) {
    while getppid() == parent {
        for (name, region) in regions {
            if region.turn() % 2 == 1 {
                region.advance().unwrap_or_else(|word| {
                    zoo.ledger
                        .corrupt(&format!("{name}: word {word}, in the child"))
                });
            }
        }
        sleep(zoo.every / 2);
    }
}

/// Memory in which two take turns: who has the turn checks all that the other wrote, and writes all
/// anew.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Region {
    words: &'static [AtomicU64],
}

impl Region {
    /// The number of the last turn taken.
    pub(crate) fn turn(&self) -> u64 {
        self.words[0].load(Ordering::Acquire)
    }

    /// Takes the next turn; an error is the number of the first word that is wrong.
    pub(crate) fn advance(&self) -> Result<(), usize> {
        let turn = self.turn();
        let (mut written, mut next) = (Xorshift::new(turn), Xorshift::new(turn + 1));
        for (index, word) in self.words.iter().enumerate().skip(1) {
            let found = word.swap(next.number(), Ordering::Relaxed);
            // Before the first turn all is zero.
            if found != if turn == 0 { 0 } else { written.number() } {
                return Err(index);
            }
        }
        self.words[0].store(turn + 1, Ordering::Release);
        Ok(())
    }
}
