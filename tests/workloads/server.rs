//! `wl-echo [LEDGER] [--port P] [--every MS]`: answers the messages of many clients, and ticks.
//!
//! The messages of a client count from 1: one that does not follow the last was lost, or came twice.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use phaul_tests::workloads::arguments::Arguments;
use phaul_tests::workloads::echo::{answer, number};
use phaul_tests::workloads::ledger::Ledger;

fn main() {
    let usage = "wl-echo [LEDGER] [--port P] [--every MS]";
    let arguments = Arguments::or_exit(usage, &[("port", 7100), ("every", 20)]);
    let nowhere = Path::new("/dev/null");
    let ledger = Arc::new(Ledger::open_or_exit(
        arguments.path.as_deref().unwrap_or(nowhere),
    ));
    let port = u16::try_from(arguments.number("port")).unwrap_or_default();
    // Clients of either family.
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))
        .unwrap_or_else(|error| ledger.corrupt(&format!("port {port}: {error}")));
    let serving = Arc::clone(&ledger);
    thread::spawn(move || serve(&serving, &listener));
    for tick in 1.. {
        ledger.tick(tick);
        thread::sleep(Duration::from_millis(arguments.number("every")));
    }
}

fn serve(ledger: &Arc<Ledger>, listener: &TcpListener) {
    for client in listener.incoming() {
        match client {
            Ok(client) => {
                let ledger = Arc::clone(ledger);
                thread::spawn(move || talk(&ledger, client));
            }
            Err(error) => ledger.corrupt(&format!("listener: {error}")),
        }
    }
}

/// Answers one client, until it goes away.
fn talk(ledger: &Ledger, mut client: TcpStream) {
    let _ = client.set_nodelay(true);
    let mut message = [0; 8];
    for expected in 1.. {
        match client.read_exact(&mut message) {
            Ok(()) if number(message) == expected => {}
            Ok(()) => ledger.corrupt(&format!("client: {} for {expected}", number(message))),
            // It went away; if not by its own will, it counts that itself.
            Err(_) => return,
        }
        if client.write_all(&answer(expected)).is_err() {
            return;
        }
    }
}
