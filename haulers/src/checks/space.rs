//! Is there room for the images?

use super::{failed, passed, warned};
use nix::sys::statvfs::statvfs;
use phaul_core::graph::Side;
use phaul_core::plan::Bytes;
use phaul_core::report::Check;
use std::path::Path;

const ID: &str = "space";
/// Besides the memory: CRIU's other images and its log, in bytes.
const BESIDES: u64 = 32 << 20;

pub(super) fn check(side: Side, memory_bytes: u64, directory: &Path) -> Check {
    match statvfs(directory) {
        Ok(about) => {
            let free = about
                .blocks_available()
                .saturating_mul(about.fragment_size());
            judge(side, memory_bytes, free, directory)
        }
        Err(error) => warned(
            ID,
            side,
            format!(
                "the free space of {} is not known: {error}",
                directory.display()
            ),
            "see that the state directory is on a file system with enough room",
        ),
    }
}

fn judge(side: Side, memory_bytes: u64, free: u64, directory: &Path) -> Check {
    let needed = memory_bytes
        .saturating_add(memory_bytes / 10)
        .saturating_add(BESIDES);
    let mebibytes = |bytes: u64| Bytes(bytes >> 20 << 20);
    let text = format!(
        "the images need about {}, {} has {} free",
        mebibytes(needed),
        directory.display(),
        mebibytes(free)
    );
    if needed <= free {
        passed(ID, side, text)
    } else {
        failed(
            ID,
            side,
            text,
            "make room, or put the state directory elsewhere (`--state-dir`)",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_must_be_some_room_to_spare() {
        let check = |memory, free| judge(Side::Target, memory, free, Path::new("/var"));
        assert!(!check(1 << 30, 2 << 30).stops());
        assert!(check(1 << 30, 1 << 30).stops());
        assert!(check(u64::MAX, 1 << 40).stops());
    }
}
