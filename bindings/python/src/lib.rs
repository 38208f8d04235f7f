//! The Python package `forcegrant` over the core: names, types and errors are translated here,
//! and nothing is decided. What belongs in Python (classes with documentation, exceptions,
//! waiting in an event loop) is in `python/forcegrant`.
#![forbid(unsafe_code)]

mod asker;
mod client;
mod clock;
mod error;
mod event;
mod floor;
mod handle;
mod kept;
mod options;
mod outlet;
mod pool;
mod report;
mod time;
mod token;
mod verdict;
mod wait;
mod wake;

use pyo3::prelude::*;

/// What `forcegrant` is built on; nothing here is public.
///
/// `gil_used`: the stable ABI of Python 3.10 cannot be loaded by free-threaded interpreters, so
/// no claim is made for them. It takes another wheel and a stress test to opt in.
#[pymodule(gil_used = true)]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::asker::Question;
    #[pymodule_export]
    use crate::client::Client;
    #[pymodule_export]
    use crate::clock::TestClock;
    #[pymodule_export]
    use crate::error::error_table;
    #[pymodule_export]
    use crate::event::{Event, Measurement};
    #[pymodule_export]
    use crate::floor::Floor;
    #[pymodule_export]
    use crate::handle::{Core, Handle};
    #[pymodule_export]
    use crate::options::seconds;
    #[pymodule_export]
    use crate::pool::{ClientPool, PoolCore, PoolHandle, Prewarmed};
    #[pymodule_export]
    use crate::report::{Status, Verified};
    #[pymodule_export]
    use crate::token::{Expiry, Token};
    #[pymodule_export]
    use crate::verdict::{Verdict, verdict};
    #[pymodule_export]
    use crate::wait::Wait;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module
            .getattr("verdict")?
            .setattr("__module__", "forcegrant")?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
