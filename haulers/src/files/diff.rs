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
        first.filter(|first| seen.names > 1 && *first != path).cloned()
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
    firsts.map(|(identity, (path, _))| (identity, path)).collect()
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
