//! A Salesforce org on loopback.
#![forbid(unsafe_code)]
