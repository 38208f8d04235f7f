//! Events as numbers, for metrics: a documented catalogue of low cardinality. Pure.
//!
//! ```
//! # fn record(name: &str, kind: forcegrant::MeasurementKind, value: f64, attributes: &[(&str, &str)]) {}
//! let builder = forcegrant::Client::builder("acme.my.salesforce.com", "client id", "client secret")
//!     .on_event(|event| {
//!         for measured in event.measurements() {
//!             // To OpenTelemetry, Prometheus, StatsD: a counter adds, a histogram records.
//!             record(measured.name, measured.kind, measured.value, &measured.attributes);
//!         }
//!     });
//! ```

use std::time::Duration;

use crate::event::Event;

/// One number about one event.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Measurement {
    /// The instrument, one of [`CATALOGUE`].
    pub name: &'static str,
    /// How the values of this instrument add up.
    pub kind: MeasurementKind,
    /// The unit, in UCUM's notation: `s`, or `{login}` and the like for counts.
    pub unit: &'static str,
    /// The value.
    pub value: f64,
    /// Keys and values, all from small fixed sets: error codes and expiry sources.
    pub attributes: Vec<(&'static str, &'static str)>,
}

/// How the values of an instrument add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MeasurementKind {
    /// A sum that only grows.
    Counter,
    /// A distribution.
    Histogram,
}

/// One line of the catalogue.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Instrument {
    /// Its name.
    pub name: &'static str,
    /// How its values add up.
    pub kind: MeasurementKind,
    /// Its unit.
    pub unit: &'static str,
    /// The keys of its attributes.
    pub attributes: &'static [&'static str],
    /// What it measures.
    pub meaning: &'static str,
}

/// Every instrument. docs/metrics.md shows this table.
pub const CATALOGUE: &[Instrument] = &[
    counter(
        "forcegrant.logins",
        "{login}",
        &["outcome"],
        "Logins that ended: `ok` or the error code.",
    ),
    histogram(
        "forcegrant.login.duration",
        &["outcome"],
        "From the first request of a login to its end, pauses included.",
    ),
    counter(
        "forcegrant.login.retries",
        "{retry}",
        &["code"],
        "Attempts after the first, by what the one before met.",
    ),
    histogram(
        "forcegrant.token.lifetime",
        &["source"],
        "What a new token has left to live, known or estimated, by how that is known.",
    ),
    counter(
        "forcegrant.token.adoptions",
        "{token}",
        &["source"],
        "Tokens of other clients' logins, found in the store.",
    ),
    counter(
        "forcegrant.store.failures",
        "{failure}",
        &[],
        "Steps of the store that failed or were late.",
    ),
    counter(
        "forcegrant.token.rejections",
        "{token}",
        &[],
        "Current tokens that were reported as rejected.",
    ),
    histogram(
        "forcegrant.token.age_at_rejection",
        &[],
        "How old they were.",
    ),
    counter(
        "forcegrant.token.refreshes_due",
        "{token}",
        &[],
        "Tokens that reached the time of their refresh.",
    ),
    counter(
        "forcegrant.token.served_stale",
        "{token}",
        &[],
        "Tokens served past their estimated end, for want of a new one.",
    ),
    counter(
        "forcegrant.token.same_again",
        "{token}",
        &[],
        "Logins that returned the token that had been reported.",
    ),
    counter(
        "forcegrant.signature_mismatches",
        "{response}",
        &[],
        "Responses whose signature does not fit the client secret.",
    ),
    counter(
        "forcegrant.introspection.failures",
        "{request}",
        &["code"],
        "Introspections that failed.",
    ),
    counter(
        "forcegrant.login_budget.warnings",
        "{crossing}",
        &[],
        "Crossings of three fifths of the login budget.",
    ),
    counter(
        "forcegrant.credentials.rotations",
        "{rotation}",
        &[],
        "Changes of the client credentials that work.",
    ),
    counter(
        "forcegrant.credentials.reload_failures",
        "{read}",
        &["code"],
        "Failures to read the source of the credentials again.",
    ),
];

const fn counter(
    name: &'static str,
    unit: &'static str,
    attributes: &'static [&'static str],
    meaning: &'static str,
) -> Instrument {
    Instrument {
        name,
        kind: MeasurementKind::Counter,
        unit,
        attributes,
        meaning,
    }
}

const fn histogram(
    name: &'static str,
    attributes: &'static [&'static str],
    meaning: &'static str,
) -> Instrument {
    Instrument {
        name,
        kind: MeasurementKind::Histogram,
        unit: "s",
        attributes,
        meaning,
    }
}

impl Event {
    /// What the event adds to the instruments of [`CATALOGUE`].
    #[must_use]
    pub fn measurements(&self) -> Vec<Measurement> {
        let count = |name, values: &[&'static str]| vec![measured(name, 1.0, values)];
        match self {
            Self::LoginStarted { .. } => Vec::new(),
            Self::LoginRetried { error, .. } => {
                count("forcegrant.login.retries", &[error.code().as_str()])
            }
            Self::LoginSucceeded {
                expiry,
                took,
                lifetime,
                ..
            } => {
                let mut all = ended("ok", *took);
                let source = expiry.source().as_str();
                all.push(measured(
                    "forcegrant.token.lifetime",
                    lifetime.as_secs_f64(),
                    &[source],
                ));
                all
            }
            Self::LoginFailed { error, took, .. } => ended(error.code().as_str(), *took),
            Self::TokenAdopted { expiry, .. } => {
                count("forcegrant.token.adoptions", &[expiry.source().as_str()])
            }
            Self::StoreFailed { .. } => count("forcegrant.store.failures", &[]),
            Self::RefreshDue { .. } => count("forcegrant.token.refreshes_due", &[]),
            Self::ServingStale { .. } => count("forcegrant.token.served_stale", &[]),
            Self::Invalidated { age, .. } => vec![
                measured("forcegrant.token.rejections", 1.0, &[]),
                measured("forcegrant.token.age_at_rejection", age.as_secs_f64(), &[]),
            ],
            Self::SameTokenReturned { .. } => count("forcegrant.token.same_again", &[]),
            Self::IntrospectionFailed { error } => count(
                "forcegrant.introspection.failures",
                &[error.code().as_str()],
            ),
            Self::LoginBudgetWarning { .. } => count("forcegrant.login_budget.warnings", &[]),
            Self::CredentialsRotated { .. } => count("forcegrant.credentials.rotations", &[]),
            Self::CredentialsReloadFailed { error } => count(
                "forcegrant.credentials.reload_failures",
                &[error.code().as_str()],
            ),
            Self::SignatureMismatch { .. } => count("forcegrant.signature_mismatches", &[]),
        }
    }
}

fn ended(outcome: &'static str, took: Duration) -> Vec<Measurement> {
    vec![
        measured("forcegrant.logins", 1.0, &[outcome]),
        measured("forcegrant.login.duration", took.as_secs_f64(), &[outcome]),
    ]
}

fn measured(name: &'static str, value: f64, values: &[&'static str]) -> Measurement {
    let found = CATALOGUE.iter().find(|instrument| instrument.name == name);
    let (kind, unit, keys) = found.map_or(
        (MeasurementKind::Counter, "1", [].as_slice()),
        |instrument| (instrument.kind, instrument.unit, instrument.attributes),
    );
    Measurement {
        name,
        kind,
        unit,
        value,
        attributes: keys.iter().copied().zip(values.iter().copied()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::error::{Error, ErrorCode};
    use crate::expiry::{Expiry, ExpirySource};

    /// One of each.
    fn events() -> Vec<Event> {
        let (fingerprint, took) = ("f".to_owned(), Duration::from_millis(1_500));
        let error = Error::new(ErrorCode::Timeout, "on purpose");
        let expiry = Expiry {
            at: SystemTime::UNIX_EPOCH,
            source: ExpirySource::Learned,
        };
        vec![
            Event::LoginStarted { background: true },
            Event::LoginRetried {
                error: error.clone(),
                attempts: 1,
                pause: took,
            },
            Event::LoginSucceeded {
                fingerprint: fingerprint.clone(),
                expiry,
                lifetime: took,
                attempts: 1,
                took,
            },
            Event::LoginFailed {
                error: error.clone(),
                attempts: 3,
                took,
            },
            Event::RefreshDue {
                fingerprint: fingerprint.clone(),
            },
            Event::ServingStale {
                fingerprint: fingerprint.clone(),
            },
            Event::Invalidated {
                fingerprint: fingerprint.clone(),
                age: took,
            },
            Event::SameTokenReturned {
                fingerprint: fingerprint.clone(),
            },
            Event::IntrospectionFailed {
                error: error.clone(),
            },
            Event::LoginBudgetWarning { used: 6, stop: 10 },
            Event::CredentialsRotated {
                client_id: "id".to_owned(),
                fingerprint: fingerprint.clone(),
            },
            Event::CredentialsReloadFailed {
                error: error.clone(),
            },
            Event::StoreFailed { error },
            Event::TokenAdopted {
                fingerprint: fingerprint.clone(),
                expiry,
                lifetime: took,
            },
            Event::SignatureMismatch { fingerprint },
        ]
    }

    #[test]
    fn every_measurement_is_in_the_catalogue_and_every_instrument_is_used() {
        let all: Vec<_> = events().iter().flat_map(Event::measurements).collect();
        for instrument in CATALOGUE {
            let of_it: Vec<_> = all.iter().filter(|m| m.name == instrument.name).collect();
            assert!(!of_it.is_empty(), "{} is never measured", instrument.name);
            for measured in of_it {
                let keys: Vec<_> = measured.attributes.iter().map(|(key, _)| *key).collect();
                assert_eq!(keys, instrument.attributes, "{}", instrument.name);
                assert_eq!(
                    (measured.kind, measured.unit),
                    (instrument.kind, instrument.unit)
                );
            }
        }
        assert!(
            all.iter()
                .all(|m| CATALOGUE.iter().any(|instrument| instrument.name == m.name))
        );
    }

    #[test]
    fn the_documents_show_the_catalogue() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
        let text = std::fs::read_to_string(path).expect("docs/metrics.md");
        for instrument in CATALOGUE {
            let kind = format!("{:?}", instrument.kind).to_lowercase();
            let attributes = instrument.attributes.join(", ");
            let line = format!(
                "| `{}` | {kind} | `{}` | {attributes} | {} |",
                instrument.name, instrument.unit, instrument.meaning
            );
            assert!(text.contains(&line), "docs/metrics.md lacks:\n{line}");
        }
        let rows = text
            .lines()
            .filter(|line| line.starts_with("| `forcegrant."));
        assert_eq!(
            rows.count(),
            CATALOGUE.len(),
            "docs/metrics.md has other rows"
        );
    }
}
