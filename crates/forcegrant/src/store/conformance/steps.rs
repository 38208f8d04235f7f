//! Random calls, compared with the register, which has the right result of each.

use super::probe::{Finding, LONG, Probe, random};
use crate::store::{Acquired, Lease};
use forcegrant_proto::store::protocol::Register;

const ROUNDS: usize = 12;
const STEPS: usize = 24;
/// No lease ends by itself here: that is for the checks with clocks.
const NOW: i64 = 1_800_000_000_000;

/// The last lease of an owner, by the store and by the register.
type Leases = (Lease, Lease);

pub(super) async fn steps_follow_the_rules(probe: &Probe<'_>) -> Finding {
    for _ in 0..ROUNDS {
        let mut done = Vec::new();
        if let Err(finding) = round(probe, &mut done).await {
            return Err(format!("{finding}, after {done:?}"));
        }
    }
    Ok(())
}

async fn round(probe: &Probe<'_>, done: &mut Vec<String>) -> Finding {
    let key = probe.key();
    let mut register = Register::default();
    let mut owners: [(String, Option<Leases>); 3] = [(); 3].map(|()| (random(), None));
    let (mut entry, mut greatest) = (None, 0);
    for step in 0..STEPS {
        let [which, what] = draw();
        let (name, (owner, leases)) = (which % 3, &mut owners[usize::from(which % 3)]);
        match (what % 8, &leases) {
            (0..=2, _) => {
                let seen = probe.acquire(&key, owner, LONG).await?;
                let wanted = register.acquire(owner, NOW, LONG);
                done.push(format!("{name} acquires"));
                match (seen, wanted) {
                    (Acquired::Granted { fence }, Acquired::Granted { fence: by_rule }) => {
                        let lease = |fence| Lease {
                            owner: owner.clone(),
                            fence,
                        };
                        let own = leases.as_ref().map(|(own, rule)| (own.fence, rule.fence));
                        let is_same = own.is_some_and(|(_, rule)| rule == by_rule);
                        if is_same != own.is_some_and(|(own, _)| own == fence)
                            || (!is_same && fence <= greatest)
                        {
                            return Err(format!("fence {fence} after {greatest}"));
                        }
                        greatest = fence.max(greatest);
                        *leases = Some((lease(fence), lease(by_rule)));
                    }
                    (Acquired::Held { fence, .. }, Acquired::Held { .. }) if fence == greatest => {}
                    _ => return Err(format!("{seen:?} in place of {wanted:?}")),
                }
            }
            (3..=4, Some((own, by_rule))) => {
                let text = format!("entry {step}");
                let seen = probe.put(&key, text.as_bytes(), own).await?;
                let wanted = register.put(by_rule, NOW);
                done.push(format!("{name} puts"));
                if seen != wanted {
                    return Err(format!("{seen:?} in place of {wanted:?}"));
                }
                if seen == crate::store::Put::Stored {
                    entry = Some(text);
                }
            }
            (5, Some((own, _))) => {
                probe.release(&key, own).await?;
                register.end(owner);
                done.push(format!("{name} releases"));
            }
            _ => {}
        }
        let found = probe.get(&key).await?.map(|stored| stored.entry);
        if found.as_deref() != entry.as_deref().map(str::as_bytes) {
            return Err(format!("an entry that is not {entry:?}"));
        }
    }
    Ok(())
}

fn draw() -> [u8; 2] {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}
