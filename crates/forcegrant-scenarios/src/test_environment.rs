//! What all scenarios of a runner share.

use forcegrant_emulator::{Config, Emulator, OrgDetails};

use crate::calls::CallContext;

/// The emulator, and its default org as it was at the start: scenarios change it.
pub(crate) struct TestEnvironment {
    pub(crate) emulator: Emulator,
    pub(crate) org: OrgDetails,
    /// The second one.
    pub(crate) sandbox: OrgDetails,
    pub(crate) web: CallContext,
}

impl TestEnvironment {
    pub(crate) fn start() -> Self {
        let emulator = Emulator::start(Config::default()).expect("the emulator starts");
        Self {
            org: emulator.default_org(),
            sandbox: emulator.orgs().swap_remove(1),
            web: CallContext::of(&emulator),
            emulator,
        }
    }
}
