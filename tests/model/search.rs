//! Breadth first through all states, so that what is found is found by the shortest way.

use crate::invariants::{broken, is_good_end};
use crate::moves::Play;
use crate::world::{Rules, World, graphs, shortened};
use phaul_core::graph::StateName;
use std::collections::HashMap;
use std::fmt;

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
    pub(crate) world: Box<World>,
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

/// Goes through every state that can be reached.
pub(crate) fn search(start: &World, rules: &Rules) -> Result<Reached, Box<Found>> {
    let graphs = graphs(start.attempts);
    let (source, target) = (shortened(&graphs.source), shortened(&graphs.target));
    let play = Play {
        source: &source,
        target: &target,
        rules: *rules,
    };
    let mut numbers: HashMap<World, usize> = HashMap::from([(start.clone(), 0)]);
    let mut worlds = vec![start.clone()];
    let mut came: Vec<Option<(usize, String)>> = vec![None];
    let mut backward: Vec<Vec<u32>> = vec![Vec::new()];
    let mut reached = Reached::default();
    let found = |invariant, at: usize, worlds: &[World], came: &[Option<(usize, String)>]| {
        Box::new(Found {
            invariant,
            way: way(came, at),
            world: Box::new(worlds[at].clone()),
        })
    };
    let mut at = 0;
    while at < worlds.len() {
        if let Some(invariant) = broken(&worlds[at], &source, &target) {
            return Err(found(invariant, at, &worlds, &came));
        }
        if at % 100_000 == 0 { eprintln!("{at} of {}", worlds.len()); }
        count(&worlds[at], &mut reached);
        for (step, next) in play.moves(&worlds[at]) {
            let number = *numbers.entry(next).or_insert_with_key(|next| {
                worlds.push(next.clone());
                came.push(Some((at, step)));
                backward.push(Vec::new());
                worlds.len() - 1
            });
            backward[number].push(u32::try_from(at).expect("fewer than 2^32 states"));
        }
        at += 1;
    }
    reached.states = worlds.len();
    match stuck(&worlds, &backward, |world| {
        is_good_end(world, &source, &target)
    }) {
        Some(at) => Err(found("I2", at, &worlds, &came)),
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

/// The first state from which no good end can be reached.
fn stuck(worlds: &[World], backward: &[Vec<u32>], good: impl Fn(&World) -> bool) -> Option<usize> {
    let mut reaches = vec![false; worlds.len()];
    let mut open: Vec<usize> = (0..worlds.len()).filter(|at| good(&worlds[*at])).collect();
    for at in &open {
        reaches[*at] = true;
    }
    while let Some(at) = open.pop() {
        for before in &backward[at] {
            let before = *before as usize;
            if !reaches[before] {
                reaches[before] = true;
                open.push(before);
            }
        }
    }
    reaches.iter().position(|reaches| !reaches)
}

fn way(came: &[Option<(usize, String)>], mut at: usize) -> Vec<String> {
    let mut way = Vec::new();
    while let Some((before, step)) = &came[at] {
        way.push(step.clone());
        at = *before;
    }
    way.reverse();
    way
}
