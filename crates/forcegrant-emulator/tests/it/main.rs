//! What the emulator promises, seen from outside.

mod binary;
mod control;
mod data;
mod faults;
mod hosts;
mod lifetime;
mod oauth;
mod proxy;
mod refusals;
mod rotation;
mod support;
mod tls;
mod token;
