//! A bundle's `config.json`, read just as far as phaul needs it.

use phaul_core::failure::Failure;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The largest `config.json`, in bytes.
pub(crate) const CONFIG_MAX: u64 = 4 << 20;

/// A container's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Spec {
    /// Its root file system.
    pub root: Root,
    /// What is mounted in it.
    #[serde(default)]
    pub mounts: Vec<Mount>,
    /// Its first process.
    #[serde(default)]
    pub process: Process,
    /// What is Linux's.
    #[serde(default)]
    pub linux: Linux,
    /// What is noted of it for whoever reads it.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Commands that the runtime carries out on the host.
    #[serde(default)]
    pub hooks: Option<serde_json::Value>,
}

/// A root file system.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
pub(crate) struct Root {
    /// Its directory; relative to the bundle.
    pub path: PathBuf,
}

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
pub(crate) struct Mount {
    /// Where in the container.
    pub destination: PathBuf,
    /// Its type; `bind`, or nothing with the option `bind`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// What is mounted; relative to the bundle.
    #[serde(default)]
    pub source: PathBuf,
    /// Its options.
    #[serde(default)]
    pub options: Vec<String>,
}

/// The first process.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Process {
    /// It has a terminal.
    #[serde(default)]
    pub terminal: bool,
    /// Its AppArmor profile.
    #[serde(default)]
    pub apparmor_profile: String,
    /// Its SELinux label.
    #[serde(default)]
    pub selinux_label: String,
}

/// What is Linux's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Linux {
    /// The container's own namespaces.
    #[serde(default)]
    pub namespaces: Vec<Namespace>,
    /// Its cgroup.
    #[serde(default)]
    pub cgroups_path: String,
    /// Its filter of system calls.
    #[serde(default)]
    pub seccomp: Option<serde_json::Value>,
}

/// A namespace.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
pub(crate) struct Namespace {
    /// `network`, `pid` and so on.
    #[serde(rename = "type")]
    pub kind: String,
    /// An existing one; without it the runtime makes one.
    #[serde(default)]
    pub path: PathBuf,
}

/// Which network a container has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Network {
    /// The host's.
    Host,
    /// One that came into being with it.
    Own,
    /// One that somebody made for it.
    At(PathBuf),
}

impl Mount {
    /// Whether it shows something of the host.
    pub(crate) fn is_bind(&self) -> bool {
        let bind = |option: &String| option == "bind" || option == "rbind";
        self.kind == "bind" || self.options.iter().any(bind)
    }
}

impl Spec {
    /// Reads the text of a `config.json`.
    pub(crate) fn read(text: &str) -> Result<Self, Failure> {
        serde_json::from_str(text).map_err(|error| {
            Failure::new(
                "bundle",
                format!("the container's config.json cannot be read: {error}"),
            )
            .hint("see whether the runtime accepts it: `runc spec` writes one to compare with")
        })
    }

    /// The directory of the root file system, in a bundle.
    pub(crate) fn rootfs(&self, bundle: &Path) -> PathBuf {
        bundle.join(&self.root.path)
    }

    /// The host's files and directories that are mounted in the container: destination and
    /// source.
    pub(crate) fn binds(&self, bundle: &Path) -> Vec<(PathBuf, PathBuf)> {
        let binds = self.mounts.iter().filter(|mount| mount.is_bind());
        binds
            .map(|mount| (mount.destination.clone(), bundle.join(&mount.source)))
            .collect()
    }

    /// Its network.
    pub(crate) fn network(&self) -> Network {
        let mut namespaces = self.linux.namespaces.iter();
        match namespaces.find(|namespace| namespace.kind == "network") {
            None => Network::Host,
            Some(own) if own.path.as_os_str().is_empty() => Network::Own,
            Some(given) => Network::At(given.path.clone()),
        }
    }

    /// Whether it has its own namespace of this kind.
    pub(crate) fn has(&self, kind: &str) -> bool {
        self.linux
            .namespaces
            .iter()
            .any(|namespace| namespace.kind == kind)
    }
}

/// The text of a bundle's `config.json`.
pub(crate) fn config(bundle: &Path) -> Result<String, Failure> {
    let path = bundle.join("config.json");
    let wrong = |why: String| {
        Failure::new(
            "bundle",
            format!("{} cannot be read: {why}", path.display()),
        )
        .hint("name the container's bundle in the plan: `bundle: /srv/web`")
    };
    let about = std::fs::metadata(&path).map_err(|error| wrong(error.to_string()))?;
    if about.len() > CONFIG_MAX {
        return Err(wrong(format!("it has more than {CONFIG_MAX} bytes")));
    }
    std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_of_a_configuration() {
        let text = r#"{
            "ociVersion": "1.2.0",
            "root": {"path": "rootfs", "readonly": true},
            "process": {"terminal": false, "args": ["sh"]},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/data", "type": "bind", "source": "/srv/data", "options": ["rw"]},
                {"destination": "/own", "source": "own", "options": ["rbind", "ro"]}
            ],
            "linux": {
                "cgroupsPath": "/web",
                "namespaces": [{"type": "pid"}, {"type": "network", "path": "/run/netns/web"}]
            }
        }"#;
        let spec = Spec::read(text).unwrap();
        let bundle = Path::new("/srv/web");
        assert_eq!(spec.rootfs(bundle), Path::new("/srv/web/rootfs"));
        let binds = spec.binds(bundle);
        assert_eq!(binds[0], ("/data".into(), "/srv/data".into()));
        assert_eq!(binds[1], ("/own".into(), "/srv/web/own".into()));
        assert_eq!(spec.network(), Network::At("/run/netns/web".into()));
        assert!(spec.has("pid") && !spec.has("user"));
        let host = Spec::read(r#"{"root": {"path": "/r"}}"#).unwrap();
        assert_eq!(host.network(), Network::Host);
        assert!(Spec::read("{}").is_err() && Spec::read("[").is_err());
    }
}
