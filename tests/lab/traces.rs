//! What a migration could leave behind on a host, taken down so that two moments can be compared.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use super::error::{Error, Result};
use super::host::Host;

/// Where phaul, CRIU and the runtimes put files, and where the bundles of containers are.
const DIRECTORIES: &[&str] = &[
    "/run",
    "/tmp",
    "/var/tmp",
    "/var/lib/phaul",
    "/etc/criu",
    "/srv",
];

/// A host at one moment: mounts, cgroups, firewall, files, sockets, processes, addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traces {
    /// Each line that describes something, with how often it is there.
    lines: BTreeMap<String, usize>,
}

impl Traces {
    pub(crate) fn of(host: &Host) -> Result<Self> {
        let mut lines = Vec::new();
        let mut note = |kind: &str, what: String| lines.push(format!("{kind} {what}"));
        // Programs first: they are processes themselves while they run.
        for rule in firewall(host)? {
            note("firewall", rule);
        }
        for address in host.run(&["ip", "-brief", "address"])?.lines() {
            note(
                "address",
                address.split_whitespace().collect::<Vec<_>>().join(" "),
            );
        }
        for process in host.ps()? {
            note(
                "process",
                format!(
                    "{} {}",
                    if process.state == 'Z' {
                        "zombie"
                    } else {
                        "live"
                    },
                    process.cmdline
                ),
            );
        }
        let proc = host.inside("/proc/1");
        for mount in mounts(&text(&proc.join("mountinfo"))?) {
            note("mount", mount);
        }
        for name in ["tcp", "tcp6", "udp", "udp6"] {
            for (port, address) in open_ports(&text(&proc.join("net").join(name))?) {
                note("port", format!("{name} {port} on {address}"));
            }
        }
        for socket in unix_sockets(&text(&proc.join("net/unix"))?) {
            note("unix", socket);
        }
        walk(host.cgroup(), "", &mut |path, kind| {
            if kind == 'd' {
                note("cgroup", path.to_owned());
            }
        });
        for directory in DIRECTORIES {
            walk(&host.inside(directory), directory, &mut |path, kind| {
                note("file", format!("{kind} {path}"))
            });
        }
        let mut counted = BTreeMap::new();
        for line in lines {
            *counted.entry(line).or_default() += 1;
        }
        Ok(Self { lines: counted })
    }

    /// What is new (`+`) and what is gone (`-`) in `later`, except lines that contain one of
    /// `ignore`.
    pub fn difference(&self, later: &Self, ignore: &[&str]) -> Vec<String> {
        let beyond = |these: &Self, those: &Self, sign: char| -> Vec<String> {
            these
                .lines
                .iter()
                .filter(|(line, count)| those.lines.get(*line).unwrap_or(&0) < count)
                .filter(|(line, _)| !ignore.iter().any(|ignored| line.contains(ignored)))
                .map(|(line, _)| format!("{sign} {line}"))
                .collect()
        };
        let mut difference = beyond(later, self, '+');
        difference.extend(beyond(self, later, '-'));
        difference
    }
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(Error::file("read", path))
}

/// The rules of both generations, without their counters. A tool that a host lacks has made no
/// rules.
fn firewall(host: &Host) -> Result<Vec<String>> {
    let mut rules = Vec::new();
    // nft shows the tables of iptables, too, but not those of the older kernel interface.
    for argv in [
        &["nft", "--stateless", "list", "ruleset"][..],
        &["iptables-legacy-save"],
        &["ip6tables-legacy-save"],
    ] {
        let output = host.exec(argv)?;
        if output.status.success() {
            let kept = output
                .stdout
                .lines()
                .filter(|line| !line.starts_with('#') && !line.trim().is_empty());
            rules.extend(kept.map(|line| line.trim().to_owned()));
        }
    }
    Ok(rules)
}

/// Mount point, root within the file system, type and source of each mount: all but the numbers and
/// the options.
fn mounts(mountinfo: &str) -> Vec<String> {
    mountinfo
        .lines()
        .filter_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let mut before = before.split(' ').skip(3);
            let mut after = after.split(' ');
            let (root, point) = (before.next()?, before.next()?);
            Some(format!(
                "{point} {} {} root {root}",
                after.next()?,
                after.next()?
            ))
        })
        .collect()
}

/// Local addresses that take connections or datagrams, from `/proc/net/{tcp,udp}`: state 0A
/// listens, 07 is an unconnected datagram socket.
pub(crate) fn open_ports(table: &str) -> Vec<(u16, &str)> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let (address, port) = fields.get(1)?.split_once(':')?;
            let port = u16::from_str_radix(port, 16).ok()?;
            ["0A", "07"]
                .contains(fields.get(3)?)
                .then_some((port, address))
        })
        .collect()
}

/// The names of bound sockets; abstract ones begin with `@`.
fn unix_sockets(table: &str) -> Vec<String> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().nth(7).map(str::to_owned))
        .collect()
}

/// Calls `see` with every path beneath `directory`, named from `shown` on, and the letter of its
/// type.
fn walk(directory: &Path, shown: &str, see: &mut impl FnMut(&str, char)) {
    // What vanishes while one walks is not there.
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        let path = format!("{shown}/{}", entry.file_name().to_string_lossy());
        let letter = match kind {
            kind if kind.is_dir() => 'd',
            kind if kind.is_symlink() => 'l',
            kind if kind.is_socket() => 's',
            kind if kind.is_fifo() => 'p',
            kind if kind.is_char_device() => 'c',
            kind if kind.is_block_device() => 'b',
            _ => 'f',
        };
        see(&path, letter);
        if letter == 'd' {
            walk(&entry.path(), &path, see);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(lines: &[&str]) -> Traces {
        let mut counted = BTreeMap::new();
        for line in lines {
            *counted.entry((*line).to_owned()).or_default() += 1;
        }
        Traces { lines: counted }
    }

    #[test]
    fn a_difference_names_what_came_and_what_went() {
        let before = traces(&["process live sh", "file f /tmp/a"]);
        let after = traces(&["process live sh", "process live sh", "file f /tmp/b"]);
        assert_eq!(
            before.difference(&after, &[]),
            ["+ file f /tmp/b", "+ process live sh", "- file f /tmp/a"]
        );
        assert_eq!(before.difference(&after, &["/tmp/", "sh"]), [""; 0]);
        assert_eq!(before.difference(&before, &[]), [""; 0]);
    }

    #[test]
    fn kernel_tables_are_read() {
        let tcp = "  sl  local_address rem_address   st tx_queue\n\
                   0: 0100007F:1CFC 00000000:0000 0A 0:0\n   1: 0100007F:1CFD 0100007F:0001 01 0:0\n";
        assert_eq!(open_ports(tcp), [(7420, "0100007F")]);
        let unix = "Num       RefCount Protocol Flags    Type St Inode Path\n\
                    0: 00000002 00000000 00010000 0001 01 5 /run/x.sock\n0: 00000002 0 0 0001 01 6\n0: 2 0 0 1 01 7 @abstract\n";
        assert_eq!(unix_sockets(unix), ["/run/x.sock", "@abstract"]);
        let mount = "41 31 0:38 /sub /mnt rw,relatime shared:1 - ext4 /dev/x rw,errors=a\n";
        assert_eq!(mounts(mount), ["/mnt ext4 /dev/x root /sub"]);
    }
}
