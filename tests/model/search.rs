//! Breadth first through all states, so that what is found is found by the shortest way.
//!
//! Of a state only its hash is kept; the way to one that breaks an invariant is walked again.

use crate::invariants::{broken, is_good_end};
use crate::moves::Play;
use crate::world::{Rules, World, graphs, shortened};
use phaul_core::graph::StateName;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What the search went through.
#[derive(Debug, Default)]
pub(crate) struct Reached {
    pub(crate) states: usize,
    pub(crate) migrated: usize,
    pub(crate) rolled_back: usize,
    pub(crate) refused: usize,
}

/// A state that breaks an invariant, and the way to it.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) invariant: &'static str,
    pub(crate) way: Vec<String>,
    pub(crate) world: World,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} is broken, after:", self.invariant)?;
        for step in &self.way {
            writeln!(f, "  {step}")?;
        }
        write!(f, "{:#?}", self.world)
    }
}

/// The states seen so far, by number.
#[derive(Default)]
struct Seen {
    numbers: HashMap<u128, u32>,
    hashes: Vec<u128>,
    came_from: Vec<u32>,
    /// For each state those from which one move leads to it.
    before: Vec<Vec<u32>>,
    good: Vec<u32>,
}

impl Seen {
    /// The number of a state, and whether it is new.
    fn number(&mut self, world: &World, from: u32) -> (u32, bool) {
        let hash = hash(world);
        let next = u32::try_from(self.hashes.len()).expect("fewer than 2^32 states");
        let number = *self.numbers.entry(hash).or_insert(next);
        if number == next {
            self.hashes.push(hash);
            self.came_from.push(from);
            self.before.push(Vec::new());
        }
        (number, number == next)
    }

    /// The first state from which no good end can be reached.
    fn stuck(&self) -> Option<u32> {
        let mut reaches = vec![false; self.hashes.len()];
        let mut open = self.good.clone();
        for at in &open {
            reaches[*at as usize] = true;
        }
        while let Some(at) = open.pop() {
            for before in &self.before[at as usize] {
                if !std::mem::replace(&mut reaches[*before as usize], true) {
                    open.push(*before);
                }
            }
        }
        let at = reaches.iter().position(|reaches| !reaches)?;
        u32::try_from(at).ok()
    }

    /// Walks from the start to the state of that number.
    fn way(&self, start: &World, play: &Play<'_>, mut at: u32) -> (Vec<String>, World) {
        let mut hashes = Vec::new();
        while at != 0 {
            hashes.push(self.hashes[at as usize]);
            at = self.came_from[at as usize];
        }
        let (mut steps, mut world) = (Vec::new(), start.clone());
        for wanted in hashes.into_iter().rev() {
            let mut moves = play.moves(&world).into_iter();
            let (step, next) = moves
                .find(|(_, next)| hash(next) == wanted)
                .expect("the way was found once");
            steps.push(step);
            world = next;
        }
        (steps, world)
    }
}

/// 128 bits: that two of a million states share them is less likely than a broken machine.
fn hash(world: &World) -> u128 {
    let half = |salt: u64| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        world.hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(1) << 64 | half(2)
}

/// Goes through every state that can be reached.
pub(crate) fn search(start: &World, rules: &Rules) -> Result<Reached, Box<Found>> {
    let graphs = graphs(start.attempts, start.has_files);
    let (source, target) = (shortened(&graphs.source), shortened(&graphs.target));
    let play = Play {
        source: &source,
        target: &target,
        rules: *rules,
    };
    let mut seen = Seen::default();
    let mut reached = Reached::default();
    let mut open = VecDeque::from([start.clone()]);
    seen.number(start, 0);
    let found = |invariant, at, seen: &Seen| {
        let (way, world) = seen.way(start, &play, at);
        Box::new(Found {
            invariant,
            way,
            world,
        })
    };
    let mut at = 0;
    while let Some(world) = open.pop_front() {
        if let Some(invariant) = broken(&world, &source, &target) {
            return Err(found(invariant, at, &seen));
        }
        count(&world, &mut reached);
        if is_good_end(&world, &source, &target) {
            seen.good.push(at);
        }
        for (_, next) in play.moves(&world) {
            let (number, new) = seen.number(&next, at);
            seen.before[number as usize].push(at);
            if new {
                open.push_back(next);
            }
        }
        at += 1;
    }
    reached.states = seen.hashes.len();
    match seen.stuck() {
        Some(at) => Err(found("I2", at, &seen)),
        None => Ok(reached),
    }
}

fn count(world: &World, reached: &mut Reached) {
    let ended = world.source.live.is_none();
    match world.source.journal.as_ref().map(|machine| machine.state) {
        Some(StateName::Done) if ended => reached.migrated += 1,
        Some(StateName::RolledBack) if ended => reached.rolled_back += 1,
        Some(StateName::Refused) if ended => reached.refused += 1,
        _ => {}
    }
}
