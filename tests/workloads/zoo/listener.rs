//! The zoo's TCP socket: each line `ping` is answered with the counter.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use super::Zoo;

/// Listens on all addresses.
pub(crate) fn bind(port: u64) -> io::Result<TcpListener> {
    let port = u16::try_from(port).map_err(io::Error::other)?;
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
}

/// Answers every client in a thread of its own.
pub(crate) fn answer(zoo: &Arc<Zoo>, listener: &TcpListener) {
    for client in listener.incoming() {
        match client {
            Ok(client) => {
                let zoo = Arc::clone(zoo);
                thread::spawn(move || talk(&zoo, client));
            }
            Err(error) => zoo.ledger.corrupt(&format!("port: {error}")),
        }
    }
}

fn talk(zoo: &Zoo, client: TcpStream) -> io::Result<()> {
    let mut writes = client.try_clone()?;
    for line in BufReader::new(client).lines() {
        if line? == "ping" {
            writeln!(writes, "{}", zoo.counter.load(Ordering::Relaxed))?;
        }
    }
    Ok(())
}
