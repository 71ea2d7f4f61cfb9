//! Writes a file's content, and notes down what it is.

use super::super::content::{BLOCK_BYTES, Content, block_count, sum};
use bytes::Bytes;
use rustix::fs::{FallocateFlags, fallocate, ftruncate};
use rustix::io::{Errno, Result};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Cuts or extends a file.
pub(super) fn resize(file: &File, content: &mut Content, size_bytes: u64) -> Result<()> {
    ftruncate(file, size_bytes)?;
    content.resize(size_bytes);
    Ok(())
}

/// Writes all of a block. The extents are in order and apart. Fails with `INVAL` if the file's
/// size has no room for them.
pub(super) fn block(
    file: &File,
    content: &mut Content,
    number: u64,
    extents: &[(u32, Bytes)],
) -> Result<()> {
    let block = bytes_of(content, number)?;
    let mut room = vec![0; (block.end - block.start) as usize];
    let had_data = content.beside_zeros(number..number + 1).next().is_some();
    // If this fails half way, nothing is known of the block.
    content.doubt(number);
    let mut offset = block.start;
    for (begin, data) in extents {
        let begin = *begin as usize;
        let place = room.get_mut(begin..begin + data.len());
        place.ok_or(Errno::INVAL)?.copy_from_slice(data);
        let begin = block.start + begin as u64;
        if had_data {
            blank(file, offset..begin)?;
        }
        write(file, data, begin)?;
        offset = begin + data.len() as u64;
    }
    if had_data {
        blank(file, offset..block.end)?;
    }
    content.set(number, sum(&room));
    Ok(())
}

/// Makes zeros of blocks. Fails with `INVAL` if the file does not have them.
pub(super) fn hole(file: &File, content: &mut Content, first: u64, count: u64) -> Result<()> {
    let end = first.checked_add(count).ok_or(Errno::INVAL)?;
    if end > block_count(content.size_bytes.unwrap_or_default()) {
        return Err(Errno::INVAL);
    }
    for number in content.beside_zeros(first..end).collect::<Vec<_>>() {
        blank(file, bytes_of(content, number)?)?;
        content.set(number, None);
    }
    Ok(())
}

/// Where a block is in its file.
fn bytes_of(content: &Content, number: u64) -> Result<Range<u64>> {
    let size_bytes = content.size_bytes.unwrap_or_default();
    let begin = number.checked_mul(BLOCK_BYTES).ok_or(Errno::INVAL)?;
    if begin >= size_bytes {
        return Err(Errno::INVAL);
    }
    Ok(begin..size_bytes.min(begin + BLOCK_BYTES))
}

/// Makes zeros of a part of a file: a hole, if the file system knows any.
fn blank(file: &File, part: Range<u64>) -> Result<()> {
    let length = part.end - part.start;
    if length == 0 {
        return Ok(());
    }
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    match fallocate(file, flags, part.start, length) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => write(file, &vec![0; length as usize], part.start),
        punched => punched,
    }
}

fn write(file: &File, data: &[u8], offset: u64) -> Result<()> {
    file.write_all_at(data, offset)
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}
