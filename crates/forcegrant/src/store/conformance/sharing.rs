//! Clauses about counters, and about many users at once.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::timeout;

use super::probe::{Finding, LONG, Probe, SOON, all_of, expect, random};
use crate::store::{Lease, Put};

const SHORT: Duration = Duration::from_millis(500);

pub(super) async fn count_is_the_sum(probe: &Probe<'_>) -> Finding {
    let key = probe.key();
    expect("a new counter", probe.count(&key, 0).await?, 0)?;
    expect("3 more", probe.count(&key, 3).await?, 3)?;
    expect("4 more", probe.count(&key, 4).await?, 7)?;
    expect("0 more", probe.count(&key, 0).await?, 7)
}

pub(super) async fn count_loses_nothing_among_many(probe: &Probe<'_>) -> Finding {
    let key = probe.key();
    let counts = all_of((0..32).map(|_| probe.count(&key, 1)).collect()).await;
    let counts = counts.into_iter().collect::<Result<Vec<_>, _>>()?;
    let greatest = counts.into_iter().max();
    expect("the last of 32 who count at once", greatest, Some(32))?;
    expect("the sum after them", probe.count(&key, 0).await?, 32)
}

pub(super) async fn keys_are_apart(probe: &Probe<'_>) -> Finding {
    // As long as a key may be, with all that it may hold.
    let stem = format!("{}.a:z-{}.a:z", probe.key(), &random()[..20]);
    let keys: Vec<_> = ["x0", "x1", "x.", "x:", "x-", ".x", ":x", "-x"]
        .iter()
        .map(|end| format!("{stem}{end}"))
        .collect();
    for key in &keys {
        if key.len() > 80 {
            return Err(format!("the check is wrong: a key of {}", key.len()));
        }
        let lease = probe.granted(key).await?;
        probe.put(key, key.as_bytes(), &lease).await?;
        expect("a new counter", probe.count(key, 1).await?, 1)?;
    }
    for key in &keys {
        probe.expect_entry(key, key.as_bytes()).await?;
    }
    Ok(())
}

pub(super) async fn entry_lease_and_counter_are_apart(probe: &Probe<'_>) -> Finding {
    let key = probe.key();
    probe.count(&key, 5).await?;
    expect(
        "the entry of a key with a counter",
        probe.get(&key).await?,
        None,
    )?;
    let lease = probe.granted(&key).await?;
    expect(
        "the entry of a key with a lease",
        probe.get(&key).await?,
        None,
    )?;
    expect("the counter", probe.count(&key, 0).await?, 5)?;
    probe.put(&key, b"entry", &lease).await?;
    probe.granted(&key).await?;
    expect("the counter", probe.count(&key, 1).await?, 6)?;
    probe.expect_entry(&key, b"entry").await
}

pub(super) async fn dropped_futures_do_no_harm(probe: &Probe<'_>) -> Finding {
    const OLD: [u8; 9000] = [b'a'; 9000];
    const NEW: [u8; 9000] = [b'b'; 9000];
    let (key, free, counter) = (probe.key(), probe.key(), probe.key());
    let lease = probe.granted(&key).await?;
    probe.put(&key, &OLD, &lease).await?;
    let lease = probe.granted(&key).await?;
    let store = probe.store;
    let whole = async || match probe.get(&key).await? {
        Some(stored) if stored.entry == OLD || stored.entry == NEW => Ok(()),
        other => Err(format!("after a put that was dropped: {other:?}")),
    };
    for micros in [0, 20, 50, 100, 200, 500, 1000, 2000, 5000] {
        // Not polled, polled once, and dropped somewhere on its way.
        drop(store.put(&key, &NEW, LONG, &lease));
        once(store.get(&key)).await;
        once(store.count(&counter, 1)).await;
        once(store.put(&key, &NEW, LONG, &lease)).await;
        whole().await?;
        once(store.acquire(&free, &random(), SHORT)).await;
        let limit = Duration::from_micros(micros);
        let _ = timeout(limit, store.acquire(&free, &random(), SHORT)).await;
        let _ = timeout(limit, store.get(&key)).await;
        let _ = timeout(limit, store.watch(&key, lease.fence, SHORT)).await;
        let _ = timeout(limit, store.release(&key, &lease)).await;
        let _ = timeout(limit, store.count(&counter, 1)).await;
        let _ = timeout(limit, store.put(&key, &NEW, LONG, &lease)).await;
        whole().await?;
    }
    let sum = probe.count(&counter, 0).await?;
    if sum > 18 {
        return Err(format!("{sum} counted of 18 that were begun"));
    }
    // A dropped call may have acquired the lease.
    probe.granted_within(&free, SHORT + SOON).await?;
    probe.release(&key, &lease).await?;
    let next = probe.granted_within(&key, SOON).await?;
    let put = probe.put(&key, b"after", &next).await?;
    expect("put after all that", put, Put::Stored)?;
    probe.expect_entry(&key, b"after").await
}

pub(super) async fn runtimes_come_and_go(probe: &Probe<'_>) -> Finding {
    let key = probe.key();
    let lease = probe.granted(&key).await?;
    for round in 0..3 {
        // Two at once, each on its own.
        let (one, two) = std::thread::scope(|scope| {
            let one = scope.spawn(|| on_its_own(probe, &key, &lease));
            let two = scope.spawn(|| on_its_own(probe, &key, &lease));
            (one.join(), two.join())
        });
        for result in [one, two] {
            result
                .map_err(|_| "it panicked".to_owned())?
                .map_err(|finding| format!("on runtime {round}: {finding}"))?;
        }
        probe.expect_entry(&key, b"elsewhere").await?;
    }
    Ok(())
}

fn on_its_own(probe: &Probe<'_>, key: &str, lease: &Lease) -> Finding {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| error.to_string())?;
    let result = runtime.block_on(async {
        probe.put(key, b"elsewhere", lease).await?;
        probe.expect_entry(key, b"elsewhere").await?;
        // Something is under way when the runtime ends.
        once(probe.store.get(key)).await;
        Ok(())
    });
    runtime.shutdown_background();
    result
}

/// Polls it once, and drops it.
async fn once<F: Future>(future: F) {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        let _ = future.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
}
