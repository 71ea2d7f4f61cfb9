//! Is the runtime there, does it have room for the container, and can it move it?

use super::{failed, none_of, passed, warned};
use crate::cgroup;
use crate::kinds::container::{Runtime, Spec, check_id, controllers, controllers_here, home};
use crate::manifest::Container;
use crate::tasks::{command, stat};
use phaul_core::graph::Side;
use phaul_core::plan::{Keep, Plan, Tcp};
use phaul_core::report::Check;
use std::collections::BTreeSet;
use std::path::Path;

const RUNTIME: &str = "runtime";
const ID: &str = "container-id";
const CONTAINER: &str = "container";
const MEMBERS: &str = "container-members";
const CGROUP: &str = "container-cgroup";
/// With it a runtime has CRIU read another file than that in which phaul says how to hold it.
const CRIU_CONFIG: &str = "org.criu.config";
/// So many generations of new processes are looked at.
const GENERATIONS: u32 = 64;
const SECURITY: &str = "security";

/// At the target: the runtime is there and not older than the source's.
pub(super) async fn check(runtime: Runtime, version: &str) -> Check {
    let name = runtime.name();
    match runtime.version().await {
        Err(failure) => failed(
            RUNTIME,
            Side::Target,
            failure.cause,
            &failure.hint.unwrap_or_default(),
        ),
        Ok(own) if numbers(&own) < numbers(version) => failed(
            RUNTIME,
            Side::Target,
            format!("{name} is {own} here, older than the source's {version}"),
            "install the source's version here, or waive the check",
        ),
        Ok(own) => passed(
            RUNTIME,
            Side::Target,
            format!("{name} {own}, the source has {version}"),
        ),
    }
}

/// The numbers of a version, as far as it is one.
fn numbers(version: &str) -> Vec<u64> {
    let end = version
        .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .unwrap_or(version.len());
    version[..end]
        .split('.')
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// At the target: the id is free, and so is its cgroup.
pub(super) async fn id(runtime: Runtime, root: Option<&Path>, id: &str, spec: &Spec) -> Check {
    let no = |text: String, hint: &str| failed(ID, Side::Target, text, hint);
    if let Err(failure) = check_id(id) {
        return no(failure.cause, &failure.hint.unwrap_or_default());
    }
    let name = runtime.name();
    if runtime.root(root).join(id).exists() {
        return no(
            format!("{name} has a container {id} here already"),
            "give it another id here (`to.id`), or delete the one that is here",
        );
    }
    match home(spec, id) {
        Some(home) if !cgroup::all_members(&home).is_empty() => no(
            format!(
                "there are processes in the container's cgroup {}",
                home.display()
            ),
            "see what they belong to, and give the container another id or cgroup",
        ),
        _ => passed(ID, Side::Target, format!("{id} is free")),
    }
}

/// At the source: the container is one that can be moved.
pub(super) fn container(runtime: Runtime, plan: &Plan, spec: &Spec) -> Check {
    let mut wrong = Vec::new();
    if runtime == Runtime::Crun && spec.has("user") {
        wrong.push("it has a user namespace of its own, with which crun cannot move it".to_owned());
    }
    if spec.process.terminal {
        wrong.push("it has a terminal (`process.terminal`), which an agent cannot give it".into());
    }
    if let Some(path) = spec.annotations.get(CRIU_CONFIG) {
        wrong.push(format!("its annotation `{CRIU_CONFIG}` names another configuration of CRIU ({path}), with which phaul cannot hold it"));
    }
    if spec.linux.cgroups_path.contains(':') {
        let path = &spec.linux.cgroups_path;
        wrong.push(format!(
            "its cgroup is systemd's to make (`cgroupsPath` is {path:?})"
        ));
    }
    if plan.keep == Keep::Source && plan.network.tcp == Tcp::Keep {
        let cause = "`keep: source` and `tcp: keep` do not go together: with its connections gone \
                     the runtime removes the container";
        wrong.push(cause.to_owned());
    }
    let hooks = spec.hooks.as_ref().and_then(|hooks| hooks.as_object());
    if wrong.is_empty() && hooks.is_some_and(|hooks| !hooks.is_empty()) {
        return warned(
            CONTAINER,
            Side::Source,
            "its config.json has hooks, which the target's runtime carries out there in the restore",
            "see that they do no harm there: phaul makes the container's network itself",
        );
    }
    none_of(
        CONTAINER,
        Side::Source,
        &wrong,
        "it is one that can be moved",
        "change the container or the plan",
    )
}

/// At the source: whatever is in its cgroup is a descendant of its first process.
pub(super) fn members(cgroup: Option<&Path>, pids: &BTreeSet<i32>) -> Check {
    let members = cgroup.map(cgroup::all_members).unwrap_or_default();
    let strangers: Vec<String> = members
        .into_iter()
        .filter(|member| !pids.contains(member) && !descends(*member, pids))
        .map(|member| format!("process {member} ({})", command(member)))
        .collect();
    none_of(
        MEMBERS,
        Side::Source,
        &strangers,
        "every process in the container descends from its first",
        "these were started by `exec`: wait for their end, or end them",
    )
}

/// Whether a process has come into being below one of these since they were looked at, or has
/// ended meanwhile.
fn descends(pid: i32, pids: &BTreeSet<i32>) -> bool {
    let mut above = Some(pid);
    for _ in 0..GENERATIONS {
        above = match above.and_then(stat) {
            None => return true,
            Some(stat) if pids.contains(&stat.parent) => return true,
            Some(stat) => (stat.parent > 0).then_some(stat.parent),
        };
        if above.is_none() {
            return false;
        }
    }
    false
}

/// At the target: what limits the container can be limited here.
pub(super) fn cgroups(container: &Container) -> Check {
    let here = controllers_here();
    let missing: Vec<String> = controllers(&container.limits)
        .into_iter()
        .filter(|controller| !here.contains(controller))
        .map(|controller| format!("the container has a limit of `{controller}`"))
        .collect();
    none_of(
        CGROUP,
        Side::Target,
        &missing,
        "every limit of the container can be set here",
        "this host has no such controller in its cgroups (version 2): enable it, or waive the check",
    )
}

/// The security modules of this host's kernel.
pub(super) fn own_security() -> String {
    let text = std::fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    text.trim().to_owned()
}

/// At the target: what confines the container confines it here.
pub(super) fn security(container: &Container, spec: &Spec) -> Check {
    let own = own_security();
    let mut wrong = Vec::new();
    let modules = [
        ("apparmor", &spec.process.apparmor_profile),
        ("selinux", &spec.process.selinux_label),
    ];
    for (module, label) in modules {
        if !label.is_empty() && !own.split(',').any(|here| here == module) {
            wrong.push(format!("the container is confined by {module} ({label})"));
        }
    }
    if spec.linux.seccomp.is_some() && !Path::new("/proc/sys/kernel/seccomp").exists() {
        wrong.push("the container has a filter of system calls (seccomp)".to_owned());
    }
    if !wrong.is_empty() {
        let hint = "this host's kernel lacks it: start it with that module, or waive the check";
        return none_of(SECURITY, Side::Target, &wrong, "", hint);
    }
    if own != container.security {
        return warned(
            SECURITY,
            Side::Target,
            format!(
                "security modules here: {own:?}; at the source: {:?}",
                container.security
            ),
            "see that nothing that guards the container there is missing here",
        );
    }
    passed(
        SECURITY,
        Side::Target,
        "the hosts have the same security modules",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert_eq!(numbers("1.3.6+ds1"), [1, 3, 6]);
        assert!(numbers("1.10") > numbers("1.9.9"));
        assert!(numbers("") < numbers("1"));
    }
}
