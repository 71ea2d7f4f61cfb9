//! What a tree looks like from outside.

use super::SourceTree;
use super::digest::Digest;
use super::entry::Kind;
use super::walk::Walker;
use phaul_core::failure::Failure;
use std::collections::BTreeSet;

/// What a tree looks like from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outline {
    /// Over names, types, modes, owners, sizes, link targets and device numbers: equal for two
    /// trees that look the same. Neither times nor content count.
    pub digest: String,
    /// Bytes of content, holes among them; of a file with several names once.
    pub bytes: u64,
    /// How many entries it has, the root among them.
    pub entries: u64,
}

/// Walks a tree and outlines it. Fails with `files-read`.
pub(crate) fn outline(tree: &SourceTree) -> Result<Outline, Failure> {
    let entries = Walker::new(tree)?.walk(&|_, _| Some(Default::default()))?;
    let mut digest = Digest::default();
    let mut bytes = 0_u64;
    let mut counted = BTreeSet::new();
    for (path, seen) in &entries {
        digest.bytes(path);
        digest.kind(Some(&seen.kind));
        digest.number(seen.attributes.mode.into());
        digest.number(seen.attributes.uid.into());
        digest.number(seen.attributes.gid.into());
        if seen.kind == Kind::File {
            let size_bytes = seen.signature.size_bytes;
            digest.number(size_bytes);
            if seen.names == 1 || counted.insert(seen.signature.identity) {
                bytes = bytes.saturating_add(size_bytes);
            }
        }
    }
    Ok(Outline {
        digest: digest.finish(),
        bytes,
        entries: entries.len() as u64,
    })
}
