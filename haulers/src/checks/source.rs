//! The source's checks, and what it tells the target.

use super::look::Look;
use super::{
    addresses, cpu, criu_options, criu_refuses, criu_usable, failed, files_present, files_source,
    kernel, locks, namespaces, off_runtime, peer_loopback, rlimits, session, space, tcp,
    unix_peers, workload,
};
use crate::criu::rpc::CriuVersion;
use crate::manifest::{ENTRIES_MAX, Manifest};
use crate::tasks::Task;
use nix::sys::stat::{SFlag, major};
use phaul_core::executor::ports::Inspection;
use phaul_core::failure::Failure;
use phaul_core::graph::Side;
use phaul_core::plan::{Pid, Plan, Tcp};
use phaul_core::protocol::Manifest as Opaque;
use phaul_core::report::Check;
use std::path::Path;

/// The inspection of a workload that is not there.
pub(crate) fn without_workload(failure: &Failure) -> Inspection {
    let hint = failure.hint.clone().unwrap_or_default();
    let cause = failure.cause.clone();
    Inspection {
        // There is nothing that the target could check.
        manifest: Opaque(serde_json::Value::Null),
        checks: vec![failed(workload::ID, Side::Source, cause, &hint)],
    }
}

/// Looks at the workload and this host. Touches nothing.
pub(crate) async fn inspect(
    plan: &Plan,
    pid: &Pid,
    root: Task,
    directory: &Path,
) -> Result<Inspection, Failure> {
    let (usable, version) = criu_usable::check(Side::Source).await;
    let addresses = addresses::check(Side::Source, plan).await;
    let (plan, pid, directory) = (plan.clone(), pid.clone(), directory.to_owned());
    let look = move || look(&plan, &pid, root, &directory, usable, version);
    let mut inspection = off_runtime(look).await??;
    inspection.checks.extend(addresses);
    Ok(inspection)
}

fn look(
    plan: &Plan,
    pid: &Pid,
    root: Task,
    directory: &Path,
    usable: Check,
    version: Option<CriuVersion>,
) -> Result<Inspection, Failure> {
    let look = Look::at(root.pid)?;
    let mut manifest = describe(&look, pid, version);
    let (trees, shared, files) = files_source::look(plan, None);
    (manifest.trees, manifest.shared) = (trees, shared);
    let mut checks = vec![
        workload::source(root.pid, &look),
        files,
        usable,
        criu_options::check(plan),
        session::check(&look, pid.shell_job),
        namespaces::source(&look),
        criu_refuses::check(&look),
        tcp::check(&look, plan.network.tcp),
        unix_peers::check(&look),
        locks::check(&look, &plan.files),
        rlimits::check(&look),
        files_present::source(&look, manifest.files.len()),
        space::check(Side::Source, manifest.image_bytes, directory),
    ];
    if plan.network.tcp == Tcp::Keep {
        checks.push(peer_loopback::check(&look));
    }
    if manifest.files.len().max(manifest.ids.len()) > ENTRIES_MAX {
        return Err(Failure::new(
            "inspect",
            format!("the workload has more than {ENTRIES_MAX} files or tasks"),
        ));
    }
    Ok(Inspection {
        manifest: manifest.opaque()?,
        checks,
    })
}

fn describe(look: &Look, pid: &Pid, criu: Option<CriuVersion>) -> Manifest {
    let pids = look.pids();
    let led = look.processes.iter().flat_map(|process| {
        // With `shell_job` the session and the group of the shell stay behind.
        let outside = [process.stat.group, process.stat.session];
        outside
            .into_iter()
            .filter(|id| !pid.shell_job || pids.contains(id))
    });
    let mut manifest = describe_tasks(look, criu);
    manifest.ids.extend(led.filter(|id| *id > 0));
    manifest.shell_job = pid.shell_job;
    manifest.files = files_present::collect(look);
    manifest
}

/// What is told of tasks of any kind: all but the files that they use.
pub(super) fn describe_tasks(look: &Look, criu: Option<CriuVersion>) -> Manifest {
    let (machine, kernel) = kernel::own();
    let threads = look
        .processes
        .iter()
        .flat_map(|process| process.threads.iter().copied());
    let is_terminal = |kind: SFlag, device: u64| {
        kind == SFlag::S_IFCHR && matches!(major(device), 4 | 5 | 128..=143)
    };
    Manifest {
        criu,
        machine,
        kernel,
        cpu_features: cpu::features(),
        ids: look.pids().into_iter().chain(threads).collect(),
        has_terminal: look
            .descriptors()
            .any(|(_, open)| is_terminal(open.kind, open.device)),
        image_bytes: look
            .processes
            .iter()
            .map(|process| process.memory_bytes)
            .sum(),
        ..Manifest::new()
    }
}
