//! A network namespace that somebody made for a container, by its path: made at the target
//! where it is not there, and used where a container has left it.

use crate::attempt::make_empty_directory;
use crate::ledger;
use crate::network::{self, Described, LinkName, Netns};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use phaul_core::executor::ports::{Ledger, Resource};
use phaul_core::failure::Failure;
use std::fs::File;
use std::io;
use std::path::Path;
use std::thread;

/// What is at the path of a namespace.
#[derive(Debug)]
pub(crate) enum There {
    /// Nothing: it can be made.
    Nothing,
    /// One like the source's, its links plugged into nothing: the names of the host's ends, in
    /// the order of the described pairs.
    Left(Vec<LinkName>),
    /// Something else.
    Other,
}

/// Looks at what is at a path.
pub(crate) async fn look(path: &Path, described: &Described) -> Result<There, Failure> {
    if !path.exists() {
        return Ok(There::Nothing);
    }
    let [there, host] = [Netns::at(path)?, Netns::own()?];
    let there = network::describe(&there, &host).await?;
    let mut ends = Vec::new();
    for (link, _) in described.pairs() {
        let mut pairs = there.pairs();
        let same = pairs.find(|(other, _)| other.name == link.name && other.mac == link.mac);
        match same {
            Some((_, end)) if end.bridge.is_none() => ends.push(end.name.clone()),
            _ => return Ok(There::Other),
        }
    }
    let same = there.all().addresses == described.all().addresses;
    Ok(if same {
        There::Left(ends)
    } else {
        There::Other
    })
}

/// Makes an empty namespace at a path.
pub(crate) fn make(path: &Path, ledger: &mut dyn Ledger) -> Result<Vec<Resource>, Failure> {
    let failed = |error: io::Error| {
        let cause = format!(
            "the network namespace {} cannot be made: {error}",
            path.display()
        );
        Failure::new("network-namespace", cause)
    };
    if let Some(parent) = path.parent() {
        make_empty_directory(parent, ledger)?;
    }
    let path = path.to_owned();
    let made = vec![
        Resource::File { path: path.clone() },
        Resource::Mount { path: path.clone() },
    ];
    for resource in &made {
        ledger::make_once(ledger, resource.clone())?;
    }
    File::create(&path).map_err(failed)?;
    // Only a thread of its own may change its namespace.
    let mounted = thread::spawn(move || -> io::Result<()> {
        unshare(CloneFlags::CLONE_NEWNET)?;
        let none = None::<&str>;
        mount(
            Some("/proc/thread-self/ns/net"),
            &path,
            none,
            MsFlags::MS_BIND,
            none,
        )?;
        Ok(())
    });
    match mounted.join() {
        Ok(mounted) => mounted.map_err(failed)?,
        Err(_) => return Err(failed(io::Error::other("its thread ended early"))),
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::tests::Book;
    use phaul_core::executor::ports::Undo;

    #[tokio::test]
    async fn a_namespace_is_made_found_and_undone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("netns/web");
        let mut book = Book::default();
        let own = Netns::own().unwrap();
        let empty = network::describe(&own, &own).await.unwrap();
        let mut empty = serde_json::to_value(empty).unwrap();
        for list in ["links", "addresses", "routes", "sysctls"] {
            empty[list] = serde_json::json!([]);
        }
        let described: Described = serde_json::from_value(empty).unwrap();
        assert!(matches!(
            look(&path, &described).await.unwrap(),
            There::Nothing
        ));
        make(&path, &mut book).unwrap();
        let found = look(&path, &described).await.unwrap();
        assert!(
            matches!(&found, There::Left(ends) if ends.is_empty()),
            "{found:?}"
        );
        for resource in book.standing().into_iter().rev() {
            crate::HostUndo.undo(&resource).await.unwrap();
        }
        assert!(!dir.path().join("netns").exists());
    }
}
