//! `cargo lab demo`: a counter that runs on a is moved to b and back, and counts on.

use std::fs;
use std::time::Duration;

use phaul_tests::lab::{Error, Lab, Result, Side};
use phaul_tests::ledger;

use super::cargo;
use super::print;

const LEDGER: &str = "/shared/ledger";
const PLAN: &str = "/root/plan.yaml";
const REPORT: &str = "/root/report.json";
const PORT: u16 = 7420;

/// Shows it, and leaves nothing behind.
pub(crate) fn run() -> Result<()> {
    step("building phaul and the workloads");
    cargo::build_programs()?;

    step("two hosts, a and b, each with a key, each trusting the other");
    let lab = Lab::up("demo")?;
    exchange_keys(&lab)?;

    step("a counter on a writes every number into a ledger that both hosts share");
    let pid = lab.host(Side::A).start_workload(&["wl-counter", LEDGER])?;
    show(&lab, pid, Side::A)?;

    let there = haul(&lab, pid, Side::A)?;
    let back = haul(&lab, pid, Side::B)?;

    step("what it cost");
    print(format_args!("a to b: {there}"));
    print(format_args!("b to a: {back}"));
    Ok(())
}

fn exchange_keys(lab: &Lab) -> Result<()> {
    for side in Side::BOTH {
        lab.host(side).run(&["phaul", "keys", "init"])?;
    }
    for side in Side::BOTH {
        let key = lab.host(side).run(&["phaul", "keys", "show"])?;
        let trust = ["phaul", "keys", "trust", side.name(), key.trim()];
        lab.host(side.other()).run(&trust)?;
    }
    Ok(())
}

/// Moves the process `pid` away from `from`; says in a line what the report says.
fn haul(lab: &Lab, pid: i32, from: Side) -> Result<String> {
    let to = from.other();
    let (source, target) = (lab.host(from), lab.host(to));
    step(format_args!("from {from} to {to}: the plan"));
    let plan = plan(pid, to, target.address());
    source.write(PLAN, &plan)?;
    print(plan.trim_end());

    step(format_args!("from {from} to {to}: the run"));
    let listen = format!("{}:{PORT}", target.address());
    let agent = target.spawn(&["phaul", "agent", "--listen", &listen])?;
    target
        .wait_for_udp_port(PORT)
        .inspect_err(|_| print(agent.log()))?;
    let mut run = source.command(&["phaul", "run", PLAN, "--report", REPORT]);
    let code = cargo::code(&mut run)?;
    if code != 0 {
        print(agent.log());
        return Err(Error::Unfit(format!(
            "phaul run ended with exit code {code}"
        )));
    }
    show(lab, pid, to)?;
    figures(&source.read(REPORT)?)
}

fn plan(pid: i32, to: Side, address: &str) -> String {
    format!(
        "version: 1\n\
         name: counter-to-{to}\n\
         haul:\n  pid: {{ pid: {pid} }}\n\
         to:\n  agent: {address}:{PORT}\n  identity: {to}\n\
         memory:\n  strategy: stop-copy\n"
    )
}

/// Shows where the counter runs, and insists on its being there alone, counting, with nothing lost.
fn show(lab: &Lab, pid: i32, expected: Side) -> Result<()> {
    for side in Side::BOTH {
        let here = lab
            .host(side)
            .process(pid)
            .filter(|process| process.state != 'Z');
        let what = here
            .as_ref()
            .map_or("no counter", |process| &process.cmdline);
        print(format_args!("{side}: {what}"));
        if here.is_some() != (side == expected) {
            return Err(Error::Unfit(format!(
                "the counter must run on {expected} and nowhere else"
            )));
        }
    }
    let before = count(lab)?;
    std::thread::sleep(Duration::from_millis(500));
    let now = count(lab)?;
    print(format_args!(
        "the ledger has no gap and no repeat: {before}, half a second later {now}"
    ));
    if now > before {
        return Ok(());
    }
    Err(Error::Unfit("the counter does not count".into()))
}

fn count(lab: &Lab) -> Result<u64> {
    let path = lab.shared().join("ledger");
    let text = fs::read_to_string(&path).map_err(|source| Error::File {
        action: "read",
        path,
        source,
    })?;
    ledger::check(&text).map_err(|wrong| Error::Unfit(format!("the ledger is wrong: {wrong}")))
}

fn figures(report: &str) -> Result<String> {
    let report: serde_json::Value = serde_json::from_str(report)
        .map_err(|error| Error::Unfit(format!("the report is no JSON: {error}")))?;
    Ok(format!(
        "{}, {} ms downtime, {} bytes sent",
        report["outcome"].as_str().unwrap_or("no outcome"),
        report["downtime_ms"],
        report["bytes_sent"]
    ))
}

fn step(what: impl std::fmt::Display) {
    print(format_args!("\n== {what}"));
}
