//! A Salesforce org on loopback.
//!
//! The emulator answers, over real TLS on ephemeral loopback ports, the way
//! Salesforce answers the OAuth 2.0 client-credentials grant and the few APIs
//! that a client needs to find out that a token is alive or dead. It keeps its
//! own clock, which tests can move, and takes orders through a control API.
//!
//! ```
//! use forcegrant_emulator::{Config, Emulator};
//!
//! let emulator = Emulator::start(Config::default())?;
//! let org = emulator.default_org();
//! assert_eq!(org.my_domain, "acme.my.salesforce.com");
//! assert_eq!(emulator.counters().token_requests, 0);
//! # Ok::<(), forcegrant_emulator::StartError>(())
//! ```
//!
//! It is a test instrument: every credential in it is made up, its log keeps
//! what clients sent in clear text, and it trusts whoever reaches its ports.
#![forbid(unsafe_code)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod answer;
mod body;
mod bulk;
mod clock;
mod config;
mod control;
mod counters;
mod data_api;
mod default_config;
mod default_org;
mod echo;
mod emulator;
mod fault_kind;
mod faults;
mod hosts;
mod ids;
mod inspect;
mod jwt;
mod listen;
mod log;
mod oauth;
mod operations;
mod proxy;
mod refusal;
mod request;
mod route;
mod serve;
mod sessions;
mod shared;
mod soap;
mod state;
mod tls;
mod token_endpoint;

pub use config::{
    App, AppKey, AppRefusal, Config, ConfigError, FlowDisabledAnswer, Introspection, Org,
    OrgStatus, Signature, TokenFormat, User, UserKind,
};
pub use control::ControlError;
pub use counters::Counters;
pub use default_org::DefaultOrg;
pub use echo::{EchoEncoding, EchoPlace};
pub use emulator::{Emulator, Listen, StartError};
pub use fault_kind::FaultKind;
pub use faults::Fault;
pub use inspect::{LiveSession, LoggedRequest};
pub use request::Endpoint;
