//! Removes what stands in a tree.

use super::super::entry::{Place, join};
use super::super::tree::{Tree, names};
use rustix::fs::{AtFlags, OFlags, unlinkat};
use rustix::io::{Errno, Result};

/// Removes an entry with all beneath it; one that is not there counts as removed.
pub(super) fn remove(tree: &mut Tree, path: &[u8]) -> Result<()> {
    // What is still to be removed, the innermost last.
    let mut rest = vec![path.to_vec()];
    while let Some(path) = rest.last() {
        if unlink(tree, path)? {
            rest.pop();
            continue;
        }
        let directory = match tree.reach(path, OFlags::RDONLY | OFlags::DIRECTORY) {
            // It became something else meanwhile.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
            directory => directory?,
        };
        let beneath = names(&directory)?.into_iter().map(|name| join(path, &name));
        rest.extend(beneath.collect::<Vec<_>>());
    }
    Ok(())
}

/// False if it is a directory that is not empty.
fn unlink(tree: &mut Tree, path: &[u8]) -> Result<bool> {
    let spot = match tree.spot(path) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(true),
        spot => spot?,
    };
    let removed = match unlinkat(spot.directory, spot.name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {
            let removed = unlinkat(spot.directory, spot.name, AtFlags::REMOVEDIR);
            tree.forget_last();
            removed
        }
        removed => removed,
    };
    match removed {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Tells of a path whether it is to be in a tree, and if so, whether as a directory.
pub(super) type Stays<'a> = &'a dyn Fn(&[u8]) -> Option<bool>;

/// Removes what is not to be in a tree.
pub(super) fn sweep(tree: &mut Tree, stays: Stays<'_>) -> Result<()> {
    let mut directories = vec![Place::default()];
    while let Some(directory) = directories.pop() {
        let handle = tree.reach(&directory, OFlags::RDONLY | OFlags::DIRECTORY)?;
        for name in names(&handle)? {
            let path = join(&directory, &name);
            match stays(&path) {
                None => remove(tree, &path)?,
                Some(true) => directories.push(path.into()),
                Some(false) => {}
            }
        }
    }
    Ok(())
}
