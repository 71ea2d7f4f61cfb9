//! The comparison finds every difference that a copier could make, and nothing in a true copy.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Tree;

/// A tree with something of most things that need no root.
const MAKE: &str = r#"
cd "$1"
mkdir -p deep/er empty
echo one > one
ln one two
ln one deep/three
echo other > other
ln -s one link
mkfifo fifo
truncate -s 4M sparse
printf x | dd of=sparse bs=1 seek=3000000 conv=notrunc status=none
head -c 300000 /dev/urandom > deep/er/big
chmod 4711 other
find . -depth -exec touch -h -d @1000000000.123456789 {} +
"#;

/// A tree and a true copy of it, `here` and `there`.
fn pair() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::create_dir(path.join("here")).unwrap();
    shell(&path.join("here"), MAKE);
    shell(path, "cp -a --sparse=always \"$1/here\" \"$1/there\"");
    directory
}

fn shell(directory: &Path, script: &str) {
    let mut command = Command::new("sh");
    command.args(["-e", "-c", script, "sh"]).arg(directory);
    assert!(command.status().unwrap().success());
}

fn differences(directory: &Path, skipped: &[&str]) -> Vec<String> {
    let read = |name: &str| Tree::read(&directory.join(name), skipped).unwrap();
    read("here").differences(&read("there"))
}

#[test]
fn a_true_copy_does_not_differ() {
    let pair = pair();
    assert_eq!(differences(pair.path(), &[]), [""; 0]);
    let tree = Tree::read(&pair.path().join("here"), &[]).unwrap();
    assert_eq!((tree.len(), tree.is_empty()), (12, false));
}

/// What is done to the copy, and what is said of it.
const DAMAGES: [(&str, &[&str]); 14] = [
    ("rm other", &["/other is missing"]),
    ("echo > more", &["/more is there besides"]),
    ("chmod 711 other", &["/other: mode 104711 became 100711"]),
    ("chmod 1755 empty", &["/empty: mode 40755 became 41755"]),
    (
        "ln -sfn two link",
        &["/link: target Some(\"one\") became Some(\"two\")"],
    ),
    (
        "printf othEr | dd of=other conv=notrunc status=none",
        &["/other: other content"],
    ),
    ("echo x >> other", &["/other: size 6 became 8"]),
    (
        "cp two new; mv new two",
        &["/two: first name Some(\"/deep/three\") became None"],
    ),
    (
        "ln -f other two",
        &[
            "/other: first name None became Some(\"/other\")",
            "/two: first name Some(\"/deep/three\") became Some(\"/other\")",
            "/two: mode 100644 became 104711",
            "/two: size 4 became 6",
        ],
    ),
    ("rm fifo; echo > fifo", &["/fifo: mode 10644 became 100644"]),
    (
        "cp --sparse=never sparse full; mv full sparse",
        &["/sparse: 4096 bytes on the disk became 4194304"],
    ),
    (
        "touch -d @1000000000.123456788 one",
        &["/one: time 1000000000.123456789 became 1000000000.123456788"],
    ),
    (
        "touch -h -d @5 link",
        &["/link: time 1000000000.123456789 became 5.000000000"],
    ),
    (
        "setfattr -n user.x -v y other 2>/dev/null || python3 -c \"import os; os.setxattr('other', 'user.x', b'y')\"",
        &["/other: attribute user.x nothing became \"y\""],
    ),
];

#[test]
fn every_damage_is_named() {
    for (damage, expected) in DAMAGES {
        let pair = pair();
        shell(&pair.path().join("there"), &format!("cd \"$1\"\n{damage}"));
        let found = differences(pair.path(), &[]);
        for line in expected {
            assert!(
                found.iter().any(|found| found == line),
                "no `{line}` after {damage}: {found:?}"
            );
        }
    }
}

#[test]
fn what_is_skipped_is_there_and_is_not_compared() {
    let pair = pair();
    let there = pair.path().join("there");
    fs::write(there.join("other"), "changed").unwrap();
    fs::write(there.join("deep/er/big"), "changed").unwrap();
    assert_eq!(differences(pair.path(), &["other", "deep/er"]), [""; 0]);
    let wrong = Tree::read(&there, &["no-such"]).unwrap_err();
    assert!(wrong.to_string().contains("no-such"), "{wrong}");
}

#[test]
fn names_that_are_no_text_are_told_apart() {
    let pair = pair();
    shell(
        &pair.path().join("there"),
        "cd \"$1\"\nprintf 1 > \"$(printf 'a\\377')\"",
    );
    shell(
        &pair.path().join("here"),
        "cd \"$1\"\nprintf 1 > \"$(printf 'a\\376')\"",
    );
    let found = differences(pair.path(), &[]);
    for line in ["/a\\xfe is missing", "/a\\xff is there besides"] {
        assert!(found.iter().any(|found| found == line), "{found:?}");
    }
}
