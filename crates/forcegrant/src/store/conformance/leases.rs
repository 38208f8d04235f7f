//! Clauses of `acquire`, `release` and `watch`.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use super::probe::{Finding, LONG, Probe, ROUNDING, SOON, all_of, both, expect, random};
use crate::store::{Acquired, Lease};

const SHORT: Duration = Duration::from_millis(600);
/// How many owners request the lease at once.
const CROWD: usize = 32;

pub(super) async fn one_owner_at_a_time(probe: &Probe<'_>) -> Finding {
    let key = probe.key();
    let owners: Vec<_> = (0..CROWD).map(|_| random()).collect();
    let asking = owners.iter().map(|owner| probe.acquire(&key, owner, LONG));
    let (mut granted, mut held) = (Vec::new(), HashSet::new());
    for acquired in all_of(asking.collect()).await {
        match acquired? {
            Acquired::Granted { fence } => granted.push(fence),
            Acquired::Held { fence, left } => {
                held.insert(fence);
                if left.is_zero() || left > LONG + ROUNDING {
                    return Err(format!("{left:?} left of a lease for {LONG:?}"));
                }
            }
        }
    }
    expect("grants among 32 requests at once", granted.len(), 1)?;
    expect(
        "the fences that the others got",
        held,
        HashSet::from([granted[0]]),
    )
}

pub(super) async fn lease_lasts_its_time(probe: &Probe<'_>) -> Finding {
    let key = probe.key();
    let start = Instant::now();
    probe.granted_for(&key, SHORT).await?;
    probe.granted_within(&key, SHORT + SOON).await?;
    let lasted = start.elapsed();
    if lasted + ROUNDING < SHORT {
        return Err(format!("a lease for {SHORT:?} ended after {lasted:?}"));
    }
    Ok(())
}

pub(super) async fn forgotten_lease_ends_by_itself(probe: &Probe<'_>) -> Finding {
    let key = probe.key();
    let forgotten = probe.granted_for(&key, SHORT).await?;
    let next = probe.granted_within(&key, SHORT + SOON).await?;
    if next.fence <= forgotten.fence {
        return Err(format!(
            "the grant after fence {} has fence {}",
            forgotten.fence, next.fence
        ));
    }
    // Who forgot it does not end the lease of the next.
    probe.release(&key, &forgotten).await?;
    probe.expect_held(&key, &next).await.map(drop)
}

pub(super) async fn owner_keeps_the_lease_by_asking_again(probe: &Probe<'_>) -> Finding {
    let key = probe.key();
    let lease = probe.granted_for(&key, SHORT).await?;
    let start = Instant::now();
    let again = probe.acquire(&key, &lease.owner, LONG).await?;
    let same = Acquired::Granted { fence: lease.fence };
    expect("acquire of the owner who has it", again, same)?;
    while start.elapsed() < SHORT + ROUNDING {
        probe.pause().await;
    }
    let left = probe.expect_held(&key, &lease).await?;
    let minimum = LONG.saturating_sub(start.elapsed() + SOON);
    if left < minimum || left > LONG + ROUNDING {
        return Err(format!("{left:?} left of a lease extended for {LONG:?}"));
    }
    // The time counts from now, also when that is less.
    let again = probe.acquire(&key, &lease.owner, SHORT).await?;
    expect("acquire of the owner who has it", again, same)?;
    probe.granted_within(&key, SHORT + SOON).await.map(drop)
}

pub(super) async fn fences_grow(probe: &Probe<'_>) -> Finding {
    let key = probe.key();
    let mut greatest = 0;
    for round in 0..12 {
        let lease = probe.granted(&key).await?;
        if lease.fence <= greatest || lease.fence >= 1 << 53 {
            return Err(format!(
                "grant {round} has fence {}, after {greatest}",
                lease.fence
            ));
        }
        greatest = lease.fence;
        if round % 3 == 0 {
            probe.release(&key, &lease).await?;
            continue;
        }
        if round % 3 == 1 {
            probe.put(&key, b"entry", &lease).await?;
            continue;
        }
        // An entry of a store that knew better, after a restore from a backup perhaps.
        let ahead = Lease {
            owner: lease.owner,
            fence: greatest + 1_000_000,
        };
        probe.put(&key, b"ahead", &ahead).await?;
        greatest = ahead.fence;
    }
    Ok(())
}

pub(super) async fn release_ends_the_lease(probe: &Probe<'_>) -> Finding {
    let key = probe.key();
    let lease = probe.granted(&key).await?;
    probe.put(&key, b"entry", &lease).await?;
    let lease = probe.granted(&key).await?;
    probe.release(&key, &lease).await?;
    probe.expect_entry(&key, b"entry").await?;
    probe.granted(&key).await?;
    Ok(())
}

pub(super) async fn release_leaves_the_lease_of_another_alone(probe: &Probe<'_>) -> Finding {
    let key = probe.key();
    let first = probe.granted(&key).await?;
    probe.release(&key, &first).await?;
    // Nobody has it.
    probe.release(&key, &first).await?;
    let second = probe.granted(&key).await?;
    probe.release(&key, &first).await?;
    probe.expect_held(&key, &second).await.map(drop)
}

pub(super) async fn watch_ends_with_the_lease(probe: &Probe<'_>) -> Finding {
    let key = probe.key();
    let lease = probe.granted(&key).await?;
    let ended = async {
        for _ in 0..10 {
            probe.pause().await;
        }
        probe.release(&key, &lease).await?;
        Ok::<_, String>(Instant::now())
    };
    let watching = async {
        loop {
            probe.watch(&key, lease.fence, LONG).await?;
            match probe.acquire(&key, &random(), LONG).await? {
                // Told early, which is allowed.
                Acquired::Held { fence, .. } if fence == lease.fence => probe.pause().await,
                other => return Ok::<_, String>((other, Instant::now())),
            }
        }
    };
    let (ended, watching) = both(ended, watching).await;
    let (ended, (next, noticed)) = (ended?, watching?);
    let late = noticed.saturating_duration_since(ended);
    if late > SOON {
        return Err(format!("it ended {late:?} after the lease"));
    }
    // A lease that is over already, and one that another has by now, is waited for no more.
    let start = Instant::now();
    probe.watch(&key, lease.fence, LONG).await?;
    if start.elapsed() > SOON {
        return Err(format!(
            "it took {:?} for a lease that was over, with {next:?} since",
            start.elapsed()
        ));
    }
    Ok(())
}

pub(super) async fn watch_keeps_its_limit(probe: &Probe<'_>) -> Finding {
    let key = probe.key();
    let lease = probe.granted(&key).await?;
    for limit in [Duration::ZERO, Duration::from_millis(200)] {
        let start = Instant::now();
        probe.watch(&key, lease.fence, limit).await?;
        let took = start.elapsed();
        if took > limit + SOON {
            return Err(format!("it took {took:?} with a limit of {limit:?}"));
        }
    }
    probe.expect_held(&key, &lease).await.map(drop)
}

pub(super) async fn watch_does_not_spin(probe: &Probe<'_>) -> Finding {
    let key = probe.key();
    let lease = probe.granted(&key).await?;
    let (start, mut returns) = (Instant::now(), 0);
    while start.elapsed() < SHORT {
        probe.watch(&key, lease.fence, LONG.min(SHORT)).await?;
        returns += 1;
        if returns > 100 {
            return Err(format!(
                "it returned {returns} times in {:?} while the lease was held",
                start.elapsed()
            ));
        }
    }
    Ok(())
}
