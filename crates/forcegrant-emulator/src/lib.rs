//! A Salesforce org on loopback.
//!
//! Over real TLS on ephemeral loopback ports, the emulator responds as Salesforce does to the OAuth 2.0
//! client-credentials grant and to the few APIs that show whether a token is alive. It has a clock of its
//! own, which tests can move, and a control API.
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
//! It is for tests only: every credential in it is made up, its log keeps in clear text what clients sent,
//! and it trusts everyone who can reach its ports.
#![forbid(unsafe_code)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod body;
mod bulk;
mod clock;
mod config;
mod connection;
mod control;
mod counters;
mod data_api;
mod default_config;
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
mod org_details;
mod proxy;
mod refusal;
mod request;
mod response;
mod route;
mod serve;
mod sessions;
mod shared;
mod shared_stream;
mod soap;
mod state;
mod tls;
mod token_endpoint;

pub use config::{
    AccessTokenFormat, AppConfig, AppKey, AppRefusal, Config, ConfigError, FlowDisabledRefusal,
    Introspection, OrgConfig, OrgStatus, Signature, UserConfig, UserKind,
};
pub use counters::Counters;
pub use echo::{EchoEncoding, EchoPlace};
pub use emulator::{Emulator, Listen, StartError};
pub use fault_kind::FaultKind;
pub use faults::Fault;
pub use inspect::{LiveSession, LoggedRequest};
pub use operations::ControlError;
pub use org_details::OrgDetails;
pub use request::Endpoint;
