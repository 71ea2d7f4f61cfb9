//! The lab: two hosts on one machine, made of namespaces, for trying what phaul does between two.
//!
//! A host has its own mounts, processes, network, IPC, name and cgroup root over a small Debian
//! with CRIU. The two meet on a network (10.77.0.1 and 10.77.0.2) that can be cut and shaped, and
//! to which a client (10.77.0.3) can be joined, a third place to reach both from. The hosts share the directory `/shared`. The programs under test are in `/opt/phaul` on both, the same
//! files. The lab shows no second kernel: what depends on one (vDSO, CPU features, kernel version)
//! it cannot show.
//!
//! ```text
//! layout, lock       names, paths, one command at a time
//! rootfs, mirror     the Debian that both hosts run, built once
//! lifecycle          up and down
//! birth, init, filesystem, cgroup      how a host comes into being
//! network, client    cables and switch, cut and shape, a third place
//! host, child, launch, processes, traces      a host in use
//! ```

mod birth;
mod cgroup;
mod child;
mod client;
mod command;
mod descriptors;
mod error;
mod filesystem;
mod host;
mod identity;
mod init;
mod launch;
mod layout;
mod lifecycle;
mod lock;
mod mirror;
mod network;
mod processes;
mod programs;
mod progress;
mod rootfs;
mod side;
mod traces;

pub use birth::be_born;
pub use child::Child;
pub use client::Client;
pub use command::{Output, shell_code};
pub use error::{Error, Result};
pub use host::Host;
pub use init::be_init;
pub use launch::launch;
pub use network::address;
pub use processes::Process;
pub use side::Side;
pub use traces::Traces;

use std::path::PathBuf;

use layout::Layout;
use lifecycle::Keeper;

/// A lab that is up.
#[derive(Debug)]
pub struct Lab {
    layout: Layout,
    hosts: [Host; 2],
    down_on_drop: bool,
}

impl Lab {
    /// A new lab for a test, in place of one of that name; it is taken down when the value is
    /// dropped.
    pub fn up(name: &str) -> Result<Self> {
        let (layout, inits) = lifecycle::up(name, Keeper::Process)?;
        Self::of(layout, inits, true)
    }

    /// A lab that stays up until [`Lab::down`]; one of that name that is up already is taken as it
    /// is.
    pub fn up_to_stay(name: &str) -> Result<Self> {
        let (layout, inits) = lifecycle::up(name, Keeper::Person)?;
        Self::of(layout, inits, false)
    }

    /// A lab that is up already, and stays so.
    pub fn open(name: &str) -> Result<Self> {
        let layout = Layout::existing(name)?;
        let inits = lifecycle::running(&layout).ok_or_else(|| Error::NotUp(name.to_owned()))?;
        Self::of(layout, inits, false)
    }

    /// Takes down whatever is left of a lab, wholly up or not.
    pub fn down(name: &str) -> Result<()> {
        lifecycle::down(name)
    }

    /// Takes down the labs of tests that were killed.
    pub fn down_orphans() -> Result<()> {
        lifecycle::down_orphans()
    }

    /// The names of all labs of this machine, those that are only half up included.
    pub fn names() -> Vec<String> {
        Layout::names()
    }

    /// The hosts' system, built if it is not in the cache.
    pub fn ensure_rootfs() -> Result<PathBuf> {
        rootfs::ensure()
    }

    /// Drops the cached systems. No lab that uses the cache may be up: it would lose its files.
    pub fn purge() -> Result<()> {
        let cache = layout::cache()?;
        for name in Layout::names() {
            if Layout::existing(&name)?.data.starts_with(&cache) {
                let reason = format!("the lab `{name}` uses the cache: take it down first");
                return Err(Error::Unfit(reason));
            }
        }
        rootfs::purge()
    }

    fn of(layout: Layout, [a, b]: lifecycle::Inits, down_on_drop: bool) -> Result<Self> {
        let hosts = [
            Host::new(&layout, Side::A, a)?,
            Host::new(&layout, Side::B, b)?,
        ];
        Ok(Self {
            layout,
            hosts,
            down_on_drop,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.layout.name
    }

    /// One of its hosts.
    pub fn host(&self, side: Side) -> &Host {
        match side {
            Side::A => &self.hosts[0],
            Side::B => &self.hosts[1],
        }
    }

    /// The directory that both hosts have at `/shared`, as the machine knows it.
    pub fn shared(&self) -> PathBuf {
        self.layout.shared()
    }

    /// The directory that both hosts have at `/opt/phaul`, read-only there, as the machine knows
    /// it.
    pub fn programs(&self) -> PathBuf {
        self.layout.programs()
    }

    /// The client, joined to the network first if it is not there yet.
    pub fn client(&self) -> Result<Client> {
        network::connect_client(&self.layout)?;
        Ok(Client::new(self.host(Side::A), self.layout.client()))
    }

    /// Breaks the network between the hosts, in both directions, until [`Lab::mend`]: packets get
    /// lost in silence.
    pub fn cut(&self) -> Result<()> {
        network::set_cut(&self.layout, true)
    }

    /// Mends what [`Lab::cut`] broke.
    pub fn mend(&self) -> Result<()> {
        network::set_cut(&self.layout, false)
    }

    /// Whether the network is cut.
    pub fn is_cut(&self) -> Result<bool> {
        network::is_cut(&self.layout)
    }

    /// Limits the rate in each direction (`1gbit`, in the words of `tc`), or lifts the limit.
    pub fn shape(&self, rate: Option<&str>) -> Result<()> {
        network::set_rate(&self.layout, rate)
    }

    /// The limit in force, as `tc` shows it.
    pub fn rate(&self) -> Result<Option<String>> {
        network::rate(&self.layout)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.down_on_drop
            && let Err(error) = lifecycle::down(self.name())
        {
            progress::say(format_args!(
                "the lab `{}` could not be taken down: {}",
                self.name(),
                error.chain()
            ));
        }
    }
}
