//! Executes one scenario.

mod calls;
mod connections;
mod events;
mod outcomes;
mod pools;
mod recorded_events;
mod scenario_run;
mod temporary_folder;
mod test_pool;
mod token_sources;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use forcegrant::{Environment, TestClock};
use forcegrant_emulator::Emulator;
use serde_json::{Map, Value, json};

use self::pools::check_done;
use self::scenario_run::{MAIN_CLIENT, ScenarioRun, control};
use self::temporary_folder::TemporaryFolder;
use crate::driver::ClientDriver;
use crate::expect::{self, CheckResult, SavedTokens};
use crate::options;
use crate::placeholders::Placeholders;
use crate::pool::PoolDriver;
use crate::scenario::{
    CallRequest, ClientOptions, EmulatorSetup, Expectations, Scenario, ScenarioStep,
};
use crate::test_environment::TestEnvironment;

/// Numbers the runs of this process.
static RUNS: AtomicU32 = AtomicU32::new(0);

pub(crate) fn run<D: ClientDriver>(env: &TestEnvironment, scenario: &Scenario) -> CheckResult {
    let emulator = &env.emulator;
    control(emulator, json!({ "op": "reset" }))?;
    let mut run = ScenarioRun::<D> {
        env,
        placeholders: Placeholders::of(env),
        hosts: Vec::new(),
        clock: None,
        environment: Environment::process(),
        folder: TemporaryFolder::new(),
        connection_secrets: Vec::new(),
        clients: BTreeMap::new(),
        pools: BTreeMap::new(),
        started: BTreeMap::new(),
        recorded: BTreeMap::new(),
        listens: scenario.steps.iter().any(|step| step["do"] == "events"),
        saved: SavedTokens::new(),
    };
    let folder = run.folder.path().to_string_lossy().into_owned();
    run.placeholders.set("connections", &folder);
    run.hosts = scenario
        .hosts
        .iter()
        .map(|host| run.placeholders.text(host))
        .collect::<Result<_, _>>()?;
    // Clients of an earlier run may still live while the worker thread holds them. Clients with other options for the
    // network share nothing with them.
    let number = RUNS.fetch_add(1, Ordering::Relaxed);
    run.hosts.push(format!("run-{number}.example.com"));
    run.set_up(
        run.filled::<Option<EmulatorSetup>>(&scenario.emulator)?
            .unwrap_or_default(),
    )?;
    if scenario.clock.is_some() {
        run.clock = Some(TestClock::new(emulator_now(emulator)?));
    }
    if let Some(variables) = &scenario.environment {
        let variables = run.filled::<BTreeMap<String, String>>(variables)?;
        run.environment = Environment::of(variables);
    }
    let options = run
        .filled::<Option<ClientOptions>>(&scenario.client)?
        .unwrap_or_default();
    let build_error = scenario
        .build_error
        .as_ref()
        .map(|error| run.filled::<Expectations>(error))
        .transpose()?;
    run.new_client(MAIN_CLIENT, options, build_error.as_ref())
        .map_err(|problem| format!("client: {problem}"))?;
    for (number, step) in scenario.steps.iter().enumerate() {
        run.execute(step)
            .map_err(|problem| format!("step {}: {problem}", number + 1))?;
    }
    for (client, _) in run.clients.values() {
        D::settle(client);
    }
    for pool in run.pools.values() {
        pool.handle.settle();
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

impl<D: ClientDriver> ScenarioRun<'_, D> {
    fn set_up(&self, setup: EmulatorSetup) -> CheckResult {
        let parts = [("org", setup.org), ("app", setup.app), ("user", setup.user)];
        let mut configure = Map::new();
        for (name, part) in parts {
            if let Some(part) = part {
                configure.insert(name.to_owned(), part);
            }
        }
        if !configure.is_empty() {
            configure.insert("op".to_owned(), json!("configure"));
            control(&self.env.emulator, Value::Object(configure))?;
        }
        for mut fault in setup.faults {
            fault.insert("op".to_owned(), json!("fault"));
            control(&self.env.emulator, Value::Object(fault))?;
        }
        Ok(())
    }

    fn new_client(
        &mut self,
        name: &str,
        options: ClientOptions,
        build_error: Option<&Expectations>,
    ) -> CheckResult {
        let first = options.client_secret.as_ref();
        let next = options.next_credentials.as_ref();
        let secrets: Vec<_> = [first.unwrap_or(&self.env.org.client_secret)]
            .into_iter()
            .chain(next.map(|pair| &pair.client_secret))
            .cloned()
            .collect();
        let builder = match &options.from_connection {
            Some(id) => self.connections()?.client_builder(id),
            None => options::builder(&options, &self.environment, self.env),
        };
        let built = match builder {
            Err(error) => Err(error),
            Ok(builder) => {
                let (hosts, clock) = (&self.hosts, self.clock.as_ref());
                let mut builder = options::apply(builder, options, hosts, clock, self.env)?;
                if self.listens {
                    let recorded = self.recorded.entry(name.to_owned()).or_default().clone();
                    builder = builder.on_event(move |event| recorded.record("", event));
                }
                D::build(builder)
            }
        };
        match (built, build_error) {
            (Ok(client), None) => {
                self.clients.insert(name.to_owned(), (client, secrets));
                Ok(())
            }
            (Ok(_), Some(_)) => Err("the client was built, but an error was expected".to_owned()),
            (Err(error), Some(expected)) => expect::error(&error, expected, &self.saved, &secrets),
            (Err(error), None) => Err(error.to_string()),
        }
    }

    fn execute(&mut self, step: &Value) -> CheckResult {
        match self.filled::<ScenarioStep>(step)? {
            ScenarioStep::Token {
                with,
                key,
                save,
                expect,
                ..
            } => {
                let (source, secrets) = self.source(with.as_deref(), key)?;
                self.outcome(D::token(&source), expect.as_ref(), &secrets, save)
            }
            ScenarioStep::Cached {
                with,
                key,
                save,
                expect,
                ..
            } => self.cached(with.as_deref(), key, save, &expect),
            ScenarioStep::Herd {
                with,
                key,
                callers,
                release_after_arrival,
                save,
                expect,
                ..
            } => {
                let (source, secrets) = self.source(with.as_deref(), key)?;
                let outcomes = self.herd(&source, callers, release_after_arrival)?;
                self.herd_outcomes(outcomes, expect.as_ref(), &secrets, save)
            }
            ScenarioStep::Start {
                with,
                key,
                name,
                callers,
                until_arrival,
                ..
            } => {
                let (source, secrets) = self.source(with.as_deref(), key)?;
                let finish = D::start(&source, callers.unwrap_or(1), &self.env.web);
                self.started.insert(name, (finish, secrets));
                until_arrival.map_or(Ok(()), |count| self.arrived("token", count))
            }
            ScenarioStep::Finish {
                of, save, expect, ..
            } => {
                let started = self.started.remove(&of);
                let (finish, secrets) = started.ok_or_else(|| format!("{of} was not started"))?;
                self.herd_outcomes(finish(), expect.as_ref(), &secrets, save)
            }
            ScenarioStep::Invalidate {
                with,
                key,
                token,
                times,
                expect,
                ..
            } => {
                let (source, _) = self.source(with.as_deref(), key)?;
                self.invalidate(&source, &token, times.unwrap_or(1), expect.evicted)
            }
            ScenarioStep::Verify {
                with, save, expect, ..
            } => {
                let (client, secrets) = self.client(with.as_deref())?;
                self.verify(D::verify(client), expect.as_ref(), &secrets, save)
            }
            ScenarioStep::Call {
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
            ScenarioStep::Limits { with, expect, .. } => self.limits(with.as_deref(), &expect),
            other => self.act(other),
        }
    }

    /// The steps that need no token.
    fn act(&mut self, step: ScenarioStep) -> CheckResult {
        match step {
            ScenarioStep::Reset { with, .. } => {
                D::reset(self.client(with.as_deref())?.0);
                Ok(())
            }
            ScenarioStep::Settle { with, .. } => self.settle(with.as_deref()),
            ScenarioStep::Events { with, expect, .. } => self.events(with.as_deref(), &expect),
            ScenarioStep::Status {
                with, key, expect, ..
            } => self.status(with.as_deref(), key, expect.as_ref()),
            ScenarioStep::NewClient {
                name,
                client,
                build_error,
                ..
            } => self.new_client(&name, *client, build_error.as_ref()),
            ScenarioStep::Advance { seconds, .. } => self.advance(seconds),
            ScenarioStep::Control {
                request, expect, ..
            } => {
                let response = control(&self.env.emulator, request)?;
                expect.map_or(Ok(()), |wanted| {
                    expect::subset("response", &response, &wanted)
                })
            }
            ScenarioStep::Requests {
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
            ScenarioStep::Environment { variables, .. } => {
                self.environment = Environment::of(variables);
                Ok(())
            }
            ScenarioStep::SetCredentials(step) => self.set_credentials(*step),
            ScenarioStep::InvalidateIfRotated { with, expect, .. } => {
                if D::invalidate_if_rotated(self.client(with.as_deref())?.0) == expect.dropped {
                    Ok(())
                } else {
                    Err(format!("`dropped` is not {}", expect.dropped))
                }
            }
            ScenarioStep::Token { .. }
            | ScenarioStep::Cached { .. }
            | ScenarioStep::Herd { .. }
            | ScenarioStep::Invalidate { .. }
            | ScenarioStep::Verify { .. }
            | ScenarioStep::Call { .. }
            | ScenarioStep::Start { .. }
            | ScenarioStep::Finish { .. }
            | ScenarioStep::Limits { .. } => unreachable!("`execute` has done these"),
            ScenarioStep::Authorize(step) => self.authorize(*step),
            ScenarioStep::VerifyConnection { id, expect, .. } => {
                self.verify_connection(&id, expect.as_ref())
            }
            ScenarioStep::GetConnection { id, expect, .. } => {
                let found = self.connections()?.get(&id);
                self.connection(found, expect.as_ref())
            }
            ScenarioStep::RemoveConnection { id, expect, .. } => {
                let removed = self.connections()?.remove(&id);
                check_done(removed, expect.as_ref(), &self.saved, &[])
            }
            other => self.pools(other),
        }
    }

    /// Waits until nothing is in flight in the client or the pool of that name.
    fn settle(&self, with: Option<&str>) -> CheckResult {
        match with.and_then(|name| self.pools.get(name)) {
            Some(pool) => pool.handle.settle(),
            None => D::settle(self.client(with)?.0),
        }
        Ok(())
    }

    fn advance(&self, seconds: f64) -> CheckResult {
        let clock = self
            .clock
            .as_ref()
            .ok_or("only a test clock can be advanced")?;
        control(
            &self.env.emulator,
            json!({ "op": "advance", "seconds": seconds }),
        )?;
        clock.advance(options::seconds(seconds)?);
        Ok(())
    }
}

fn requests(log: &[Value], expected: &[Expectations]) -> CheckResult {
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

fn emulator_now(emulator: &Emulator) -> Result<SystemTime, String> {
    let response = control(emulator, json!({ "op": "now" }))?;
    let ms = response["now_ms"]
        .as_u64()
        .ok_or("the response holds no time")?;
    Ok(SystemTime::UNIX_EPOCH + Duration::from_millis(ms))
}
