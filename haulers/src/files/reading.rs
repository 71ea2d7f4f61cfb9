//! Reads a file's content, and finds what of it the target does not hold.

use super::content::{BLOCK_BYTES, Content, Sum, block_count, sum};
use bytes::Bytes;
use rustix::fs::{SeekFrom, seek};
use rustix::io::{Errno, Result};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Something that the target does not hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Blocks of which it has something have become holes.
    Hole {
        /// The first of them.
        first: u64,
        /// How many they are.
        count: u64,
    },
    /// A block has this.
    Block {
        /// Which.
        number: u64,
        /// Its data, by offsets in the block.
        extents: Vec<(u32, Bytes)>,
        /// Its sum.
        sum: Option<Sum>,
    },
}

/// A file that is being read, once, from its beginning.
#[derive(Debug)]
pub(super) struct Reading {
    file: File,
    size_bytes: u64,
    /// The next block.
    next: u64,
    /// Where data is, as far as was asked; none beyond what lies before it.
    data: Range<u64>,
    /// A block's content.
    room: Vec<u8>,
    read_bytes: u64,
}

impl Reading {
    /// Reads the first bytes of a file.
    pub(super) fn new(file: File, size_bytes: u64) -> Self {
        let room_bytes = size_bytes.min(BLOCK_BYTES);
        Self {
            file,
            size_bytes,
            next: 0,
            data: 0..0,
            room: vec![0; usize::try_from(room_bytes).unwrap_or_default()],
            read_bytes: 0,
        }
    }

    /// The file.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Bytes of data that were read so far.
    pub(super) fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// The next piece that differs from what the target holds; none at the end.
    pub(super) fn next(&mut self, there: &Content) -> Result<Option<Piece>> {
        let count = block_count(self.size_bytes);
        while self.next < count {
            let number = self.next;
            self.seek_data(number * BLOCK_BYTES)?;
            let data_block = (self.data.start / BLOCK_BYTES).min(count);
            if data_block > number {
                self.next = data_block;
                if there.beside_zeros(number..data_block).next().is_some() {
                    let count = data_block - number;
                    return Ok(Some(Piece::Hole {
                        first: number,
                        count,
                    }));
                }
                continue;
            }
            self.next += 1;
            let extents = self.read_block(number)?;
            let sum = sum(&self.room);
            if !there.has(number, sum) {
                let extents = extents.into_iter().map(|extent| {
                    let data = Bytes::copy_from_slice(&self.room[extent.clone()]);
                    // A block's length fits by far.
                    (extent.start as u32, data)
                });
                return Ok(Some(Piece::Block {
                    number,
                    extents: extents.collect(),
                    sum,
                }));
            }
        }
        Ok(None)
    }

    /// Finds the next data that ends beyond an offset.
    fn seek_data(&mut self, offset: u64) -> Result<()> {
        if offset < self.data.end {
            return Ok(());
        }
        self.data = match seek(&self.file, SeekFrom::Data(offset)) {
            Ok(start) => match seek(&self.file, SeekFrom::Hole(start)) {
                Ok(end) => start..end.max(start + 1),
                Err(Errno::NXIO) => u64::MAX..u64::MAX,
                Err(error) => return Err(error),
            },
            // Only holes are left, or the file has become shorter.
            Err(Errno::NXIO) => u64::MAX..u64::MAX,
            // The file system knows no holes.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => offset..u64::MAX,
            Err(error) => return Err(error),
        };
        Ok(())
    }

    /// Reads a block's data into `room`, which is zero elsewhere. Returns where there is data.
    fn read_block(&mut self, number: u64) -> Result<Vec<Range<usize>>> {
        let begin = number * BLOCK_BYTES;
        let end = self.size_bytes.min(begin + BLOCK_BYTES);
        self.room.resize((end - begin) as usize, 0);
        self.room.fill(0);
        let mut extents = Vec::new();
        let mut offset = begin;
        while offset < end {
            self.seek_data(offset)?;
            let from = self.data.start.max(offset);
            offset = self.data.end.min(end);
            if from >= offset {
                break;
            }
            let extent = (from - begin) as usize..(offset - begin) as usize;
            let read = self.read_at(extent.clone(), from)?;
            self.read_bytes += read as u64;
            if read > 0 {
                extents.push(extent.start..extent.start + read);
            }
        }
        Ok(extents)
    }

    /// Less is read than asked for only if the file has become shorter.
    fn read_at(&mut self, extent: Range<usize>, mut offset: u64) -> Result<usize> {
        let room = &mut self.room[extent];
        let mut read = 0;
        while read < room.len() {
            match self.file.read_at(&mut room[read..], offset) {
                Ok(0) => break,
                Ok(more) => {
                    read += more;
                    offset += more as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
            }
        }
        Ok(read)
    }
}
