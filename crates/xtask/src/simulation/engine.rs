//! The events of one org, in the order of their time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::invariants::InvariantChecker;
use super::policies::{Ask, Cache, Progress, Rule, Step};
use super::random::Rng;
use super::report::Tally;
use super::salesforce::{Answer, Org, Salesforce, TokenId};
use super::traffic::Traffic;
use super::{DAY, MINUTE, Time};

/// From a data call to its 401.
const REJECTION_TAKES: Time = 150;
/// Programs are deployed anew once in this time.
const RESTARTS_EVERY: Time = 3 * DAY;

/// Runs all clients of one org under one policy until `end`, and counts.
pub(super) fn run(org: &Org, traffic: &[Traffic], rule: &Rule, end: Time, rng: Rng) -> Tally {
    let mut run = Run {
        now: 0,
        end,
        queue: BinaryHeap::new(),
        pushed: 0,
        salesforce: Salesforce::new(org),
        rule,
        clients: Vec::new(),
        flights: Vec::new(),
        after_login: Vec::new(),
        rng,
        tally: Tally::default(),
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

struct Run<'a> {
    now: Time,
    end: Time,
    queue: BinaryHeap<Reverse<(Time, u64, Event)>>,
    pushed: u64,
    salesforce: Salesforce<'a>,
    rule: &'a Rule,
    clients: Vec<Client<'a>>,
    flights: Vec<Flight>,
    /// Places of landed flights.
    after_login: Vec<usize>,
    rng: Rng,
    tally: Tally,
}

struct Client<'a> {
    cache: Cache<'a>,
    traffic: Traffic,
    flight: Option<usize>,
    /// Calls that have begun and not ended.
    open: u32,
    checker: Option<InvariantChecker>,
}

struct Flight {
    client: usize,
    progress: Progress,
    waiters: Vec<Call>,
}

/// A call of a user's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    client: usize,
    arrived: Time,
    replayed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrive {
        client: usize,
    },
    Answer {
        flight: usize,
        answer: Answer,
    },
    Resume {
        flight: usize,
    },
    Introspected {
        call: Call,
        token: TokenId,
        active: bool,
    },
    Rejected {
        call: Call,
        token: TokenId,
    },
    Restart {
        client: usize,
    },
    Kill,
    Move,
}

impl<'a> Run<'a> {
    fn prepare(&mut self, org: &Org, traffic: &[Traffic]) {
        for at in &org.kills {
            self.push(*at, Event::Kill);
        }
        for at in &org.moves {
            self.push(*at, Event::Move);
        }
        for (client, traffic) in traffic.iter().enumerate() {
            let mut traffic = traffic.clone();
            self.push(traffic.next(0), Event::Arrive { client });
            let first = self.rng.until(RESTARTS_EVERY);
            self.push(first, Event::Restart { client });
            let (cache, checker) = self.fresh();
            self.clients.push(Client {
                cache,
                traffic,
                flight: None,
                open: 0,
                checker,
            });
        }
    }

    fn fresh(&mut self) -> (Cache<'a>, Option<InvariantChecker>) {
        let checker = match self.rule {
            Rule::Ours(settings) => Some(InvariantChecker::new(settings.failures)),
            Rule::Peer(_) => None,
        };
        (Cache::new(self.rule, &mut self.rng), checker)
    }

    fn push(&mut self, at: Time, event: Event) {
        self.pushed += 1;
        self.queue.push(Reverse((at, self.pushed, event)));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive { client } => self.arrive(client),
            Event::Answer { flight, answer } => self.answered(flight, answer),
            Event::Resume { flight } => self.attempt(flight),
            Event::Introspected {
                call,
                token,
                active,
            } => self.introspected(call, token, active),
            Event::Rejected { call, token } => self.rejected(call, token),
            Event::Restart { client } => self.restart(client),
            Event::Kill => self.salesforce.kill(),
            Event::Move => self.salesforce.relocate(),
        }
    }

    fn arrive(&mut self, client: usize) {
        let next = self.clients[client].traffic.next(self.now);
        if next < self.end {
            self.push(next, Event::Arrive { client });
        }
        self.clients[client].open += 1;
        self.tally.calls += 1;
        self.serve(Call {
            client,
            arrived: self.now,
            replayed: false,
        });
    }

    /// The call asks for a token.
    fn serve(&mut self, call: Call) {
        let client = &mut self.clients[call.client];
        let ask = client.cache.ask(self.now, client.flight.is_some());
        if matches!(ask, Ask::Use(_) | Ask::UseAndRefresh(_)) && !call.replayed {
            self.tally.cached += 1;
        }
        match ask {
            Ask::Use(token) => self.send(call, token),
            Ask::UseAndRefresh(token) => {
                self.depart(call.client, None);
                self.send(call, token);
            }
            Ask::Wait => match client.flight.filter(|_| client.cache.shares()) {
                Some(flight) => self.flights[flight].waiters.push(call),
                None => self.depart(call.client, Some(call)),
            },
            Ask::Introspect(token) => {
                let (active, took) = self.salesforce.introspect(token, self.now, &mut self.rng);
                self.tally.round_trips += 1;
                let active = active == Some(true);
                self.push(
                    self.now + took,
                    Event::Introspected {
                        call,
                        token,
                        active,
                    },
                );
            }
            Ask::Fail => self.end_without_login(call),
        }
    }

    fn introspected(&mut self, call: Call, token: TokenId, active: bool) {
        if active {
            return self.send(call, token);
        }
        self.clients[call.client].cache.is_inactive(token);
        self.serve(call);
    }

    /// The call goes out with a token.
    fn send(&mut self, call: Call, token: TokenId) {
        if let Some(checker) = &self.clients[call.client].checker {
            checker.serves(token, self.now);
        }
        if self.salesforce.call(token, self.now, &mut self.rng) {
            return self.finish(call);
        }
        self.push(self.now + REJECTION_TAKES, Event::Rejected { call, token });
    }

    fn rejected(&mut self, mut call: Call, token: TokenId) {
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

    fn end_without_login(&mut self, call: Call) {
        self.tally.no_login += 1;
        self.finish(call);
    }

    fn finish(&mut self, call: Call) {
        self.clients[call.client].open -= 1;
        self.tally.waited(self.now - call.arrived);
    }

    fn depart(&mut self, client: usize, waiter: Option<Call>) {
        let flight = Flight {
            client,
            progress: Progress {
                begun: self.now,
                started: self.now,
                attempts: 0,
            },
            waiters: waiter.into_iter().collect(),
        };
        let place = if let Some(place) = self.after_login.pop() {
            self.flights[place] = flight;
            place
        } else {
            self.flights.push(flight);
            self.flights.len() - 1
        };
        let client = &mut self.clients[client];
        client.cache.departs();
        if let Some(checker) = &mut client.checker {
            checker.departs(self.now);
        }
        if client.cache.shares() {
            client.flight = Some(place);
        }
        self.attempt(place);
    }

    fn attempt(&mut self, place: usize) {
        let flight = &mut self.flights[place];
        flight.progress.started = self.now;
        let cache = &mut self.clients[flight.client].cache;
        let limit = match cache.may_attempt(&flight.progress, self.now, &mut self.rng) {
            Ok(limit) => limit,
            Err(token) => return self.land(place, None, token),
        };
        flight.progress.attempts += 1;
        let (answer, took) = self.salesforce.login(self.now, &mut self.rng);
        self.tally.round_trips += 1;
        self.tally.logins += u64::from(matches!(answer, Answer::Granted(_)));
        let (answer, took) = if took > limit {
            (Answer::TimedOut, limit)
        } else {
            (answer, took)
        };
        self.push(
            self.now + took,
            Event::Answer {
                flight: place,
                answer,
            },
        );
    }

    fn answered(&mut self, place: usize, answer: Answer) {
        let flight = &mut self.flights[place];
        let cache = &mut self.clients[flight.client].cache;
        match cache.answered(&flight.progress, answer, self.now, &mut self.rng) {
            Step::Again(pause) => self.push(self.now + pause, Event::Resume { flight: place }),
            Step::Afresh => {
                flight.progress = Progress {
                    begun: self.now,
                    started: self.now,
                    attempts: 0,
                };
                cache.departs();
                self.attempt(place);
            }
            Step::AfterLogin(token) => self.land(place, Some(answer), token),
        }
    }

    fn land(&mut self, place: usize, answer: Option<Answer>, token: Option<TokenId>) {
        let flight = &mut self.flights[place];
        let waiters = std::mem::take(&mut flight.waiters);
        let client = &mut self.clients[flight.client];
        if client.flight == Some(place) {
            client.flight = None;
        }
        if let Some(checker) = &mut client.checker {
            checker.lands(answer, self.now);
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
        let busy = self.clients[client].open > 0 || self.clients[client].flight.is_some();
        if busy {
            return self.push(self.now + MINUTE, Event::Restart { client });
        }
        let (cache, checker) = self.fresh();
        self.clients[client].cache = cache;
        self.clients[client].checker = checker;
        let next = self.now + self.rng.until(RESTARTS_EVERY);
        self.push(next, Event::Restart { client });
    }
}
