use super::*;
use phaul_core::failure::Failure;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::thread;
use tempfile::TempDir;

fn store() -> (TempDir, Keys) {
    let directory = TempDir::new().unwrap();
    let keys = Keys::new(&directory.path().join("state"));
    (directory, keys)
}

/// A key that differs with the number.
fn key(number: u8) -> PublicKey {
    PublicKey::from_raw([number; 32])
}

fn mode(keys: &Keys, name: &str) -> u32 {
    let metadata = fs::metadata(keys.directory.path(name)).unwrap();
    metadata.permissions().mode() & 0o7777
}

#[test]
fn a_host_gets_one_key_and_keeps_it() {
    let (_directory, keys) = store();
    let error = keys.public_key().unwrap_err();
    assert!(matches!(error, KeysError::NoKey { .. }));
    assert!(error.hint().unwrap().contains("phaul keys init"));

    let key = keys.init().unwrap();
    assert_eq!(keys.init().unwrap(), key);
    assert_eq!(keys.public_key().unwrap(), key);
    assert_eq!((mode(&keys, ""), mode(&keys, IDENTITY)), (0o700, 0o600));
    let names = fs::read_dir(keys.directory.path("")).unwrap().count();
    assert_eq!(names, 2, "the key and the lock, nothing in between");
}

#[test]
fn a_key_file_that_is_no_key_is_neither_used_nor_overwritten() {
    let (_directory, keys) = store();
    keys.init().unwrap();
    let path = keys.directory.path(IDENTITY);
    fs::write(&path, "my holiday photographs").unwrap();
    assert!(matches!(keys.init(), Err(KeysError::Damaged { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), "my holiday photographs");
}

#[test]
fn a_key_that_others_can_read_is_not_used() {
    let (_directory, keys) = store();
    keys.init().unwrap();
    let path = keys.directory.path(IDENTITY);
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let error = keys.public_key().unwrap_err();
    assert!(matches!(error, KeysError::TooOpen { mode: 0o640, .. }));
    assert!(error.hint().unwrap().starts_with("`chmod 0600 "));
    assert!(keys.init().is_err(), "and no new one is made in its place");
}

#[test]
fn peers_that_others_can_change_are_not_trusted() {
    let (_directory, keys) = store();
    keys.trust("b", key(1)).unwrap();
    let path = keys.directory.path(PEERS);
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert_eq!(keys.list().unwrap().len(), 1);
    fs::set_permissions(&path, Permissions::from_mode(0o664)).unwrap();
    assert!(matches!(keys.list(), Err(KeysError::TooOpen { .. })));

    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let directory = keys.directory.path("");
    fs::set_permissions(directory, Permissions::from_mode(0o770)).unwrap();
    assert!(matches!(keys.list(), Err(KeysError::TooOpen { .. })));
}

#[test]
fn peers_are_trusted_listed_and_revoked() {
    let (_directory, keys) = store();
    assert_eq!(keys.list().unwrap(), []);
    keys.trust("b", key(2)).unwrap();
    keys.trust("a.1_x-Y", key(1)).unwrap();
    keys.trust("b", key(2)).unwrap();
    let names: Vec<String> = keys
        .list()
        .unwrap()
        .into_iter()
        .map(|peer| peer.name)
        .collect();
    assert_eq!(names, ["a.1_x-Y", "b"]);
    assert_eq!(keys.key_of("b").unwrap(), key(2));

    keys.revoke("b").unwrap();
    let error = keys.revoke("b").unwrap_err();
    assert_eq!(error.to_string(), "no peer is trusted under the name `b`");
    assert_eq!(error.hint().unwrap(), "there are: a.1_x-Y");
    keys.trust("b", key(3)).unwrap();
}

#[test]
fn a_name_keeps_its_key_and_a_key_its_name() {
    let (_directory, keys) = store();
    keys.trust("b", key(1)).unwrap();
    let taken = keys.trust("b", key(2)).unwrap_err();
    assert!(matches!(taken, KeysError::NameTaken { .. }), "{taken}");
    let taken = keys.trust("c", key(1)).unwrap_err();
    assert!(matches!(taken, KeysError::KeyTaken { .. }), "{taken}");
    assert_eq!(keys.list().unwrap().len(), 1);
}

#[test]
fn names_are_plain_words() {
    let (_directory, keys) = store();
    for bad in ["", "a/b", "a b", "ä", "a\n", &"x".repeat(65)] {
        let error = keys.trust(bad, key(1)).unwrap_err();
        assert!(matches!(error, KeysError::BadName { .. }), "{bad:?}");
    }
    keys.trust(&"x".repeat(64), key(1)).unwrap();
}

#[test]
fn a_damaged_list_trusts_nobody_and_is_not_overwritten() {
    let (_directory, keys) = store();
    keys.trust("b", key(1)).unwrap();
    let path = keys.directory.path(PEERS);
    let entry = format!("{{\"key\":\"{}\",\"only\":\"podman\"}}", key(1));
    for bad in [
        "{".to_owned(),
        "{\"version\":2,\"peers\":{}}".to_owned(),
        "{\"version\":1,\"peers\":{\"b\":{\"key\":\"x\"}}}".to_owned(),
        // A limit that this software does not know must not be passed over.
        format!("{{\"version\":1,\"peers\":{{\"b\":{entry}}}}}"),
    ] {
        fs::write(&path, &bad).unwrap();
        assert!(
            matches!(keys.list(), Err(KeysError::Damaged { .. })),
            "{bad}"
        );
        assert!(keys.trust("c", key(2)).is_err() && keys.revoke("b").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), bad);
    }
}

#[test]
fn of_many_writers_at_the_same_time_all_get_their_way() {
    let (_directory, keys) = store();
    thread::scope(|scope| {
        for number in 0..16 {
            let keys = &keys;
            scope.spawn(move || {
                keys.init().unwrap();
                keys.trust(&format!("peer-{number}"), key(number)).unwrap();
            });
        }
    });
    assert_eq!(keys.list().unwrap().len(), 16);
}

#[test]
fn a_writer_that_died_half_way_leaves_nothing_that_matters() {
    let (_directory, keys) = store();
    keys.trust("b", key(1)).unwrap();
    fs::write(keys.directory.path("peers.json.new"), "{\"vers").unwrap();
    fs::write(keys.directory.path("identity.pem.new"), "-----BEG").unwrap();
    keys.init().unwrap();
    keys.trust("c", key(2)).unwrap();
    assert_eq!(keys.list().unwrap().len(), 2);
}

#[test]
fn a_key_is_one_line_that_reads_back() {
    let (_directory, keys) = store();
    let key = keys.init().unwrap();
    let text = key.to_string();
    assert!(
        text.starts_with("phaul-ed25519:") && text.len() == 57,
        "{text}"
    );
    assert_eq!(text.parse::<PublicKey>().unwrap(), key);
    assert_eq!(format!(" {text}\n").parse::<PublicKey>().unwrap(), key);
    assert_eq!(PublicKey::from_spki(&key.spki()), Some(key));
    assert_eq!(key.spki().len(), 44);
}

#[test]
fn what_is_no_key_is_said_to_be_none() {
    let good = key(1).to_string();
    for bad in [
        "",
        "ssh-ed25519 AAAA",
        "phaul-ed25519:",
        &good[..56],
        &format!("{good}A"),
        &format!("{good}="),
        &good.replace(':', ": "),
        // Not the one way to write these bytes: the last letter holds bits beyond them.
        &format!("{}F", &good[..56]),
    ] {
        let error = bad.parse::<PublicKey>().unwrap_err();
        assert!(matches!(error, KeysError::BadKey { .. }), "{bad}");
    }
    assert_eq!(PublicKey::from_spki(&key(1).spki()[1..]), None);
    assert_eq!(PublicKey::from_spki(&[0; 44]), None);
}

#[test]
fn an_error_becomes_a_failure_with_its_hint() {
    let (_directory, keys) = store();
    let failure = Failure::from(keys.public_key().unwrap_err());
    assert_eq!(failure.code, "keys-none");
    assert_eq!(failure.hint.unwrap(), "make it with `phaul keys init`");
}
