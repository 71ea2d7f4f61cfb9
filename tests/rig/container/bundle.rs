//! A bundle on a host: a directory with a `config.json` and a small root file system, which holds
//! something of everything that is hard to copy.

use crate::lab::Host;

use super::{Config, USER_NAMESPACE};

/// Makes a root file system in `$1` with the programs that follow, and what they load.
const ROOTFS: &str = r#"
root=$1
shift
mkdir -p "$root"
cd "$root"
mkdir -p bin dev etc lib lib64 proc run srv sys usr/bin usr/lib var/lib
mkdir -m 1777 tmp
mkdir -m 700 root
echo "root:x:0:0:root:/root:/bin/sh" > etc/passwd
echo "root:x:0:" > etc/group
cp /bin/busybox bin/busybox
for name in sh ls cat echo sleep kill ps ip touch; do ln -s busybox "bin/$name"; done
for program; do
    mkdir -p ".$(dirname "$program")"
    cp "$program" ".$program"
    ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
        mkdir -p ".$(dirname "$library")"
        cp -nL "$library" ".$library"
    done
done
"#;

/// Adds to the directory `$1` what copiers forget.
const NASTY: &str = r#"
import os, socket, sys
os.umask(0)
os.chdir(sys.argv[1])
def put(name, content=b"content\n", mode=0o644):
    with open(name, "wb") as file:
        file.write(content)
    os.chmod(name, mode)
os.mkdir("nasty", 0o750)
os.chdir("nasty")
put("first")
os.link("first", "second")
os.mkdir("deep")
os.link("first", "deep/third")
put("attributes")
os.setxattr("attributes", "user.colour", b"green\x00blue")
os.setxattr("attributes", "security.capability", bytes.fromhex("0100000200000400000000000000000000000000"))
os.setxattr("deep", "trusted.mark", b"1")
acl = bytes.fromhex("02000000" "01000600ffffffff" "02000400d2040000" "04000400ffffffff" "10000400ffffffff" "20000400ffffffff")
os.setxattr("attributes", "system.posix_acl_access", acl)
with open("sparse", "wb") as file:
    file.write(b"begin")
    file.seek(8 << 20)
    file.write(b"end")
    file.truncate(16 << 20)
os.mkfifo("fifo", 0o622)
os.mknod("null", 0o20666, os.makedev(1, 3))
os.mknod("disk", 0o60660, os.makedev(7, 200))
bound = socket.socket(socket.AF_UNIX)
bound.bind("socket")
put(b"not-utf-8-\xff\xfe")
put("new\nline")
put(" blanks ")
put("n" * 255)
put("owned", mode=0o600)
os.chown("owned", 1234, 4321)
put("setuid", mode=0o755)
os.chown("setuid", 1234, 1234)
os.chmod("setuid", 0o6755)
put("empty", b"")
put("unreadable", mode=0)
os.symlink("first", "to-first")
os.symlink("/nowhere/at all", "dangling")
os.symlink("x" * 4000, "long-link")
os.chown("dangling", 1234, 1234, follow_symlinks=False)
os.mkdir("sticky", 0o1777)
os.mkdir("setgid", 0o2755)
os.mkdir("empty-directory", 0o500)
for name, nanoseconds in [("first", 1), ("empty", 999_999_999_999_999_999), ("fifo", 5_000_000_001), ("deep", -1_500_000_000)]:
    os.utime(name, ns=(nanoseconds, nanoseconds))
os.utime("dangling", ns=(7, 7), follow_symlinks=False)
put("big", bytes(range(256)) * 4096)
"#;

/// Where bundles are.
pub(super) fn path(name: &str) -> String {
    format!("/srv/{name}")
}

/// Makes a bundle that holds the programs of `programs` and nasty files.
pub(super) fn make(host: &Host, bundle: &str, config: &Config, programs: &[&str]) {
    let rootfs = format!("{bundle}/rootfs");
    let build = ["sh", "-e", "-c", ROOTFS, "sh", &rootfs];
    host.run(&[&build, programs].concat()).unwrap();
    give_away(host, &rootfs, config);
    host.run(&["python3", "-c", NASTY, &rootfs]).unwrap();
    configure(host, bundle, config);
}

/// Makes a bundle with next to nothing in it, whose programs are the host's own. For many at once.
pub(super) fn make_thin(host: &Host, bundle: &str, config: &Config) {
    let directories = [
        "dev",
        "etc",
        "lib",
        "lib64",
        "opt/phaul",
        "proc",
        "sys",
        "usr",
        "tmp",
    ];
    let mut mkdir = vec!["mkdir".to_owned(), "-p".to_owned()];
    mkdir.extend(directories.map(|name| format!("{bundle}/rootfs/{name}")));
    host.run(&mkdir).unwrap();
    give_away(host, &format!("{bundle}/rootfs"), config);
    // CRIU cannot bind a symbolic link anew, which `/lib` is.
    let shared = [
        ("/usr/lib", "/lib"),
        ("/usr/lib64", "/lib64"),
        ("/usr", "/usr"),
        ("/opt/phaul", "/opt/phaul"),
    ];
    let config = shared
        .into_iter()
        .fold(config.clone(), |config, (from, to)| {
            config.bind(from, to, "ro")
        });
    configure(host, bundle, &config);
}

/// Makes a root file system that of the container's root, if that is another than the host's.
fn give_away(host: &Host, rootfs: &str, config: &Config) {
    if config.has_user_namespace() {
        let (root, _) = USER_NAMESPACE;
        let owner = format!("{root}:{root}");
        host.run(&["chown", "-hR", &owner, rootfs]).unwrap();
    }
}

/// Writes `config.json`.
pub(super) fn configure(host: &Host, bundle: &str, config: &Config) {
    let path = format!("{bundle}/config.json");
    host.write(&path, &config.text()).unwrap();
}
