//! What each action makes of the world.

use forcegrant_proto::moment::Moment;
use forcegrant_proto::store::protocol::Register;
use forcegrant_proto::store::record::{self, LoginRecord};
use forcegrant_proto::store::{Acquired, Lease, Put};

use super::planted::Planted;
use super::{
    Action, Broken, Holding, LEASE, Phase, Process, Protocol, Step, TICK, Token, World, millis,
    wants,
};

impl Protocol {
    pub(super) fn step(&self, world: &World, action: Action) -> Option<World> {
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
}

/// The org issues a token.
fn login(world: &mut World) -> Token {
    world.serial += 1;
    Token {
        serial: world.serial,
        started: world.clock(),
    }
}
