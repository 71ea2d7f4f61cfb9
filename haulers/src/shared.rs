//! Trees that both hosts mount: looked at before anything is touched, and proved with a token
//! before the workload is frozen.

use crate::kinds::container::mapped;
use crate::ledger;
use crate::manifest::Shared;
use phaul_core::executor::ports::{Ledger, Resource};
use phaul_core::failure::Failure;
use phaul_core::plan::{FileSet, Plan};
use phaul_core::run::RunId;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// So many entries of a directory are compared.
const COMPARED: usize = 64;

/// The shared trees of a plan.
fn paths(plan: &Plan) -> impl Iterator<Item = &PathBuf> {
    plan.files.iter().filter_map(|set| match set {
        FileSet::Shared { path } => Some(path),
        FileSet::Tree { .. } | FileSet::None => None,
    })
}

/// The first names in a directory and their inodes, its own among them as `.`: the same on both
/// hosts if it is the same directory.
fn inodes(path: &Path) -> io::Result<BTreeMap<String, u64>> {
    let mut found = BTreeMap::from([(".".to_owned(), fs::metadata(path)?.ino())]);
    let mut names: Vec<_> = fs::read_dir(path)?
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    for name in names.into_iter().take(COMPARED) {
        if let Ok(about) = path.join(&name).symlink_metadata() {
            found.insert(name, about.ino());
        }
    }
    Ok(found)
}

/// What the target is told of the shared trees.
pub(crate) fn describe(plan: &Plan) -> Result<Vec<Shared>, Failure> {
    paths(plan)
        .map(|path| {
            let inodes = inodes(path).map_err(|error| {
                let cause = format!("the shared tree {} cannot be read: {error}", path.display());
                Failure::new("files-read", cause)
            })?;
            Ok(Shared {
                path: path.clone(),
                inodes,
            })
        })
        .collect()
}

/// What is wrong with the shared trees here: nothing is touched.
pub(crate) fn differences(plan: &Plan, shared: &[Shared]) -> Vec<String> {
    shared
        .iter()
        .filter_map(|shared| {
            let path = mapped(&plan.to.paths, &shared.path);
            let here = match inodes(&path) {
                Ok(here) => here,
                Err(error) => return Some(format!("{}: {error}", path.display())),
            };
            let same =
                |(name, inode): (&String, &u64)| here.get(name).is_none_or(|here| here == inode);
            let same = here.get(".") == shared.inodes.get(".") && shared.inodes.iter().all(same);
            (!same).then(|| format!("{} is another directory than at the source", path.display()))
        })
        .collect()
}

fn token(tree: &Path, run: &RunId) -> PathBuf {
    tree.join(format!(".phaul-{run}"))
}

/// At the source: puts a token into every shared tree.
pub(crate) fn mark(plan: &Plan, run: &RunId, ledger: &mut dyn Ledger) -> Result<(), Failure> {
    for tree in paths(plan) {
        let path = token(tree, run);
        let resource = Resource::File { path: path.clone() };
        ledger::make_once(ledger, resource)?;
        fs::write(&path, run.as_str()).map_err(|error| {
            let cause = format!("no token can be put into {}: {error}", tree.display());
            Failure::new("shared", cause)
        })?;
    }
    Ok(())
}

/// At the source: takes the tokens away again, once the target has seen them.
pub(crate) fn unmark(plan: &Plan, run: &RunId, ledger: &mut dyn Ledger) -> Result<(), Failure> {
    for tree in paths(plan) {
        let path = token(tree, run);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                // The end of the run tries again.
                tracing::warn!(%error, path = %path.display(), "a token cannot be removed yet");
            }
            _ => ledger.gone(&Resource::File { path })?,
        }
    }
    Ok(())
}

/// At the target: every shared tree has the source's token in it.
pub(crate) fn prove(plan: &Plan, shared: &[Shared], run: &RunId) -> Result<(), Failure> {
    let missing = shared.iter().find(|shared| {
        let path = token(&mapped(&plan.to.paths, &shared.path), run);
        !fs::read_to_string(path).is_ok_and(|text| text == run.as_str())
    });
    match missing {
        None => Ok(()),
        Some(shared) => {
            let path = mapped(&plan.to.paths, &shared.path);
            let cause = format!(
                "{} is not the source's {}: the token that the source put there is not here",
                path.display(),
                shared.path.display()
            );
            Err(Failure::new("shared", cause)
                .hint("mount the same file system on both hosts, or copy it with `tree`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::tests::Book;
    use phaul_core::plan::{Container, Haul, Target};

    fn plan(path: &Path, there: &Path) -> Plan {
        let to = Target {
            agent: "b:1".to_owned(),
            identity: "b".to_owned(),
            id: None,
            paths: BTreeMap::from([(path.to_owned(), there.to_owned())]),
        };
        let container = Container {
            id: "web".to_owned(),
            root: None,
            bundle: None,
        };
        let mut plan = Plan::new("p", Haul::Runc(container), to);
        plan.files = vec![FileSet::Shared {
            path: path.to_owned(),
        }];
        plan
    }

    #[test]
    fn the_same_directory_is_told_from_a_copy() {
        let dir = tempfile::tempdir().unwrap();
        let [one, copy, link] = ["one", "copy", "link"].map(|name| dir.path().join(name));
        for tree in [&one, &copy] {
            fs::create_dir(tree).unwrap();
            fs::write(tree.join("file"), "x").unwrap();
        }
        std::os::unix::fs::symlink(&one, &link).unwrap();
        let run: RunId = "20260101-000000-shared".parse().unwrap();
        let mut book = Book::default();
        for (there, same) in [(&link, true), (&copy, false)] {
            let plan = plan(&one, there);
            let shared = describe(&plan).unwrap();
            assert_eq!(differences(&plan, &shared).is_empty(), same);
            mark(&plan, &run, &mut book).unwrap();
            assert_eq!(prove(&plan, &shared, &run).is_ok(), same);
            unmark(&plan, &run, &mut book).unwrap();
            assert!(prove(&plan, &shared, &run).is_err());
            assert_eq!(book.standing, []);
        }
    }
}
