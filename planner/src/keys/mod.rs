//! The keys of a plan, one file a section: each key's type, default and explanation, once, and
//! how the section is read.

mod checks;
mod criu;
mod files;
mod haul;
mod hooks;
mod key;
mod memory;
mod named;
mod network;
mod reader;
mod retry;
mod root;
mod target;
mod transport;
mod units;
mod value;
mod verify;

pub use checks::KNOWN_CHECKS;
pub use key::{Absent, Key, Kind, Section, Word};
pub(crate) use named::fits_name;
pub(crate) use reader::Reader;
pub use root::PLAN;
pub(crate) use root::{Draft, draft};

/// Declares a section: its keys by name, and the table of them.
macro_rules! section {
    ($vis:vis $section:ident = $doc:literal; $($key:ident = $value:expr,)*) => {
        $(const $key: $crate::keys::Key = $value;)*
        #[doc = $doc]
        $vis static $section: $crate::keys::Section = $crate::keys::Section {
            doc: $doc,
            keys: &[$($key,)*],
        };
    };
}
use section;

/// The key at a path such as `memory.converge.rounds` or `verify[0].exec.argv`.
pub fn find(path: &str) -> Option<&'static Key> {
    let mut keys = PLAN.keys;
    let mut found = None;
    for name in path.split('.') {
        let name = name.split('[').next().unwrap_or(name);
        let key = keys.iter().find(|key| key.name == name)?;
        keys = key.kind.keys();
        found = Some(key);
    }
    found
}

/// Where keys of this name stand in a plan, as paths.
pub(crate) fn homes(name: &str) -> Vec<String> {
    fn search(
        way: &mut Vec<&'static str>,
        keys: &'static [Key],
        name: &str,
        found: &mut Vec<String>,
    ) {
        for key in keys {
            way.push(key.name);
            if key.name == name {
                found.push(way.join("."));
            }
            search(way, key.kind.keys(), name, found);
            way.pop();
        }
    }
    let mut found = Vec::new();
    search(&mut Vec::new(), PLAN.keys, name, &mut found);
    found
}
