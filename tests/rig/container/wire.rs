//! Networks for containers: a bridge on each host that holds its cable, and a wire from it into a
//! container.

use crate::lab::{Host, Lab, Side};

/// The bridge of each host.
const BRIDGE: &str = "br0";

/// Moves a host's cable and address to a bridge. The bridge keeps the cable's own MAC: with more
/// ports it would take the lowest of all.
const PLUG_IN: &str = r#"
mac=$(cat /sys/class/net/eth0/address)
ip link add br0 address "$mac" type bridge mcast_snooping 0
ip address flush dev eth0
ip link set eth0 master br0
ip link set br0 up
ip address add "$1/24" dev br0
"#;

/// Both hosts with a bridge.
#[derive(Debug)]
pub struct Bridges(());

impl Bridges {
    /// Gives both hosts a bridge that holds the cable to the other and the host's address.
    pub fn on(lab: &Lab) -> Self {
        for side in Side::BOTH {
            let host = lab.host(side);
            let argv = ["sh", "-e", "-c", PLUG_IN, "sh", host.address()];
            host.run(&argv).unwrap();
        }
        Self(())
    }

    /// A wire for a container of that name and number, the same on whichever host it is.
    pub fn wire(&self, name: &str, number: u8) -> Wire {
        // An interface's name has at most 15 letters.
        assert!(name.len() <= 14, "{name} is too long");
        assert!((4..250).contains(&number), "{number} may be a host's own");
        Wire {
            port: format!("v{name}"),
            number,
        }
    }
}

/// A pair of interfaces, one in a bridge, the other in a container's network namespace, with
/// addresses and a route.
#[derive(Debug, Clone)]
pub struct Wire {
    /// The interface in the host.
    pub port: String,
    number: u8,
}

impl Wire {
    /// The container's address.
    pub fn ip(&self) -> String {
        format!("10.77.0.{}", self.number)
    }

    /// The container's other address.
    pub fn ipv6(&self) -> String {
        format!("fd77::{}", self.number)
    }

    /// The container's interface's own.
    pub fn mac(&self) -> String {
        format!("02:00:0a:4d:00:{:02x}", self.number)
    }

    /// Lays it into the network namespace of the process `pid`.
    pub fn lay(&self, host: &Host, pid: i32) {
        let script = self.script(&pid.to_string());
        host.run(&["sh", "-e", "-c", &script]).unwrap();
    }

    /// The shell script that lays it, with `pid` in words of the shell.
    pub fn script(&self, pid: &str) -> String {
        let far_end = format!("peer name eth0 address {} netns {pid}", self.mac());
        let script = format!(
            "ip link add {port} type veth {far_end}
            ip link set {port} addrgenmode none master {BRIDGE} up
            nsenter --target {pid} --net ip -batch - <<END
            link set lo up
            address add {ip}/24 dev eth0
            address add {ipv6}/64 dev eth0 nodad
            link set eth0 up
            route add default via 10.77.0.3
            END",
            port = self.port,
            ip = self.ip(),
            ipv6 = self.ipv6(),
        );
        // The end of what is read may not be indented.
        script.replace("\n            ", "\n")
    }

    /// Whether the port is there, and plugged into the bridge.
    pub fn is_plugged(&self, host: &Host) -> bool {
        let shown = host.exec(&["ip", "-brief", "link", "show", "master", BRIDGE]);
        let port = format!("{}@", self.port);
        shown
            .unwrap()
            .stdout
            .lines()
            .any(|line| line.starts_with(&port))
    }

    /// Whether the port is there at all.
    pub fn is_there(&self, host: &Host) -> bool {
        let shown = host.exec(&["ip", "link", "show", "dev", &self.port]);
        shown.unwrap().status.success()
    }

    /// Words of the lines in [`crate::lab::Traces`] that change when it comes or goes.
    pub fn moved(&self) -> Vec<String> {
        vec![format!("address {}@", self.port)]
    }
}
