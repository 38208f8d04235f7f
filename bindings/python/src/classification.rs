//! What an API's response says about the token.

use std::time::{Duration, SystemTime};

use forcegrant::{ApiResponse, ResponseClass, grpc_response_class};
use pyo3::prelude::*;
use pyo3::types::{PyMapping, PyTuple};

use crate::error::invalid_option;

/// What a response of a Salesforce API says about the token, and about limits.
#[pyclass(frozen, get_all, name = "Classification", module = "forcegrant")]
pub(crate) struct PyClassification {
    /// `fine`, `session_expired`, `unauthorized`, `rest_not_allowed`, `agent_not_attached`,
    /// `wrong_audience`, `password_expired`, `blocked`, `daily_limit`, `concurrent_limit`,
    /// `rate_limited`, `unavailable` or `other`.
    response_class: &'static str,
    /// Whether the session is dead, so that a new token helps: report it with `invalidate`.
    session_expired: bool,
    /// How long to wait, where the response says so.
    retry_after: Option<Duration>,
    /// API calls used and allowed in 24 hours, where the response says so.
    api_usage: Option<(u64, u64)>,
}

impl PyClassification {
    fn of(class: ResponseClass) -> Self {
        Self {
            response_class: class.as_str(),
            session_expired: class == ResponseClass::SessionExpired,
            retry_after: None,
            api_usage: None,
        }
    }
}

#[pymethods]
impl PyClassification {
    fn __str__(&self) -> &'static str {
        self.response_class
    }

    fn __repr__(&self) -> String {
        format!("<Classification {}>", self.response_class)
    }
}

/// Classify a response of a Salesforce API: REST, Bulk, SOAP, Connect or identity. Asks nobody.
///
/// `headers` are a mapping, or pairs, of str or bytes; upper and lower case do not matter. The
/// first few hundred bytes of the body are enough.
#[pyfunction]
#[pyo3(signature = (status, headers=None, body=None))]
pub(crate) fn classify_response(
    py: Python<'_>,
    status: i64,
    headers: Option<&Bound<'_, PyAny>>,
    body: Option<&Bound<'_, PyAny>>,
) -> PyResult<PyClassification> {
    let status = u16::try_from(status).map_err(|_| {
        invalid_option(
            py,
            "status",
            &format!("{status} is no HTTP status"),
            "Give the status of the response, such as 401.",
        )
    })?;
    let (mut retry_after, mut limit_info) = (None, None);
    if let Some(headers) = headers {
        for (name, value) in pairs(headers)? {
            match name.to_ascii_lowercase().as_str() {
                "retry-after" => retry_after = Some(value),
                "sforce-limit-info" => limit_info = Some(value),
                _ => {}
            }
        }
    }
    let body = match body {
        None => Vec::new(),
        Some(body) => bytes(body)?,
    };
    let response = ApiResponse {
        status,
        body: &body,
        retry_after: retry_after.as_deref(),
        limit_info: limit_info.as_deref(),
    };
    Ok(PyClassification {
        retry_after: response.retry_after(SystemTime::now()),
        api_usage: response.api_usage().map(|usage| (usage.used, usage.limit)),
        ..PyClassification::of(response.class())
    })
}

/// Classify the status of a gRPC call (of the Pub/Sub API). Asks nobody.
///
/// `code` is the number of the status: `error.code().value[0]` with grpcio.
#[pyfunction]
pub(crate) fn classify_grpc_status(code: u32) -> PyClassification {
    PyClassification::of(grpc_response_class(code))
}

fn pairs(headers: &Bound<'_, PyAny>) -> PyResult<Vec<(String, String)>> {
    let items = match headers.cast::<PyMapping>() {
        Ok(mapping) => mapping.items()?.into_any(),
        Err(_) => headers.clone(),
    };
    let mut pairs = Vec::new();
    for item in items.try_iter()? {
        let item = item?;
        let item = item.cast::<PyTuple>()?;
        let text = |index| -> PyResult<String> {
            let raw = bytes(&item.get_item(index)?)?;
            Ok(String::from_utf8_lossy(&raw).into_owned())
        };
        pairs.push((text(0)?, text(1)?));
    }
    Ok(pairs)
}

fn bytes(value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    match value.extract::<String>() {
        Ok(text) => Ok(text.into_bytes()),
        Err(_) => value.extract(),
    }
}
