//! Executes one scenario.

mod askers;
mod calls;
mod events;
mod outcomes;
mod pools;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use forcegrant::{Environment, TestClock};
use forcegrant_emulator::Emulator;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use self::events::Heard;
use self::pools::Kept;
use crate::Stage;
use crate::driver::{Driver, Finish};
use crate::expect::{self, Checked, Saved};
use crate::options;
use crate::placeholders::Placeholders;
use crate::pool::Pool;
use crate::scenario::{CallRequest, Listed, Options, Scenario, Setup, Step};

const MAIN: &str = "main";

/// Numbers the runs of this process.
static RUNS: AtomicU32 = AtomicU32::new(0);

pub(crate) fn run<D: Driver>(stage: &Stage, scenario: &Scenario) -> Checked {
    let emulator = &stage.emulator;
    control(emulator, json!({ "op": "reset" }))?;
    let mut world = World::<D> {
        stage,
        placeholders: Placeholders::of(stage),
        hosts: Vec::new(),
        clock: None,
        environment: Environment::process(),
        clients: BTreeMap::new(),
        pools: BTreeMap::new(),
        started: BTreeMap::new(),
        heard: BTreeMap::new(),
        listens: scenario.steps.iter().any(|step| step["do"] == "events"),
        saved: Saved::new(),
    };
    world.hosts = scenario
        .hosts
        .iter()
        .map(|host| world.placeholders.text(host))
        .collect::<Result<_, _>>()?;
    // Clients that reach their org in another way share nothing: those of an earlier run may still
    // live, as long as the worker thread holds them.
    let number = RUNS.fetch_add(1, Ordering::Relaxed);
    world.hosts.push(format!("run-{number}.example.com"));
    world.set_up(
        world
            .filled::<Option<Setup>>(&scenario.emulator)?
            .unwrap_or_default(),
    )?;
    if scenario.clock.is_some() {
        world.clock = Some(TestClock::new(emulator_now(emulator)?));
    }
    if let Some(variables) = &scenario.environment {
        let variables = world.filled::<BTreeMap<String, String>>(variables)?;
        world.environment = Environment::of(variables);
    }
    let options = world
        .filled::<Option<Options>>(&scenario.client)?
        .unwrap_or_default();
    let build_error = scenario
        .build_error
        .as_ref()
        .map(|error| world.filled::<Listed>(error))
        .transpose()?;
    world
        .new_client(MAIN, options, build_error.as_ref())
        .map_err(|problem| format!("client: {problem}"))?;
    for (number, step) in scenario.steps.iter().enumerate() {
        world
            .step(step)
            .map_err(|problem| format!("step {}: {problem}", number + 1))?;
    }
    for (client, _) in world.clients.values() {
        D::settle(client);
    }
    for kept in world.pools.values() {
        kept.pool.settle();
    }
    let counters = control(emulator, json!({ "op": "counters" }))?;
    if build_error.is_some() && counters["token_requests"] != 0 {
        return Err("a request was sent before the client was built".to_owned());
    }
    expect::subset(
        "counters",
        &counters,
        &Value::Object(scenario.counters.clone()),
    )
}

struct World<'a, D: Driver> {
    stage: &'a Stage,
    placeholders: Placeholders,
    hosts: Vec<String>,
    clock: Option<TestClock>,
    environment: Environment,
    /// By name, each with the secrets it was given.
    clients: BTreeMap<String, (D::Client, Vec<String>)>,
    pools: BTreeMap<String, Kept<D::Pool>>,
    /// Callers who have begun to ask, by name, each with the secrets of whom they ask.
    started: BTreeMap<String, (Finish, Vec<String>)>,
    /// What clients and pools have told, where the scenario asks for it.
    heard: BTreeMap<String, Heard>,
    listens: bool,
    saved: Saved,
}

impl<D: Driver> World<'_, D> {
    fn set_up(&self, setup: Setup) -> Checked {
        let parts = [("org", setup.org), ("app", setup.app), ("user", setup.user)];
        let mut configure = Map::new();
        for (name, part) in parts {
            if let Some(part) = part {
                configure.insert(name.to_owned(), part);
            }
        }
        if !configure.is_empty() {
            configure.insert("op".to_owned(), json!("configure"));
            control(&self.stage.emulator, Value::Object(configure))?;
        }
        for mut fault in setup.faults {
            fault.insert("op".to_owned(), json!("fault"));
            control(&self.stage.emulator, Value::Object(fault))?;
        }
        Ok(())
    }

    fn new_client(
        &mut self,
        name: &str,
        options: Options,
        build_error: Option<&Listed>,
    ) -> Checked {
        let first = options.client_secret.as_ref();
        let next = options.next_credentials.as_ref();
        let secrets: Vec<_> = [first.unwrap_or(&self.stage.org.client_secret)]
            .into_iter()
            .chain(next.map(|pair| &pair.client_secret))
            .cloned()
            .collect();
        let built = match options::builder(&options, &self.environment, self.stage) {
            Err(error) => Err(error),
            Ok(builder) => {
                let (hosts, clock) = (&self.hosts, self.clock.as_ref());
                let mut builder = options::apply(builder, options, hosts, clock, self.stage)?;
                if self.listens {
                    let heard = self.heard.entry(name.to_owned()).or_default().clone();
                    builder = builder.on_event(move |event| heard.hear("", event));
                }
                D::build(builder)
            }
        };
        match (built, build_error) {
            (Ok(client), None) => {
                self.clients.insert(name.to_owned(), (client, secrets));
                Ok(())
            }
            (Ok(_), Some(_)) => Err("it was built, and should not have been".to_owned()),
            (Err(error), Some(expected)) => expect::error(&error, expected, &self.saved, &secrets),
            (Err(error), None) => Err(error.to_string()),
        }
    }

    fn step(&mut self, step: &Value) -> Checked {
        match self.filled::<Step>(step)? {
            Step::Token {
                with,
                key,
                save,
                expect,
                ..
            } => {
                let (asker, secrets) = self.asker(with.as_deref(), key)?;
                self.outcome(D::token(&asker), expect.as_ref(), &secrets, save)
            }
            Step::Cached {
                with,
                key,
                save,
                expect,
                ..
            } => self.cached(with.as_deref(), key, save, &expect),
            Step::Herd {
                with,
                key,
                callers,
                release_after_arrival,
                save,
                expect,
                ..
            } => {
                let (asker, secrets) = self.asker(with.as_deref(), key)?;
                let outcomes = self.herd(&asker, callers, release_after_arrival)?;
                self.herd_outcomes(outcomes, expect.as_ref(), &secrets, save)
            }
            Step::Start {
                with,
                key,
                name,
                callers,
                until_arrival,
                ..
            } => {
                let (asker, secrets) = self.asker(with.as_deref(), key)?;
                let finish = D::start(&asker, callers.unwrap_or(1), &self.stage.web);
                self.started.insert(name, (finish, secrets));
                until_arrival.map_or(Ok(()), |count| self.arrived("token", count))
            }
            Step::Finish {
                of, save, expect, ..
            } => {
                let started = self.started.remove(&of);
                let (finish, secrets) = started.ok_or_else(|| format!("{of} was not started"))?;
                self.herd_outcomes(finish(), expect.as_ref(), &secrets, save)
            }
            Step::Invalidate {
                with,
                key,
                token,
                times,
                expect,
                ..
            } => {
                let (asker, _) = self.asker(with.as_deref(), key)?;
                self.invalidate(&asker, &token, times.unwrap_or(1), expect.evicted)
            }
            Step::Verify {
                with, save, expect, ..
            } => {
                let (client, secrets) = self.client(with.as_deref())?;
                self.verify(D::verify(client), expect.as_ref(), &secrets, save)
            }
            Step::Call {
                with,
                method,
                path,
                url,
                body,
                headers,
                callers,
                release_after_arrival,
                expect,
                ..
            } => {
                let request = CallRequest {
                    method,
                    path,
                    url,
                    body,
                    headers,
                };
                let callers = callers.unwrap_or(1);
                self.call(
                    with.as_deref(),
                    &request,
                    callers,
                    release_after_arrival,
                    expect.as_ref(),
                )
            }
            Step::Limits { with, expect, .. } => self.limits(with.as_deref(), &expect),
            other => self.act(other),
        }
    }

    /// The steps that ask for no token.
    fn act(&mut self, step: Step) -> Checked {
        match step {
            Step::Reset { with, .. } => {
                D::reset(self.client(with.as_deref())?.0);
                Ok(())
            }
            Step::Settle { with, .. } => self.settle(with.as_deref()),
            Step::Events { with, expect, .. } => self.events(with.as_deref(), &expect),
            Step::Status {
                with, key, expect, ..
            } => self.status(with.as_deref(), key, expect.as_ref()),
            Step::NewClient {
                name,
                client,
                build_error,
                ..
            } => self.new_client(&name, *client, build_error.as_ref()),
            Step::Advance { seconds, .. } => self.advance(seconds),
            Step::Control {
                request, expect, ..
            } => {
                let answer = control(&self.stage.emulator, request)?;
                expect.map_or(Ok(()), |wanted| expect::subset("answer", &answer, &wanted))
            }
            Step::Requests {
                endpoint,
                count,
                count_at_least,
                count_at_most,
                expect,
                ..
            } => {
                let log = self.log(&endpoint)?;
                let wrong = count.is_some_and(|count| log.len() != count)
                    || count_at_least.is_some_and(|least| log.len() < least)
                    || count_at_most.is_some_and(|most| log.len() > most);
                if wrong {
                    return Err(format!("the emulator saw {} requests", log.len()));
                }
                expect.map_or(Ok(()), |expected| requests(&log, &expected))
            }
            Step::Environment { variables, .. } => {
                self.environment = Environment::of(variables);
                Ok(())
            }
            Step::SetCredentials(step) => self.set_credentials(*step),
            Step::DropRetired { with, expect, .. } => {
                if D::invalidate_if_rotated(self.client(with.as_deref())?.0) == expect.dropped {
                    Ok(())
                } else {
                    Err(format!("`dropped` is not {}", expect.dropped))
                }
            }
            Step::Token { .. }
            | Step::Cached { .. }
            | Step::Herd { .. }
            | Step::Invalidate { .. }
            | Step::Verify { .. }
            | Step::Call { .. }
            | Step::Start { .. }
            | Step::Finish { .. }
            | Step::Limits { .. } => unreachable!("`step` has done these"),
            other => self.pools(other),
        }
    }

    /// Waits until nothing is in flight in the client or the pool of that name.
    fn settle(&self, with: Option<&str>) -> Checked {
        match with.and_then(|name| self.pools.get(name)) {
            Some(kept) => kept.pool.settle(),
            None => D::settle(self.client(with)?.0),
        }
        Ok(())
    }

    fn advance(&self, seconds: f64) -> Checked {
        let clock = self
            .clock
            .as_ref()
            .ok_or("only a test clock can be advanced")?;
        control(
            &self.stage.emulator,
            json!({ "op": "advance", "seconds": seconds }),
        )?;
        clock.advance(options::seconds(seconds)?);
        Ok(())
    }

    fn client(&self, with: Option<&str>) -> Result<(&D::Client, Vec<String>), String> {
        let name = with.unwrap_or(MAIN);
        let (client, secrets) = self
            .clients
            .get(name)
            .ok_or_else(|| format!("there is no client {name}"))?;
        Ok((client, secrets.clone()))
    }

    fn log(&self, endpoint: &str) -> Result<Vec<Value>, String> {
        let answer = control(
            &self.stage.emulator,
            json!({ "op": "requests", "endpoint": endpoint }),
        )?;
        answer["requests"]
            .as_array()
            .cloned()
            .ok_or_else(|| "the answer holds no log".to_owned())
    }

    fn now(&self) -> SystemTime {
        self.clock
            .as_ref()
            .map_or_else(SystemTime::now, TestClock::now)
    }

    fn filled<T: DeserializeOwned>(&self, value: &Value) -> Result<T, String> {
        T::deserialize(self.placeholders.fill(value)?).map_err(|error| error.to_string())
    }
}

fn requests(log: &[Value], expected: &[Listed]) -> Checked {
    if log.len() != expected.len() {
        return Err(format!(
            "the emulator saw {} requests, not {}",
            log.len(),
            expected.len()
        ));
    }
    log.iter()
        .zip(expected)
        .enumerate()
        .try_for_each(|(n, (logged, expected))| {
            expect::request(logged, expected)
                .map_err(|problem| format!("request {}: {problem}", n + 1))
        })
}

fn control(emulator: &Emulator, request: Value) -> Result<Value, String> {
    let op = request["op"].to_string();
    emulator
        .control(request)
        .map_err(|error| format!("control {op}: {error}"))
}

fn emulator_now(emulator: &Emulator) -> Result<SystemTime, String> {
    let answer = control(emulator, json!({ "op": "now" }))?;
    let ms = answer["now_ms"]
        .as_u64()
        .ok_or("the answer holds no time")?;
    Ok(SystemTime::UNIX_EPOCH + Duration::from_millis(ms))
}
