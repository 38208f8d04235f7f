//! Entries of a store, which anybody may have written.

use std::time::Duration;

use crate::canary::PAIR;
use crate::grant::context;
use crate::input::{NOW, TRUSTED, fields, text, trust};
use crate::strict_url::Trusted;
use forcegrant_proto::cache::policy::LifetimeSettings;
use forcegrant_proto::cache::state::CacheSnapshot;
use forcegrant_proto::moment::millis;
use forcegrant_proto::store::file_entry::FileEntry;
use forcegrant_proto::store::protocol::{LONGEST_LEASE, Register};
use forcegrant_proto::store::record::{self, EntryReader};
use forcegrant_proto::store::seal::{EntryKind, Sealer};
use forcegrant_proto::store::{Acquired, Lease, Put};

const ENDPOINT: &str = "https://acme.my.salesforce.com/services/oauth2/token";

/// A new random nonce is used for each entry. Its value does not matter here.
const NONCE: [u8; 12] = [7; 12];

/// A word, a number and then the entry. The word says what the rest is: `sealed` is an entry as a store returns it;
/// `torn` is the text of an entry, which is sealed and then changed in the bit with that number; `token` and
/// `failure` are the opened text, and the number is the time left in milliseconds or the fence; `file` and `lease` are
/// files of the file store, and the number is the fence of the entry.
pub(crate) fn store_entry(data: &[u8]) {
    check_store_entry(data, |sealer, kind, entry| {
        sealer.open(kind, entry.to_vec()).is_some()
    });
}

pub(crate) fn check_store_entry(data: &[u8], opens: impl Fn(&Sealer, EntryKind, &[u8]) -> bool) {
    let [line, rest] = fields(data);
    let line = text(line);
    let (word, number) = line.split_once(' ').unwrap_or((&line, ""));
    let number = number.trim().parse::<u64>();
    let sealer = Sealer::new(&PAIR, ENDPOINT);
    match word {
        "torn" => {
            let mut entry = sealer
                .seal(EntryKind::Token, rest, NONCE)
                .expect("a short text");
            assert!(opens(&sealer, EntryKind::Token, &entry));
            assert!(!opens(&sealer, EntryKind::Failure, &entry));
            let bit = number.unwrap_or(0) % (entry.len() as u64 * 8);
            let byte = usize::try_from(bit / 8).expect("within the entry");
            entry[byte] ^= 1 << (bit % 8);
            assert!(!opens(&sealer, EntryKind::Token, &entry));
        }
        "token" => check_token(rest, number.ok()),
        // The secret is known, so the seal is right: this checks that the entry is read at all.
        "lease" => check_lease(rest, number.ok()),
        "file" => drop(FileEntry::decode(rest.to_vec())),
        "failure" => drop(record::read_failure(rest, number.unwrap_or(0), NOW.wall)),
        _ => {
            assert!(!opens(&sealer, EntryKind::Token, rest));
            assert!(!opens(&sealer, EntryKind::Failure, rest));
        }
    }
}

/// Whatever a register says, a client that asks for a lease gets one within twice the longest lease, with a
/// fence that every language can hold. Its entry is stored, or the entry of the next login is: between the two steps of a
/// login, a fence that was too far ahead to be accepted may become acceptable.
fn check_lease(held: &[u8], entry: Option<u64>) {
    let mut register = Register {
        last: serde_json::from_slice(held).ok(),
        entry,
    };
    let latest = NOW.wall + 2 * millis(LONGEST_LEASE).cast_signed();
    let mut now = NOW.wall;
    let mut login = || {
        let fence = loop {
            match register.acquire("ours", now, LONGEST_LEASE) {
                Acquired::Granted { fence } => break fence,
                Acquired::Held { left, .. } => now += millis(left).cast_signed().max(1),
            }
            assert!(now <= latest);
        };
        assert!(fence < 1 << 53);
        now += 1;
        let owner = "ours".to_owned();
        register.put(&Lease { owner, fence }, now)
    };
    assert!(login() == Put::Stored || login() == Put::Stored);
}

fn check_token(entry: &[u8], left: Option<u64>) {
    let trust = trust();
    let reader = EntryReader {
        state: &CacheSnapshot::default(),
        now: NOW,
        lifetimes: &LifetimeSettings::default(),
        context: context(&trust),
        random: 0.5,
    };
    let Some(lease) = record::read_token(entry, left.map(Duration::from_millis), &reader) else {
        return;
    };
    let trusted = Trusted::read(TRUSTED);
    assert!(trusted.takes_token(lease.parts.instance_url()));
    assert!(lease.started.wall <= NOW.wall, "it began in the future");
    assert!(
        NOW.since(lease.started) < lease.windows.ends,
        "it has ended"
    );
}
