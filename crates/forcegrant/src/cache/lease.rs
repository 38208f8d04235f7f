//! A token and the time it is good for: made once a mint, looked at by every reader. Pure, but for
//! the view that readers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use crate::cache::learning::Learned;
use crate::cache::policy::{self, Evidence, LifetimeSettings, Windows};
use crate::cache::state::CacheState;
use crate::clock::Moment;
use crate::error::{Code, Error};
use crate::secret::Mark;
use crate::token::{Expiry, Grant, Parts};

/// A token and the time it is good for: one allocation, to which every handle of the token points.
/// The view comes first, beside the reference count, as a reader touches these two and no more.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Lease {
    view: View,
    /// The start of the request that brought the token; all windows count from here.
    pub(crate) started: Moment,
    pub(crate) windows: Windows,
    /// The key pair that it was issued to.
    pub(crate) pair: Mark,
    told: Told,
    pub(crate) parts: Parts,
}

/// What was told about a lease already, so that an event comes once.
#[derive(Debug, Default)]
struct Told {
    aged: AtomicBool,
    lapsed: AtomicBool,
}

/// What a mint brought, and under which circumstances.
#[derive(Debug)]
pub(crate) struct Minted {
    pub(crate) grant: Grant,
    /// The key pair.
    pub(crate) pair: Mark,
    /// The start of the request.
    pub(crate) started: Moment,
    /// The end that introspection told, in seconds since 1970.
    pub(crate) introspected: Option<i64>,
    /// Drawn for this lease, in 0..=1.
    pub(crate) random: f64,
}

/// The span of coarse wall-clock time in which the token may be handed out without looking at
/// both clocks again. At most a second long, so that a stepped or suspended clock is noticed.
///
/// The two halves are written one after the other; a reader that sees a new half beside an old one
/// sees a span that begins or ends where one of two valid spans does, and both ends are valid.
#[derive(Debug, Default)]
struct View {
    from: AtomicI64,
    until: AtomicI64,
}

/// A lease for what a mint brought. `Err`: dead on arrival.
pub(crate) fn lease(
    minted: Minted,
    learned: Learned,
    now: Moment,
    settings: &LifetimeSettings,
) -> Result<Arc<Lease>, Error> {
    let started = minted.started;
    let evidence = Evidence {
        jwt: minted.grant.jwt,
        expires_in: minted.grant.expires_in,
        introspected: minted.introspected,
        learned,
    };
    let lifetime = policy::lifetime(&evidence, settings, started);
    let windows = policy::windows(lifetime, settings, minted.random);
    let expiry = policy::expiry(lifetime, started);
    if now.since(started) >= windows.ends {
        return Err(dead_on_arrival(expiry));
    }
    Ok(Arc::new(Lease {
        view: View::default(),
        started,
        windows,
        pair: minted.pair,
        told: Told::default(),
        parts: Parts::new(minted.grant, expiry),
    }))
}

impl Lease {
    /// The hot path: whether a view that was taken earlier still covers this coarse time.
    #[inline]
    pub(crate) fn in_view(&self, coarse_wall: i64) -> bool {
        self.view.from.load(Ordering::Relaxed) <= coarse_wall
            && coarse_wall < self.view.until.load(Ordering::Relaxed)
    }

    /// Readers may hand the token out while the coarse wall clock is in `from..until`.
    pub(crate) fn show(&self, from: i64, until: i64) {
        self.view.until.store(until, Ordering::Relaxed);
        self.view.from.store(from, Ordering::Relaxed);
    }

    /// No reader may hand it out any more.
    pub(crate) fn hide(&self) {
        self.view.until.store(i64::MIN, Ordering::Relaxed);
    }

    /// Whether the zone is news: each lease ages and lapses once.
    pub(crate) fn is_news(&self, zone: CacheState) -> bool {
        let told = match zone {
            CacheState::Aging => &self.told.aged,
            CacheState::Lapsed => &self.told.lapsed,
            _ => return false,
        };
        !told.swap(true, Ordering::Relaxed)
    }

    /// Whether the end is an estimate that a rejection can better.
    pub(crate) fn is_estimated(&self) -> bool {
        !self.parts.expiry().is_known()
    }

    pub(crate) fn age(&self, now: Moment) -> u64 {
        now.since(self.started)
    }
}

fn dead_on_arrival(expiry: Expiry) -> Error {
    Error::new(
        Code::TokenDeadOnArrival,
        format!(
            "Salesforce issued a token that had already ended when it arrived (by its {})",
            expiry.source().as_str()
        ),
    )
    .with_help("Mostly this machine's clock is wrong: compare it with a time server.\nOtherwise the network is slower than the token's lifetime.")
}
