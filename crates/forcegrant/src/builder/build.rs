//! From options to a client.

use std::sync::Arc;

use super::{ClientBuilder, checks};
use crate::calls::CallSettings;
use crate::client::Client;
use crate::client_config::ClientConfig;
use crate::client_inner::ClientInner;
use crate::credentials::{CredentialsProvider, CredentialsSource};
use crate::http::{HttpTransport, ProxyRules};
use crate::shared_logins::ProcessSharing;
use crate::store;
use forcegrant_proto::error::{Error, invalid_option};
use forcegrant_proto::host::{LoginEndpoint, TrustPolicy, is_host_name};
use forcegrant_proto::pasted_text;
use forcegrant_proto::secret::Secret;

impl Client {
    /// A client for the app with this consumer key and secret, in the org of this My Domain.
    ///
    /// `login_url` is what people paste for it: `acme.my.salesforce.com`, with or without
    /// `https://`, or the address of a Lightning page of the org.
    pub fn builder(
        login_url: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<Secret>,
    ) -> ClientBuilder {
        ClientBuilder::new(login_url.into(), client_id.into(), client_secret.into())
    }

    /// A client from `SALESFORCE_LOGIN_URL`, `SALESFORCE_CLIENT_ID` and
    /// `SALESFORCE_CLIENT_SECRET`; see [`ClientBuilder::from_env`] for the other names that are read.
    pub fn from_env() -> Result<Self, Error> {
        ClientBuilder::from_env()?.build()
    }
}

impl ClientBuilder {
    /// Checks every option and makes the client. Sends nothing and starts nothing.
    ///
    /// # Errors
    /// `invalid_option`, `invalid_login_url`, `untrusted_host` or `missing_credentials`; each names
    /// the option and a right value.
    pub fn build(self) -> Result<Client, Error> {
        checks::numbers(&self)?;
        let (mut source, given) = checks::source(self.credentials.clone(), self.next.clone())?;
        let mut trust =
            TrustPolicy::new(self.trusted_hosts.iter().cloned(), self.allow_http_loopback)?;
        let login_url = pasted_text::meant(&self.login_url);
        let endpoint = match &self.token_url {
            Some(url) => {
                if !login_url.is_empty() {
                    LoginEndpoint::from_login_url(login_url, &trust)?;
                }
                LoginEndpoint::from_token_url(url, &mut trust)?
            }
            None => LoginEndpoint::from_login_url(login_url, &trust)?,
        };
        if self.introspect {
            checks::introspection(&endpoint)?;
        }
        if let CredentialsSource::Saved(saved) = &mut source {
            saved.of_client(self.token_url.as_ref(), &trust);
        }
        let credentials = CredentialsProvider::new(Arc::new(source), given, Some(endpoint))?;
        let is_within_process = self.sharing.is_within_process();
        let config = Arc::new(self.config(trust, is_within_process)?);
        Ok(Client::new(ClientInner::new(credentials, config, "")))
    }

    /// What many clients of other orgs have in common. Their credentials and where they go are not known yet,
    /// and they share no logins among themselves.
    pub(crate) fn common_config(self) -> Result<ClientConfig, Error> {
        checks::numbers(&self)?;
        checks::shared(&self)?;
        let trust = TrustPolicy::new(self.trusted_hosts.iter().cloned(), self.allow_http_loopback)?;
        self.config(trust, false)
    }

    fn config(self, trust: TrustPolicy, is_within_process: bool) -> Result<ClientConfig, Error> {
        let mut http = self.http;
        http.proxies = ProxyRules::new(&self.proxy, &self.environment)?;
        for (host, _) in &mut http.resolve {
            *host = host.trim().to_ascii_lowercase();
            if !is_host_name(host) {
                return Err(invalid_option(
                    "resolve",
                    "a key is not a host name",
                    "Map host names to socket addresses: `acme.my.salesforce.com` to `127.0.0.1:8443`.",
                ));
            }
        }
        let route = store::route(&http, self.auth_style);
        let calls = CallSettings::new(self.calls);
        #[cfg(feature = "http-client")]
        let calls = calls.with_http(http.clone());
        let transport = HttpTransport::new(http, self.clock.clone())?;
        Ok(ClientConfig {
            auth_style: self.auth_style,
            trust,
            retry: self.retry,
            attempt_timeout: self.attempt_timeout,
            lifetimes: self.lifetimes,
            failures: self.failures,
            budget: self.budget,
            introspection: self.introspect.then_some(self.introspection_timeout),
            store: self.sharing.shared_store(self.store_timeout, &route),
            process: is_within_process.then(|| Arc::new(ProcessSharing::new(&route, &self.clock))),
            clock: self.clock,
            events: self.events,
            transport: Arc::new(transport),
            permits: None,
            calls: Arc::new(calls),
        })
    }
}
