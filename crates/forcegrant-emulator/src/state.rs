//! Everything the emulator remembers, behind one lock.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::clock::EmulatorClock;
use crate::config::Config;
use crate::counters::Counters;
use crate::faults::{FaultPlan, FaultRules};
use crate::log::RequestLog;
use crate::request::{Endpoint, ListenerKind, ReceivedRequest};
use crate::sessions::Sessions;

const HOUR_MS: u64 = 3_600_000;

pub(crate) struct EmulatorState {
    /// Grows with each reset, so that requests from before it leave no trace.
    pub(crate) generation: u64,
    pub(crate) config: Config,
    pub(crate) clock: EmulatorClock,
    pub(crate) sessions: Sessions,
    pub(crate) counters: Counters,
    pub(crate) log: RequestLog,
    pub(crate) faults: FaultRules,
    arrivals: HashMap<Endpoint, u64>,
    /// When a new key becomes known, by org id and client id.
    propagating: HashMap<(String, String), u64>,
    logins: HashMap<(String, String), VecDeque<u64>>,
}

/// What was decided when a request arrived.
pub(crate) struct Arrival {
    pub(crate) generation: u64,
    pub(crate) n: u64,
    pub(crate) plan: FaultPlan,
}

impl EmulatorState {
    pub(crate) fn new(config: Config, generation: u64) -> Self {
        Self {
            generation,
            config,
            clock: EmulatorClock::start(),
            sessions: Sessions::default(),
            counters: Counters::default(),
            log: RequestLog::default(),
            faults: FaultRules::default(),
            arrivals: HashMap::new(),
            propagating: HashMap::new(),
            logins: HashMap::new(),
        }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    pub(crate) fn advance(&mut self, by: Duration) -> u64 {
        self.clock.advance(by);
        self.now_ms()
    }

    pub(crate) fn arrive(&mut self, request: &ReceivedRequest) -> Arrival {
        let endpoint = request.endpoint();
        let n = self.log.arrived(request, self.clock.now_ms());
        let mut plan = FaultPlan::default();
        // The plain http listener only redirects, so its requests count for no endpoint.
        if request.listener == ListenerKind::Https || endpoint == Endpoint::Connect {
            *self.arrivals.entry(endpoint).or_default() += 1;
            self.count(endpoint);
            plan = self.faults.plan(request);
            self.counters.faults += u64::from(!plan.is_empty());
        }
        Arrival {
            generation: self.generation,
            n,
            plan,
        }
    }

    /// How many requests of this endpoint have arrived since the last reset.
    pub(crate) fn arrivals(&self, endpoint: Endpoint) -> u64 {
        let matching = self
            .arrivals
            .iter()
            .filter(|(actual, _)| endpoint.covers(**actual));
        matching.map(|(_, count)| count).sum()
    }

    pub(crate) fn counters(&self) -> Counters {
        let sessions_live = self.sessions.count_live(self.now_ms());
        Counters {
            sessions_live,
            ..self.counters
        }
    }

    pub(crate) fn key_known_from(&mut self, org_id: &str, client_id: &str, at_ms: u64) {
        self.propagating
            .insert((org_id.to_owned(), client_id.to_owned()), at_ms);
    }

    pub(crate) fn key_is_known(&self, org_id: &str, client_id: &str) -> bool {
        let key = (org_id.to_owned(), client_id.to_owned());
        self.propagating
            .get(&key)
            .is_none_or(|known_from| *known_from <= self.now_ms())
    }

    /// Counts a login, unless the user has had `limit` of them within the hour.
    pub(crate) fn login_allowed(&mut self, org_id: &str, user_id: &str, limit: u32) -> bool {
        let now = self.now_ms();
        let logins = self
            .logins
            .entry((org_id.to_owned(), user_id.to_owned()))
            .or_default();
        while logins.front().is_some_and(|at| at + HOUR_MS <= now) {
            logins.pop_front();
        }
        if logins.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            return false;
        }
        logins.push_back(now);
        true
    }

    fn count(&mut self, endpoint: Endpoint) {
        let counters = &mut self.counters;
        let counter = match endpoint {
            Endpoint::Token => &mut counters.token_requests,
            Endpoint::Introspect => &mut counters.introspections,
            Endpoint::Userinfo => &mut counters.userinfo,
            Endpoint::Revoke => &mut counters.revocations,
            Endpoint::Connect => &mut counters.connects,
            _ if endpoint.is_data() => &mut counters.data_calls,
            _ => return,
        };
        *counter += 1;
    }
}
