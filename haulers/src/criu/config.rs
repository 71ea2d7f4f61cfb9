//! How CRIU is set up for a dump and a restore.

use super::hold::{FREEZER, NAMESPACES, RESUMED, RESUMING};
use super::proto::{CgroupMode, NetworkLock, Options};
use super::watch;
use phaul_core::failure::Failure;
use phaul_core::plan::{Cgroups, Haul, Plan, Tcp};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The action script's name in the directory of an attempt.
const SCRIPT: &str = "hold";
/// The line of the configuration without which CRIU is not held.
pub(super) const HELD: &str = "action-script ./hold";
/// CRIU's configuration file there.
const CONFIG: &str = "criu.conf";
/// A deleted file that is still open is carried in the images up to this size, in bytes.
pub(crate) const GHOST_MAX: u32 = 256 << 20;
/// CRIU's most talkative level: without it a failure cannot be explained afterwards.
const LOG_LEVEL: i32 = 4;

/// Options that would take the hold, the images or the log out of phaul's hands.
const RESERVED: [&str; 22] = [
    "action-script",
    "address",
    "config",
    "daemon",
    "exec-cmd",
    "images-dir",
    "lazy-pages",
    "leave-running",
    "leave-stopped",
    "log-file",
    "log-pid",
    "no-default-config",
    "output",
    "page-server",
    "pidfile",
    "port",
    "prev-images-dir",
    "restore-detached",
    "restore-sibling",
    "stream",
    "track-mem",
    "work-dir",
];

/// The option that a line of a plan's `criu.options` sets, if it sets one.
fn option_of(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let word = line.split([' ', '\t', '=']).next().unwrap_or(line);
    (!word.is_empty() && !word.starts_with('#')).then(|| word.trim_start_matches('-'))
}

/// Why the plan's own lines for CRIU cannot be used, if they cannot.
pub(crate) fn refused_option(plan: &Plan) -> Option<Failure> {
    let refuse = |line: &str, why: &str| {
        Failure::new("criu-option", format!("`criu.options` has `{line}`: {why}"))
            .hint("take the line out of the plan")
    };
    plan.criu.options.iter().find_map(|line| {
        if line.contains(['\n', '\0']) {
            return Some(refuse(
                &line.escape_debug().to_string(),
                "one option a line",
            ));
        }
        let option = option_of(line)?;
        RESERVED
            .contains(&option)
            .then(|| refuse(line, "phaul sets this option itself"))
    })
}

/// What the action script does besides holding.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Besides<'a> {
    /// Freezes this cgroup right before CRIU begins: that of the workload alone.
    pub cgroup: Option<&'a Path>,
    /// Has a container's network made as soon as its namespace is there.
    pub network: bool,
}

/// Writes the action script and CRIU's configuration into the directory of an attempt.
///
/// The configuration wins over the request, so the plan's lines do. The script's path in it
/// is relative: CRIU works in the directory of the attempt.
pub(crate) fn write(
    directory: &Path,
    exe: &Path,
    plan: &Plan,
    besides: Besides<'_>,
) -> Result<(), Failure> {
    if let Some(refused) = refused_option(plan) {
        return Err(refused);
    }
    let failed = |error: io::Error| {
        Failure::new(
            "attempt-directory",
            format!("cannot write into {}: {error}", directory.display()),
        )
    };
    let script = script(directory, exe, besides).map_err(failed)?;
    if let Some(cgroup) = besides.cgroup {
        let path = cgroup.as_os_str().as_bytes();
        fs::write(directory.join(FREEZER), path).map_err(failed)?;
        watch::note_executor(directory).map_err(failed)?;
    }
    let path = directory.join(SCRIPT);
    write_file(&path, &script).map_err(failed)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).map_err(failed)?;
    write_file(&directory.join(CONFIG), &lines(plan)).map_err(failed)
}

/// The lines of the configuration: the action script, then the plan's.
pub(crate) fn lines(plan: &Plan) -> String {
    let mut lines = format!("{HELD}\n");
    for line in &plan.criu.options {
        lines.push_str(line);
        lines.push('\n');
    }
    lines
}

fn write_file(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    io::Write::write_all(&mut options.open(path)?, text.as_bytes())
}

/// The action script. Only the stages that wait start phaul; the marks of the others are made
/// by the shell, since the tasks stand still meanwhile.
fn script(directory: &Path, exe: &Path, besides: Besides<'_>) -> io::Result<String> {
    let [exe, at] = [quoted(exe)?, quoted(directory)?];
    let freeze = match besides.cgroup {
        // CRIU looks every 100 ms whether a cgroup that it freezes itself has come to rest.
        Some(cgroup) => {
            let freeze = quoted(&cgroup.join("cgroup.freeze"))?;
            let events = quoted(&cgroup.join("cgroup.events"))?;
            let watch = format!("{exe} watch {at} </dev/null >/dev/null 2>&1 &");
            // A task that is just ending cannot be stopped: CRIU would give up at it.
            let stand = format!("grep -q 'frozen 1' {events} || [ $i -ge 500 ]");
            let wait = format!("i=0; until {stand}; do i=$((i + 1)); done");
            format!("pre-dump) echo 1 >{freeze}; {watch} {wait} ;;\n")
        }
        None => String::new(),
    };
    let network = if besides.network {
        format!("{NAMESPACES} | ")
    } else {
        String::new()
    };
    Ok(format!(
        "#!/bin/sh\n\
         case \"$CRTOOLS_SCRIPT_ACTION\" in\n\
         {freeze}\
         {network}post-dump | post-restore) exec {exe} hold {at} ;;\n\
         pre-resume) : >{at}/{RESUMING} ;;\n\
         post-resume) : >{at}/{RESUMED} ;;\n\
         esac\n"
    ))
}

/// A path as one word of the shell.
pub(super) fn quoted(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some(text) => Ok(format!("'{}'", text.replace('\'', r"'\''"))),
        None => Err(io::Error::other(format!("{} is not UTF-8", path.display()))),
    }
}

/// The name of CRIU's log in the directory of an attempt.
pub(crate) const DUMP_LOG: &str = "dump.log";
/// The same for a restore.
pub(crate) const RESTORE_LOG: &str = "restore.log";

fn options(plan: &Plan, images: i32, work: i32, log: &str) -> Options {
    let cgroups = match plan.criu.cgroups {
        // A process tree shares its cgroups with others, so they are not CRIU's to rebuild.
        Cgroups::Auto | Cgroups::Ignore => CgroupMode::Ignore,
        Cgroups::Full => CgroupMode::Full,
        Cgroups::Soft => CgroupMode::Soft,
        Cgroups::Strict => CgroupMode::Strict,
    };
    let lock = match plan.network.tcp {
        Tcp::Keep => NetworkLock::Nftables,
        // Nothing to lock: no connection goes along.
        Tcp::Close | Tcp::Refuse => NetworkLock::Skip,
    };
    Options {
        images_dir_fd: images,
        work_dir_fd: Some(work),
        log_level: Some(LOG_LEVEL),
        log_file: Some(log.to_owned()),
        config_file: Some(CONFIG.to_owned()),
        shell_job: Some(matches!(&plan.haul, Haul::Pid(pid) if pid.shell_job)),
        file_locks: Some(true),
        link_remap: Some(true),
        tcp_established: Some(plan.network.tcp == Tcp::Keep),
        tcp_close: Some(plan.network.tcp == Tcp::Close),
        manage_cgroups_mode: Some(cgroups.into()),
        ghost_limit: Some(GHOST_MAX),
        network_lock: Some(lock.into()),
        ..Options::default()
    }
}

/// The options of a dump; `images` and `work` are descriptors of this process.
///
/// Except with live connections CRIU is told to leave the tasks running whatever the hold
/// says, for three reasons. It is phaul that kills, so nothing that goes wrong with the hold
/// or CRIU can ever kill a workload by mistake. What CRIU drained from terminals goes back
/// into them when the dump is given up. And CRIU takes away the links that it made for files
/// without a name. With live connections its cleaning up would end them, so there it may not.
pub(crate) fn dump(plan: &Plan, pid: i32, images: i32, work: i32) -> Options {
    Options {
        pid: Some(pid),
        leave_running: Some(plan.network.tcp != Tcp::Keep),
        ..options(plan, images, work, DUMP_LOG)
    }
}

/// The options of a restore.
pub(crate) fn restore(plan: &Plan, images: i32, work: i32) -> Options {
    options(plan, images, work, RESTORE_LOG)
}

#[cfg(test)]
mod tests {
    use super::*;
    use phaul_core::plan::{Pid, PidSource, Target};
    use std::collections::BTreeMap;

    fn plan() -> Plan {
        let root = PidSource::Pid(7);
        let haul = Haul::Pid(Pid {
            root,
            shell_job: false,
        });
        let to = Target {
            agent: "b:1".to_owned(),
            identity: "b".to_owned(),
            id: None,
            paths: BTreeMap::new(),
        };
        Plan::new("p", haul, to)
    }

    #[test]
    fn options_that_would_break_the_hold_are_refused() {
        let mut plan = plan();
        for line in [
            "leave-running",
            " action-script /x",
            "images-dir=/x",
            "--port 1",
        ] {
            plan.criu.options = vec![line.to_owned()];
            let failure = refused_option(&plan).expect(line);
            assert_eq!(failure.code, "criu-option");
        }
        plan.criu.options = vec!["a\nleave-running".to_owned()];
        assert!(refused_option(&plan).is_some());
        plan.criu.options = vec!["# leave-running".to_owned(), "ghost-limit 1M".to_owned()];
        assert_eq!(refused_option(&plan), None);
    }

    #[test]
    fn the_script_survives_odd_paths() {
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join("it's $HOME \"x\"");
        fs::create_dir(&odd).unwrap();
        let exe = Path::new("/bin/echo");
        write(&odd, exe, &plan(), Besides::default()).unwrap();
        let run = |stage: &str| {
            let output = std::process::Command::new(odd.join(SCRIPT))
                .env("CRTOOLS_SCRIPT_ACTION", stage)
                .output()
                .unwrap();
            assert!(output.status.success(), "{stage}");
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(run("post-dump"), format!("hold {}\n", odd.display()));
        for stage in ["pre-dump", "network-lock", "post-resume"] {
            assert_eq!(run(stage), "", "{stage}");
        }
        assert!(odd.join(RESUMED).exists() && !odd.join(RESUMING).exists());
        let config = fs::read_to_string(odd.join(CONFIG)).unwrap();
        assert_eq!(config, "action-script ./hold\n");
    }

    #[test]
    fn connections_are_kept_only_where_the_plan_says_so() {
        let mut plan = plan();
        let dump_now = dump(&plan, 7, 3, 4);
        assert_eq!(dump_now.tcp_established, Some(false));
        assert_eq!(dump_now.leave_running, Some(true));
        assert_eq!(dump_now.network_lock(), NetworkLock::Skip);
        plan.network.tcp = Tcp::Keep;
        let dump_now = dump(&plan, 7, 3, 4);
        assert_eq!(dump_now.leave_running, Some(false));
        assert_eq!(dump_now.network_lock(), NetworkLock::Nftables);
        assert_eq!(restore(&plan, 3, 4).tcp_established, Some(true));
    }
}
