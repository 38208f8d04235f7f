//! The protocol of lease, fence and entry under a model checker (`stateright`): every interleaving of a few
//! processes that stand still past their lease, crash, start again, and lose replies.
//!
//! What a store does is the [`Register`] that the file store applies, and what a
//! client makes of an entry and of a lease of another is [`record::started`] and [`LeaseWait`]: no copies. What is
//! modelled here is the order of the steps of `store_session.rs`, a login, and time. That the stores behave as the
//! register does, the Redis scripts among them, is tried with random steps (`conformance`).

mod planted;

use std::time::Duration;

use stateright::{Model, Property};

use self::planted::Planted;
use forcegrant_proto::moment::Moment;
use forcegrant_proto::store::protocol::Register;
use forcegrant_proto::store::record::{self, KnownLogins, LeaseWait, LoginRecord};
use forcegrant_proto::store::{Acquired, Lease, Put};

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

    fn step(&self, world: &World, action: Action) -> Option<World> {
        if !self.is_possible(world, action) {
            return None;
        }
        let mut next = world.clone();
        let happens = match action {
            Action::Tick => {
                next.now += 1;
                if self.has_planted(Planted::LeaseNeverEnds)
                    && let Some(held) = world.register.holder(world.clock())
                {
                    next.register.acquire(&held.owner, next.clock(), LEASE);
                }
                true
            }
            Action::Forget => {
                next.left.forgets -= 1;
                next.now += 1;
                (next.register, next.entry) = (Register::default(), None);
                true
            }
            Action::Of(at, step) => self.of_process(&mut next, at, step).is_some(),
        };
        if happens && self.faults.forgets == 0 && !next.keeps_leases() {
            next.breaks(Broken::LeaseTakenAway);
        }
        (happens && next != *world).then_some(next)
    }

    /// `None`: this can not happen now.
    fn of_process(&self, world: &mut World, at: usize, step: Step) -> Option<()> {
        let now = world.clock();
        let process = world.processes.get(at)?.clone();
        let owner = format!("{at}{}", process.life);
        match (step, process.phase.clone()) {
            (Step::Look, Phase::Wants { .. }) => {
                let token = self.look(world, &process)?;
                world.adopts(at, token);
            }
            (
                Step::Acquire,
                Phase::Wants {
                    mut patience,
                    since,
                },
            ) => {
                match self.acquire(world, &owner) {
                    Acquired::Granted { fence } => {
                        world.processes[at].phase = Phase::Granted(Holding {
                            lease: Lease { owner, fence },
                            until: now + millis(LEASE),
                            lost: false,
                        });
                    }
                    Acquired::Held { fence, left } => {
                        let waited = u64::from(world.now - since) * TICK.unsigned_abs();
                        let wait = patience.wait(waited, fence, left);
                        let gives_up = wait.is_none() && !self.has_planted(Planted::NoPatience);
                        world.processes[at].phase = Phase::Wants { patience, since };
                        if gives_up {
                            // It logs in without the lease, and shares nothing.
                            let token = login(world);
                            world.processes[at].has(token);
                        }
                    }
                }
            }
            (Step::AcquireUnheard, Phase::Wants { .. }) => {
                world.left.losses = world.left.losses.checked_sub(1)?;
                self.acquire(world, &owner);
            }
            (Step::Start, Phase::Granted(holding)) => {
                if let Some(token) = self.look(world, &process) {
                    self.ends(world, &holding.lease.owner);
                    world.adopts(at, token);
                } else {
                    let token = login(world);
                    world.processes[at].phase = Phase::LoggingIn(holding, token);
                }
            }
            (Step::Extend, Phase::LoggingIn(holding, token)) => {
                let holding = self.extend(world, holding)?;
                world.processes[at].phase = Phase::LoggingIn(holding, token);
            }
            (Step::Finish, Phase::LoggingIn(holding, token)) => {
                world.processes[at].phase = Phase::LoggedIn(holding, token);
            }
            (Step::Fail, Phase::LoggingIn(..)) => {
                world.left.failed_logins = world.left.failed_logins.checked_sub(1)?;
                self.ends(world, &owner);
                world.processes[at].phase = wants(world.now);
            }
            (Step::Put, Phase::LoggedIn(holding, token)) => {
                if !holding.lost {
                    self.put(world, &holding.lease, token);
                }
                world.processes[at].has(token);
            }
            (Step::PutLost, Phase::LoggedIn(_, token)) => {
                world.left.losses = world.left.losses.checked_sub(1)?;
                world.processes[at].has(token);
            }
            (Step::Stop, phase) if !matches!(phase, Phase::Has) => {
                world.left.stops = world.left.stops.checked_sub(1)?;
                world.processes[at].stopped = true;
            }
            (Step::Continue, _) => world.processes[at].stopped = false,
            (Step::Crash, _) => {
                world.left.crashes = world.left.crashes.checked_sub(1)?;
                world.processes[at] = Process::new(process.life + 1, world.now);
            }
            (Step::Reject, Phase::Has) => {
                world.left.rejections = world.left.rejections.checked_sub(1)?;
                let own = &mut world.processes[at];
                own.known.rejected = own.known.rejected.max(own.known.own);
                own.known.own = None;
                own.phase = wants(world.now);
            }
            _ => return None,
        }
        Some(())
    }

    /// As its holder extends a lease: one that it lost, it ends.
    fn extend(&self, world: &mut World, mut holding: Holding) -> Option<Holding> {
        let now = world.clock();
        if holding.lost || holding.until - now > TICK {
            return None;
        }
        let goes_on = |fence| fence == holding.lease.fence;
        match self.acquire(world, &holding.lease.owner) {
            Acquired::Granted { fence }
                if goes_on(fence) || self.has_planted(Planted::TakesItsNextFence) =>
            {
                holding.lease.fence = fence;
                holding.until = now + millis(LEASE);
            }
            _ => {
                holding.lost = true;
                self.ends(world, &holding.lease.owner);
            }
        }
        Some(holding)
    }

    /// The token in the store, if this client can use it.
    fn look(&self, world: &World, process: &Process) -> Option<Token> {
        let token = world.entry?;
        let origin = LoginRecord {
            started: token.started,
            introspected: None,
            age: 0,
            lives: 3_600_000,
        };
        let now = Moment {
            wall: world.clock(),
            boot: 1_000_000_000,
        };
        // The one that was reported is known by its fingerprint.
        let is_rejected = process.known.own.is_none()
            && process.newest == Some(token)
            && process.known.rejected.is_some();
        let serves = record::started(&origin, None, now, &process.known).is_some() && !is_rejected;
        (serves || self.has_planted(Planted::TakesAnyToken)).then_some(token)
    }

    fn acquire(&self, world: &mut World, owner: &str) -> Acquired {
        let now = world.clock();
        let holder = world.register.holder(now).map(|held| held.owner.clone());
        if self.has_planted(Planted::GrantsToAll)
            && let Some(holder) = holder.as_ref().filter(|holder| *holder != owner)
        {
            world.register.end(holder);
        }
        let is_own = holder.as_deref() == Some(owner);
        let acquired = world.register.acquire(owner, now, LEASE);
        let Acquired::Granted { fence } = acquired else {
            return acquired;
        };
        if is_own {
            return acquired;
        }
        let fence = if self.has_planted(Planted::FencesStartAnew) {
            if let Some(last) = &mut world.register.last {
                last.fence = 1;
            }
            1
        } else {
            fence
        };
        if world.fences.contains(&fence) {
            world.breaks(Broken::TwoOwnersOfOneFence);
        }
        world.fences.push(fence);
        Acquired::Granted { fence }
    }

    fn put(&self, world: &mut World, lease: &Lease, token: Token) {
        let (now, before) = (world.clock(), world.register.entry);
        let put = world.register.put(lease, now);
        let put = if self.has_planted(Planted::PutTakesAll) {
            Put::Stored
        } else if self.has_planted(Planted::PutLooksAtTheEntryOnly) {
            if before.is_some_and(|before| before > lease.fence) {
                Put::Outdated
            } else {
                Put::Stored
            }
        } else {
            put
        };
        if put == Put::Stored {
            if world.entry.is_some_and(|there| there > token) {
                world.breaks(Broken::OlderOverNewer);
            }
            world.entry = Some(token);
            world.register.entry = Some(lease.fence);
        } else {
            world.outdated = true;
        }
        self.ends(world, &lease.owner);
    }

    fn ends(&self, world: &mut World, owner: &str) {
        let holder = world.register.holder(world.clock());
        let anyone = holder.map(|held| held.owner.clone());
        match anyone.filter(|_| self.has_planted(Planted::EndsAnyLease)) {
            Some(other) => world.register.end(&other),
            None => world.register.end(owner),
        };
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

/// The org issues a token.
fn login(world: &mut World) -> Token {
    world.serial += 1;
    Token {
        serial: world.serial,
        started: world.clock(),
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
