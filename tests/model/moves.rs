//! Everything that can happen next in a state of the world.

use crate::files::{send_files, take_files};
use crate::world::{Here, Process, Rules, Said, There, World};
use phaul_core::executor::ports::Fate;
use phaul_core::graph::{AskKind, EventKind, Graph, Phase, Side, StateName, Work};
use phaul_core::machine::cutover::{Verdict, settle};
use phaul_core::machine::{Doing, Input, Machine, Output, Worked, advance, react};
use phaul_core::protocol::AnswerKind;

/// The graphs that are walked, and the rules that are broken.
pub(crate) struct Play<'a> {
    pub(crate) source: &'a Graph,
    pub(crate) target: &'a Graph,
    pub(crate) rules: Rules,
}

/// A move: what happened, and the world after it.
pub(crate) type Move = (String, World);

impl Play<'_> {
    pub(crate) fn moves(&self, world: &World) -> Vec<Move> {
        let mut moves = Vec::new();
        self.process(world, Side::Source, &mut moves);
        self.process(world, Side::Target, &mut moves);
        for said in &world.network {
            self.arrives(world, *said, &mut moves);
        }
        self.crash_or_start(world, Side::Source, &mut moves);
        self.crash_or_start(world, Side::Target, &mut moves);
        for (_, next) in &mut moves {
            next.forget(self.source);
        }
        moves.retain(|(_, next)| next != world);
        moves
    }

    fn graph(&self, side: Side) -> &Graph {
        match side {
            Side::Source => self.source,
            Side::Target => self.target,
        }
    }

    /// What a live process does by itself.
    fn process(&self, world: &World, side: Side, moves: &mut Vec<Move>) {
        let Some(machine) = of(world, side).live.clone() else {
            return;
        };
        let name = format!("{side} {}", machine.state);
        match machine.doing {
            Doing::Entered => {
                let next = self.input(world.clone(), side, Input::Entered);
                moves.push((format!("{name}: enters"), next));
            }
            Doing::Work(work) => self.works(world, side, &machine, work, moves),
            Doing::Answer(_) | Doing::Word => {}
        }
        if world.has_files && side == Side::Target {
            self.sink_fails(world, &machine, moves);
        }
        // The link may be lost at any time.
        let mut lost = self.input(world.clone(), side, Input::LinkLost);
        if self.rules.target_decides_alone && machine.state == StateName::Prepared {
            lost = self.event(world.clone(), side, EventKind::Done);
        }
        moves.push((format!("{name}: link lost"), lost));
        if side == Side::Source && world.cancels > 0 {
            let mut next = self.input(world.clone(), side, Input::Cancel);
            next.cancels -= 1;
            moves.push((format!("{name}: cancel"), next));
        }
    }

    /// The ends that a piece of work can come to; after its effect the process may also crash.
    fn works(
        &self,
        world: &World,
        side: Side,
        machine: &Machine,
        work: Work,
        moves: &mut Vec<Move>,
    ) {
        let name = format!("{side} {}: {work}", machine.state);
        for (how, worked, after) in self.effects(world, machine, work) {
            if after != *world && world.crashes > 0 {
                let crashed = crash(after.clone(), side, true);
                moves.push((format!("{name} {how}, then crash"), crashed));
            }
            let next = self.input(after, side, Input::Worked(work, worked));
            moves.push((format!("{name} {how}"), next));
        }
    }

    fn effects(
        &self,
        world: &World,
        machine: &Machine,
        work: Work,
    ) -> Vec<(&'static str, Worked, World)> {
        let same = || world.clone();
        let well = |change: &dyn Fn(&mut World)| {
            let mut next = world.clone();
            change(&mut next);
            ("well", Worked::Well, next)
        };
        let lost = ("lost", Worked::Failed { again: true }, same());
        let failed = ("failed", Worked::Failed { again: false }, same());
        match work {
            Work::Connect if world.agent_lives() => vec![well(&|w| w.round = 0), lost],
            Work::Reach if world.agent_lives() => vec![well(&|_| ()), lost],
            Work::Connect | Work::Reach => vec![lost],
            Work::Inspect => vec![well(&|_| ()), ("refused", Worked::Refused, same()), failed],
            Work::Reserve => vec![well(&|w| of_mut(w, machine.side).made = true), failed, lost],
            Work::Freeze => vec![
                well(&|w| {
                    (w.here, w.verdict, w.stale) = (Here::Held, None, false);
                }),
                failed,
                lost,
            ],
            Work::Send => {
                let receives = world.target.live.as_ref().is_some_and(|target| {
                    target.state == StateName::Receive && target.attempt == machine.attempt
                });
                let arrive = well(&|w| w.images = machine.attempt);
                if receives {
                    vec![arrive, lost]
                } else {
                    vec![lost]
                }
            }
            Work::Kill => self.kill(world, machine),
            Work::Thaw => vec![well(&thaw), failed],
            Work::Accept => vec![well(&discard)],
            Work::Check => vec![well(&|_| ()), failed],
            Work::Restore if world.images == machine.attempt => {
                vec![well(&|w| w.there = There::Held), failed, lost]
            }
            Work::Restore => vec![lost],
            // What is held is let go; what is lost is restored again.
            Work::Release if world.there == There::None && world.images == 0 => vec![failed],
            Work::Release => vec![well(&|w| w.there = There::Running), failed],
            Work::Undo if machine.side == Side::Source => {
                vec![well(&|w| w.source.made = false), failed, lost]
            }
            Work::Undo => vec![
                well(&|w| {
                    discard(w);
                    w.target.made = false;
                    w.images = 0;
                    (w.arrived, w.files) = (None, None);
                }),
                failed,
            ],
            Work::Clean => vec![well(&|w| of_mut(w, machine.side).made = false), failed],
            Work::CopyFiles | Work::FinalFiles => send_files(world, machine),
            Work::TakeFiles => take_files(world, machine),
            Work::Gate => vec![well(&|_| ())],
        }
    }

    fn kill(&self, world: &World, machine: &Machine) -> Vec<(&'static str, Worked, World)> {
        let mut next = world.clone();
        if machine.committed {
            return vec![("stands", Worked::Well, next)];
        }
        if machine.recovering {
            let fate = if self.rules.restart_believes_alive {
                Fate::Alive
            } else {
                settle(world.verdict, world.here != Here::Dead)
            };
            return match fate {
                Fate::Dead => {
                    next.here = Here::Dead;
                    vec![("found dead", Worked::Well, next)]
                }
                Fate::Alive => {
                    thaw(&mut next);
                    vec![("found alive", Worked::Failed { again: true }, next)]
                }
                Fate::Unsure => vec![("unsure", Worked::Unsure, next)],
            };
        }
        let mut kills = Vec::new();
        if world.here == Here::Held || self.rules.kill_ignores_the_hold {
            next.here = Here::Dead;
            next.verdict = Some(Verdict::Kill);
            kills.push(("kills", Worked::Well, next));
        }
        // CRIU or the hold may have died: then nothing is killed.
        let mut broken = world.clone();
        thaw(&mut broken);
        if self.rules.kill_ignores_the_hold {
            broken.here = Here::Dead;
            broken.verdict = Some(Verdict::Kill);
            kills.push(("kills what has run", Worked::Well, broken));
        } else {
            kills.push(("hold broken", Worked::Failed { again: true }, broken));
        }
        kills
    }

    /// A message arrives, and stays in the network.
    fn arrives(&self, world: &World, said: Said, moves: &mut Vec<Move>) {
        let next = match said {
            Said::Ask(ask, attempt) => self.asked(world, ask, attempt),
            Said::Answer(answer, attempt) if world.source.live.is_some() => {
                let input = Input::Answered(answer, attempt);
                Some(self.input(world.clone(), Side::Source, input))
            }
            Said::Answer(..) => None,
            Said::Files(attempt, round) => self.files_asked(world, attempt, round),
            Said::Taken(attempt, round) => self.files_taken(world, attempt, round),
        };
        if let Some(next) = next {
            moves.push((format!("{said:?} arrives"), next));
        }
    }

    /// The agent leads an ask to its run, or answers where there is none, as `executor::agent`.
    fn asked(&self, world: &World, ask: AskKind, attempt: u32) -> Option<World> {
        let mut next = world.clone();
        if !world.agent_lives() {
            return None;
        }
        let Some(machine) = &world.target.live else {
            match ask {
                AskKind::Open => self.begin(&mut next, attempt),
                AskKind::Drop => {
                    let yes = AnswerKind::Yes(AskKind::Drop);
                    next.network.insert(Said::Answer(yes, attempt));
                }
                _ => {}
            }
            return Some(next);
        };
        let dropped = machine.state == StateName::Dropped;
        if dropped && ask == AskKind::Open && attempt > machine.attempt {
            self.begin(&mut next, attempt);
            return Some(next);
        }
        Some(self.input(next, Side::Target, Input::Asked(ask, attempt)))
    }

    fn begin(&self, world: &mut World, attempt: u32) {
        let mut machine = Machine::new(self.target);
        machine.attempt = attempt;
        world.target.journal = Some(machine.clone());
        world.target.live = Some(machine);
    }

    fn crash_or_start(&self, world: &World, side: Side, moves: &mut Vec<Move>) {
        let process = of(world, side);
        let graph = self.graph(side);
        if process.live.is_some() {
            if world.crashes > 0 {
                moves.push((format!("{side} crashes"), crash(world.clone(), side, true)));
                if side == Side::Source && world.here == Here::Held {
                    let all = crash(world.clone(), side, false);
                    moves.push(("source crashes with hold and CRIU".into(), all));
                }
            }
            return;
        }
        let Some(journal) = process.journal.clone() else {
            return;
        };
        let mut next = world.clone();
        if journal.has_ended(graph) {
            // An agent that starts again answers for the runs that have ended.
            if side == Side::Target {
                let mut machine = journal;
                machine.doing = Doing::Word;
                next.target.live = Some(machine);
                moves.push(("target starts again, for what has ended".into(), next));
            }
            return;
        }
        of_mut(&mut next, side).live = Some(journal.clone());
        if side == Side::Source && !journal.committed && world.cancels > 0 {
            let mut back = next.clone();
            back.cancels -= 1;
            if let Some(machine) = &mut back.source.live {
                machine.cancelled = true;
            }
            let back = self.event(back, side, EventKind::Restarted);
            moves.push(("source starts again, to roll back".into(), back));
        }
        let next = self.event(next, side, EventKind::Restarted);
        moves.push((format!("{side} starts again"), next));
    }

    /// Gives a live machine an input, and makes what follows true.
    pub(crate) fn input(&self, mut world: World, side: Side, input: Input) -> World {
        let Some(machine) = of(&world, side).live.clone() else {
            return world;
        };
        let reaction = react(self.graph(side), &machine, input);
        let attempt = reaction.machine.attempt;
        of_mut(&mut world, side).live = Some(reaction.machine);
        for output in reaction.outputs {
            let said = match output {
                Output::Start(_) => continue,
                Output::Ask(AskKind::Files) => Said::Files(attempt, world.round),
                Output::Ask(ask) => Said::Ask(ask, attempt),
                Output::Answer(AskKind::Files) => Said::Taken(attempt, world.asked),
                Output::Answer(ask) => {
                    if ask == AskKind::Preflight {
                        let no = Said::Answer(AnswerKind::No, attempt);
                        world.network.insert(no);
                    }
                    Said::Answer(AnswerKind::Yes(ask), attempt)
                }
                Output::AnswerFailed => Said::Answer(AnswerKind::Failed { again: true }, attempt),
            };
            world.network.insert(said);
        }
        if side == Side::Source && input == Input::Entered && self.rules.pass_by(machine.state) {
            return self.event(world, side, EventKind::Done);
        }
        match reaction.event {
            Some(event) => self.event(world, side, event),
            None => self.rest(world, side),
        }
    }

    /// Takes the edge of an event, and records it.
    fn event(&self, mut world: World, side: Side, event: EventKind) -> World {
        let process = of_mut(&mut world, side);
        if let Some(machine) = &process.live {
            let step = advance(self.graph(side), machine, event)
                .unwrap_or_else(|illegal| panic!("{illegal}"));
            process.live = Some(step.machine.clone());
            process.journal = Some(step.machine);
        }
        world
    }

    /// A source that has come to rest is a process that ends.
    fn rest(&self, mut world: World, side: Side) -> World {
        if side == Side::Source
            && let Some(machine) = &world.source.live
            && matches!(machine.phase(self.source), Phase::End | Phase::Undecided)
        {
            world.source.live = None;
        }
        world
    }
}

pub(crate) fn of(world: &World, side: Side) -> &Process {
    match side {
        Side::Source => &world.source,
        Side::Target => &world.target,
    }
}

fn of_mut(world: &mut World, side: Side) -> &mut Process {
    match side {
        Side::Source => &mut world.source,
        Side::Target => &mut world.target,
    }
}

/// What a crash does to the tasks: the hold ends with its process, unless it died with it.
fn crash(mut world: World, side: Side, hold_lives: bool) -> World {
    world.crashes -= 1;
    of_mut(&mut world, side).live = None;
    match side {
        Side::Source if hold_lives && world.here == Here::Held => thaw(&mut world),
        Side::Source => {}
        Side::Target if world.there == There::Held => world.there = There::None,
        Side::Target => {}
    }
    world
}

fn thaw(world: &mut World) {
    if world.here == Here::Held {
        world.here = Here::Running;
        world.verdict = Some(Verdict::Thaw);
        world.stale = true;
        for files in [&mut world.arrived, &mut world.files].into_iter().flatten() {
            files.fresh = false;
        }
    }
}

fn discard(world: &mut World) {
    if world.there == There::Held {
        world.there = There::None;
    }
}
