//! `Connection`, one saved or loaded connection. Its methods are beside the logins that they begin.

use forcegrant::connections::Connection;
use pyo3::prelude::*;

/// Where to log in and with which credentials, under an id of your own.
///
/// It shows no secret, not in its text forms either, and cannot be pickled; `dump` gives a text of it for a place of your
/// own. Two are equal when all that they show is equal.
#[pyclass(frozen, name = "Connection", module = "forcegrant")]
pub(crate) struct PyConnection(pub(crate) Connection);
