//! Where a container's host paths are on the target.

use super::spec::{Mount, Spec};
use phaul_core::failure::Failure;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A path of the source as the plan has it on the target: the longest prefix that is mapped.
pub(crate) fn mapped(paths: &BTreeMap<PathBuf, PathBuf>, path: &Path) -> PathBuf {
    let hits = paths
        .iter()
        .filter_map(|(from, to)| Some((from.as_os_str().len(), to, path.strip_prefix(from).ok()?)));
    match hits.max_by_key(|(length, ..)| *length) {
        Some((_, to, rest)) if rest.as_os_str().is_empty() => to.clone(),
        Some((_, to, rest)) => to.join(rest),
        None => path.to_owned(),
    }
}

/// The `config.json` for the target: the very text, unless a path in it is mapped elsewhere.
pub(crate) fn config(text: &str, paths: &BTreeMap<PathBuf, PathBuf>) -> Result<String, Failure> {
    let wrong = |error: serde_json::Error| {
        Failure::new(
            "bundle",
            format!("the container's config.json is no JSON: {error}"),
        )
    };
    let mut value: Value = serde_json::from_str(text).map_err(wrong)?;
    Spec::read(text)?;
    let mut changed = false;
    let mut map = |place: Option<&mut Value>| {
        let Some(Value::String(path)) = place else {
            return;
        };
        if Path::new(path).is_absolute() {
            let to = mapped(paths, Path::new(path))
                .to_string_lossy()
                .into_owned();
            changed |= to != *path;
            *path = to;
        }
    };
    map(value.pointer_mut("/root/path"));
    let mounts = value.get_mut("mounts").and_then(Value::as_array_mut);
    for mount in mounts.into_iter().flatten() {
        if Mount::deserialize(&*mount).is_ok_and(|mount| mount.is_bind()) {
            map(mount.get_mut("source"));
        }
    }
    let namespaces = value.pointer_mut("/linux/namespaces");
    for namespace in namespaces
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        map(namespace.get_mut("path"));
    }
    if !changed {
        return Ok(text.to_owned());
    }
    serde_json::to_string_pretty(&value).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(pairs: &[(&str, &str)]) -> BTreeMap<PathBuf, PathBuf> {
        let pairs = pairs.iter();
        pairs.map(|(from, to)| (from.into(), to.into())).collect()
    }

    #[test]
    fn the_longest_prefix_counts_and_whole_names_only() {
        let paths = paths(&[("/srv", "/data"), ("/srv/web", "/www")]);
        let map = |path: &str| mapped(&paths, Path::new(path));
        assert_eq!(map("/srv/web"), Path::new("/www"));
        assert_eq!(map("/srv/web/rootfs"), Path::new("/www/rootfs"));
        assert_eq!(map("/srv/webs"), Path::new("/data/webs"));
        assert_eq!(map("/etc"), Path::new("/etc"));
    }

    #[test]
    fn only_host_paths_change_and_without_any_the_text_stays() {
        let text = r#"{ "root":{"path":"rootfs"},
          "mounts":[{"destination":"/srv/web","type":"bind","source":"/srv/web/d"},
                    {"destination":"/srv","type":"tmpfs","source":"/srv/web"}],
          "linux":{"namespaces":[{"type":"network","path":"/srv/web/net"}]}}"#;
        assert_eq!(config(text, &BTreeMap::new()).unwrap(), text);
        let there = config(text, &paths(&[("/srv/web", "/www")])).unwrap();
        let there: Value = serde_json::from_str(&there).unwrap();
        assert_eq!(there["mounts"][0]["source"], "/www/d");
        assert_eq!(there["mounts"][0]["destination"], "/srv/web");
        assert_eq!(there["mounts"][1]["source"], "/srv/web");
        assert_eq!(there["linux"]["namespaces"][0]["path"], "/www/net");
        assert!(config("{", &BTreeMap::new()).is_err());
    }
}
