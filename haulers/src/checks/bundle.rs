//! Are the container's configuration and root file system at the target, or do they come along?

use super::none_of;
use crate::kinds::container::{Spec, mapped, mapped_config};
use crate::left::Notes;
use crate::manifest::{Container, Tree};
use phaul_core::graph::Side;
use phaul_core::plan::{FileSet, Plan};
use phaul_core::report::Check;
use std::fs;
use std::path::Path;

const BUNDLE: &str = "bundle";
const MOUNTS: &str = "container-mounts";
/// What is wrong with a link: CRIU cannot mount through it.
const LINK: &str = "is a symbolic link, which cannot be mounted in a restore";

/// The bundle comes along, or is there and is the same.
pub(super) fn check(
    plan: &Plan,
    container: &Container,
    spec: &Spec,
    trees: &[Tree],
    notes: &Notes,
) -> Check {
    let mut wrong = Vec::new();
    let bundle = mapped(&plan.to.paths, &container.bundle);
    let rootfs = spec.rootfs(&container.bundle);
    let there = mapped(&plan.to.paths, &rootfs);
    let filled = fs::read_dir(&there).is_ok_and(|mut entries| entries.next().is_some());
    if !covered(&rootfs, trees, plan) && !filled {
        wrong.push(format!(
            "the root file system {} is not here and nothing brings it along",
            there.display()
        ));
    }
    let config = bundle.join("config.json");
    let expected = mapped_config(&container.config, &plan.to.paths);
    match (fs::read_to_string(&config), expected) {
        (_, Err(failure)) => wrong.push(failure.cause),
        (Ok(text), Ok(expected))
            if text != expected
                && !covered(&container.bundle.join("config.json"), trees, plan)
                && !notes.is_untouched(&config) =>
        {
            wrong.push(format!(
                "{} is another container's: it differs",
                config.display()
            ));
        }
        _ => {}
    }
    none_of(
        BUNDLE,
        Side::Target,
        &wrong,
        &format!("the bundle is or will be in {}", bundle.display()),
        "let it be copied (`files: [{ tree: { path: rootfs } }]`), or move away what stands there",
    )
}

/// Whatever of the host is mounted in the container is at the target, or comes along.
pub(super) fn mounts(plan: &Plan, container: &Container, spec: &Spec, trees: &[Tree]) -> Check {
    let missing: Vec<String> = spec
        .binds(&container.bundle)
        .into_iter()
        .filter(|(_, source)| !covered(source, trees, plan))
        .map(|(inside, source)| (inside, mapped(&plan.to.paths, &source)))
        .filter_map(|(inside, source)| {
            let why = if !source.exists() {
                "is not here and nothing brings it along"
            } else if source.is_symlink() {
                LINK
            } else {
                return None;
            };
            let (inside, source) = (inside.display(), source.display());
            Some(format!("{source}, mounted on {inside}, {why}"))
        })
        .collect();
    none_of(
        MOUNTS,
        Side::Target,
        &missing,
        "everything that is mounted in the container is here or is copied",
        "name it in `files`, make it here, or map the path elsewhere in `to.paths`",
    )
}

/// At the source: whatever of the host is mounted in the container is named by its real path.
pub(super) fn mounts_at_source(bundle: &Path, spec: &Spec) -> Check {
    let links: Vec<String> = spec
        .binds(bundle)
        .into_iter()
        .filter(|(_, source)| source.is_symlink())
        .map(|(inside, source)| {
            format!(
                "{}, mounted on {}, {LINK}",
                source.display(),
                inside.display()
            )
        })
        .collect();
    none_of(
        MOUNTS,
        Side::Source,
        &links,
        "everything that is mounted in the container has its real path",
        "name the real path in the container's config.json and start it anew",
    )
}

/// Whether a path of the source is copied, or is on a file system that both hosts mount.
fn covered(path: &Path, trees: &[Tree], plan: &Plan) -> bool {
    let shared =
        |set: &FileSet| matches!(set, FileSet::Shared { path: shared } if path.starts_with(shared));
    trees.iter().any(|tree| path.starts_with(&tree.path)) || plan.files.iter().any(shared)
}
