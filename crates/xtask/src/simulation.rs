//! The policy of the cache against a simulated Salesforce, beside the policies of other libraries.
//!
//! `docs/simulation.md` shows its table and says what is assumed.
//!
//! No threads, no sockets, no clock: events in the order of their time, one org after the other,
//! since orgs share nothing. The traffic and the accidents of an org are the same for each policy.

mod bars;
mod caches;
mod command;
mod engine;
mod invariants;
mod ours;
mod policies;
mod random;
mod report;
mod run;
mod salesforce;
mod time;
mod traffic;

pub(crate) use self::command::main;
