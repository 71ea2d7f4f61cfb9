//! The other host is not who it should be, does not know us, or is not there: rolled back before anything was touched,
//! and the reason is the true one (I4, I5).

use phaul_tests::lab::Side;
use phaul_tests::rig::{Plan, Rig, Workload};

/// Carries out a plan that finds no peer, and sees what it says of that.
fn fails(rig: &Rig, workload: &Workload, plan: &Plan, why: &str) {
    let before = rig.snapshot();
    let run = rig.run(Side::A, plan);
    run.ended(4, "rolled-back").unwrap();
    let error = run.report()["error"].clone();
    assert_eq!(run.error(), why, "{error}");
    assert_eq!(
        (&error["side"], &error["state"]),
        (&"source".into(), &"connect".into())
    );
    assert!(error["hint"].is_string(), "{error}");
    rig.nothing_left(&before).unwrap();
    rig.runs_only_on(Side::A, workload).unwrap();
}

#[test]
fn only_the_right_peer_will_do() {
    let rig = Rig::up("e2e-peers");
    let workload = rig.counter(Side::A, "peers");
    let plan = |name| Plan::new(name, &workload, rig.agent(Side::B));
    let nobody = plan("nobody").but("identity: b", "identity: nobody");
    fails(&rig, &workload, &nobody, "keys-unknown-name");
    // A key of a third host, which the agent does not have.
    let keys = |verb: &[&str]| {
        let third = ["--state-dir", "/shared/third", "keys"];
        rig.phaul_ok(Side::A, &[&third, verb].concat())
    };
    keys(&["init"]);
    rig.phaul_ok(Side::A, &["keys", "trust", "third", keys(&["show"]).trim()]);
    let wrong = plan("wrong").but("identity: b", "identity: third");
    fails(&rig, &workload, &wrong, "peer-identity");
    rig.phaul_ok(Side::B, &["keys", "revoke", "a"]);
    fails(&rig, &workload, &plan("revoked"), "peer-untrusted");
    let port = rig.agent(Side::B).address();
    let elsewhere = plan("elsewhere").but(&port, "10.77.0.2:7999");
    fails(&rig, &workload, &elsewhere, "peer-unreachable");
}
