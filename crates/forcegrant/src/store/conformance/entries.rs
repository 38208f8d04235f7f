//! Clauses of `get` and `put`.

use std::time::Duration;

use tokio::time::Instant;

use super::probe::{Finding, LONG, Probe, ROUNDING, SOON, all_of, both, expect, random};
use crate::store::{Lease, Put};

/// The largest entry that the checks put: more than a token with its extra fields takes.
const LARGE: usize = 64 * 1024;
const SHORTEST: Duration = Duration::from_secs(1);

pub(super) async fn nothing_is_none(probe: &Probe<'_>) -> Finding {
    expect(
        "get of a key never used",
        probe.get(&probe.key()).await?,
        None,
    )
}

pub(super) async fn entry_comes_back_whole(probe: &Probe<'_>) -> Finding {
    for size in [1, 257, LARGE] {
        let key = probe.key();
        // Every byte value, line ends and zeros among them.
        let entry: Vec<u8> = (0..=255).cycle().take(size).collect();
        let lease = probe.granted(&key).await?;
        let put = probe.put(&key, &entry, &lease).await?;
        expect("put of the first entry", put, Put::Stored)?;
        probe.expect_entry(&key, &entry).await?;
    }
    Ok(())
}

pub(super) async fn entry_ends_after_its_time_to_live(probe: &Probe<'_>) -> Finding {
    let key = probe.key();
    let lease = probe.granted(&key).await?;
    let start = Instant::now();
    probe.put_for(&key, b"short", SHORTEST, &lease).await?;
    let put = Instant::now();
    loop {
        let asked = Instant::now();
        let found = probe.get(&key).await?.is_some();
        if !found && start.elapsed() + ROUNDING < SHORTEST {
            return Err(format!(
                "the entry was gone {:?} after a put for {SHORTEST:?}",
                start.elapsed()
            ));
        }
        if !found {
            return Ok(());
        }
        if asked > put + SHORTEST + SOON {
            return Err(format!(
                "the entry was there {:?} after a put for {SHORTEST:?}",
                asked - put
            ));
        }
        probe.pause().await;
    }
}

pub(super) async fn time_left_is_within_the_time_to_live(probe: &Probe<'_>) -> Finding {
    let key = probe.key();
    let lease = probe.granted(&key).await?;
    let start = Instant::now();
    probe.put(&key, b"entry", &lease).await?;
    let Some(left) = probe.get(&key).await?.and_then(|stored| stored.left) else {
        // A store without a clock of its own need not say it.
        return Ok(());
    };
    let minimum = LONG.saturating_sub(start.elapsed() + SOON);
    if left < minimum || left > LONG + ROUNDING {
        return Err(format!(
            "{left:?} left of an entry put for {LONG:?} just now"
        ));
    }
    Ok(())
}

pub(super) async fn readers_see_the_old_entry_or_the_new_one(probe: &Probe<'_>) -> Finding {
    let key = probe.key();
    let lease = probe.granted(&key).await?;
    probe.put(&key, &vec![b'a'; LARGE], &lease).await?;
    let writes = async {
        for letter in b'b'..=b'i' {
            let size = LARGE - usize::from(letter);
            probe.put(&key, &vec![letter; size], &lease).await?;
        }
        Ok(())
    };
    let reads = async || {
        for _ in 0..8 {
            let Some(stored) = probe.get(&key).await? else {
                return Err("an entry that is being replaced was not there".to_owned());
            };
            let letter = stored.entry.first().copied().unwrap_or_default();
            let size = match letter {
                b'a' => LARGE,
                letter => LARGE - usize::from(letter),
            };
            if stored.entry != vec![letter; size] {
                return Err(format!(
                    "an entry of {} bytes is not one that was put",
                    stored.entry.len()
                ));
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    };
    let readers = async {
        let found = all_of((0..4).map(|_| reads()).collect()).await;
        found.into_iter().collect::<Finding>()
    };
    let (written, read) = both(writes, readers).await;
    written.and(read)
}

pub(super) async fn entry_with_a_greater_fence_stays(probe: &Probe<'_>) -> Finding {
    let key = probe.key();
    let lease = probe.granted(&key).await?;
    probe.put(&key, b"first", &lease).await?;
    let put = probe.put(&key, b"second", &lease).await?;
    expect("put with the fence of the entry there", put, Put::Stored)?;
    // An earlier owner, who lost the lease and is late.
    let late = Lease {
        owner: random(),
        fence: lease.fence - 1,
    };
    let put = probe.put(&key, b"late", &late).await?;
    expect(
        "put with a fence below that of the entry there",
        put,
        Put::Outdated,
    )?;
    probe.expect_entry(&key, b"second").await?;
    let next = probe.granted(&key).await?;
    let put = probe.put(&key, b"third", &next).await?;
    expect("put with a greater fence", put, Put::Stored)?;
    probe.expect_entry(&key, b"third").await
}

pub(super) async fn put_ends_the_lease_of_its_owner(probe: &Probe<'_>) -> Finding {
    let key = probe.key();
    let lease = probe.granted(&key).await?;
    probe.put(&key, b"entry", &lease).await?;
    let next = probe.granted(&key).await?;
    expect(
        "fences that grow after a put",
        next.fence > lease.fence,
        true,
    )
}

pub(super) async fn put_leaves_the_lease_of_another_alone(probe: &Probe<'_>) -> Finding {
    let key = probe.key();
    let first = probe.granted(&key).await?;
    probe.release(&key, &first).await?;
    let second = probe.granted(&key).await?;
    // If there is no entry, it depends on whether the store remembers its grants.
    probe.put(&key, b"entry", &first).await?;
    probe.expect_held(&key, &second).await?;
    let put = probe.put(&key, b"newer", &second).await?;
    expect("put of the holder", put, Put::Stored)?;
    // An outdated put by an owner without the lease does not end it.
    let third = probe.granted(&key).await?;
    let put = probe.put(&key, b"late", &first).await?;
    expect("a late put", put, Put::Outdated)?;
    probe.expect_held(&key, &third).await.map(drop)
}
