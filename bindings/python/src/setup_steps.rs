//! The steps of the set-up in Salesforce as data, for forms of the user's own.

use forcegrant::SetupStep;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// A step of the set-up in Salesforce: what an error's `setup_step` names.
#[pyclass(frozen, eq, hash, name = "SetupStep", module = "forcegrant")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct PySetupStep(SetupStep);

#[pymethods]
impl PySetupStep {
    /// Its stable name, such as `run-as-user`.
    #[getter]
    fn name(&self) -> &'static str {
        self.0.as_str()
    }

    /// What is done, in a few words.
    #[getter]
    fn title(&self) -> &'static str {
        self.0.title()
    }

    /// Where in Salesforce's Setup it is done.
    #[getter]
    fn path(&self) -> &'static str {
        self.0.setup_path()
    }

    /// How it is done: a few sentences for a person in front of Salesforce's Setup.
    #[getter]
    fn text(&self) -> &'static str {
        self.0.text()
    }

    fn __repr__(&self) -> String {
        format!("<SetupStep {}>", self.0.as_str())
    }
}

/// All steps, in their order.
pub(crate) fn all(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    let steps = SetupStep::ALL.map(|step| Py::new(py, PySetupStep(step)));
    let steps = steps.into_iter().collect::<PyResult<Vec<_>>>()?;
    PyTuple::new(py, steps)
}
