//! The system calls of the zoo that are not safe by themselves.
#![expect(unsafe_code, reason = "shared mappings have no safe calls")]

use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use nix::libc::c_void;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous};

/// Memory that processes share; it stays mapped until the process ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SharedWords(&'static [AtomicU64]);

impl SharedWords {
    /// Anonymous: only children have it, too.
    pub(crate) fn anonymous(count: NonZeroUsize) -> nix::Result<Self> {
        let (bytes, access) = (bytes(count)?, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE);
        // SAFETY: the kernel chooses where, so nothing that is mapped is replaced.
        let start = unsafe { mmap_anonymous(None, bytes, access, MapFlags::MAP_SHARED)? };
        Ok(Self::of(start, count))
    }

    /// Of a file, which is as long as that and stays so: the caller keeps it from others.
    pub(crate) fn of_file(file: impl AsFd, count: NonZeroUsize) -> nix::Result<Self> {
        let (bytes, access) = (bytes(count)?, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE);
        // SAFETY: the kernel chooses where, so nothing that is mapped is replaced.
        let start = unsafe { mmap(None, bytes, access, MapFlags::MAP_SHARED, file, 0)? };
        Ok(Self::of(start, count))
    }

    /// The words.
    pub(crate) fn words(self) -> &'static [AtomicU64] {
        self.0
    }

    fn of(start: NonNull<c_void>, count: NonZeroUsize) -> Self {
        // SAFETY: `start` begins a mapping of `count` words that is never unmapped, is aligned to a
        // page, and holds plain numbers, which every process that has the mapping only touches as
        // atomics.
        Self(unsafe { std::slice::from_raw_parts(start.cast::<AtomicU64>().as_ptr(), count.get()) })
    }
}

fn bytes(count: NonZeroUsize) -> nix::Result<NonZeroUsize> {
    count
        .checked_mul(NonZeroUsize::new(size_of::<AtomicU64>()).unwrap_or(NonZeroUsize::MIN))
        .ok_or(nix::Error::EINVAL)
}
