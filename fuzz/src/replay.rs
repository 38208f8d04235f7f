//! The corpus under `cargo test`: each seed, each input that once broke a promise, and a few thousand
//! mutations of them, the same in every run. A check that cannot fail is worth nothing, so each is also
//! tried with code that has a fault.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{TARGETS, calls, canary, grant, hosts, proxy, retry_after, store};
use forcegrant::Proxy;
use forcegrant::ffi::command_line::route;
use forcegrant_proto::calls::resolve_url::ResolvedUrl;
use forcegrant_proto::error::{Error, ErrorCode};
use forcegrant_proto::grant::context::ResponseContext;
use forcegrant_proto::grant::response::decode;
use forcegrant_proto::http_message::Response;
use forcegrant_proto::response_class::{ApiResponse, ResponseClass};

/// Mutations of the corpus of one target.
const MUTATIONS: usize = 2_000;

macro_rules! replayed {
    ($($target:ident),+ $(,)?) => {
        $(
            #[test]
            fn $target() {
                if let Some(input) = first_to_break(stringify!($target), TARGETS.iter().find(|target| target.name == stringify!($target)).expect("a target").check) {
                    panic!("this input breaks a promise; keep it in fuzz/corpus/{}: b\"{}\"", stringify!($target), input.escape_ascii());
                }
            }
        )+

        #[test]
        fn every_target_is_replayed_and_has_a_binary_and_a_corpus() {
            let replayed = BTreeSet::from([$(stringify!($target).to_owned()),+]);
            let names = TARGETS.iter().map(|target| target.name.to_owned()).collect::<BTreeSet<_>>();
            assert_eq!(replayed, names);
            assert_eq!(stems(&folder("fuzz_targets")), names);
            assert_eq!(stems(&folder("corpus")), names);
            for target in names {
                assert!(seeds(&target).len() >= 5, "{target} has few seeds");
            }
        }
    };
}

replayed!(
    login_host,
    instance_url,
    token_response,
    refusal,
    api_response,
    call_url,
    proxy,
    retry_after,
    store_entry,
);

/// The first input for which a check panics: of the corpus, or of its mutations.
fn first_to_break(target: &str, check: impl Fn(&[u8])) -> Option<Vec<u8>> {
    let seeds = seeds(target);
    let mutations = Mutations::of(&seeds).take(MUTATIONS);
    let mut inputs = seeds.iter().cloned().chain(mutations);
    inputs.find(|input| catch_unwind(AssertUnwindSafe(|| check(input))).is_err())
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn stems(folder: &Path) -> BTreeSet<String> {
    files(folder)
        .iter()
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect()
}

fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of the repository");
    entries
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let files = files(&folder("corpus").join(target));
    let seeds = files.iter().map(|path| fs::read(path).expect("a seed"));
    let shared = if target == "call_url" {
        hostile_urls()
    } else {
        Vec::new()
    };
    seeds.chain(shared).collect()
}

/// The URLs that the adapters of all languages are tried with.
fn hostile_urls() -> Vec<Vec<u8>> {
    let path = folder("../tests/hostile-urls.json");
    let text = fs::read_to_string(path).expect("a file of the repository");
    let urls: Vec<String> = serde_json::from_str(&text).expect("a list of texts");
    let filled = urls.iter().map(|url| {
        let url = url.replace("{instance}", "https://acme.my.salesforce.com");
        url.replace("{host}", "acme.my.salesforce.com").into_bytes()
    });
    filled.collect()
}

/// The words of libFuzzer's dictionary: `"..."` on a line each, with `\xNN`, `\\` and `\"`.
fn words() -> Vec<Vec<u8>> {
    let text = fs::read_to_string(folder("dictionary.txt")).expect("the dictionary");
    let words = text
        .lines()
        .filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    words.map(unescaped).collect()
}

fn unescaped(word: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut parts = word.split('\\');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    while let Some(part) = parts.next() {
        if let Some(hex) = part.strip_prefix('x') {
            bytes.push(u8::from_str_radix(&hex[..2], 16).expect("two digits"));
            bytes.extend_from_slice(&hex.as_bytes()[2..]);
        } else if part.is_empty() {
            // Two backslashes: one, and then what follows the second.
            bytes.push(b'\\');
            bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
        } else {
            bytes.extend_from_slice(part.as_bytes());
        }
    }
    bytes
}

/// Inputs that are near those of the corpus, the same in every run.
struct Mutations<'a> {
    seeds: &'a [Vec<u8>],
    words: Vec<Vec<u8>>,
    random: u64,
}

impl<'a> Mutations<'a> {
    fn of(seeds: &'a [Vec<u8>]) -> Self {
        Self {
            seeds,
            words: words(),
            random: 1,
        }
    }

    /// A number below `end`, by `SplitMix64`.
    fn below(&mut self, end: usize) -> usize {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % end.max(1) as u64).expect("below a usize")
    }

    /// A range of at most 16 bytes.
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let most = (length - start).min(16);
        start..start + self.below(most + 1)
    }

    fn word(&mut self) -> Vec<u8> {
        let place = self.below(self.words.len());
        self.words[place].clone()
    }

    fn mutate(&mut self, input: &mut Vec<u8>) {
        let range = self.range(input.len());
        match self.below(7) {
            0 => {
                let word = self.word();
                input.splice(range.start..range.start, word);
            }
            1 => {
                let word = self.word();
                input.splice(range, word);
            }
            2 => drop(input.drain(range)),
            3 => {
                let copy = input[range.clone()].to_vec();
                input.splice(range.start..range.start, copy);
            }
            4 => {
                let byte = u8::try_from(self.below(256)).expect("a byte");
                input.insert(range.start, byte);
            }
            5 => {
                if let Some(byte) = input.get_mut(range.start) {
                    *byte ^= 1 << self.below(8);
                }
            }
            _ => {
                let other = self.below(self.seeds.len());
                let tail = self.range(self.seeds[other].len()).start;
                input.truncate(range.start);
                input.extend_from_slice(&self.seeds[other][tail..]);
            }
        }
    }
}

impl Iterator for Mutations<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let seed = self.below(self.seeds.len());
        let mut input = self.seeds[seed].clone();
        for _ in 0..=self.below(4) {
            self.mutate(&mut input);
        }
        Some(input)
    }
}

fn error() -> Error {
    Error::new(ErrorCode::Internal, "not taken")
}

/// Code with a fault that people make, in place of ours: the check must find it.
#[test]
fn a_suffix_without_its_dot_is_found() {
    let planted = |data: &[u8]| {
        hosts::check_login_host(data, |pasted, _| {
            let host = pasted.trim().to_ascii_lowercase();
            host.ends_with("salesforce.com")
                .then_some(host)
                .ok_or_else(error)
        });
    };
    assert!(first_to_break("login_host", planted).is_some());
}

#[test]
fn an_instance_that_is_compared_by_its_beginning_is_found() {
    let planted = |data: &[u8]| {
        hosts::check_instance_url(data, |_, claimed, _| {
            let is_ours = claimed.starts_with("https://acme.my.salesforce.com");
            is_ours.then(|| claimed.to_owned()).ok_or_else(error)
        });
    };
    assert!(first_to_break("instance_url", planted).is_some());
}

#[test]
fn a_response_whose_instance_is_not_checked_is_found() {
    let planted = |data: &[u8]| {
        grant::check_token_response(
            data,
            |response: &Response, context: &ResponseContext<'_>| {
                let trust =
                    forcegrant_proto::host::TrustPolicy::new([".example".to_owned()], false)
                        .expect("a host");
                decode(
                    response,
                    &ResponseContext {
                        trust: &trust,
                        ..*context
                    },
                )
            },
        );
    };
    assert!(first_to_break("token_response", planted).is_some());
}

#[test]
fn a_secret_in_one_form_that_is_not_redacted_is_found() {
    let planted = |data: &[u8]| {
        grant::check_refusal(data, |text| {
            // The raw form alone.
            let text = text.replace(canary::CLIENT_SECRET, "[redacted]");
            forcegrant_proto::redaction::printable(&text, 300)
        });
    };
    assert!(first_to_break("refusal", planted).is_some());
}

#[test]
fn any_403_taken_for_the_end_of_a_session_is_found() {
    let planted = |data: &[u8]| {
        calls::check_api_response(data, |response: &ApiResponse<'_>| match response.status {
            403 => ResponseClass::SessionExpired,
            _ => response.class(),
        });
    };
    assert!(first_to_break("api_response", planted).is_some());
}

#[test]
fn an_address_that_is_joined_as_a_text_or_kept_as_it_was_written_is_found() {
    let resolved = |url: String, carries_token| Ok(ResolvedUrl::new(url, carries_token));
    let joined = |data: &[u8]| {
        let join =
            |address: &str| resolved(format!("https://acme.my.salesforce.com{address}"), true);
        calls::check_call_url(data, join);
    };
    assert!(first_to_break("call_url", joined).is_some());
    let kept = |data: &[u8]| {
        calls::check_call_url(data, |address| {
            let url = url::Url::parse(address).map_err(|_| error())?;
            let is_ours = url.host_str() == Some("acme.my.salesforce.com");
            resolved(address.to_owned(), is_ours && url.scheme() == "https")
        });
    };
    assert!(first_to_break("call_url", kept).is_some());
}

#[test]
fn a_date_whose_months_are_counted_from_zero_is_found() {
    let planted = |data: &[u8]| {
        retry_after::check_retry_after(data, |header, now| {
            let wait = forcegrant_proto::retry_after::parse(header, now)?;
            let is_date = header.contains("Feb");
            Some(if is_date {
                wait.saturating_sub(Duration::from_secs(86_400))
            } else {
                wait
            })
        });
    };
    assert!(first_to_break("retry_after", planted).is_some());
}

#[test]
fn a_proxy_that_is_ignored_because_it_is_odd_is_found() {
    let planted = |data: &[u8]| {
        proxy::check_proxy(data, |proxy, environment, host| {
            route(proxy, environment, host).or_else(|_| route(&Proxy::None, environment, host))
        });
    };
    assert!(first_to_break("proxy", planted).is_some());
}

#[test]
fn an_entry_whose_beginning_alone_is_checked_is_found() {
    let planted = |data: &[u8]| {
        store::check_store_entry(data, |_, _, entry| entry.starts_with(b"fg\x01\x01"));
    };
    assert!(first_to_break("store_entry", planted).is_some());
}
