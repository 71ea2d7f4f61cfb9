//! Where copied trees are put at the target: nothing that was there is lost before the workload
//! runs, and nothing of the run is left if it does not.

use crate::attempt::{make_directory, make_empty_directory, missing_above};
use crate::files::{TargetTree, TreesSink};
use crate::kinds::container::mapped;
use crate::ledger;
use crate::manifest::Tree;
use crate::resources::remove_all;
use phaul_core::executor::ports::{FileSink, Ledger, Resource};
use phaul_core::failure::Failure;
use phaul_core::plan::Plan;
use phaul_core::run::RunId;
use rustix::fs::syncfs;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

/// Under this name the resources are noted down that belong to the workload once it runs.
const PLACES: &str = "places";

/// What stands where a tree is to be put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing.
    Nothing,
    /// An empty directory.
    Empty,
    /// Something.
    Something,
}

/// Looks at a place.
pub(crate) fn standing(path: &Path) -> io::Result<Standing> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Standing::Nothing),
        Err(error) => Err(error),
        Ok(about) if about.is_dir() => match fs::read_dir(path)?.next() {
            None => Ok(Standing::Empty),
            Some(_) => Ok(Standing::Something),
        },
        Ok(_) => Ok(Standing::Something),
    }
}

/// Where the trees are put.
pub(crate) fn targets(plan: &Plan, trees: &[Tree], own: Option<&Path>) -> Vec<TargetTree> {
    trees
        .iter()
        .map(|tree| TargetTree {
            root: mapped(&plan.to.paths, &tree.path),
            // Only a container's own files have devices in them by right.
            devices: own.is_some_and(|own| tree.path.starts_with(own)),
        })
        .collect()
}

/// Makes the places of the trees. Whatever stands there is moved aside, and comes back if the
/// workload does not come to run here. Does nothing where an earlier attempt has done it.
pub(crate) fn prepare(
    plan: &Plan,
    run: &RunId,
    trees: &[Tree],
    ledger: &mut dyn Ledger,
) -> Result<(), Failure> {
    for tree in trees {
        let path = mapped(&plan.to.paths, &tree.path);
        plain(&path)?;
        if is_ours(&path, &places(ledger)) {
            continue;
        }
        make_parents(&path, ledger)?;
        move_aside(&path, run, ledger)?;
        match standing(&path).map_err(|error| failed(&path, &error))? {
            _ if tree.is_file => record(ledger, Resource::File { path })?,
            Standing::Nothing => {
                remember(ledger, Resource::Directory { path: path.clone() })?;
                make_directory(&path, ledger)?;
            }
            _ => record(ledger, Resource::Contents { path })?,
        }
    }
    Ok(())
}

/// Puts a container's `config.json` into its bundle, unless it is there already or a tree brings
/// it along unchanged.
pub(crate) fn put_config(
    plan: &Plan,
    run: &RunId,
    bundle: &Path,
    text: &str,
    trees: &[Tree],
    ledger: &mut dyn Ledger,
) -> Result<(), Failure> {
    let path = bundle.join("config.json");
    let copied = trees
        .iter()
        .any(|tree| path.starts_with(mapped(&plan.to.paths, &tree.path)));
    if copied || fs::read_to_string(&path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    make_parents(&path, ledger)?;
    if !is_ours(&path, &places(ledger)) {
        move_aside(&path, run, ledger)?;
        record(ledger, Resource::File { path: path.clone() })?;
    }
    correct_config(bundle, text)
}

/// Makes a container's `config.json`, which is the run's, say what it has to say here.
pub(crate) fn correct_config(bundle: &Path, text: &str) -> Result<(), Failure> {
    let path = bundle.join("config.json");
    if fs::read_to_string(&path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    fs::write(&path, text).map_err(|error| failed(&path, &error))
}

/// Refuses a path that does not say where it leads: the source names it.
fn plain(path: &Path) -> Result<(), Failure> {
    let mut components = path.components();
    let rooted = components.next() == Some(Component::RootDir);
    let named = components.clone().next().is_some();
    if rooted && named && components.all(|part| matches!(part, Component::Normal(_))) {
        return Ok(());
    }
    let cause = format!(
        "files cannot be put at {}: it is no plain absolute path",
        path.display()
    );
    Err(Failure::new("files-place", cause))
}

/// The places that are the run's.
fn places(ledger: &dyn Ledger) -> Vec<Resource> {
    ledger::recall(ledger, PLACES).unwrap_or_default()
}

/// Whether something at this path is the run's already.
fn is_ours(path: &Path, places: &[Resource]) -> bool {
    places.iter().any(|place| match place {
        Resource::Directory { path: ours } | Resource::Contents { path: ours } => {
            path.starts_with(ours)
        }
        Resource::File { path: ours } => path == ours,
        _ => false,
    })
}

/// Notes down that a resource is the workload's once it runs.
fn remember(ledger: &mut dyn Ledger, resource: Resource) -> Result<(), Failure> {
    let mut places = places(ledger);
    if places.contains(&resource) {
        return Ok(());
    }
    places.push(resource);
    ledger::fact(ledger, PLACES, &places)
}

fn record(ledger: &mut dyn Ledger, resource: Resource) -> Result<(), Failure> {
    remember(ledger, resource.clone())?;
    ledger::make_once(ledger, resource)
}

/// Makes the directories above a path that are not there.
fn make_parents(path: &Path, ledger: &mut dyn Ledger) -> Result<(), Failure> {
    for parent in missing_above(path) {
        let resource = Resource::EmptyDirectory {
            path: parent.clone(),
        };
        remember(ledger, resource)?;
        make_empty_directory(&parent, ledger)?;
    }
    Ok(())
}

/// Moves what stands at a path aside; an empty directory may be somebody's mount point and stays.
fn move_aside(path: &Path, run: &RunId, ledger: &mut dyn Ledger) -> Result<(), Failure> {
    let stands = standing(path).map_err(|error| failed(path, &error))?;
    if stands != Standing::Something {
        return Ok(());
    }
    let aside = aside(path, run);
    record(
        ledger,
        Resource::Aside {
            path: path.to_owned(),
            aside: aside.clone(),
        },
    )?;
    fs::rename(path, &aside).map_err(|error| {
        failed(path, &error).hint("move it away yourself, or map the path elsewhere in `to.paths`")
    })
}

/// The name beside a path under which what stood there waits.
fn aside(path: &Path, run: &RunId) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".before-{run}"));
    path.with_file_name(name)
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        "files-place",
        format!(
            "{} cannot be made ready for the files: {error}",
            path.display()
        ),
    )
}

/// The workload runs: its files are its own now, safe on the disk, and what stood there before is
/// gone for good.
pub(crate) async fn keep(ledger: &mut dyn Ledger) -> Result<(), Failure> {
    for place in places(ledger) {
        if let Resource::Directory { path }
        | Resource::Contents { path }
        | Resource::File { path } = &place
        {
            write_out(path).await?;
        }
        if let Resource::Aside { aside, .. } = &place {
            remove_all(aside).await?;
        }
        ledger.gone(&place)?;
    }
    Ok(())
}

/// Has the file system of a path written out.
async fn write_out(path: &Path) -> Result<(), Failure> {
    let path = path.to_owned();
    let written = tokio::task::spawn_blocking(move || {
        let opened = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened,
        };
        let synced = opened.and_then(|opened| Ok(syncfs(opened)?));
        synced.map_err(|error| {
            let cause = format!(
                "the files in {} cannot be written out: {error}",
                path.display()
            );
            Failure::lost("files-write", cause)
        })
    });
    written
        .await
        .unwrap_or_else(|error| Err(Failure::new("files-write", error.to_string())))
}

/// Takes in the trees.
pub(crate) fn sink(targets: &[TargetTree]) -> Result<Option<Box<dyn FileSink>>, Failure> {
    if targets.is_empty() {
        return Ok(None);
    }
    Ok(Some(Box::new(TreesSink::new(targets.to_vec())?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::tests::Book;
    use phaul_core::executor::ports::Undo;
    use phaul_core::plan::{Container, Haul, Target};
    use std::collections::BTreeMap;

    fn plan() -> Plan {
        let to = Target {
            agent: "b:1".to_owned(),
            identity: "b".to_owned(),
            id: None,
            paths: BTreeMap::new(),
        };
        let container = Container {
            id: "web".to_owned(),
            root: None,
            bundle: None,
        };
        Plan::new("p", Haul::Runc(container), to)
    }

    fn run() -> RunId {
        "20260101-000000-places".parse().unwrap()
    }

    fn tree(path: PathBuf) -> Tree {
        Tree {
            path,
            is_file: false,
            entries: 1,
            bytes: 1,
            outline: String::new(),
        }
    }

    async fn undo(book: &mut Book) {
        for resource in book.standing().into_iter().rev() {
            crate::HostUndo.undo(&resource).await.unwrap();
            book.gone(&resource).unwrap();
        }
    }

    fn names(path: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn what_stood_there_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let [new, old, empty] = ["a/b/new", "old", "empty"].map(|name| dir.path().join(name));
        fs::create_dir(&old).unwrap();
        fs::write(old.join("precious"), "1").unwrap();
        fs::create_dir(&empty).unwrap();
        let trees = [&new, &old, &empty].map(|path| tree(path.clone()));
        let mut book = Book::default();
        for _again in 0..2 {
            prepare(&plan(), &run(), &trees, &mut book).unwrap();
        }
        for path in [&new, &old, &empty] {
            assert_eq!(standing(path).unwrap(), Standing::Empty);
            fs::write(path.join("arrived"), "2").unwrap();
        }
        undo(&mut book).await;
        assert_eq!(names(dir.path()), ["empty", "old"]);
        assert_eq!(names(&old), ["precious"]);
        assert_eq!(standing(&empty).unwrap(), Standing::Empty);
    }

    #[tokio::test]
    async fn what_arrived_stays_when_the_workload_runs() {
        let dir = tempfile::tempdir().unwrap();
        let [new, old] = ["a/new", "old"].map(|name| dir.path().join(name));
        fs::create_dir(&old).unwrap();
        fs::write(old.join("stale"), "1").unwrap();
        let trees = [&new, &old].map(|path| tree(path.clone()));
        let mut book = Book::default();
        prepare(&plan(), &run(), &trees, &mut book).unwrap();
        fs::write(old.join("arrived"), "2").unwrap();
        keep(&mut book).await.unwrap();
        undo(&mut book).await;
        assert_eq!(names(dir.path()), ["a", "old"]);
        assert_eq!(names(&old), ["arrived"]);
        assert!(new.exists());
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_no_place() {
        for path in ["/", "srv", "/srv/../etc", ".."] {
            let mut book = Book::default();
            let failure = prepare(&plan(), &run(), &[tree(path.into())], &mut book);
            assert_eq!(failure.unwrap_err().code, "files-place", "{path}");
            assert_eq!(book.standing(), []);
        }
    }

    #[tokio::test]
    async fn a_configuration_is_put_there_once() {
        let dir = tempfile::tempdir().unwrap();
        let bundle = dir.path().join("web");
        let mut book = Book::default();
        put_config(&plan(), &run(), &bundle, "{}", &[], &mut book).unwrap();
        put_config(&plan(), &run(), &bundle, "{}", &[], &mut book).unwrap();
        assert_eq!(names(&bundle), ["config.json"]);
        undo(&mut book).await;
        assert!(!bundle.exists());
        fs::create_dir(&bundle).unwrap();
        fs::write(bundle.join("config.json"), "{}").unwrap();
        put_config(&plan(), &run(), &bundle, "{}", &[], &mut book).unwrap();
        assert_eq!(book.standing(), []);
    }
}
