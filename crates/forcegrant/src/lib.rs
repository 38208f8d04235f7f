//! Salesforce access tokens for server programs.
#![forbid(unsafe_code)]
