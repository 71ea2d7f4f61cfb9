//! The `config.json` of a bundle.

use serde_json::{Value, json};

/// What the runtimes let a process do by default.
const CAPABILITIES: &[&str] = &[
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
];

/// What `runc spec` hides.
const MASKED: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
    "/proc/scsi",
];

/// What `runc spec` makes read-only.
const READONLY: &[&str] = &[
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// The first id on the host of a container's user namespace, and how many it has.
pub const USER_NAMESPACE: (u32, u32) = (100_000, 65_536);

/// A `config.json`: what `runc spec` writes, with a program in place of the shell.
#[derive(Debug, Clone)]
pub struct Config {
    value: Value,
}

impl Config {
    /// Of a container that runs `args`, with all namespaces of its own.
    pub fn new<S: AsRef<str>>(args: &[S]) -> Self {
        let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
        let sets = ["bounding", "effective", "permitted"];
        let capabilities: Value = sets
            .into_iter()
            .map(|set| (set.to_owned(), json!(CAPABILITIES)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let namespaces = ["pid", "ipc", "uts", "mount", "cgroup", "network"];
        let value = json!({
            "ociVersion": "1.0.2",
            "process": {
                "terminal": false,
                "user": { "uid": 0, "gid": 0 },
                "args": args,
                "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
                "cwd": "/",
                "capabilities": capabilities,
                "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 }],
                "noNewPrivileges": true,
            },
            "root": { "path": "rootfs", "readonly": false },
            "hostname": "inside",
            "mounts": mounts(),
            "annotations": {},
            "linux": {
                "resources": { "devices": [{ "allow": false, "access": "rwm" }] },
                "namespaces": namespaces.map(|kind| json!({ "type": kind })),
                "maskedPaths": MASKED,
                "readonlyPaths": READONLY,
            },
        });
        Self { value }
    }

    /// In the network namespace of the host.
    #[must_use]
    pub fn host_network(mut self) -> Self {
        self.namespaces().retain(|entry| entry["type"] != "network");
        self
    }

    /// In the network namespace that is mounted on `path`.
    #[must_use]
    pub fn network_at(self, path: &str) -> Self {
        let mut config = self.host_network();
        config
            .namespaces()
            .push(json!({ "type": "network", "path": path }));
        config
    }

    /// In a user namespace of its own, in which root is [`USER_NAMESPACE`] on the host. It sees no
    /// cgroups: where CRIU leaves those alone it makes no cgroup namespace that could be mounted.
    #[must_use]
    pub fn user_namespace(mut self) -> Self {
        self.namespaces().push(json!({ "type": "user" }));
        let (first, count) = USER_NAMESPACE;
        let map = json!([{ "containerID": 0, "hostID": first, "size": count }]);
        self.value["linux"]["uidMappings"] = map.clone();
        self.value["linux"]["gidMappings"] = map;
        let mounts = self.value["mounts"].as_array_mut();
        let mounts = mounts.expect("the mounts are a list");
        mounts.retain(|entry| entry["type"] != "cgroup");
        self
    }

    /// With a directory or file of the host at `to`.
    #[must_use]
    pub fn bind(self, from: &str, to: &str, access: &str) -> Self {
        let options = ["rbind", "rprivate", access];
        self.mount(json!({ "destination": to, "type": "bind", "source": from, "options": options }))
    }

    /// With memory at `to`.
    #[must_use]
    pub fn tmpfs(self, to: &str) -> Self {
        let options = ["nosuid", "nodev", "mode=755", "size=16777216"];
        self.mount(json!({
            "destination": to, "type": "tmpfs", "source": "tmpfs", "options": options,
        }))
    }

    /// With at most so many bytes in huge pages of 2 MiB.
    #[must_use]
    pub fn huge_pages(mut self, limit: u64) -> Self {
        self.value["linux"]["resources"]["hugepageLimits"] =
            json!([{ "pageSize": "2MB", "limit": limit }]);
        self
    }

    /// In that cgroup, and not where the runtime likes.
    #[must_use]
    pub fn cgroup(self, path: &str) -> Self {
        self.with("/linux/cgroupsPath", json!(path))
    }

    /// With one more variable in its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        let entry = json!(format!("{name}={value}"));
        let list = self.value["process"]["env"].as_array_mut();
        list.expect("the environment is a list").push(entry);
        self
    }

    /// With one more annotation.
    #[must_use]
    pub fn annotation(mut self, name: &str, value: &str) -> Self {
        self.value["annotations"][name] = json!(value);
        self
    }

    /// With anything at a place of the object that is its parent.
    #[must_use]
    pub fn with(mut self, pointer: &str, value: Value) -> Self {
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer has a slash");
        let parent = self.value.pointer_mut(parent);
        parent.expect("the parent is there")[key] = value;
        self
    }

    /// Whether root in it is another on the host.
    pub(super) fn has_user_namespace(&self) -> bool {
        self.value["linux"]["uidMappings"].is_array()
    }

    /// As the file holds it.
    pub fn text(&self) -> String {
        format!("{:#}\n", self.value)
    }

    fn mount(mut self, entry: Value) -> Self {
        let list = self.value["mounts"].as_array_mut();
        list.expect("the mounts are a list").push(entry);
        self
    }

    fn namespaces(&mut self) -> &mut Vec<Value> {
        let list = self.value["linux"]["namespaces"].as_array_mut();
        list.expect("the namespaces are a list")
    }
}

/// What `runc spec` mounts.
fn mounts() -> Value {
    let mount = |to: &str, kind: &str, options: &[&str]| json!({ "destination": to, "type": kind, "source": kind, "options": options });
    let closed = ["nosuid", "noexec", "nodev"];
    let more = |further: &[&'static str]| [&closed, further].concat();
    json!([
        mount("/proc", "proc", &[]),
        mount(
            "/dev",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"]
        ),
        mount(
            "/dev/pts",
            "devpts",
            &[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620"
            ]
        ),
        mount("/dev/shm", "tmpfs", &more(&["mode=1777", "size=65536k"])),
        mount("/dev/mqueue", "mqueue", &closed),
        mount("/sys", "sysfs", &more(&["ro"])),
        mount("/sys/fs/cgroup", "cgroup", &more(&["relatime", "ro"])),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(config: &Config) -> Vec<String> {
        let list = config.value["linux"]["namespaces"].as_array().unwrap();
        let kind = |entry: &Value| entry["type"].as_str().unwrap().to_owned();
        list.iter().map(kind).collect()
    }

    #[test]
    fn a_container_has_one_network_or_the_hosts() {
        let config = Config::new(&["/bin/true"]);
        let with = ["pid", "ipc", "uts", "mount", "cgroup", "network"];
        assert_eq!(kinds(&config), with);
        assert_eq!(kinds(&config.clone().host_network()), with[..5]);
        let at = config.network_at("/run/netns/x");
        assert_eq!(kinds(&at), with);
        assert_eq!(at.value["linux"]["namespaces"][5]["path"], "/run/netns/x");
    }

    #[test]
    fn what_is_asked_for_is_in_the_text() {
        let config = Config::new(&["/bin/true", "x"])
            .env("NAME", "value")
            .annotation("org.test", "yes")
            .bind("/srv/data", "/data", "ro")
            .tmpfs("/scratch")
            .huge_pages(4 << 20)
            .cgroup("/other")
            .with("/process/cwd", json!("/tmp"));
        let read: Value = serde_json::from_str(&config.text()).unwrap();
        assert_eq!(read["process"]["args"], json!(["/bin/true", "x"]));
        assert_eq!(read["process"]["env"][2], "NAME=value");
        assert_eq!(read["process"]["cwd"], "/tmp");
        assert_eq!(read["annotations"]["org.test"], "yes");
        assert_eq!(read["mounts"][7]["source"], "/srv/data");
        assert_eq!(read["mounts"][8]["type"], "tmpfs");
        assert_eq!(read["linux"]["cgroupsPath"], "/other");
        let huge = &read["linux"]["resources"]["hugepageLimits"][0];
        assert_eq!(
            (&huge["pageSize"], &huge["limit"]),
            (&"2MB".into(), &4_194_304.into())
        );
    }
}
