//! A store whose data an attacker can write.

use super::probe::{Finding, Probe, SOON, expect};
use crate::store::Put;

pub(super) async fn sharing_goes_on(probe: &Probe<'_>, attack: &(dyn Fn(&str) + Sync)) -> Finding {
    let (unused, used) = (probe.key(), probe.key());
    let lease = probe.granted(&used).await?;
    probe.put(&used, b"before the attack", &lease).await?;
    probe.count(&used, 1).await?;
    for key in [unused, used] {
        attack(&key);
        probe.get(&key).await?;
        probe.watch(&key, 1, SOON).await?;
        let mut greatest = 0;
        for entry in [&b"after the attack"[..], b"and after that"] {
            let lease = probe.granted_within(&key, SOON).await?;
            if lease.fence <= greatest || lease.fence >= 1 << 53 {
                return Err(format!(
                    "a fence that is not between {greatest} and 2^53: {}",
                    lease.fence
                ));
            }
            greatest = lease.fence;
            let put = probe.put(&key, entry, &lease).await?;
            expect("put of the holder after an attack", put, Put::Stored)?;
            probe.expect_entry(&key, entry).await?;
        }
        let counted = probe.count(&key, 0).await?;
        expect(
            "one more login",
            probe.count(&key, 1).await?,
            counted.saturating_add(1),
        )?;
    }
    Ok(())
}
