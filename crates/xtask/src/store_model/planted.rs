//! What the checker has to find, and the runs without it.

use std::collections::BTreeSet;

use stateright::{Checker, Model};

use super::{Faults, Protocol};

/// A mistake in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planted {
    GrantsToAll,
    FencesStartAnew,
    PutTakesAll,
    /// As a store does that forgets its leases.
    PutLooksAtTheEntryOnly,
    EndsAnyLease,
    LeaseNeverEnds,
    NoPatience,
    TakesAnyToken,
    /// Who lost the lease and was granted it anew goes on with the new fence.
    TakesItsNextFence,
}

const NO_FAULTS: Faults = Faults {
    crashes: 0,
    stops: 0,
    losses: 0,
    failed_logins: 0,
    rejections: 0,
    forgets: 0,
};

/// Anyone may be slower than time: stand still past the lease, and go on.
fn slow(processes: usize, faults: Faults) -> Protocol {
    Protocol {
        processes,
        ticks: 3,
        faults,
        prompt: false,
        planted: &[],
    }
}

/// Time goes on only when nobody has anything to do: whoever wants a token gets it in the end.
fn prompt(processes: usize, faults: Faults) -> Protocol {
    Protocol {
        ticks: 5,
        prompt: true,
        ..slow(processes, faults)
    }
}

/// The names of the properties that do not hold.
fn violated(protocol: Protocol) -> (BTreeSet<&'static str>, usize) {
    let checker = protocol.checker().threads(2).spawn_bfs().join();
    let found = checker.discoveries().into_keys();
    let properties = checker.model().properties();
    let wrong = |name: &&'static str| {
        let property = properties.iter().find(|property| property.name == *name);
        property.is_some_and(|property| property.expectation != stateright::Expectation::Sometimes)
    };
    (found.filter(wrong).collect(), checker.unique_state_count())
}

fn holds(what: &str, protocol: Protocol) {
    let checker = protocol.checker().threads(2).spawn_bfs().join();
    println!("{what}: {} states", checker.unique_state_count());
    checker.assert_properties();
}

#[test]
fn one_login_serves_all_who_are_well() {
    holds("prompt", prompt(3, NO_FAULTS));
}

#[test]
fn slow_processes_that_crash_and_lose_replies() {
    let crash = Faults {
        crashes: 1,
        losses: 1,
        ..NO_FAULTS
    };
    let two = |faults| Protocol {
        ticks: 2,
        ..slow(2, faults)
    };
    holds("two that crash", two(crash));
    let fail = Faults {
        failed_logins: 1,
        rejections: 1,
        ..NO_FAULTS
    };
    holds("two that fail", two(fail));
    let three = Protocol {
        ticks: 1,
        ..slow(3, NO_FAULTS)
    };
    holds("three", three);
}

/// A store that forgets all, as a Redis after a failover: an older token may take an empty place, but no fence
/// comes twice, and no client goes back.
#[test]
fn a_store_that_forgets() {
    let faults = Faults {
        forgets: 1,
        rejections: 1,
        ..NO_FAULTS
    };
    let two = Protocol {
        ticks: 2,
        ..slow(2, faults)
    };
    holds("forgets", two);
}

#[test]
fn everyone_gets_a_token_in_the_end() {
    let crash = Faults {
        crashes: 1,
        losses: 1,
        stops: 1,
        ..NO_FAULTS
    };
    holds("two that crash", prompt(2, crash));
    let fail = Faults {
        failed_logins: 1,
        rejections: 1,
        stops: 1,
        ..NO_FAULTS
    };
    holds("two that fail", prompt(2, fail));
    let crash = Faults {
        crashes: 1,
        stops: 1,
        ..NO_FAULTS
    };
    holds("three", prompt(3, crash));
}

#[test]
fn every_planted_mistake_is_found() {
    use Planted::*;
    let rejected = Faults {
        rejections: 1,
        ..NO_FAULTS
    };
    let crash = Faults {
        crashes: 1,
        ..NO_FAULTS
    };
    let cases: [(&'static [Planted], Protocol, &str); 9] = [
        (
            &[GrantsToAll],
            slow(2, NO_FAULTS),
            "a lease stays for its time with whom it was granted to",
        ),
        (
            &[FencesStartAnew],
            slow(2, crash),
            "no two owners have one fence",
        ),
        (
            &[PutTakesAll],
            slow(2, NO_FAULTS),
            "no older token is published over a newer one",
        ),
        (
            &[PutLooksAtTheEntryOnly],
            slow(2, NO_FAULTS),
            "no older token is published over a newer one",
        ),
        (
            &[TakesItsNextFence],
            slow(2, NO_FAULTS),
            "no older token is published over a newer one",
        ),
        (
            &[EndsAnyLease],
            Protocol {
                ticks: 2,
                ..slow(3, NO_FAULTS)
            },
            "a lease stays for its time with whom it was granted to",
        ),
        (
            &[LeaseNeverEnds],
            prompt(2, crash),
            "somebody's login is shared",
        ),
        (
            &[LeaseNeverEnds, NoPatience],
            prompt(2, crash),
            "everyone gets a token",
        ),
        (
            &[TakesAnyToken],
            slow(2, rejected),
            "no client goes back to an older token",
        ),
    ];
    for (planted, protocol, property) in cases {
        let (found, states) = violated(Protocol {
            planted,
            ..protocol
        });
        println!("{planted:?}: {states} states");
        assert!(found.contains(property), "{planted:?}: {found:?}");
    }
}
