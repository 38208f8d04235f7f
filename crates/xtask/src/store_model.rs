//! The protocol of lease, fence and entry under a model checker (`stateright`): every interleaving of a few
//! processes that stand still past their lease, crash, start again, and lose replies.
//!
//! What a store does is the [`Register`] that the file store applies, and what a
//! client makes of an entry and of a lease of another is `record::started` and [`LeaseWait`]: no copies. What is
//! modelled here is the order of the steps of `store_session.rs`, a login, and time. That the stores behave as the
//! register does, the Redis scripts among them, is tried with random steps (`conformance`).

mod planted;
mod transitions;

use std::time::Duration;

use stateright::{Model, Property};

use self::planted::Planted;
use forcegrant_proto::store::Lease;
use forcegrant_proto::store::protocol::Register;
use forcegrant_proto::store::record::{KnownLogins, LeaseWait};

/// One step of the clock, in milliseconds: longer than two logins are taken for the same.
const TICK: i64 = 2_000;
/// One of them.
const LEASE: Duration = Duration::from_secs(2);
const START: i64 = 1_800_000_000_000;

/// What may happen, how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Faults {
    crashes: u8,
    /// Processes that stand still, for as long as it takes. Only where all are prompt otherwise.
    stops: u8,
    /// Steps of a store whose reply is lost, or that do not reach it.
    losses: u8,
    failed_logins: u8,
    /// Tokens that the org ended, as a client hears.
    rejections: u8,
    /// The store forgets all, and its clock goes on meanwhile.
    forgets: u8,
}

#[derive(Clone, Debug)]
struct Protocol {
    processes: usize,
    ticks: u8,
    faults: Faults,
    /// Time goes on only while nobody who runs has anything to do: nobody is slower than time.
    prompt: bool,
    planted: &'static [Planted],
}

/// A login, by the order in which they were started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Token {
    serial: u8,
    started: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    now: u8,
    register: Register,
    /// The token in the entry.
    entry: Option<Token>,
    /// The fences of all grants.
    fences: Vec<u64>,
    serial: u8,
    processes: Vec<Process>,
    left: Faults,
    adopted: bool,
    outdated: bool,
    broken: Option<Broken>,
}

/// What must never come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Broken {
    TwoOwnersOfOneFence,
    OlderOverNewer,
    LeaseTakenAway,
    BackToAnOlderToken,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Process {
    /// How often it was started: each time with another owner.
    life: u8,
    stopped: bool,
    known: KnownLogins,
    /// The newest token that it ever had.
    newest: Option<Token>,
    phase: Phase,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// It looks for a token, or for the right to log in.
    Wants {
        patience: LeaseWait,
        since: u8,
    },
    Granted(Holding),
    LoggingIn(Holding, Token),
    LoggedIn(Holding, Token),
    /// It has a token.
    Has,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Holding {
    lease: Lease,
    /// Until when it was granted.
    until: i64,
    lost: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    Tick,
    Forget,
    Of(usize, Step),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    Look,
    Acquire,
    Start,
    Extend,
    Finish,
    Put,
    Continue,
    // What goes wrong.
    AcquireUnheard,
    PutLost,
    Fail,
    Stop,
    Crash,
    Reject,
}

const STEPS: [Step; 7] = [
    Step::Look,
    Step::Acquire,
    Step::Start,
    Step::Extend,
    Step::Finish,
    Step::Put,
    Step::Continue,
];
const FAULTS: [Step; 6] = [
    Step::AcquireUnheard,
    Step::PutLost,
    Step::Fail,
    Step::Stop,
    Step::Crash,
    Step::Reject,
];

impl World {
    fn clock(&self) -> i64 {
        START + i64::from(self.now) * TICK
    }

    /// The process takes the token that is in the store.
    fn adopts(&mut self, at: usize, token: Token) {
        self.adopted = true;
        if !self.processes[at].has(token) {
            self.breaks(Broken::BackToAnOlderToken);
        }
    }

    fn breaks(&mut self, broken: Broken) {
        self.broken = self.broken.or(Some(broken));
    }

    /// Whether every lease is still with whom it was granted to, for its time.
    fn keeps_leases(&self) -> bool {
        self.processes.iter().all(|process| {
            let (Phase::Granted(holding)
            | Phase::LoggingIn(holding, _)
            | Phase::LoggedIn(holding, _)) = &process.phase
            else {
                return true;
            };
            let held = self.register.holder(self.clock());
            holding.lost
                || holding.until <= self.clock()
                || held.is_some_and(|held| held.fence == holding.lease.fence)
        })
    }
}

impl Process {
    fn new(life: u8, now: u8) -> Self {
        Self {
            life,
            stopped: false,
            known: KnownLogins::default(),
            newest: None,
            phase: wants(now),
        }
    }

    fn has(&mut self, token: Token) -> bool {
        // Logins within a second of each other pass for the same.
        let goes_back = self
            .newest
            .is_some_and(|newest| newest.started > token.started);
        self.newest = self.newest.max(Some(token));
        self.known.own = Some(token.started);
        self.phase = Phase::Has;
        !goes_back
    }
}

fn wants(now: u8) -> Phase {
    Phase::Wants {
        patience: LeaseWait::new(LEASE),
        since: now,
    }
}

impl Protocol {
    fn has_planted(&self, planted: Planted) -> bool {
        self.planted.contains(&planted)
    }

    /// What is out of the question at first sight, before the world is copied for it.
    fn is_possible(&self, world: &World, action: Action) -> bool {
        let left = &world.left;
        let Action::Of(at, step) = action else {
            return world.now < self.ticks && (action == Action::Tick || left.forgets > 0);
        };
        let process = &world.processes[at];
        let phase = &process.phase;
        // Where everyone shall have a token in the end, there has to be time for it.
        if self.prompt && FAULTS.contains(&step) && world.now + 3 > self.ticks {
            return false;
        }
        process.stopped == (step == Step::Continue)
            && match step {
                Step::Look => matches!(phase, Phase::Wants { .. }) && world.entry.is_some(),
                Step::Acquire => matches!(phase, Phase::Wants { .. }),
                Step::AcquireUnheard => matches!(phase, Phase::Wants { .. }) && left.losses > 0,
                Step::Start => matches!(phase, Phase::Granted(_)),
                Step::Extend | Step::Finish => matches!(phase, Phase::LoggingIn(..)),
                Step::Fail => matches!(phase, Phase::LoggingIn(..)) && left.failed_logins > 0,
                Step::Put => matches!(phase, Phase::LoggedIn(..)),
                Step::PutLost => matches!(phase, Phase::LoggedIn(..)) && left.losses > 0,
                Step::Continue => true,
                Step::Stop => left.stops > 0,
                Step::Crash => left.crashes > 0,
                Step::Reject => matches!(phase, Phase::Has) && left.rejections > 0,
            }
    }

    fn is_over(&self, world: &World) -> bool {
        if world.now < self.ticks {
            return false;
        }
        let mut actions = Vec::new();
        self.actions(world, &mut actions);
        actions.is_empty()
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).expect("short")
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            now: 0,
            register: Register::default(),
            entry: None,
            fences: Vec::new(),
            serial: 0,
            processes: (0..self.processes).map(|_| Process::new(0, 0)).collect(),
            left: self.faults,
            adopted: false,
            outdated: false,
            broken: None,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.broken.is_some() {
            return;
        }
        let of = |step| (0..self.processes).map(move |at| Action::Of(at, step));
        let happens = |action: &Action| self.step(world, *action).is_some();
        actions.extend(STEPS.into_iter().flat_map(of).filter(happens));
        let is_work = |action: &Action| !matches!(action, Action::Of(_, Step::Continue));
        let is_idle = !actions.iter().any(is_work);
        actions.extend(FAULTS.into_iter().flat_map(of).filter(happens));
        let time = [Action::Tick, Action::Forget].into_iter();
        actions.extend(time.filter(|_| is_idle || !self.prompt).filter(happens));
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        self.step(world, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("no two owners have one fence", |_, world: &World| {
                world.broken != Some(Broken::TwoOwnersOfOneFence)
            }),
            Property::always(
                "a lease stays for its time with whom it was granted to",
                |_, world: &World| world.broken != Some(Broken::LeaseTakenAway),
            ),
            Property::always(
                "no client goes back to an older token",
                |_, world: &World| world.broken != Some(Broken::BackToAnOlderToken),
            ),
            Property::sometimes("a token is shared", |_, world: &World| world.adopted),
        ];
        if self.faults.forgets == 0 {
            properties.push(Property::always(
                "no older token is published over a newer one",
                |_, world: &World| world.broken != Some(Broken::OlderOverNewer),
            ));
        }
        if self.faults.stops > 0 {
            properties.push(Property::sometimes(
                "who comes late puts nothing",
                |_, world: &World| world.outdated,
            ));
        }
        if self.prompt && self.faults == Faults::default() {
            properties.push(Property::always(
                "one login is enough",
                |_, world: &World| world.serial <= 1,
            ));
        }
        if self.prompt {
            // In place of `eventually`, which this checker can miss where paths join: where nothing can
            // happen any more, it has come about.
            properties.push(Property::always(
                "everyone gets a token",
                |model: &Self, world: &World| {
                    let all = world.processes.iter();
                    let all_have = || all.clone().all(|process| process.phase == Phase::Has);
                    world.broken.is_some() || !model.is_over(world) || all_have()
                },
            ));
            properties.push(Property::always(
                "somebody's login is shared",
                |model: &Self, world: &World| {
                    let lost = world.left.losses < model.faults.losses;
                    let shared = world.entry.is_some() || lost;
                    world.broken.is_some() || !model.is_over(world) || shared
                },
            ));
        }
        properties
    }
}
