//! The rules of leases, fences and entries that the stores of this project keep. Pure.
//!
//! A [`Register`] is what a store remembers for one key. The file store uses it directly; the scripts of the Redis
//! store implement the same rules in the server's language. Times are milliseconds by the store's clock.
//!
//! A fence is at least the time of its grant, so that fences grow even if a store loses its data. A fence that is
//! further ahead than any clock can be was forged, to outlast all others, and is ignored.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::http_message::MAX_BODY;
use crate::moment::millis;
use crate::store::{Acquired, Lease, Put};

/// No lease is granted or believed for longer.
pub const LONGEST_LEASE: Duration = Duration::from_secs(60);

/// No entry is kept for longer: a session lives for 24 hours at most, and its token serves for twice as
/// long past an estimate.
pub const LONGEST_LIFE: Duration = Duration::from_secs(72 * 3_600);

/// No entry is larger: it holds one response of the token endpoint.
pub const LARGEST_ENTRY: usize = MAX_BODY;

/// How far ahead of the store's clock a fence may be, in milliseconds: the clock may have been set back.
pub const AHEAD: u64 = 24 * 3_600_000;

/// Fences stay below 2^53, so that every language can hold them.
const GREATEST: u64 = (1 << 53) - 2;

/// The lease that was granted last. It is kept after its end, for its fence.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GrantedLease {
    pub owner: String,
    pub fence: u64,
    /// From when.
    from: i64,
    /// For how long; 0 when it was ended.
    time: u64,
}

impl GrantedLease {
    /// What is left of it, in milliseconds. If the clock was stepped back, it lasts at most twice its time. A lease for
    /// longer than any is granted for counts as ended.
    pub fn left(&self, now: i64) -> u64 {
        let passed = now.saturating_sub(self.from);
        if self.time > millis(LONGEST_LEASE) || passed < -self.time.cast_signed() {
            return 0;
        }
        let passed = u64::try_from(passed).unwrap_or(0);
        self.time.saturating_sub(passed)
    }
}

/// What a store remembers of the right to log in for one key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Register {
    /// The last lease.
    pub last: Option<GrantedLease>,
    /// The fence of the entry.
    pub entry: Option<u64>,
}

impl Register {
    /// Who has the lease.
    pub fn holder(&self, now: i64) -> Option<&GrantedLease> {
        self.last.as_ref().filter(|held| held.left(now) > 0)
    }

    /// Grants the lease to `owner` for `time`, or extends it, unless another has it.
    pub fn acquire(&mut self, owner: &str, now: i64, time: Duration) -> Acquired {
        let held = self.holder(now);
        if let Some(other) = held.filter(|held| held.owner != owner) {
            return Acquired::Held {
                fence: other.fence,
                left: Duration::from_millis(other.left(now)),
            };
        }
        let fence = match held {
            Some(own) => own.fence,
            None => floor(now).max(self.greatest(now) + 1),
        };
        self.last = Some(GrantedLease {
            owner: owner.to_owned(),
            fence,
            from: now,
            time: millis(time.min(LONGEST_LEASE)),
        });
        Acquired::Granted { fence }
    }

    /// Whether an entry of this lease may be put: not if a later lease was granted since. Its holder
    /// may have logged in after this one, and may have put a newer token or be about to.
    pub fn put(&mut self, lease: &Lease, now: i64) -> Put {
        let put = if lease.fence > horizon(now) || lease.fence < self.greatest(now) {
            Put::Outdated
        } else {
            self.entry = Some(lease.fence);
            Put::Stored
        };
        self.end(&lease.owner);
        put
    }

    /// Ends the lease if `owner` has it. Returns whether that was so.
    pub fn end(&mut self, owner: &str) -> bool {
        let held = self.last.as_mut();
        let own = held.filter(|held| held.owner == owner && held.time > 0);
        own.map(|own| own.time = 0).is_some()
    }

    /// The greatest fence of a lease or an entry.
    fn greatest(&self, now: i64) -> u64 {
        let granted = self.last.as_ref().map(|held| held.fence);
        let believed = |fence: &u64| *fence <= horizon(now);
        let fences = [granted, self.entry].into_iter().flatten();
        fences.filter(believed).max().unwrap_or(0)
    }
}

/// The least fence that is granted at this time.
fn floor(now: i64) -> u64 {
    u64::try_from(now).unwrap_or(0).clamp(1, GREATEST)
}

/// The greatest fence that is believed at this time.
fn horizon(now: i64) -> u64 {
    floor(now).saturating_add(AHEAD).min(GREATEST)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_800_000_000_000;
    const TIME: Duration = Duration::from_secs(10);

    fn held(from: i64, time: u64) -> GrantedLease {
        GrantedLease {
            owner: "a".to_owned(),
            fence: 7,
            from,
            time,
        }
    }

    fn lease(owner: &str, fence: u64) -> Lease {
        Lease {
            owner: owner.to_owned(),
            fence,
        }
    }

    fn granted(register: &mut Register, owner: &str, now: i64) -> Lease {
        match register.acquire(owner, now, TIME) {
            Acquired::Granted { fence } => lease(owner, fence),
            held @ Acquired::Held { .. } => panic!("{held:?}"),
        }
    }

    #[test]
    fn no_lease_lasts_longer_than_it_may_whatever_clocks_and_writers_say() {
        let day = 24 * 3_600_000;
        for (what, held, left) in [
            ("now", held(NOW, 10_000), 10_000),
            ("a while ago", held(NOW - 4_000, 10_000), 6_000),
            ("over", held(NOW - 11_000, 10_000), 0),
            ("ended", held(NOW, 0), 0),
            (
                "the clock was stepped back",
                held(NOW + 9_000, 10_000),
                10_000,
            ),
            ("from the future", held(NOW + day, 10_000), 0),
            ("endless", held(NOW, u64::MAX), 0),
            ("longer than any", held(NOW, 60_001), 0),
            ("from the end of time", held(i64::MAX, u64::MAX), 0),
            ("from its beginning", held(i64::MIN, 10_000), 0),
        ] {
            assert_eq!(held.left(NOW), left, "{what}");
        }
        let mut register = Register::default();
        register.acquire("a", NOW, Duration::MAX);
        assert_eq!(register.last.unwrap().left(NOW), millis(LONGEST_LEASE));
    }

    #[test]
    fn a_fence_that_was_never_granted_is_ignored() {
        for top in [u64::MAX, 1 << 53, GREATEST, floor(NOW) + AHEAD + 1] {
            let mut register = Register {
                last: Some(GrantedLease {
                    fence: top,
                    ..held(NOW, 0)
                }),
                entry: Some(top),
            };
            let own = granted(&mut register, "b", NOW);
            assert!(own.fence < 1 << 53, "{top}");
            assert_eq!(register.put(&own, NOW), Put::Stored, "{top}");
            assert_eq!(register.put(&lease("c", top), NOW), Put::Outdated, "{top}");
            // One that a clock may have been ahead by is outdone.
            register.entry = Some(floor(NOW) + AHEAD);
            let own = granted(&mut register, "b", NOW);
            assert_eq!(own.fence, floor(NOW) + AHEAD + 1);
        }
    }

    #[test]
    fn who_lost_the_lease_puts_nothing_any_more() {
        let mut register = Register::default();
        let first = granted(&mut register, "a", NOW);
        let later = NOW + millis(TIME).cast_signed();
        let second = granted(&mut register, "b", later);
        assert_eq!(register.put(&first, later), Put::Outdated);
        assert_eq!(register.holder(later).unwrap().fence, second.fence);
        assert!(register.end("b") && !register.end("b"));
        assert_eq!(
            register.put(&first, later),
            Put::Outdated,
            "though it ended"
        );
        assert_eq!(register.put(&second, later), Put::Stored);
    }

    proptest! {
        /// Whatever is in the register, some owner gets a lease within the longest time of one, with a
        /// fence of every language, and what it puts is stored.
        #[test]
        fn nothing_written_ends_sharing_for_good(
            fence in any::<u64>(), from in any::<i64>(), time in any::<u64>(),
            entry in any::<Option<u64>>(), now in 0..GREATEST.cast_signed() / 2,
        ) {
            let last = Some(GrantedLease { owner: "x".to_owned(), fence, from, time });
            let mut register = Register { last, entry };
            let mut waited = now;
            while let Acquired::Held { left, .. } = register.acquire("a", waited, TIME) {
                waited += millis(left).cast_signed();
                prop_assert!(waited <= now + 2 * millis(LONGEST_LEASE).cast_signed());
            }
            let own = granted(&mut register, "a", waited);
            prop_assert!(own.fence < 1 << 53);
            prop_assert_eq!(register.put(&own, waited), Put::Stored);
            let next = granted(&mut register, "b", waited);
            prop_assert!(next.fence > own.fence);
        }
    }
}
