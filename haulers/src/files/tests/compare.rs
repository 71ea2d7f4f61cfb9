//! Compares trees, knowing nothing of how they are copied.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Two trees must be the same in all that is copied.
pub(super) fn assert_same(left: &Path, right: &Path) {
    let (left, right) = (tree(left), tree(right));
    for (path, entry) in &left {
        let Some(other) = right.get(path) else {
            panic!("{path:?} is missing");
        };
        assert_eq!(entry.what, other.what, "{path:?}");
        assert_eq!(entry.content.len(), other.content.len(), "{path:?}");
        assert!(entry.content == other.content, "{path:?} has other content");
        // The file system may need a few more for its own.
        let sparse = other.blocks <= entry.blocks + 64;
        assert!(
            sparse,
            "{path:?}: {} blocks, not {}",
            other.blocks, entry.blocks
        );
    }
    let surplus: Vec<_> = right
        .keys()
        .filter(|path| !left.contains_key(*path))
        .collect();
    assert!(surplus.is_empty(), "{surplus:?}");
}

/// Joining nothing to a file's path would make a directory's of it.
fn whole(root: &Path, path: &Path) -> PathBuf {
    match path.as_os_str().is_empty() {
        true => root.to_owned(),
        false => root.join(path),
    }
}

struct Entry {
    what: String,
    content: Vec<(u64, Vec<u8>)>,
    blocks: u64,
}

fn tree(root: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut entries = BTreeMap::new();
    let mut firsts = BTreeMap::new();
    let mut rest = vec![PathBuf::new()];
    let mut paths = Vec::new();
    while let Some(path) = rest.pop() {
        let whole = whole(root, &path);
        if fs::symlink_metadata(&whole).unwrap().is_dir() {
            let children = fs::read_dir(&whole).unwrap();
            rest.extend(children.map(|child| path.join(child.unwrap().file_name())));
        }
        paths.push(path);
    }
    paths.sort();
    for path in paths {
        let whole = whole(root, &path);
        let stat = fs::symlink_metadata(&whole).unwrap();
        let first = firsts.entry(stat.ino()).or_insert_with(|| path.clone());
        let what = format!(
            "mode {:o}, owner {}:{}, time {}.{}, device {}, first {first:?}, to {:?}, {:?}",
            stat.mode(),
            stat.uid(),
            stat.gid(),
            stat.mtime(),
            stat.mtime_nsec(),
            stat.rdev(),
            fs::read_link(&whole).ok(),
            xattrs(&whole),
        );
        let content = match stat.is_file() {
            true => content(&whole, stat.size()),
            false => vec![],
        };
        let blocks = if stat.is_file() { stat.blocks() } else { 0 };
        entries.insert(
            path,
            Entry {
                what,
                content,
                blocks,
            },
        );
    }
    entries
}

/// What is not zero, in pages.
fn content(path: &Path, size: u64) -> Vec<(u64, Vec<u8>)> {
    use rustix::fs::{SeekFrom, seek};
    use std::os::unix::fs::FileExt;
    let file = fs::File::open(path).unwrap();
    let mut pages = vec![(size, vec![])];
    let mut offset = 0;
    while let Ok(data) = seek(&file, SeekFrom::Data(offset)) {
        let end = seek(&file, SeekFrom::Hole(data)).unwrap();
        offset = data / 4096 * 4096;
        let mut bytes = vec![0; (end - offset) as usize];
        file.read_exact_at(&mut bytes, offset).unwrap();
        for page in bytes.chunks(4096) {
            if *page != [0; 4096][..page.len()] {
                pages.push((offset, page.to_vec()));
            }
            offset += 4096;
        }
        offset = end;
    }
    pages
}

fn xattrs(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut list = vec![0; 65536];
    let length = rustix::fs::llistxattr(path, &mut list[..]).unwrap();
    let names = list[..length].split(|byte| *byte == 0);
    let names = names.filter(|name| !name.is_empty());
    let value = |name: &[u8]| {
        let mut value = vec![0; 65536];
        let length = rustix::fs::lgetxattr(path, OsStr::from_bytes(name), &mut value[..]);
        value.truncate(length.unwrap());
        value
    };
    names
        .map(|name| (String::from_utf8_lossy(name).into_owned(), value(name)))
        .collect()
}
