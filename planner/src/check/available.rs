//! What this version of phaul cannot do yet: the whole of it, in one table.

use crate::diagnostic::{Diagnostic, rule, shown};
use crate::keys::{self, Reader};
use crate::settings::{Setting, Shape};

rule! {
    NOT_AVAILABLE = "not-available", Error;
    means "A key asks for something that this version of phaul cannot do yet.";
    why "The plan is right, and would be carried out differently from what it says.";
    example "memory: { strategy: pre-copy }";
}

/// A key of which this version cannot do everything.
struct Limit {
    /// Its path; `[]` stands for any item of a list.
    path: &'static str,
    /// The values that are possible; without any, the key cannot be set, but may be empty.
    possible: &'static [&'static str],
    /// What to do instead, where the possible values do not say it.
    instead: &'static str,
    /// Only for the hauler `pid`.
    processes: bool,
}

const fn never(path: &'static str, instead: &'static str) -> Limit {
    Limit {
        path,
        possible: &[],
        instead,
        processes: false,
    }
}

const fn only(path: &'static str, possible: &'static [&'static str]) -> Limit {
    Limit {
        path,
        possible,
        instead: "",
        processes: false,
    }
}

const LIMITS: &[Limit] = &[
    never("haul.podman", "`pid`, `runc` and `crun` can be hauled"),
    never("haul.docker", "`pid`, `runc` and `crun` can be hauled"),
    never("haul.lxc", "`pid`, `runc` and `crun` can be hauled"),
    never("to.id", "leave it out: a process keeps its pid").of_processes(),
    never(
        "to.paths",
        "leave it out: a process has its files at the same paths on both hosts",
    )
    .of_processes(),
    only("memory.strategy", &["auto", "stop-copy"]),
    only("memory.tracker", &["auto"]),
    only("memory.restore", &["auto", "full"]),
    only("memory.converge.otherwise", &["freeze", "fail"]),
    never(
        "verify[]",
        "leave it out, and check with a hook after `resume` at the target",
    ),
    only("on_failure", &["rollback"]),
    only("keep", &["none"]).of_processes(),
    only("keep", &["none", "source"]),
];

/// Reports every key that is set to what cannot be done.
pub(super) fn check(reader: &mut Reader) {
    let mut found = Vec::new();
    let processes = reader
        .settings
        .iter()
        .any(|(path, _)| path.starts_with("haul.pid"));
    for (path, setting) in reader.settings.iter() {
        let limit = LIMITS
            .iter()
            .find(|limit| limit.is_for(path) && (processes || !limit.processes));
        found.extend(limit.and_then(|limit| limit.refuse(path, setting)));
    }
    for found in found {
        reader.report.push(found);
    }
}

impl Limit {
    const fn of_processes(self) -> Self {
        Self {
            processes: true,
            ..self
        }
    }

    fn is_for(&self, path: &str) -> bool {
        match self.path.strip_suffix("[]") {
            None => path == self.path,
            Some(list) => path
                .strip_prefix(list)
                .and_then(|rest| rest.strip_prefix('['))
                .is_some_and(|rest| rest.find(']') == Some(rest.len() - 1)),
        }
    }

    /// Whether it is asked for what cannot be done. What is no value of the key at all is
    /// reported elsewhere.
    fn refuses(&self, path: &str, shape: &Shape) -> bool {
        let item = self.path.ends_with("[]");
        match shape {
            Shape::Word(word) => {
                let words = keys::find(path).map_or(&[][..], |key| key.kind.words());
                let known = words.is_empty() || words.iter().any(|known| known.name == word);
                known && !self.possible.contains(&word.as_str())
            }
            Shape::Filled => self.possible.is_empty() || item,
            // An empty hauler or item is still one; another empty mapping asks for nothing.
            Shape::Empty => path.starts_with("haul.") || item,
            Shape::Other => false,
        }
    }

    fn refuse(&self, path: &str, setting: &Setting) -> Option<Diagnostic> {
        if !self.refuses(path, &setting.shape) {
            return None;
        }
        let what = match &setting.shape {
            Shape::Word(word) if !self.possible.is_empty() => shown(&format!("{path}: {word}")),
            _ => shown(path),
        };
        let message = format!("{what} is not available in this version");
        let words: Vec<String> = self
            .possible
            .iter()
            .map(|word| format!("`{word}`"))
            .collect();
        let help = match self.instead {
            "" => format!("possible now: {}", words.join(", ")),
            instead => instead.to_owned(),
        };
        let place = match setting.shape {
            Shape::Word(_) => setting.spot(),
            _ => &setting.key,
        };
        let found = Diagnostic::at(&NOT_AVAILABLE, place, message).label("not available");
        Some(found.help(Some(help)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_not_what_is_in_it() {
        let limit = only("files[]", &["none"]);
        assert!(limit.is_for("files[0]") && limit.is_for("files[12]"));
        for other in [
            "files",
            "files[0].tree",
            "files[0].tree.exclude[1]",
            "filesx[0]",
        ] {
            assert!(!limit.is_for(other), "{other}");
        }
    }
}
