//! Finds what has to be sent so that the target holds what a walk found.

use super::entry::{Identity, Kind, Place, Seen};
use super::index::{Held, HeldTree};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What has to be done about one tree, in this order.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Plan {
    /// What goes, children before their parents.
    pub deletes: Vec<Place>,
    /// What comes or may have changed, parents before their children.
    pub entries: Vec<(Place, Act)>,
    /// All directories: their times can only be set once nothing in them changes any more.
    pub directories: Vec<(Place, Seen)>,
}

/// What has to be done about an entry that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// A directory is made.
    Directory,
    /// A file's content is read and compared.
    File {
        /// As it was found.
        seen: Seen,
        /// It is made first.
        make: bool,
    },
    /// Something else is made or set.
    Other {
        /// As it was found.
        seen: Seen,
        /// It is made first.
        make: bool,
    },
    /// It becomes another name for this one.
    Link {
        /// The name that it has already.
        to: Place,
        /// What it is.
        kind: Kind,
    },
}

/// Compares a walk with what the target holds. `written`: the files whose content may be
/// another though nothing tells it.
pub(super) fn diff(
    held: &HeldTree,
    walked: BTreeMap<Place, Seen>,
    written: &BTreeSet<Identity>,
) -> Plan {
    let firsts = firsts(held, &walked);
    let link_of = |path: &Place, seen: &Seen| {
        let first = firsts.get(&seen.signature.identity);
        first
            .filter(|first| seen.names > 1 && *first != path)
            .cloned()
    };
    let mut plan = Plan::default();
    for (path, there) in held.iter().rev() {
        let stays = walked
            .get(path)
            .is_some_and(|seen| is_same(there, seen, link_of(path, seen).as_ref()));
        // What may be there or not is made anew in any case, if it is to be there.
        let made_anew = there.kind.is_none() && walked.contains_key(path);
        if !stays && !made_anew {
            plan.deletes.push(path.clone());
        }
    }
    for (path, seen) in walked {
        let link = link_of(&path, &seen);
        let there = held.get(&path);
        let make = !there.is_some_and(|there| is_same(there, &seen, link.as_ref()));
        if let Some(to) = link {
            if make {
                let kind = seen.kind;
                plan.entries.push((path, Act::Link { to, kind }));
            }
            continue;
        }
        let is_known = there.is_some_and(|there| is_known(there, &seen));
        match seen.kind {
            Kind::Directory => {
                if make {
                    plan.entries.push((path.clone(), Act::Directory));
                }
                plan.directories.push((path, seen));
            }
            Kind::File if make || !is_known || written.contains(&seen.signature.identity) => {
                plan.entries.push((path, Act::File { seen, make }));
            }
            Kind::File => {}
            _ if make || !is_known => plan.entries.push((path, Act::Other { seen, make })),
            _ => {}
        }
    }
    plan
}

/// Of each file that has several names in the tree, the one that the others are links to: one
/// that the target has as such already, else the first.
fn firsts(held: &HeldTree, walked: &BTreeMap<Place, Seen>) -> HashMap<Identity, Place> {
    let mut firsts: HashMap<Identity, (Place, bool)> = HashMap::new();
    for (path, seen) in walked {
        if seen.names < 2 || seen.kind == Kind::Directory {
            continue;
        }
        let identity = seen.signature.identity;
        let is_there = held.get(path).is_some_and(|there| {
            let known = there.sighting.as_ref();
            is_same(there, seen, None)
                && known.is_some_and(|known| known.signature.identity == identity)
        });
        match firsts.get(&identity) {
            Some((_, true)) => {}
            Some(_) if !is_there => {}
            _ => {
                firsts.insert(identity, (path.clone(), is_there));
            }
        }
    }
    let firsts = firsts.into_iter();
    firsts
        .map(|(identity, (path, _))| (identity, path))
        .collect()
}

/// Whether what the target has need not be made anew.
fn is_same(there: &Held, seen: &Seen, link: Option<&Place>) -> bool {
    there.kind.as_ref() == Some(&seen.kind) && there.link.as_ref() == link
}

/// Whether the target is sure to have all of an entry as it is now.
fn is_known(there: &Held, seen: &Seen) -> bool {
    let sighting = there.sighting.as_ref();
    there.attributes.as_ref() == Some(&seen.attributes)
        && sighting.is_some_and(|sighting| sighting.still(&seen.signature))
}

#[cfg(test)]
mod tests {
    use super::super::entry::{Attributes, Sighting, Signature, Stamp};
    use super::*;

    const NOW: Stamp = Stamp {
        seconds: 100,
        nanoseconds: 0,
    };

    fn seen(kind: Kind, inode: u64, names: u32) -> Seen {
        let old = Stamp {
            seconds: 5,
            nanoseconds: 5,
        };
        Seen {
            kind,
            attributes: Attributes {
                mode: 0o644,
                uid: 0,
                gid: 0,
                mtime: old,
                xattrs: Default::default(),
            },
            signature: Signature {
                identity: (1, inode),
                size_bytes: 3,
                mtime: old,
                ctime: old,
            },
            names,
            allocated_bytes: 4096,
        }
    }

    fn held(seen: &Seen) -> Held {
        Held {
            kind: Some(seen.kind.clone()),
            attributes: Some(seen.attributes.clone()),
            sighting: Some(Sighting {
                signature: seen.signature.clone(),
                at: NOW,
            }),
            ..Held::default()
        }
    }

    fn link(to: &str) -> Held {
        Held {
            kind: Some(Kind::File),
            link: Some(to.as_bytes().into()),
            ..Held::default()
        }
    }

    fn tree<T, const N: usize>(entries: [(&str, T); N]) -> BTreeMap<Place, T> {
        let entries = entries.into_iter();
        entries
            .map(|(path, entry)| (path.as_bytes().into(), entry))
            .collect()
    }

    /// What is done, in words.
    fn plan<const N: usize, const M: usize>(
        held: [(&str, Held); N],
        walked: [(&str, Seen); M],
        written: &[Identity],
    ) -> Vec<String> {
        let written = written.iter().copied().collect();
        let plan = diff(&tree(held), tree(walked), &written);
        let name = |path: &Place| String::from_utf8_lossy(path).into_owned();
        let deletes = plan.deletes.iter().map(|path| format!("- {}", name(path)));
        let entries = plan.entries.iter().map(|(path, act)| match act {
            Act::Directory => format!("+ {}", name(path)),
            Act::File { make, .. } | Act::Other { make, .. } => {
                format!("{} {}", if *make { "+" } else { "?" }, name(path))
            }
            Act::Link { to, .. } => format!("{} = {}", name(path), name(to)),
        });
        deletes.chain(entries).collect()
    }

    #[test]
    fn what_is_sure_to_be_the_same_is_left_alone() {
        let (file, directory) = (seen(Kind::File, 7, 1), seen(Kind::Directory, 8, 2));
        let there = || [("", held(&directory)), ("f", held(&file))];
        let walked = |file: &Seen| [("", directory.clone()), ("f", file.clone())];
        assert_eq!(plan(there(), walked(&file), &[]), [""; 0]);
        // Nothing tells that a mapped file was written to.
        assert_eq!(plan(there(), walked(&file), &[(1, 7)]), ["? f"]);
        let changes: [fn(&mut Seen); 5] = [
            |seen| seen.signature.size_bytes = 4,
            |seen| seen.signature.identity.1 = 9,
            |seen| seen.signature.mtime.nanoseconds = 6,
            |seen| seen.signature.ctime.seconds = 6,
            |seen| seen.attributes.uid = 1,
        ];
        for change in changes {
            let mut file = file.clone();
            change(&mut file);
            assert_eq!(plan(there(), walked(&file), &[]), ["? f"]);
        }
        let mut new = file.clone();
        new.signature.ctime = NOW;
        let there = [("", held(&directory)), ("f", held(&new))];
        assert_eq!(plan(there, walked(&new), &[]), ["? f"]);
    }

    #[test]
    fn children_go_before_their_parents_and_come_after_them() {
        let (file, directory) = (seen(Kind::File, 7, 1), seen(Kind::Directory, 8, 2));
        let there = [
            ("a", held(&directory)),
            ("a/b", held(&directory)),
            ("a/b/c", held(&file)),
            ("x", held(&file)),
        ];
        let walked = [
            ("a", file.clone()),
            ("x", directory.clone()),
            ("x/y", file.clone()),
        ];
        let expected = ["- x", "- a/b/c", "- a/b", "- a", "+ a", "+ x", "+ x/y"];
        assert_eq!(plan(there, walked, &[]), expected);
        // What may or may not be there is made anew, or goes.
        let there = || [("a", Held::default()), ("x", Held::default())];
        assert_eq!(plan(there(), [("a", file)], &[]), ["- x", "+ a"]);
    }

    #[test]
    fn names_of_one_file_are_linked() {
        let (one, two) = (seen(Kind::File, 7, 1), seen(Kind::File, 7, 2));
        let pair = || [("a", two.clone()), ("b", two.clone())];
        assert_eq!(plan([], pair(), &[]), ["+ a", "b = a"]);
        let there = [("a", held(&two)), ("b", link("a"))];
        assert_eq!(plan(there, pair(), &[]), [""; 0]);
        // The name that the target has already stays the first.
        assert_eq!(plan([("b", held(&two))], pair(), &[]), ["a = b"]);
        // The first name goes, and another must take its part.
        let there = [("a", held(&two)), ("b", link("a"))];
        assert_eq!(plan(there, [("b", one)], &[]), ["- b", "- a", "+ b"]);
    }
}
