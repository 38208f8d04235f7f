//! A token and the time for which it is good. A login makes it, and every reader looks at it. Pure, except for the
//! view that readers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::cache::cache_state::CacheState;
use crate::cache::learning::Learned;
use crate::cache::policy::{self, Evidence, LifetimeSettings, Windows};
use crate::error::{Error, ErrorCode};
use crate::expiry::Expiry;
use crate::moment::Moment;
use crate::secret::CredentialsFingerprint;
use crate::token_data::{Grant, TokenData};

/// A token and the time for which it is good: one allocation, to which every [`Token`](crate::token::Token) points.
/// The view comes first, beside the reference count, because a reader touches only these two.
#[derive(Debug)]
#[repr(C)]
pub struct CachedToken {
    view: View,
    /// The start of the request that brought the token; all windows count from here.
    pub started: Moment,
    pub windows: Windows,
    /// The client credentials that it was issued to.
    pub credentials: CredentialsFingerprint,
    /// Whether an event told that a refresh is due, and that the token is served past its estimated end.
    refresh_due_reported: AtomicBool,
    stale_reported: AtomicBool,
    pub parts: TokenData,
}

/// What a login brought, and under which circumstances.
#[derive(Clone, Debug)]
pub struct NewToken {
    pub grant: Grant,
    /// The client credentials.
    pub credentials: CredentialsFingerprint,
    /// The start of the request.
    pub started: Moment,
    /// The end that introspection stated, in seconds since 1970.
    pub introspected: Option<i64>,
    /// Drawn for this token, in 0..=1.
    pub random: f64,
}

/// The span of coarse wall-clock time in which the token may be returned without reading both clocks again. It lasts
/// at most a second, so that a stepped or suspended clock is noticed.
///
/// One word, so that readers see a whole span: its start in milliseconds since 1970, and its length in the lower
/// bits.
#[derive(Debug, Default)]
struct View(AtomicU64);

const LENGTH_BITS: u32 = 16;

/// The view of a token that is no longer current: it covers no time, and no other view replaces it.
const RETIRED: u64 = u64::MAX << LENGTH_BITS;

impl View {
    /// Replaces the view. `false`: the token is retired.
    fn set(&self, from: i64, until: i64) -> bool {
        let length = until.saturating_sub(from);
        let length = length.clamp(0, i64::from(u16::MAX)).unsigned_abs();
        // A clock that stands before 1970 has no view.
        let from = u64::try_from(from).ok();
        let from = from.filter(|from| *from < 1 << (u64::BITS - LENGTH_BITS));
        let word = from.map_or(0, |from| from << LENGTH_BITS | length);
        let replace = |old| (old != RETIRED).then_some(word);
        let order = Ordering::Relaxed;
        self.0.fetch_update(order, order, replace).is_ok()
    }

    fn retire(&self) {
        self.0.store(RETIRED, Ordering::Relaxed);
    }

    #[inline]
    fn covers(&self, coarse_wall: i64) -> bool {
        let word = self.0.load(Ordering::Relaxed);
        let (from, length) = (word >> LENGTH_BITS, word & u64::from(u16::MAX));
        // Before the start this is a large number.
        coarse_wall.cast_unsigned().wrapping_sub(from) < length
    }
}

impl CachedToken {
    /// The token that a login brought. `Err`: it has ended already.
    pub fn new(
        new_token: NewToken,
        learned: Learned,
        now: Moment,
        settings: &LifetimeSettings,
    ) -> Result<Arc<Self>, Error> {
        let started = new_token.started;
        let evidence = Evidence {
            jwt: new_token.grant.jwt,
            expires_in: new_token.grant.expires_in,
            introspected: new_token.introspected,
            learned,
        };
        let lifetime = policy::lifetime(&evidence, settings, started);
        let windows = policy::windows(lifetime, settings, new_token.random);
        let expiry = policy::expiry(lifetime, started);
        if now.since(started) >= windows.ends {
            return Err(dead_on_arrival(expiry));
        }
        Ok(Arc::new(Self {
            view: View::default(),
            started,
            windows,
            credentials: new_token.credentials,
            refresh_due_reported: AtomicBool::new(false),
            stale_reported: AtomicBool::new(false),
            parts: TokenData::new(new_token.grant, expiry),
        }))
    }

    /// The hot path: whether an earlier view still covers this coarse time.
    #[inline]
    pub fn in_view(&self, coarse_wall: i64) -> bool {
        self.view.covers(coarse_wall)
    }

    /// Starts a new view, which needs no lock, if there is nothing to decide: the token is good, no refresh is due,
    /// and no other token has replaced it.
    pub fn renew(&self, now: Moment, coarse_wall: i64, length: u64) -> bool {
        let left = self.windows.refresh_due.saturating_sub(self.age(now));
        left > 0 && self.set_view(now, coarse_wall, length.min(left)).is_some()
    }

    /// Lets readers return the token for `length` milliseconds from now. Returns that span by the wall clock; it is
    /// empty if the token is retired.
    ///
    /// `coarse_wall` is the clock that readers compare with. It may be milliseconds behind `now`: readers would miss
    /// a view that started at `now`, and start another.
    pub fn show(&self, now: Moment, coarse_wall: i64, length: u64) -> (i64, i64) {
        self.set_view(now, coarse_wall, length)
            .unwrap_or((now.wall, now.wall))
    }

    fn set_view(&self, now: Moment, coarse_wall: i64, length: u64) -> Option<(i64, i64)> {
        let from = now.wall.min(coarse_wall);
        let until = now.wall.saturating_add_unsigned(length);
        self.view.set(from, until).then_some((from, until))
    }

    /// The token is no longer current: readers that still hold it must not return it.
    pub fn retire(&self) {
        self.view.retire();
    }

    /// Whether to send an event about this state, which happens once for each token.
    pub fn mark_reported(&self, state: CacheState) -> bool {
        let reported = match state {
            CacheState::RefreshDue => &self.refresh_due_reported,
            CacheState::Stale => &self.stale_reported,
            _ => return false,
        };
        !reported.swap(true, Ordering::Relaxed)
    }

    /// Whether the end is an estimate, which a rejection can improve.
    pub fn is_estimated(&self) -> bool {
        !self.parts.expiry().is_known()
    }

    pub fn age(&self, now: Moment) -> u64 {
        now.since(self.started)
    }
}

fn dead_on_arrival(expiry: Expiry) -> Error {
    Error::new(
        ErrorCode::TokenDeadOnArrival,
        format!(
            "Salesforce issued a token that had already ended when it arrived (by its {})",
            expiry.source().as_str()
        ),
    )
    .with_help("This machine's clock is probably wrong: compare it with a time server.\nOtherwise the network is slower than the token's lifetime.")
}
