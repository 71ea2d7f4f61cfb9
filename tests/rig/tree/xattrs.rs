//! Extended attributes, ACLs and capabilities among them, of whatever a path names and not of what
//! a link there leads to.
#![expect(
    unsafe_code,
    reason = "there are no safe calls for extended attributes"
)]

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::libc::{lgetxattr, llistxattr};

/// The kernel allows no longer list of names (`XATTR_LIST_MAX`), and no longer value
/// (`XATTR_SIZE_MAX`).
const BYTES_MAX: usize = 65536;

/// All of them, by name.
pub(super) fn read(path: &Path) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut names = vec![0_u8; BYTES_MAX];
    // SAFETY: `path` ends with a zero, and the kernel writes at most the bytes that `names` has.
    let length = unsafe { llistxattr(path.as_ptr(), names.as_mut_ptr().cast(), names.len()) };
    let length = match length_of(length) {
        // A file system without any.
        Err(Errno::EOPNOTSUPP) => 0,
        length => length?,
    };
    let names = names[..length].split_inclusive(|byte| *byte == 0);
    let value = |name: &[u8]| {
        let name = CStr::from_bytes_with_nul(name).map_err(io::Error::other)?;
        Ok((name.to_bytes().to_vec(), value_of(&path, name)?))
    };
    names.map(value).collect()
}

fn value_of(path: &CStr, name: &CStr) -> io::Result<Vec<u8>> {
    let mut value = vec![0_u8; BYTES_MAX];
    let (path, name): (*const c_char, *const c_char) = (path.as_ptr(), name.as_ptr());
    // SAFETY: both names end with a zero, and the kernel writes at most the bytes that `value` has.
    let length = unsafe { lgetxattr(path, name, value.as_mut_ptr().cast(), value.len()) };
    value.truncate(length_of(length)?);
    Ok(value)
}

fn length_of(returned: isize) -> Result<usize, Errno> {
    Errno::result(returned).map(isize::cast_unsigned)
}

/// In what those of a copy differ.
pub(super) fn differences(
    here: &BTreeMap<Vec<u8>, Vec<u8>>,
    copied: &BTreeMap<Vec<u8>, Vec<u8>>,
) -> Vec<String> {
    let names: std::collections::BTreeSet<_> = here.keys().chain(copied.keys()).collect();
    let shown = |value: Option<&Vec<u8>>| match value {
        Some(value) => format!("\"{}\"", value.escape_ascii()),
        None => "nothing".to_owned(),
    };
    names
        .into_iter()
        .filter(|name| here.get(*name) != copied.get(*name))
        .map(|name| {
            let (was, is) = (shown(here.get(name)), shown(copied.get(name)));
            format!("attribute {} {was} became {is}", name.escape_ascii())
        })
        .collect()
}
