//! The parts of the zoo that tick in the parent, each in a thread of its own.

use std::fs;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread::sleep;

use phaul_tests::workloads::pattern::{PatternMemory, Xorshift};

use super::Zoo;
use super::partner::{Pipes, Region, answer};

/// In so many ticks all of `memory` is checked once.
const CHECK_TICKS: usize = 200;

/// Rewrites one page at a tick and checks all, again and again.
pub(crate) fn memory(zoo: &Zoo, mib: u64) -> ! {
    let mut memory = PatternMemory::new(mib);
    let mut pages = Xorshift::new(0);
    loop {
        memory.rewrite(pages.below(memory.pages()));
        if let Err(page) = memory.check_next(memory.pages().div_ceil(CHECK_TICKS)) {
            zoo.ledger.corrupt(&format!("memory: page {page}"));
        }
        let number = zoo.counter.fetch_add(1, Ordering::Relaxed) + 1;
        zoo.ledger.tick_of("memory", number);
        sleep(zoo.every);
    }
}

/// Sends the echo one number after the other.
pub(crate) fn pipe(zoo: &Zoo, mut pipes: Pipes) {
    let mut word = [0; 8];
    for number in 1_u64.. {
        let exchanged = pipes
            .to_echo
            .write_all(&number.to_le_bytes())
            .and_then(|()| pipes.from_echo.read_exact(&mut word));
        match exchanged {
            Ok(()) if word == answer(number).to_le_bytes() => zoo.ledger.tick_of("pipe", number),
            Ok(()) => zoo
                .ledger
                .corrupt(&format!("pipe: a wrong answer to {number}")),
            Err(error) => zoo.ledger.corrupt(&format!("pipe: {error}")),
        }
        sleep(zoo.every);
    }
}

/// Takes the odd turns on a region.
pub(crate) fn region(zoo: &Zoo, name: &str, region: &Region) {
    for number in 1_u64.. {
        while region.turn() % 2 == 1 {
            sleep(zoo.every / 2);
        }
        if let Err(word) = region.advance() {
            zoo.ledger.corrupt(&format!("{name}: word {word}"));
        }
        zoo.ledger.tick_of(name, number);
        sleep(zoo.every);
    }
}

/// Reads the next piece of the file, from where the last read ended.
pub(crate) fn file(zoo: &Zoo, mut story: Story) {
    for number in 1_u64.. {
        match story.read_on() {
            Ok(true) => zoo.ledger.tick_of("file", number),
            Ok(false) => zoo
                .ledger
                .corrupt(&format!("file: not what follows at {}", story.offset)),
            Err(error) => zoo.ledger.corrupt(&format!("file: {error}")),
        }
        sleep(zoo.every);
    }
}

/// A file of known content, open and read in part.
#[derive(Debug)]
pub(crate) struct Story {
    file: fs::File,
    content: Vec<u8>,
    /// Where the kernel's offset must be.
    offset: usize,
}

impl Story {
    const WORDS: usize = 8192;
    const PIECE_BYTES: usize = 96;

    /// Writes the file and opens it to be read.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let mut numbers = Xorshift::new(0);
        let content: Vec<u8> = (0..Self::WORDS)
            .flat_map(|_| numbers.number().to_le_bytes())
            .collect();
        fs::write(path, &content)?;
        Ok(Self {
            file: fs::File::open(path)?,
            content,
            offset: 0,
        })
    }

    /// Whether the next piece is what it must be; begins anew after the last.
    fn read_on(&mut self) -> io::Result<bool> {
        let expected =
            &self.content[self.offset..self.content.len().min(self.offset + Self::PIECE_BYTES)];
        let mut piece = vec![0; expected.len()];
        self.file.read_exact(&mut piece)?;
        if piece != expected {
            return Ok(false);
        }
        self.offset += piece.len();
        if self.offset == self.content.len() {
            self.file.rewind()?;
            self.offset = 0;
        }
        Ok(true)
    }
}
