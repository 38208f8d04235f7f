//! The Python package `forcegrant` over the core: names, types and errors are translated here,
//! and nothing is decided. What belongs in Python (classes with documentation, exceptions,
//! waiting in an event loop) is in `python/forcegrant`.
#![deny(unsafe_code)]

mod api_call;
mod callbacks;
mod classification;
mod cli;
mod client;
mod clock;
mod connection;
mod connection_login;
mod connection_value;
mod connections;
mod error;
mod event;
mod event_queue;
mod hooks;
mod interpreter;
mod options;
mod pool;
mod process_queue;
mod python_call;
mod report;
mod request;
mod setup_steps;
mod time;
mod token;
mod token_cache;
mod values;
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

    module.add_class::<api_call::PyApiCall>()?;
    module.add_class::<classification::PyClassification>()?;
    module.add_class::<client::PyClient>()?;
    module.add_class::<client::PyClientBase>()?;
    module.add_class::<clock::PyTestClock>()?;
    module.add_class::<connection_value::PyConnection>()?;
    module.add_class::<connection::PyConnectionList>()?;
    module.add_class::<connection_login::PyVerification>()?;
    module.add_class::<connections::PyAsyncConnections>()?;
    module.add_class::<connections::PyConnections>()?;
    module.add_class::<connections::PyConnectionsBase>()?;
    module.add_class::<event::PyEvent>()?;
    module.add_class::<event::PyMeasurement>()?;
    module.add_class::<pool::PyClientPool>()?;
    module.add_class::<pool::PyPoolBase>()?;
    module.add_class::<report::PyPrewarmed>()?;
    module.add_class::<report::PyStatus>()?;
    module.add_class::<report::PyVerified>()?;
    module.add_class::<request::PyRequest>()?;
    module.add_class::<request::PyStoreCheck>()?;
    module.add_class::<setup_steps::PySetupStep>()?;
    module.add_class::<token::PyExpiry>()?;
    module.add_class::<token::PyToken>()?;
    module.add_class::<wait::PyWait>()?;
    module.add_function(wrap_pyfunction!(api_call::body_counts, module)?)?;
    module.add_function(wrap_pyfunction!(api_call::check_renewed, module)?)?;
    module.add_function(wrap_pyfunction!(cli::cli, module)?)?;
    module.add_function(wrap_pyfunction!(error::error_table, module)?)?;
    module.add_function(wrap_pyfunction!(hooks::register, module)?)?;
    module.add_function(wrap_pyfunction!(values::seconds, module)?)?;

    for function in [
        wrap_pyfunction!(classification::classify_response, module)?,
        wrap_pyfunction!(classification::classify_grpc_status, module)?,
    ] {
        function.setattr("__module__", "forcegrant")?;
        module.add_function(function)?;
    }
    module.add("SETUP_STEPS", setup_steps::all(module.py())?)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))
}
