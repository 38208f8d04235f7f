//! How the checks read an input, and the world in which they run.

use crate::strict_url::Trusted;
use forcegrant_proto::host::TrustPolicy;
use forcegrant_proto::moment::Moment;

/// The time at which all checks run: in milliseconds since 1970.
pub(crate) const NOW: Moment = Moment {
    wall: 1_800_000_000_000,
    boot: 1_000_000_000,
};

/// The hosts that the checks trust.
pub(crate) const TRUSTED: &str = "gateway.example,.trusted.example+http";

pub(crate) fn trust() -> TrustPolicy {
    let trusted = Trusted::read(TRUSTED);
    TrustPolicy::new(trusted.hosts, trusted.http_loopback).expect("hosts")
}

/// The fields of an input: a line for each but the last, which is all that is left. An input that is too
/// short has empty fields.
pub(crate) fn fields<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut fields = [&data[..0]; N];
    let mut parts = data.splitn(N, |byte| *byte == b'\n');
    fields.fill_with(|| parts.next().unwrap_or_default());
    fields
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
