//! A relay for UDP that can be cut: the network between two hosts on one machine.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::UdpSocket;

/// Passes datagrams between callers and one listener, unless it is cut.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    cut: Arc<AtomicBool>,
}

impl Relay {
    pub(crate) async fn to(listener: SocketAddr) -> Self {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let relay = Self {
            address: socket.local_addr().unwrap(),
            cut: Arc::default(),
        };
        tokio::spawn(forth(socket, listener, Arc::clone(&relay.cut)));
        relay
    }

    pub(crate) fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::SeqCst);
    }
}

/// From the callers to the listener; each caller gets a socket of its own towards it.
async fn forth(socket: Arc<UdpSocket>, listener: SocketAddr, cut: Arc<AtomicBool>) {
    let mut callers: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut datagram = vec![0; 1 << 16];
    loop {
        let (size, caller) = socket.recv_from(&mut datagram).await.unwrap();
        let own = match callers.get(&caller) {
            Some(own) => Arc::clone(own),
            None => {
                let own = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
                own.connect(listener).await.unwrap();
                let (back_from, to) = (Arc::clone(&own), Arc::clone(&socket));
                tokio::spawn(back(back_from, to, caller, Arc::clone(&cut)));
                callers.insert(caller, Arc::clone(&own));
                own
            }
        };
        if !cut.load(Ordering::SeqCst) {
            // A datagram that cannot be sent is a datagram that is lost.
            let _ = own.send(&datagram[..size]).await;
        }
    }
}

async fn back(
    own: Arc<UdpSocket>,
    socket: Arc<UdpSocket>,
    caller: SocketAddr,
    cut: Arc<AtomicBool>,
) {
    let mut datagram = vec![0; 1 << 16];
    while let Ok(size) = own.recv(&mut datagram).await {
        if !cut.load(Ordering::SeqCst) {
            let _ = socket.send_to(&datagram[..size], caller).await;
        }
    }
}
