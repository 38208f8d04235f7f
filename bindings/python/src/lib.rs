//! The Python package `forcegrant` over the core: names, types and errors are translated here,
//! and nothing is decided. What belongs in Python (classes with documentation, exceptions,
//! waiting in an event loop) is in `python/forcegrant`.
#![deny(unsafe_code)]

mod callback_queue;
mod calls;
mod classification;
mod cli;
mod client;
mod clock;
mod error;
mod event;
mod event_queue;
mod floor;
mod handle;
mod interpreter;
mod options;
mod per_process;
mod pool;
mod python_call;
mod report;
mod store;
mod time;
mod token;
mod token_cache;
mod wait;
mod wake;

use pyo3::prelude::*;

/// What `forcegrant` is built on; nothing here is public.
///
/// `gil_used`: the stable ABI of Python 3.10 cannot be loaded by free-threaded interpreters, so
/// no claim is made for them. It takes another wheel and a stress test to opt in.
#[pymodule(gil_used = true)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // Before any class is made.
    interpreter::refuse_others(module.py())?;

    module.add_class::<callback_queue::Question>()?;
    module.add_class::<calls::Call>()?;
    module.add_function(wrap_pyfunction!(calls::counts, module)?)?;
    module.add_function(wrap_pyfunction!(calls::check_renewed, module)?)?;
    module.add_function(wrap_pyfunction!(cli::cli, module)?)?;
    module.add_class::<client::Client>()?;
    module.add_class::<clock::TestClock>()?;
    module.add_function(wrap_pyfunction!(error::error_table, module)?)?;
    module.add_class::<event::Event>()?;
    module.add_class::<event::Measurement>()?;
    module.add_class::<floor::Floor>()?;
    module.add_class::<handle::Core>()?;
    module.add_class::<handle::Handle>()?;
    module.add_function(wrap_pyfunction!(options::seconds, module)?)?;
    module.add_class::<pool::ClientPool>()?;
    module.add_class::<pool::PoolCore>()?;
    module.add_class::<pool::PoolHandle>()?;
    module.add_class::<pool::Prewarmed>()?;
    module.add_class::<report::Status>()?;
    module.add_class::<report::Verified>()?;
    module.add_class::<store::StoreStep>()?;
    module.add_class::<store::StoreCheck>()?;
    module.add_class::<token::Expiry>()?;
    module.add_class::<token::Token>()?;
    module.add_class::<classification::Classification>()?;
    module.add_class::<wait::Wait>()?;

    for function in [
        wrap_pyfunction!(classification::classify_response, module)?,
        wrap_pyfunction!(classification::classify_grpc_status, module)?,
    ] {
        function.setattr("__module__", "forcegrant")?;
        module.add_function(function)?;
    }
    module.add("__version__", env!("CARGO_PKG_VERSION"))
}
