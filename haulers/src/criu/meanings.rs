//! What the commonest complaints of CRIU mean.

/// What a line of CRIU's log means: it holds all of `words`.
pub(crate) struct Meaning {
    words: &'static [&'static str],
    /// Why it failed.
    pub cause: &'static str,
    /// What to do about it.
    pub hint: &'static str,
}

/// The commonest complaints; the first that fits counts.
const MEANINGS: &[Meaning] = &[
    Meaning {
        words: &["io_uring"],
        cause: "the workload uses io_uring, which CRIU cannot carry",
        hint: "run it without io_uring, or move it with another strategy than CRIU's",
    },
    Meaning {
        words: &["bpf"],
        cause: "the workload holds an eBPF object, which CRIU cannot carry",
        hint: "stop what uses eBPF before the move",
    },
    Meaning {
        words: &["send_fds failed (-22)"],
        cause: "a process holds a descriptor that cannot be handed over, as CRIU has to",
        hint: "an io_uring is the commonest one: `ls -l /proc/PID/fd` shows it",
    },
    Meaning {
        words: &["Can't dump file", "of that type"],
        cause: "a process has a file open of a kind that CRIU cannot carry",
        hint: "the log names the descriptor; `ls -l /proc/PID/fd` shows what it is",
    },
    Meaning {
        words: &["fsnotify: Can't dump that handle"],
        cause: "a process watches a file (inotify) on a file system on which CRIU cannot find it again, such as overlayfs",
        hint: "let it watch files on a plain file system, such as a volume of its own, or end the watch before",
    },
    Meaning {
        words: &["is not a session leader"],
        cause: "the root of the tree shares its session with processes outside it",
        hint: "start the workload with `setsid`, or say `shell_job: true` in the plan",
    },
    Meaning {
        words: &["session leader", "outside"],
        cause: "a process of the tree belongs to a session outside it",
        hint: "start the workload with `setsid`, or say `shell_job: true` in the plan",
    },
    Meaning {
        words: &["Can't find a session leader"],
        cause: "a process of the tree belongs to a session outside it",
        hint: "start the workload with `setsid`, or say `shell_job: true` in the plan",
    },
    Meaning {
        words: &["Can't fork for", "File exists"],
        cause: "a process id of the workload is taken on this host",
        hint: "wait until the process that has it ends, or end it",
    },
    Meaning {
        words: &["do not match expected"],
        cause: "a process id of the workload is taken on this host",
        hint: "wait until the process that has it ends, or end it",
    },
    Meaning {
        words: &["has bad size"],
        cause: "a file that the workload uses has another size on this host",
        hint: "bring the file to the same content on both hosts, or list its tree in `files`",
    },
    Meaning {
        words: &["has bad build-ID"],
        cause: "a program or library that the workload uses is of another build on this host",
        hint: "install the same version of it on both hosts",
    },
    Meaning {
        words: &["has bad mode"],
        cause: "a file that the workload uses has other permissions on this host",
        hint: "give the file the same mode on both hosts",
    },
    Meaning {
        words: &["Can't open file", "No such file"],
        cause: "a file that the workload uses is missing on this host",
        hint: "bring the file to this host, or list its tree in `files`",
    },
    Meaning {
        words: &["Connected TCP socket"],
        cause: "the workload has an established TCP connection",
        hint: "say `tcp: keep` or `tcp: close` in the plan's section `network`",
    },
    Meaning {
        words: &["In-flight connection"],
        cause: "a connection is being made to the workload at this moment",
        hint: "try again",
    },
    Meaning {
        words: &["External socket"],
        cause: "a unix socket of the workload is connected to a process outside the tree",
        hint: "close the connection (a system bus or a log daemon is the commonest one)",
    },
    Meaning {
        words: &["Can't dump half of stream unix connection"],
        cause: "a unix socket of the workload is connected to a process outside the tree",
        hint: "close the connection (a system bus or a log daemon is the commonest one)",
    },
    Meaning {
        words: &["external socket"],
        cause: "a unix socket of the workload is connected to a process outside the tree",
        hint: "close the connection (a system bus or a log daemon is the commonest one)",
    },
    Meaning {
        words: &["with unreachable peer"],
        cause: "a unix socket of the workload is connected to a process outside the tree",
        hint: "close the connection (a system bus or a log daemon is the commonest one)",
    },
    Meaning {
        words: &["CPU", "do not match run time"],
        cause: "this host's processor lacks what the workload's processor had",
        hint: "move to a host with the same or a newer processor",
    },
    Meaning {
        words: &["CPU xfeatures has unsupported bits"],
        cause: "this host's processor lacks what the workload's processor had",
        hint: "move to a host with the same or a newer processor",
    },
    Meaning {
        words: &["FPU feature required by image"],
        cause: "this host's processor lacks what the workload's processor had",
        hint: "move to a host with the same or a newer processor",
    },
    Meaning {
        words: &["doesn't have a proper root mount"],
        cause: "the workload has a mount whose root CRIU cannot find from inside",
        hint: "mark the mount as external with a line in `criu.options`",
    },
    Meaning {
        words: &["Can't lookup mount"],
        cause: "a process has a file open that lies outside its mount namespace",
        hint: "start the workload with standard descriptors of its own namespace (`/dev/null`)",
    },
    Meaning {
        words: &["Can't get rlimit"],
        cause: "CRIU may not read the limits of a process that runs under another user",
        hint: "run phaul with CAP_SYS_RESOURCE",
    },
    Meaning {
        words: &["tty:"],
        cause: "a terminal of the workload cannot be carried",
        hint: "start the workload without a terminal, or say `shell_job: true` in the plan",
    },
    Meaning {
        words: &["Can't dump ghost file", "increase limit"],
        cause: "a deleted file that is still open is too large for the images",
        hint: "raise `ghost-limit` with a line in `criu.options`",
    },
    Meaning {
        words: &["SEIZE"],
        cause: "a process of the workload could not be stopped: it may be traced or be ending",
        hint: "end the debugger or tracer that is attached to it, then try again",
    },
    Meaning {
        words: &["Can not set", "lock"],
        cause: "a file lock of the workload could not be taken again: somebody else holds it",
        hint: "on a file system that both hosts share, the frozen source holds it; release it first",
    },
    Meaning {
        words: &["Can't bind", "Cannot assign requested address"],
        cause: "an address that the workload listens on does not exist on this host",
        hint: "list it in the plan's `network.addresses`, or add it to this host",
    },
    Meaning {
        words: &["Can't bind", "Address already in use"],
        cause: "an address or port that the workload listens on is taken on this host",
        hint: "end what listens there (`ss -ltnp`)",
    },
    Meaning {
        words: &["Script", "exited with"],
        cause: "the hold ended without a verdict to go on",
        hint: "see whether something kills phaul's processes",
    },
];

/// What the lines of a log mean, where that is known: cause and hint.
pub(crate) fn meaning(lines: &[String]) -> Option<&'static Meaning> {
    MEANINGS.iter().find(|meaning| {
        lines
            .iter()
            .any(|line| meaning.words.iter().all(|word| line.contains(word)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of a real log, and a word of what it has to be put into.
    const SEEN: &[(&str, &str)] = &[
        (
            "(00.008730) Error (criu/files-ext.c:98): Can't dump file 4 of that type [600] (unknown anon_inode:[io_uring])",
            "io_uring",
        ),
        (
            "pie: 21303: Error (criu/pie/parasite.c:588): send_fds failed (-22)",
            "handed over",
        ),
        (
            "(00.036578) Error (criu/cr-dump.c:1528): A session leader of 21341(21341) is outside of its pid namespace",
            "session",
        ),
        (
            "(00.004100) Error (criu/files-ext.c:98): Can't dump file 3 of that type [600] (unknown anon_inode:bpf-prog)",
            "eBPF",
        ),
        (
            "(00.006012) Error (criu/files-ext.c:98): Can't dump file 5 of that type [20600] (chr 10:200)",
            "of a kind",
        ),
        (
            "(00.002345) Error (criu/cr-dump.c:304): The root process 812 is not a session leader. Consider using --shell-job option",
            "session",
        ),
        (
            "(00.003201) Error (criu/pstree.c:801): Can't find a session leader for 66",
            "session",
        ),
        (
            "(00.011000) Error (criu/cr-restore.c:1230): Can't fork for 4321: File exists",
            "id",
        ),
        (
            "(00.011000)   4321: Error (criu/cr-restore.c:1539): Pid 77 do not match expected 4321",
            "id",
        ),
        (
            "(00.010501)    77: Error (criu/files-reg.c:2175): File srv/app/data has bad size 20 (expect 30)",
            "size",
        ),
        (
            "(00.010501)    77: Error (criu/files-reg.c:2153): File usr/lib/libc.so.6 has bad build-ID",
            "build",
        ),
        (
            "(00.010501)    77: Error (criu/files-reg.c:2294): File srv/x has bad mode 0100600 (expect 0100644)",
            "permissions",
        ),
        (
            "(00.009977)    77: Error (criu/files-reg.c:2267): Can't open file srv/app/data: No such file or directory",
            "missing",
        ),
        (
            "(00.009977)    77: Error (criu/files-reg.c:2353): Can't open file srv/app/data on restore: No such file or directory",
            "missing",
        ),
        (
            "(00.009000) Error (criu/sk-inet.c:200): inet: Connected TCP socket, consider using --tcp-established option.",
            "TCP",
        ),
        (
            "(00.009000) Error (criu/sk-inet.c:185): inet: In-flight connection (l) for 5f3a",
            "being made",
        ),
        (
            "(00.009100) Error (criu/sk-unix.c:874): unix: External socket is used. Consider using --ext-unix-sk option.",
            "unix socket",
        ),
        (
            "(00.009100) Error (criu/sk-unix.c:881): unix: Can't dump half of stream unix connection. name: (null); peer name: (null)",
            "unix socket",
        ),
        (
            "(00.009100) Error (criu/sk-unix.c:888): unix: Can't dump name-less external socket.",
            "unix socket",
        ),
        (
            "(00.009100) Error (criu/sk-unix.c:428): unix: Unix socket 123 with unreachable peer 124 (0)",
            "unix socket",
        ),
        (
            "(00.000900) Error (criu/arch/x86/cpu.c:223): cpu: CPU instruction capabilities do not match run time",
            "processor",
        ),
        (
            "(00.000900) Error (criu/arch/x86/cpu.c:262): cpu: CPU xfeatures has unsupported bits (0x60)",
            "processor",
        ),
        (
            "(00.000900) Error (criu/arch/x86/cpu.c:247): cpu: FPU feature required by image is not supported on host (0x4)",
            "processor",
        ),
        (
            "(00.005900) Error (criu/mount.c:753): mnt: 612:./data doesn't have a proper root mount",
            "mount",
        ),
        (
            "(00.005900) Error (criu/files-reg.c:1790): Can't lookup mount=24 for fd=0 path=/dev/pts/0",
            "outside its mount namespace",
        ),
        (
            "(00.004700) Error (criu/cr-dump.c:388): Can't get rlimit 0: Operation not permitted",
            "limits",
        ),
        (
            "(00.006600) Error (criu/tty.c:412): tty: Found slave peer index 2 without correspond master peer",
            "terminal",
        ),
        (
            "(00.006600) Error (criu/files-reg.c:1031): Can't dump ghost file /tmp/x of 536870912 size, increase limit",
            "too large",
        ),
        (
            "(00.001600) Error (compel/src/lib/infect.c:181): SEIZE 77: can't wait task: Operation not permitted",
            "could not be stopped",
        ),
        (
            "(00.021600)    77: Error (criu/file-lock.c:661): Can not set ofd lock!",
            "lock",
        ),
        (
            "(00.021600)    77: Error (criu/sk-inet.c:1059): inet: Can't bind inet socket (id 3): Cannot assign requested address",
            "does not exist",
        ),
        (
            "(00.021600)    77: Error (criu/sk-inet.c:1059): inet: Can't bind inet socket (id 3): Address already in use",
            "taken",
        ),
        (
            "(00.021600) Error (criu/action-scripts.c:104): Script ./hold exited with -1",
            "verdict",
        ),
    ];

    #[test]
    fn the_commonest_complaints_are_put_into_words() {
        for (line, word) in SEEN {
            let meaning = meaning(&[(*line).to_owned()]).expect(line);
            assert!(meaning.cause.contains(word), "{line}\n{}", meaning.cause);
            assert!(!meaning.hint.is_empty());
        }
    }
}
