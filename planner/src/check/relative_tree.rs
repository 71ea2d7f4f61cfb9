//! A relative path is one in a bundle, so there must be a bundle.

use crate::diagnostic::{Diagnostic, rule};
use crate::keys::{Draft, Reader};
use phaul_core::plan::{FileSet, Haul};

rule! {
    RELATIVE_TREE = "relative-tree", Error;
    means "A tree of files has a relative path, and what is hauled has no bundle.";
    why "A relative path means one in the bundle of a container; a process has none.";
    example "haul: { pid: { pid: 4242 } }\nfiles: [{ tree: { path: data } }]";
}

pub(super) fn check(draft: &Draft, reader: &mut Reader) {
    let (Some(Haul::Pid(_)), Some(files)) = (&draft.haul, &draft.files) else {
        return;
    };
    for (number, set) in files.iter().enumerate() {
        let FileSet::Tree { path, .. } = set else {
            continue;
        };
        let place = reader.settings.get(&format!("files[{number}].tree.path"));
        if let Some(place) = place.filter(|_| path.is_relative()) {
            let message = format!(
                "`{}` is relative, and a process has no bundle",
                path.display()
            );
            let found = Diagnostic::at(&RELATIVE_TREE, place.spot(), message)
                .label("must begin with `/`")
                .help(Some("give the whole path".to_owned()));
            reader.report.push(found);
        }
    }
}
