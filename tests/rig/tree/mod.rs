//! Two trees of files, compared by what is in them and not by what copied them.

mod entry;
mod xattrs;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use entry::Entry;

/// Everything beneath a directory, and the directory itself, at one moment.
#[derive(Debug, Clone)]
pub struct Tree {
    entries: BTreeMap<PathBuf, Entry>,
}

impl Tree {
    /// Reads all of `root` but what `skipped` names, each with all that is beneath. What it names
    /// must be there: a name that is nothing's hides nothing.
    ///
    /// # Errors
    /// What cannot be read, or is named and not there.
    pub fn read(root: &Path, skipped: &[&str]) -> io::Result<Self> {
        for name in skipped {
            fs::symlink_metadata(root.join(name))
                .map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
        }
        let mut entries = BTreeMap::new();
        walk(root, Path::new(""), skipped, &mut entries)?;
        group_links(&mut entries);
        Ok(Self { entries })
    }

    /// In what a copy differs, a line for each thing; empty if it is a true copy.
    pub fn differences(&self, copy: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for (path, entry) in &self.entries {
            let name = name(path);
            match copy.entries.get(path) {
                None => found.push(format!("{name} is missing")),
                Some(copied) => {
                    let differences = entry.differences(copied).into_iter();
                    found.extend(differences.map(|difference| format!("{name}: {difference}")));
                }
            }
        }
        let added = copy.entries.keys();
        let added = added.filter(|path| !self.entries.contains_key(*path));
        found.extend(added.map(|path| format!("{} is there besides", name(path))));
        found
    }

    /// How many things there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing, not even the root.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A path for people: one that is no text, or has line breaks, must not spoil a list.
fn name(path: &Path) -> String {
    format!("/{}", path.as_os_str().as_bytes().escape_ascii())
}

fn walk(
    root: &Path,
    path: &Path,
    skipped: &[&str],
    entries: &mut BTreeMap<PathBuf, Entry>,
) -> io::Result<()> {
    if skipped.iter().any(|skipped| path == Path::new(skipped)) {
        return Ok(());
    }
    let full = root.join(path);
    let said = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", name(path)));
    let metadata = fs::symlink_metadata(&full).map_err(said)?;
    entries.insert(
        path.to_owned(),
        Entry::read(&full, &metadata).map_err(said)?,
    );
    if metadata.is_dir() {
        for child in fs::read_dir(&full).map_err(said)? {
            walk(root, &path.join(child?.file_name()), skipped, entries)?;
        }
    }
    Ok(())
}

/// Says of each file with several names in the tree what the first of them is.
fn group_links(entries: &mut BTreeMap<PathBuf, Entry>) {
    let mut groups: BTreeMap<(u64, u64), Vec<PathBuf>> = BTreeMap::new();
    for (path, entry) in entries.iter() {
        groups.entry(entry.inode).or_default().push(path.clone());
    }
    for group in groups.into_values().filter(|group| group.len() > 1) {
        for path in &group {
            if let Some(entry) = entries.get_mut(path) {
                entry.linked_to = Some(group[0].clone());
            }
        }
    }
}

/// What tells a file from every other.
fn inode(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests;
