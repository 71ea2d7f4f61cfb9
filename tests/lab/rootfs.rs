//! The system that both hosts run: a small Debian with CRIU, built once and cached.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::{Error, Result};
use super::layout;
use super::lock::Lock;
use super::mirror;
use super::progress::say;

/// Stable Debian's CRIU does not start on recent kernels (they changed the layout of the vDSO);
/// this one's does.
const SUITE: &str = "forky";

/// `libcriu2` is what crun loads at run time to checkpoint; crun only recommends it.
const PACKAGES: &[&str] = &[
    "busybox-static",
    "criu",
    "crun",
    "iproute2",
    "iptables",
    "iputils-arping",
    "iputils-ping",
    "libcriu2",
    "nftables",
    "procps",
    "psmisc",
    "python3-minimal",
    "redis-server",
    "redis-tools",
    "runc",
    "strace",
];

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// debootstrap knows only the suites that existed when it was released; Debian's all use this one's
/// script.
const SCRIPT: &str = "/usr/share/debootstrap/scripts/sid";

/// What debootstrap says first in a new phase, and what that means.
const PHASES: &[(&str, &str)] = &[
    ("I: Resolving ", "resolving packages"),
    ("I: Retrieving libc6 ", "downloading packages"),
    ("I: Extracting ", "extracting the base"),
    ("I: Installing core ", "installing the core"),
    ("I: Configuring required ", "configuring the core"),
    ("I: Unpacking the base ", "unpacking what was asked for"),
    ("I: Configuring the base ", "configuring what was asked for"),
];

/// The directory of a complete rootfs, built first if there is none for this list of packages.
pub(crate) fn ensure() -> Result<PathBuf> {
    let cache = layout::cache()?;
    let whole = cache.join(format!("rootfs-{:08x}", fingerprint()));
    let _lock = Lock::take(&cache)?;
    if !whole.exists() {
        build(&cache, &whole)?;
    }
    Ok(whole)
}

/// Removes every cached rootfs. Labs that are up would lose the files they run from: the caller
/// takes them down first.
pub(crate) fn purge() -> Result<()> {
    let cache = layout::cache()?;
    if !cache.exists() {
        return Ok(());
    }
    let _lock = Lock::take(&cache)?;
    remove(&cache, |name| name.starts_with("rootfs-"))?;
    let _ = fs::remove_file(log_path(&cache));
    // Labs may still have data there.
    let _ = fs::remove_dir(cache.join("labs"));
    let _ = fs::remove_dir(&cache);
    Ok(())
}

/// Changes with everything that makes one rootfs differ from another.
fn fingerprint() -> u32 {
    crc32c::crc32c(format!("{SUITE} {}", PACKAGES.join(",")).as_bytes())
}

/// Builds beside the final place and renames: an interrupted build is never taken for a whole one.
fn build(cache: &Path, whole: &Path) -> Result<()> {
    remove(cache, |name| name.ends_with(".partial"))?;
    install_tools()?;
    let partial = whole.with_extension("partial");
    say(format_args!(
        "building the rootfs ({SUITE}, {} packages and what they need), once",
        PACKAGES.len()
    ));
    debootstrap(cache, &partial)?;
    strip(&partial)?;
    fs::rename(&partial, whole).map_err(Error::file("rename to", whole))?;
    say(format_args!("rootfs ready: {}", whole.display()));
    Ok(())
}

fn debootstrap(cache: &Path, target: &Path) -> Result<()> {
    let log_path = log_path(cache);
    let mut log = fs::File::create(&log_path).map_err(Error::file("create", &log_path))?;
    // In namespaces of its own, and dead with this process: what it mounts and starts goes with it,
    // however it ends, and no second build finds it still writing.
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL"])
        .args([
            "unshare",
            "--mount",
            "--pid",
            "--mount-proc",
            "--fork",
            "--kill-child",
        ])
        .args(["debootstrap", "--variant=minbase"])
        .arg(format!("--keyring={KEYRING}"))
        .arg(format!("--include={}", PACKAGES.join(",")))
        .arg(SUITE)
        .arg(target)
        .arg(mirror::of_this_machine()?)
        .arg(SCRIPT)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log.try_clone().map_err(Error::file("open", &log_path))?);
    let start = |source| Error::Start {
        command: "debootstrap".into(),
        source,
    };
    let mut child = command.spawn().map_err(start)?;
    let mut said = BTreeSet::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout)
            .lines()
            .map_while(std::result::Result::ok)
        {
            let _ = writeln!(log, "{line}");
            if let Some((_, phase)) = PHASES.iter().find(|(start, _)| line.starts_with(start))
                && said.insert(phase)
            {
                say(phase);
            }
        }
    }
    let status = child.wait().map_err(start)?;
    if status.success() {
        return Ok(());
    }
    let log = fs::read_to_string(&log_path).unwrap_or_default();
    let lines: Vec<_> = log.lines().collect();
    let last = lines[lines.len().saturating_sub(15)..].join("\n");
    Err(Error::Failed {
        command: "debootstrap".into(),
        status: status.to_string(),
        stderr: last,
    })
}

fn log_path(cache: &Path) -> PathBuf {
    cache.join("debootstrap.log")
}

/// Installs what building a rootfs and joining hosts need and this machine lacks.
fn install_tools() -> Result<()> {
    let has_ip = ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip"];
    let missing: Vec<&str> = [
        ("debootstrap", Path::new(SCRIPT).exists()),
        (
            "iproute2",
            has_ip.iter().any(|path| Path::new(path).exists()),
        ),
    ]
    .into_iter()
    .filter_map(|(package, there)| (!there).then_some(package))
    .collect();
    if missing.is_empty() {
        return Ok(());
    }
    say(format!("installing {}", missing.join(" ")));
    let install = ["install", "--yes", "--no-install-recommends"];
    for arguments in [vec!["update"], [&install[..], &missing].concat()] {
        let mut command = Command::new("apt-get");
        command
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive");
        let output = super::command::output(&mut command, std::time::Duration::from_secs(600))?;
        if !output.status.success() {
            return Err(Error::Failed {
                command: super::command::command_line(&command),
                status: output.status.to_string(),
                stderr: output.stderr,
            });
        }
    }
    Ok(())
}

/// Drops what was only needed to install: package files and lists.
fn strip(root: &Path) -> Result<()> {
    for path in [
        "var/cache/apt/archives",
        "var/lib/apt/lists",
        "usr/share/doc",
        "usr/share/man",
    ] {
        remove(&root.join(path), |_| true)?;
    }
    remove(&root.join("var/cache/apt"), |name| name.ends_with(".bin"))
}

/// Removes the entries of `directory` whose name `condemned` picks.
fn remove(directory: &Path, condemned: impl Fn(&str) -> bool) -> Result<()> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Ok(());
    };
    for entry in entries
        .flatten()
        .filter(|entry| condemned(&entry.file_name().to_string_lossy()))
    {
        let path = entry.path();
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let removed = if is_directory {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.map_err(Error::file("remove", path))?;
    }
    Ok(())
}
