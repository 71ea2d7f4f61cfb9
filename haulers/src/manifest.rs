//! What the source tells the target of a process tree, so that the target can check itself.
//!
//! It comes from a peer, who may be hostile: everything is bounded and looked at before it is
//! used, and an error names the field.

use crate::criu::rpc::CriuVersion;
use crate::kinds::container::{CONFIG_MAX, is_limit};
use crate::network::Described;
use phaul_core::failure::Failure;
use phaul_core::protocol::Manifest as Opaque;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// The version of the manifest that is written here.
const VERSION: u32 = 1;
/// The most entries that a list may have.
pub(crate) const ENTRIES_MAX: usize = 100_000;
/// The longest path, in bytes.
const PATH_MAX: usize = 4096;
/// The longest word (a CPU feature, a machine, a release), in bytes.
const WORD_MAX: usize = 128;

/// A process tree, as its source describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// The version of this form.
    pub version: u32,
    /// The source's CRIU, where it works.
    pub criu: Option<CriuVersion>,
    /// The machine, as `uname -m` says.
    pub machine: String,
    /// The kernel's release, as `uname -r` says.
    pub kernel: String,
    /// What the processor can do.
    pub cpu_features: BTreeSet<String>,
    /// Every pid, thread id, process group and session of the tree.
    pub ids: BTreeSet<i32>,
    /// The tree shares its session with a shell outside it.
    pub shell_job: bool,
    /// A process of the tree has a terminal open.
    pub has_terminal: bool,
    /// What its memory may take in images, in bytes.
    pub image_bytes: u64,
    /// The files that it uses.
    pub files: Vec<File>,
    /// The trees that are copied, in the order of the plan.
    #[serde(default)]
    pub trees: Vec<Tree>,
    /// The trees that both hosts mount, in the order of the plan.
    #[serde(default)]
    pub shared: Vec<Shared>,
    /// The container that it is, if it is one.
    #[serde(default)]
    pub container: Option<Container>,
}

/// A tree that is copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tree {
    /// Where it is at the source.
    pub path: PathBuf,
    /// It is a single file.
    pub is_file: bool,
    /// How many entries it has.
    pub entries: u64,
    /// The bytes of its files.
    pub bytes: u64,
    /// What it looks like from outside; see [`crate::files::outline`].
    pub outline: String,
}

/// A tree that both hosts mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shared {
    /// Where it is at the source.
    pub path: PathBuf,
    /// The inodes of some of its entries, its own as `.`.
    pub inodes: BTreeMap<String, u64>,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Container {
    /// The version of its runtime.
    pub version: String,
    /// Its bundle at the source.
    pub bundle: PathBuf,
    /// The text of its `config.json`.
    pub config: String,
    /// The limits of its cgroup, by the names of their files.
    pub limits: BTreeMap<String, String>,
    /// The security modules of the source's kernel.
    pub security: String,
    /// Its network, if it has one of its own.
    pub network: Option<Described>,
}

/// A file that the tree uses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct File {
    /// Where.
    pub path: PathBuf,
    /// What it is.
    #[serde(flatten)]
    pub kind: FileKind,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum FileKind {
    /// A file that is only read or mapped: it must be the same.
    Read {
        /// Bytes.
        size: u64,
        /// What tells its content.
        print: Print,
    },
    /// A file that is written: it must be there and not be shorter.
    Written {
        /// Bytes.
        size: u64,
    },
    /// A directory.
    Directory,
    /// A fifo.
    Fifo,
    /// A device.
    Device {
        /// A character device; else a block device.
        character: bool,
        /// Its number.
        number: u64,
    },
}

/// What tells the content of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Print {
    /// The build id of a program or library.
    BuildId(String),
    /// The BLAKE3 sum of all of it.
    Whole(String),
    /// The BLAKE3 sum of its beginning and its end.
    Ends(String),
    /// Its size has to do.
    None,
}

impl Manifest {
    /// An empty manifest of this version.
    pub(crate) fn new() -> Self {
        Self {
            version: VERSION,
            criu: None,
            machine: String::new(),
            kernel: String::new(),
            cpu_features: BTreeSet::new(),
            ids: BTreeSet::new(),
            shell_job: false,
            has_terminal: false,
            image_bytes: 0,
            files: Vec::new(),
            trees: Vec::new(),
            shared: Vec::new(),
            container: None,
        }
    }

    /// The container that it is said to be.
    pub(crate) fn container(&self) -> Result<&Container, Failure> {
        let container = self.container.as_ref();
        container.ok_or_else(|| wrong("`container` is missing"))
    }

    /// The form in which it travels.
    pub(crate) fn opaque(&self) -> Result<Opaque, Failure> {
        serde_json::to_value(self)
            .map(Opaque)
            .map_err(|error| wrong(&error.to_string()))
    }

    /// Reads and validates what came from the source.
    pub(crate) fn read(opaque: &Opaque) -> Result<Self, Failure> {
        bounded(opaque)?;
        let manifest: Self =
            Deserialize::deserialize(&opaque.0).map_err(|error| wrong(&error.to_string()))?;
        manifest.validate()?;
        Ok(manifest)
    }

    fn validate(&self) -> Result<(), Failure> {
        if self.version != VERSION {
            return Err(wrong(&format!(
                "`version` is {}, not {VERSION}",
                self.version
            )));
        }
        for (field, word) in [("machine", &self.machine), ("kernel", &self.kernel)] {
            check_word(field, word)?;
        }
        for feature in &self.cpu_features {
            check_word("cpu_features", feature)?;
        }
        if let Some(id) = self.ids.iter().find(|id| **id < 1) {
            return Err(wrong(&format!("`ids` has {id}")));
        }
        for tree in &self.trees {
            check_path("trees.path", &tree.path)?;
            check_word("trees.outline", &tree.outline)?;
        }
        for shared in &self.shared {
            check_path("shared.path", &shared.path)?;
        }
        if let Some(container) = &self.container {
            container.validate()?;
        }
        for file in &self.files {
            check_path("files.path", &file.path)?;
            if let FileKind::Read {
                print: Print::BuildId(sum) | Print::Whole(sum) | Print::Ends(sum),
                ..
            } = &file.kind
            {
                check_word("files.print", sum)?;
            }
        }
        Ok(())
    }
}

impl Container {
    fn validate(&self) -> Result<(), Failure> {
        check_path("container.bundle", &self.bundle)?;
        check_word("container.version", &self.version)?;
        check_word("container.security", &self.security)?;
        if self.config.len() as u64 > CONFIG_MAX {
            return Err(wrong("`container.config` is too long"));
        }
        match self
            .limits
            .iter()
            .find(|(name, value)| !is_limit(name, value))
        {
            Some((name, _)) => Err(wrong(&format!("`container.limits` has {name:?}"))),
            None => Ok(()),
        }
    }
}

fn wrong(what: &str) -> Failure {
    let what: String = what.chars().take(300).collect();
    Failure::new(
        "manifest",
        format!("the source's manifest is wrong: {what}"),
    )
    .hint("use the same version of phaul on both hosts")
}

/// Looks at the lengths of the lists before anything is built from them.
fn bounded(opaque: &Opaque) -> Result<(), Failure> {
    for field in ["cpu_features", "ids", "files", "trees", "shared"] {
        let length = opaque
            .0
            .get(field)
            .and_then(|list| list.as_array())
            .map_or(0, Vec::len);
        if length > ENTRIES_MAX {
            return Err(wrong(&format!(
                "`{field}` has {length} entries, more than {ENTRIES_MAX}"
            )));
        }
    }
    Ok(())
}

fn check_word(field: &str, word: &str) -> Result<(), Failure> {
    if word.len() <= WORD_MAX && word.chars().all(|letter| letter.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(wrong(&format!("`{field}` has {word:?}")))
    }
}

fn check_path(field: &str, path: &Path) -> Result<(), Failure> {
    let plain = path
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let bytes = path.as_os_str().as_encoded_bytes();
    if path.is_absolute() && plain && bytes.len() <= PATH_MAX && !bytes.contains(&0) {
        Ok(())
    } else {
        Err(wrong(&format!(
            "`{field}` has {path:?}, not a plain absolute path"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample() -> Manifest {
        Manifest {
            machine: "x86_64".to_owned(),
            kernel: "6.18.44".to_owned(),
            ids: BTreeSet::from([7, 8]),
            files: vec![
                File {
                    path: "/usr/bin/x".into(),
                    kind: FileKind::Read {
                        size: 9,
                        print: Print::BuildId("ab".to_owned()),
                    },
                },
                File {
                    path: "/dev/null".into(),
                    kind: FileKind::Device {
                        character: true,
                        number: 259,
                    },
                },
                File {
                    path: "/".into(),
                    kind: FileKind::Directory,
                },
            ],
            ..Manifest::new()
        }
    }

    #[test]
    fn it_survives_the_journey() {
        let manifest = sample();
        assert_eq!(
            Manifest::read(&manifest.opaque().unwrap()).unwrap(),
            manifest
        );
    }

    #[test]
    fn a_hostile_manifest_is_refused_and_the_field_is_named() {
        let many: Vec<i32> = (1..200_000).collect();
        for (field, value, named) in [
            ("version", json!(2), "version"),
            ("version", json!("1"), "invalid type"),
            ("ids", json!([0]), "ids"),
            ("ids", json!([-7]), "ids"),
            ("ids", json!(many), "ids"),
            ("machine", json!("x\n"), "machine"),
            ("kernel", json!("x".repeat(1000)), "kernel"),
            ("cpu_features", json!(["a b"]), "cpu_features"),
            ("surprise", json!(1), "surprise"),
            (
                "files",
                json!([{"path": "etc/passwd", "kind": "directory"}]),
                "files.path",
            ),
            (
                "files",
                json!([{"path": "/a/../etc", "kind": "directory"}]),
                "files.path",
            ),
            (
                "files",
                json!([{"path": "/a\u{0}", "kind": "directory"}]),
                "files.path",
            ),
            (
                "files",
                json!([{"path": "/".repeat(9000), "kind": "directory"}]),
                "files.path",
            ),
            ("files", json!([{"path": "/a", "kind": "ghost"}]), "ghost"),
            ("image_bytes", json!(-1), "invalid value"),
        ] {
            let mut opaque = sample().opaque().unwrap();
            opaque.0[field] = value;
            let failure = Manifest::read(&opaque).expect_err(named);
            assert_eq!(failure.code, "manifest");
            assert!(failure.cause.contains(named), "{named}: {}", failure.cause);
            assert!(failure.cause.len() < 500);
        }
        assert!(Manifest::read(&Opaque(json!(null))).is_err());
    }
}
