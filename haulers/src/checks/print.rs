//! What tells the content of a file: a build id, or a sum. Both hosts take it the same way.

use crate::manifest::Print;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Up to this size all of a file is summed, in bytes.
const WHOLE_MAX: u64 = 64 << 20;
/// Of a larger one so much of its beginning and of its end, in bytes.
const END: u64 = 1 << 20;
/// So much is summed in one look, in bytes: a preflight is no copy.
const BUDGET: u64 = 2 << 30;
/// The most program headers and the largest note that are looked at.
const HEADERS_MAX: u16 = 256;
const NOTE_MAX: u64 = 64 << 10;
/// The longest build id, in bytes.
const BUILD_ID_MAX: usize = 64;

/// Takes prints, within a budget.
#[derive(Debug)]
pub(super) struct Printer {
    left: u64,
}

/// Opens a regular file for reading. What else has that path is not opened: a fifo would
/// wait, a device might act, a link may point anywhere.
pub(super) fn open_regular(path: &Path) -> io::Result<(File, u64)> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY;
    if !path.symlink_metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok((file, about.len()))
}

impl Printer {
    pub(super) fn new() -> Self {
        Self { left: BUDGET }
    }

    /// The print of a file.
    pub(super) fn print(&mut self, file: &mut File, size: u64) -> io::Result<Print> {
        // A file that only looks like a program has no build id, whatever goes wrong in it.
        if let Ok(Some(id)) = build_id(file) {
            return Ok(Print::BuildId(id));
        }
        let costs = size.min(if size <= WHOLE_MAX { size } else { 2 * END });
        if costs > self.left {
            return Ok(Print::None);
        }
        self.left -= costs;
        let mut sum = blake3::Hasher::new();
        file.seek(SeekFrom::Start(0))?;
        if size <= WHOLE_MAX {
            io::copy(&mut file.take(size), &mut sum)?;
            return Ok(Print::Whole(sum.finalize().to_hex().to_string()));
        }
        io::copy(&mut file.take(END), &mut sum)?;
        file.seek(SeekFrom::Start(size - END))?;
        io::copy(&mut file.take(END), &mut sum)?;
        Ok(Print::Ends(sum.finalize().to_hex().to_string()))
    }

    /// Whether a file has this print, as far as can be told.
    pub(super) fn matches(
        &mut self,
        file: &mut File,
        size: u64,
        print: &Print,
    ) -> io::Result<bool> {
        if *print == Print::None {
            return Ok(true);
        }
        let own = self.print(file, size)?;
        Ok(own == Print::None || own == *print)
    }
}

fn read_at<const N: usize>(file: &mut File, offset: u64) -> io::Result<Option<[u8; N]>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = [0; N];
    match file.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// The build id of an ELF file of 64 bits, little endian; none for anything else.
fn build_id(file: &mut File) -> io::Result<Option<String>> {
    let Some(head) = read_at::<64>(file, 0)? else {
        return Ok(None);
    };
    if head[..6] != *b"\x7fELF\x02\x01" {
        return Ok(None);
    }
    let (table, size) = (number(&head[32..40]), number(&head[54..56]));
    let count = number(&head[56..58]).min(HEADERS_MAX.into());
    for index in 0..count {
        let Some(offset) = index.checked_mul(size).and_then(|at| at.checked_add(table)) else {
            return Ok(None);
        };
        let Some(header) = read_at::<56>(file, offset)? else {
            return Ok(None);
        };
        const PT_NOTE: u64 = 4;
        if number(&header[..4]) == PT_NOTE {
            let (offset, length) = (number(&header[8..16]), number(&header[32..40]));
            file.seek(SeekFrom::Start(offset))?;
            let mut notes = Vec::new();
            file.take(length.min(NOTE_MAX)).read_to_end(&mut notes)?;
            if let Some(id) = build_id_in(&notes) {
                return Ok(Some(id));
            }
        }
    }
    Ok(None)
}

/// The build id in the bytes of a segment of notes.
fn build_id_in(mut notes: &[u8]) -> Option<String> {
    const NT_GNU_BUILD_ID: u64 = 3;
    let rounded = |length: u64| usize::try_from(length.checked_add(3)? & !3).ok();
    while let Some(head) = notes.get(..12) {
        let [name, id, kind] = [0, 4, 8].map(|at| number(&head[at..at + 4]));
        let (name_end, id_length) = (12 + rounded(name)?, usize::try_from(id).ok()?);
        let value = notes.get(name_end..name_end.checked_add(id_length)?)?;
        if kind == NT_GNU_BUILD_ID && notes.get(12..16) == Some(b"GNU\0") {
            let fits = (1..=BUILD_ID_MAX).contains(&value.len());
            return fits.then(|| value.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        notes = notes.get(name_end.checked_add(rounded(id)?)?..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn print(path: &Path) -> Print {
        let (mut file, size) = open_regular(path).unwrap();
        Printer::new().print(&mut file, size).unwrap()
    }

    #[test]
    fn a_program_is_known_by_its_build_id_or_content() {
        let own = std::env::current_exe().unwrap();
        assert!(matches!(print(&own), Print::BuildId(id) if id.len() == 40));
        let (mut file, size) = open_regular(&own).unwrap();
        let other = Print::BuildId("00".to_owned());
        assert!(!Printer::new().matches(&mut file, size, &other).unwrap());
        assert!(
            Printer::new()
                .matches(&mut file, size, &print(&own))
                .unwrap()
        );
    }

    #[test]
    fn small_files_are_summed_whole_and_large_ones_at_their_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, "one").unwrap();
        let Print::Whole(one) = print(&path) else {
            panic!("a small file");
        };
        assert_eq!(one, blake3::hash(b"one").to_hex().to_string());
        let file = File::create(&path).unwrap();
        file.set_len(WHOLE_MAX + 5).unwrap();
        let before = print(&path);
        assert!(matches!(before, Print::Ends(_)));
        std::os::unix::fs::FileExt::write_at(&file, b"x", WHOLE_MAX).unwrap();
        assert_ne!(print(&path), before);
    }

    #[test]
    fn a_spent_budget_ends_the_summing() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("x"), "one").unwrap();
        let (mut file, size) = open_regular(&dir.path().join("x")).unwrap();
        let mut printer = Printer { left: 2 };
        assert_eq!(printer.print(&mut file, size).unwrap(), Print::None);
        let other = Print::Whole("00".to_owned());
        assert!(printer.matches(&mut file, size, &other).unwrap());
    }

    #[test]
    fn only_regular_files_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        symlink("/etc/passwd", dir.path().join("link")).unwrap();
        for odd in [
            fifo,
            dir.path().join("link"),
            dir.path().to_owned(),
            "/dev/null".into(),
        ] {
            assert!(open_regular(&odd).is_err(), "{}", odd.display());
        }
    }

    #[test]
    fn broken_programs_have_no_build_id() {
        let whole = fs::read(std::env::current_exe().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        for length in [0, 5, 63, 64, 100, 300] {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(matches!(print(&path), Print::Whole(_)), "{length}");
        }
        let mut odd = whole[..4096].to_vec();
        odd[32..40].fill(0xff);
        odd[56..58].fill(0xff);
        fs::write(&path, odd).unwrap();
        assert!(matches!(print(&path), Print::Whole(_)));
        for notes in [
            &[0xff; 40][..],
            &[0; 11],
            b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0short",
        ] {
            assert_eq!(build_id_in(notes), None);
        }
    }
}
