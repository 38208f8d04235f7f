//! What the emulator has counted since it started or was reset.

use serde::{Deserialize, Serialize};

/// Figures since the start or the last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counters {
    /// Requests at the token endpoint over TLS, with any result.
    pub token_requests: u64,
    /// Tokens issued.
    pub logins: u64,
    /// Token requests refused by the endpoint itself, not by a fault.
    pub refusals: u64,
    /// Requests that met at least one fault.
    pub faults: u64,
    /// Responses 301 and 302 of virtual hosts.
    pub redirects: u64,
    /// Requests at the introspection endpoint.
    pub introspections: u64,
    /// Requests at `userinfo` and at identity URLs.
    pub userinfo: u64,
    /// Requests at the revocation endpoint.
    pub revocations: u64,
    /// Requests at the data APIs.
    pub data_calls: u64,
    /// Data API requests that were refused because of a missing, ended or unsuitable session.
    pub data_rejected: u64,
    /// CONNECT requests at the proxy.
    pub connects: u64,
    /// Completed TLS handshakes.
    pub connections: u64,
    /// TLS handshakes that failed.
    pub handshake_failures: u64,
    /// Sessions alive now.
    pub sessions_live: u64,
}
