//! Workloads of every kind move, and are whole where they arrive: none of them notices more than a pause (I1, I2, I3).

use phaul_tests::lab::{Host, Side};
use phaul_tests::rig::{MOMENT, Plan, Program, Rig, Workload, poll};

/// Moves a workload from a to b, and sees that it is there and nothing else is left.
fn move_to_b(rig: &Rig, name: &str, workload: &Workload, moved: &[&str]) {
    let before = rig.snapshot();
    let run = rig.run(Side::A, &Plan::new(name, workload, rig.agent(Side::B)));
    run.ended(0, "migrated").unwrap();
    rig.runs_only_on(Side::B, workload).unwrap();
    rig.nothing_left_but(&before, moved).unwrap();
}

#[test]
fn a_counter_moves_there_and_back_again_and_again() {
    let rig = Rig::up("e2e-back");
    let workload = rig.counter(Side::A, "back");
    let before = rig.snapshot();
    let mut here = Side::A;
    for turn in 1..=4 {
        let there = here.other();
        let plan = Plan::new(&format!("back-{turn}"), &workload, rig.agent(there));
        rig.run(here, &plan).ended(0, "migrated").unwrap();
        rig.runs_only_on(there, &workload).unwrap();
        here = there;
    }
    rig.nothing_left(&before).unwrap();
}

#[test]
fn threads_children_pipes_and_shared_memory_move() {
    let rig = Rig::up("e2e-zoo");
    let workload = rig.start(Side::A, Program::zoo("zoo", 7001));
    move_to_b(
        &rig,
        "zoo",
        &workload,
        &["port tcp 7001", "zombie [wl-zoo]"],
    );
    // It answers where it is now; each part of it checks its own state and writes down when that is wrong.
    let ask = format!(
        "exec 3<>/dev/tcp/{}/7001; echo ping >&3; head -n 1 <&3",
        rig.host(Side::B).address()
    );
    let ask = || -> u64 {
        let said = rig.host(Side::A).run(&["bash", "-c", &ask]).unwrap();
        said.trim().parse().unwrap()
    };
    let first = ask();
    poll(MOMENT, || (ask() > first).then_some(())).expect("it counts on");
    workload.advances(rig.host(Side::B)).unwrap();
}

/// One answer of `redis-cli`.
fn redis(host: &Host, words: &str) -> String {
    let command = format!("redis-cli -p 7002 {words}");
    host.run(&["sh", "-c", &command]).unwrap().trim().to_owned()
}

#[test]
fn a_database_keeps_its_data() {
    let rig = Rig::up("e2e-redis");
    let (a, b) = (rig.host(Side::A), rig.host(Side::B));
    let argv = [
        "redis-server",
        "--port",
        "7002",
        "--save",
        "",
        "--bind",
        "0.0.0.0",
        "--dir",
        "/tmp",
    ];
    let argv = [
        &argv[..],
        &["--protected-mode", "no", "--enable-debug-command", "yes"],
    ]
    .concat();
    let workload = rig.start(
        Side::A,
        Program::retitled(&argv, "redis-server 0.0.0.0:7002"),
    );
    let up = || (redis_answers(a)).then_some(());
    poll(MOMENT, up).expect("redis answers");
    let fill = "for i in $(seq 5000); do echo SET key:$i $i-$((i * 7919)); done | redis-cli -p 7002 > /dev/null";
    a.run(&["sh", "-c", fill]).unwrap();
    let state = |host: &Host| {
        let values = [
            "GET key:1",
            "GET key:2500",
            "GET key:5000",
            "DBSIZE",
            "DEBUG DIGEST",
        ];
        values.map(|words| redis(host, words))
    };
    let before = state(a);
    assert_eq!(
        before[..4],
        ["1-7919", "2500-19797500", "5000-39595000", "5000"]
    );
    move_to_b(&rig, "redis", &workload, &["redis-server", "port tcp 7002"]);
    assert_eq!(state(b), before);
    assert_eq!(redis(b, "SET key:1 other"), "OK");
    assert_eq!(redis(b, "GET key:1"), "other");
    assert!(!redis_answers(a), "it is gone at the source");
}

fn redis_answers(host: &Host) -> bool {
    let pong = host.exec(&["redis-cli", "-p", "7002", "ping"]).unwrap();
    pong.stdout.trim() == "PONG"
}

/// Counts into a ledger, with its state in a generator, a dictionary and a thread.
const PYTHON: &str = r#"
import threading, time
def numbers():
    number = 0
    while True:
        number += 1
        yield number
seen, ticks = {}, numbers()
def count():
    with open("/shared/python.ledger", "a", buffering=1) as ledger:
        for number in ticks:
            assert len(seen) == number - 1
            seen[number] = str(number)
            ledger.write(seen[number] + "\n")
            time.sleep(0.02)
thread = threading.Thread(target=count)
thread.start()
thread.join()
"#;

#[test]
fn an_interpreter_moves_with_its_threads() {
    let rig = Rig::up("e2e-python");
    for side in Side::BOTH {
        rig.host(side).write("/opt/count.py", PYTHON).unwrap();
    }
    let program = Program::plain(&["python3", "/opt/count.py"]).with_ledger("python");
    let workload = rig.start(Side::A, program);
    move_to_b(&rig, "python", &workload, &["process live python3"]);
}
