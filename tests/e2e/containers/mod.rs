//! Containers of runc and of crun, moved with their files and connections (I1, I2, I3).

mod connected;
mod moving;
mod refused;
mod turned_back;

use phaul_tests::lab::{Host, Side};
use phaul_tests::rig::{
    Agent, Bridges, Config, Container, Plan, Rig, Run, Runtime, Snapshot, Tree, Wire, advance,
};

/// Makes of each scene, a function of a runtime, a test for runc and one for crun.
macro_rules! for_both {
    ($($scene:ident),* $(,)?) => {
        mod runc {
            $(#[test] fn $scene() { super::$scene(phaul_tests::rig::Runtime::Runc) })*
        }
        mod crun {
            $(#[test] fn $scene() { super::$scene(phaul_tests::rig::Runtime::Crun) })*
        }
    };
}
use for_both;

/// The ledger of a scene's container, as it sees it.
const LEDGER: &str = "/root/ticks";

/// Where `wl-echo` listens.
const PORT: u16 = 7100;

/// Both hosts, and a container that is to be moved.
struct Scene {
    rig: Rig,
    container: Container,
}

impl Scene {
    fn up(name: &str, runtime: Runtime) -> Self {
        let rig = Rig::up(&format!("e2e-{name}-{runtime}"));
        rig.warm_runtimes_up();
        Self {
            rig,
            container: Container::named(runtime, name),
        }
    }

    fn a(&self) -> &Host {
        self.rig.host(Side::A)
    }

    fn b(&self) -> &Host {
        self.rig.host(Side::B)
    }

    /// Makes the container of the program that its arguments begin with, and runs it on `a`.
    fn start(&self, config: &Config, program: &str) {
        self.container.make(self.a(), config, &[program]);
        self.container.run(self.a());
    }

    /// Starts a tree of processes in the host's network that ticks on its own root file system.
    fn start_tree(&self) {
        let args = ["/opt/phaul/wl-tree", LEDGER];
        self.start(&Config::new(&args).host_network(), args[0]);
        advance(self.a(), &self.ledger()).unwrap();
    }

    /// Starts a server with a network of its own.
    fn start_server(&self) -> Wire {
        self.start_server_of(|config| config)
    }

    /// The same, with its configuration changed.
    fn start_server_of(&self, change: impl Fn(Config) -> Config) -> Wire {
        let bridges = Bridges::on(&self.rig.lab);
        let wire = bridges.wire(&self.container.id, 100);
        let args = ["/opt/phaul/wl-echo", LEDGER];
        self.start(&change(Config::new(&args)), args[0]);
        wire.lay(self.a(), self.container.init_pid(self.a()).unwrap());
        advance(self.a(), &self.ledger()).unwrap();
        wire
    }

    /// The ledger, as a host sees it.
    fn ledger(&self) -> String {
        format!("{}/rootfs{LEDGER}", self.container.bundle)
    }

    /// Moves it from `a`.
    fn plan(&self, name: &str) -> Plan {
        Plan::container(name, &self.container, self.target())
    }

    fn target(&self) -> &Agent {
        self.rig.agent(Side::B)
    }

    /// Carries a plan out on `a` that must succeed.
    fn migrate(&self, plan: &Plan) -> Run {
        let run = self.rig.run(Side::A, plan);
        run.ended(0, "migrated").unwrap();
        run
    }

    /// Sees that only the hosts' parts of the container have changed since.
    fn nothing_left(&self, before: &Snapshot, further: &[String]) -> Result<(), String> {
        let moved = [self.container.moved(), further.to_vec()].concat();
        let moved: Vec<&str> = moved.iter().map(String::as_str).collect();
        self.rig.nothing_left_but(before, &moved)
    }

    /// Sees that it is on `b` now and can be used there, and is not on `a`, where its bundle still
    /// is.
    fn has_arrived(&self) {
        arrived(self.a(), self.b(), &self.container);
    }

    /// Ends it on `b`, and sees that nothing of it stays but its bundles.
    fn ends_well(&self) {
        self.container.remove(self.b());
        self.container.is_gone(self.b()).unwrap();
    }
}

fn arrived(from: &Host, to: &Host, container: &Container) {
    container.is_gone(from).unwrap();
    from.read(format!("{}/config.json", container.bundle))
        .expect("the bundle stays");
    runs(to, container);
}

/// Sees that a container runs and takes commands.
fn runs(host: &Host, container: &Container) {
    assert_eq!(container.status(host), "running");
    assert!(container.runtime.list(host).contains(&container.id));
    let said = container.exec(host, &["echo", "here"]);
    assert_eq!((said.code(), &*said.stdout), (0, "here\n"), "{said:?}");
}

/// Sees that a directory was copied truly, but for what `skipped` names.
fn same_trees(from: (&Host, &str), to: (&Host, &str), skipped: &[&str]) {
    let read = |(host, path): (&Host, &str)| Tree::read(&host.inside(path), skipped).unwrap();
    let (tree, copy) = (read(from), read(to));
    assert!(!tree.is_empty());
    let differences = tree.differences(&copy);
    assert!(
        differences.is_empty(),
        "{} and {} differ:\n    {}",
        from.1,
        to.1,
        differences.join("\n    ")
    );
}
