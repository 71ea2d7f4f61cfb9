//! Bringing a lab up and taking it down, whatever state it was left in.

use std::fs;
use std::path::Path;

use super::Side;
use super::birth;
use super::cgroup::Cgroup;
use super::error::{Error, Result};
use super::identity::Identity;
use super::layout::Layout;
use super::lock::Lock;
use super::network;
use super::programs;
use super::progress::say;
use super::rootfs;

/// The first processes of a lab that is wholly up, in the order of [`Side::BOTH`].
pub(crate) type Inits = [Identity; 2];

/// The hosts of a lab that is wholly up.
pub(crate) fn running(layout: &Layout) -> Option<Inits> {
    if !layout.ready_note().exists() {
        return None;
    }
    let init = |side| Identity::load(&layout.init_note(side)).filter(|init| init.is_alive());
    Some([init(Side::A)?, init(Side::B)?])
}

/// Whose a lab is that comes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeper {
    /// A person: it stays until it is taken down, and one that is up already is left as it is.
    Person,
    /// The calling process: it is a new one, and worth nothing when that process has ended.
    Process,
}

/// Brings a lab up; what is left of one that is only half up is taken down first.
pub(crate) fn up(name: &str, keeper: Keeper) -> Result<(Layout, Inits)> {
    require_root()?;
    let layout = Layout::new(name)?;
    let rootfs = rootfs::ensure()?;
    let _lock = Lock::take(&layout.state)?;
    let existing = Layout::existing(name)?;
    if keeper == Keeper::Person
        && let Some(inits) = running(&existing)
    {
        return Ok((existing, inits));
    }
    clear(&existing)?;
    match build(&layout, keeper, &rootfs) {
        Ok(inits) => Ok((layout, inits)),
        Err(error) => {
            // The failure is what to report. What cannot be cleared now, the next `up` or `down`
            // tries again.
            let _ = clear(&layout).and_then(|()| forget(&layout));
            Err(error)
        }
    }
}

/// Takes a lab down, whatever is left of it.
pub(crate) fn down(name: &str) -> Result<()> {
    require_root()?;
    let layout = Layout::new(name)?;
    let _lock = Lock::take(&layout.state)?;
    clear(&Layout::existing(name)?)?;
    forget(&layout)
}

/// Takes down the labs that processes made which have ended without doing so.
pub(crate) fn down_orphans() -> Result<()> {
    for name in Layout::names() {
        let owner = Identity::load(&Layout::new(&name)?.owner_note());
        if owner.is_some_and(|owner| !owner.is_alive()) {
            say(format_args!("taking down `{name}`, which a test left"));
            down(&name)?;
        }
    }
    Ok(())
}

fn require_root() -> Result<()> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    Err(Error::NotRoot)
}

fn build(layout: &Layout, keeper: Keeper, rootfs: &Path) -> Result<Inits> {
    let write = |path: &Path, text: &str| fs::write(path, text).map_err(Error::file("write", path));
    write(&layout.data_note(), &layout.data.to_string_lossy())?;
    if keeper == Keeper::Process
        && let Some(owner) = Identity::of(std::process::id().cast_signed())
    {
        owner.save(&layout.owner_note())?;
    }
    let program = programs::copy(layout)?;
    for directory in [layout.shared(), layout.host(Side::A), layout.host(Side::B)] {
        fs::create_dir_all(&directory).map_err(Error::file("create", &directory))?;
    }
    let start = |side| {
        Cgroup::named(&layout.cgroup_name(side))?.create()?;
        birth::start(layout, side, rootfs, &program)
    };
    let inits = [start(Side::A)?, start(Side::B)?];
    network::connect(layout, [(Side::A, inits[0]), (Side::B, inits[1])])?;
    write(&layout.ready_note(), "")?;
    Ok(inits)
}

/// Removes everything that a lab consists of. Each step asks what is there: `up` may have ended
/// after any of its own.
fn clear(layout: &Layout) -> Result<()> {
    for side in Side::BOTH {
        if let Some(init) = Identity::load(&layout.init_note(side)) {
            init.kill()?;
        }
        Cgroup::named(&layout.cgroup_name(side))?.remove()?;
    }
    network::disconnect(layout)?;
    if layout.data.exists() {
        fs::remove_dir_all(&layout.data).map_err(Error::file("remove", &layout.data))?;
    }
    // What says where the data is goes last.
    for note in fs::read_dir(&layout.state)
        .map_err(Error::file("read", &layout.state))?
        .flatten()
    {
        fs::remove_file(note.path()).map_err(Error::file("remove", note.path()))?;
    }
    Ok(())
}

/// Removes the directories of a lab that is cleared, and those of all labs with the last one.
fn forget(layout: &Layout) -> Result<()> {
    fs::remove_dir(&layout.state).map_err(Error::file("remove", &layout.state))?;
    for directory in [&layout.state, &layout.data] {
        if let Some(parent) = directory.parent() {
            let _ = fs::remove_dir(parent);
        }
    }
    Ok(())
}
