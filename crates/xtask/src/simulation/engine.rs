//! The events of one org, in the order of their time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::invariants::InvariantChecker;
use super::policies::{Ask, Cache, LoginProgress, LoginStep, PolicyRule};
use super::random::Rng;
use super::report::PolicyTally;
use super::salesforce::{LoginResponse, Salesforce, SimulatedOrg, TokenId};
use super::traffic::Traffic;
use super::{DAY, MINUTE, Time};

/// From a data call to its 401.
const REJECTION_TAKES: Time = 150;
/// Programs are deployed anew once in this time.
const RESTARTS_EVERY: Time = 3 * DAY;

/// Runs all clients of one org under one policy until `end`, and counts.
pub(super) fn run(
    org: &SimulatedOrg,
    traffic: &[Traffic],
    rule: &PolicyRule,
    end: Time,
    rng: Rng,
) -> PolicyTally {
    let mut run = OrgRun {
        now: 0,
        end,
        queue: BinaryHeap::new(),
        pushed: 0,
        salesforce: Salesforce::new(org),
        rule,
        clients: Vec::new(),
        logins: Vec::new(),
        after_login: Vec::new(),
        rng,
        tally: PolicyTally::default(),
    };
    run.prepare(org, traffic);
    while let Some(Reverse((at, _, event))) = run.queue.pop() {
        run.now = at;
        run.happen(event);
    }
    run.tally.blocked_minutes = run.salesforce.blocked_minutes();
    run.tally.client_ms = end * Time::try_from(traffic.len()).unwrap_or(0);
    run.tally
}

struct OrgRun<'a> {
    now: Time,
    end: Time,
    queue: BinaryHeap<Reverse<(Time, u64, SimulatedEvent)>>,
    pushed: u64,
    salesforce: Salesforce<'a>,
    rule: &'a PolicyRule,
    clients: Vec<SimulatedClient<'a>>,
    logins: Vec<SimulatedLogin>,
    /// Places of logins that have ended.
    after_login: Vec<usize>,
    rng: Rng,
    tally: PolicyTally,
}

struct SimulatedClient<'a> {
    cache: Cache<'a>,
    traffic: Traffic,
    login: Option<usize>,
    /// Calls that have begun and not ended.
    open: u32,
    checker: Option<InvariantChecker>,
}

struct SimulatedLogin {
    client: usize,
    progress: LoginProgress,
    waiters: Vec<SimulatedCall>,
}

/// A call of a user's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SimulatedCall {
    client: usize,
    arrived: Time,
    replayed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum SimulatedEvent {
    Arrive {
        client: usize,
    },
    LoginResponse {
        login: usize,
        response: LoginResponse,
    },
    Resume {
        login: usize,
    },
    Introspected {
        call: SimulatedCall,
        token: TokenId,
        active: bool,
    },
    Rejected {
        call: SimulatedCall,
        token: TokenId,
    },
    Restart {
        client: usize,
    },
    Kill,
    Move,
}

impl<'a> OrgRun<'a> {
    fn prepare(&mut self, org: &SimulatedOrg, traffic: &[Traffic]) {
        for at in &org.kills {
            self.push(*at, SimulatedEvent::Kill);
        }
        for at in &org.moves {
            self.push(*at, SimulatedEvent::Move);
        }
        for (client, traffic) in traffic.iter().enumerate() {
            let mut traffic = traffic.clone();
            self.push(traffic.next(0), SimulatedEvent::Arrive { client });
            let first = self.rng.until(RESTARTS_EVERY);
            self.push(first, SimulatedEvent::Restart { client });
            let (cache, checker) = self.fresh();
            self.clients.push(SimulatedClient {
                cache,
                traffic,
                login: None,
                open: 0,
                checker,
            });
        }
    }

    fn fresh(&mut self) -> (Cache<'a>, Option<InvariantChecker>) {
        let checker = match self.rule {
            PolicyRule::Ours(settings) => Some(InvariantChecker::new(settings.failures)),
            PolicyRule::Peer(_) => None,
        };
        (Cache::new(self.rule, &mut self.rng), checker)
    }

    fn push(&mut self, at: Time, event: SimulatedEvent) {
        self.pushed += 1;
        self.queue.push(Reverse((at, self.pushed, event)));
    }

    fn happen(&mut self, event: SimulatedEvent) {
        match event {
            SimulatedEvent::Arrive { client } => self.arrive(client),
            SimulatedEvent::LoginResponse { login, response } => {
                self.handle_response(login, response);
            }
            SimulatedEvent::Resume { login } => self.attempt(login),
            SimulatedEvent::Introspected {
                call,
                token,
                active,
            } => self.introspected(call, token, active),
            SimulatedEvent::Rejected { call, token } => self.rejected(call, token),
            SimulatedEvent::Restart { client } => self.restart(client),
            SimulatedEvent::Kill => self.salesforce.kill(),
            SimulatedEvent::Move => self.salesforce.relocate(),
        }
    }

    fn arrive(&mut self, client: usize) {
        let next = self.clients[client].traffic.next(self.now);
        if next < self.end {
            self.push(next, SimulatedEvent::Arrive { client });
        }
        self.clients[client].open += 1;
        self.tally.calls += 1;
        self.serve(SimulatedCall {
            client,
            arrived: self.now,
            replayed: false,
        });
    }

    /// The call asks for a token.
    fn serve(&mut self, call: SimulatedCall) {
        let client = &mut self.clients[call.client];
        let ask = client.cache.ask(self.now, client.login.is_some());
        if matches!(ask, Ask::Use(_) | Ask::UseAndRefresh(_)) && !call.replayed {
            self.tally.cached += 1;
        }
        match ask {
            Ask::Use(token) => self.send(call, token),
            Ask::UseAndRefresh(token) => {
                self.depart(call.client, None);
                self.send(call, token);
            }
            Ask::Wait => match client.login.filter(|_| client.cache.shares()) {
                Some(login) => self.logins[login].waiters.push(call),
                None => self.depart(call.client, Some(call)),
            },
            Ask::Introspect(token) => {
                let (active, took) = self.salesforce.introspect(token, self.now, &mut self.rng);
                self.tally.round_trips += 1;
                let active = active == Some(true);
                self.push(
                    self.now + took,
                    SimulatedEvent::Introspected {
                        call,
                        token,
                        active,
                    },
                );
            }
            Ask::Fail => self.end_without_login(call),
        }
    }

    fn introspected(&mut self, call: SimulatedCall, token: TokenId, active: bool) {
        if active {
            return self.send(call, token);
        }
        self.clients[call.client].cache.is_inactive(token);
        self.serve(call);
    }

    /// The call goes out with a token.
    fn send(&mut self, call: SimulatedCall, token: TokenId) {
        if let Some(checker) = &self.clients[call.client].checker {
            checker.serves(token, self.now);
        }
        if self.salesforce.call(token, self.now, &mut self.rng) {
            return self.finish(call);
        }
        self.push(
            self.now + REJECTION_TAKES,
            SimulatedEvent::Rejected { call, token },
        );
    }

    fn rejected(&mut self, mut call: SimulatedCall, token: TokenId) {
        let client = &mut self.clients[call.client];
        let again = client.cache.rejected(token, self.now);
        if again && let Some(checker) = &mut client.checker {
            checker.rejected(token);
        }
        if !again || call.replayed {
            self.tally.dead_token += 1;
            return self.finish(call);
        }
        self.tally.replays += 1;
        call.replayed = true;
        self.serve(call);
    }

    fn end_without_login(&mut self, call: SimulatedCall) {
        self.tally.no_login += 1;
        self.finish(call);
    }

    fn finish(&mut self, call: SimulatedCall) {
        self.clients[call.client].open -= 1;
        self.tally.waited(self.now - call.arrived);
    }

    fn depart(&mut self, client: usize, waiter: Option<SimulatedCall>) {
        let login = SimulatedLogin {
            client,
            progress: LoginProgress {
                begun: self.now,
                started: self.now,
                attempts: 0,
            },
            waiters: waiter.into_iter().collect(),
        };
        let place = if let Some(place) = self.after_login.pop() {
            self.logins[place] = login;
            place
        } else {
            self.logins.push(login);
            self.logins.len() - 1
        };
        let client = &mut self.clients[client];
        client.cache.login_starts();
        if let Some(checker) = &mut client.checker {
            checker.login_starts(self.now);
        }
        if client.cache.shares() {
            client.login = Some(place);
        }
        self.attempt(place);
    }

    fn attempt(&mut self, place: usize) {
        let login = &mut self.logins[place];
        login.progress.started = self.now;
        let cache = &mut self.clients[login.client].cache;
        let limit = match cache.may_attempt(&login.progress, self.now, &mut self.rng) {
            Ok(limit) => limit,
            Err(token) => return self.complete(place, None, token),
        };
        login.progress.attempts += 1;
        let (response, took) = self.salesforce.login(self.now, &mut self.rng);
        self.tally.round_trips += 1;
        self.tally.logins += u64::from(matches!(response, LoginResponse::Granted(_)));
        let (response, took) = if took > limit {
            (LoginResponse::TimedOut, limit)
        } else {
            (response, took)
        };
        self.push(
            self.now + took,
            SimulatedEvent::LoginResponse {
                login: place,
                response,
            },
        );
    }

    fn handle_response(&mut self, place: usize, response: LoginResponse) {
        let login = &mut self.logins[place];
        let cache = &mut self.clients[login.client].cache;
        match cache.handle_response(&login.progress, response, self.now, &mut self.rng) {
            LoginStep::Again(pause) => {
                self.push(self.now + pause, SimulatedEvent::Resume { login: place });
            }
            LoginStep::Afresh => {
                login.progress = LoginProgress {
                    begun: self.now,
                    started: self.now,
                    attempts: 0,
                };
                cache.login_starts();
                self.attempt(place);
            }
            LoginStep::AfterLogin(token) => self.complete(place, Some(response), token),
        }
    }

    fn complete(&mut self, place: usize, response: Option<LoginResponse>, token: Option<TokenId>) {
        let login = &mut self.logins[place];
        let waiters = std::mem::take(&mut login.waiters);
        let client = &mut self.clients[login.client];
        if client.login == Some(place) {
            client.login = None;
        }
        if let Some(checker) = &mut client.checker {
            checker.login_ends(response, self.now);
        }
        self.after_login.push(place);
        for call in waiters {
            match token {
                Some(token) => self.send(call, token),
                None => self.end_without_login(call),
            }
        }
    }

    /// A new process that knows nothing, once no call of the old one is under way.
    fn restart(&mut self, client: usize) {
        if self.now >= self.end {
            return;
        }
        let busy = self.clients[client].open > 0 || self.clients[client].login.is_some();
        if busy {
            return self.push(self.now + MINUTE, SimulatedEvent::Restart { client });
        }
        let (cache, checker) = self.fresh();
        self.clients[client].cache = cache;
        self.clients[client].checker = checker;
        let next = self.now + self.rng.until(RESTARTS_EVERY);
        self.push(next, SimulatedEvent::Restart { client });
    }
}
