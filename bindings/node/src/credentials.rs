//! Credentials from a function of JavaScript: the core asks on its worker thread,
//! the function runs on the loop, and its answer comes back through a channel.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use forcegrant::{
    ClientBuilder, ClientCredentials, ClientPoolBuilder, CredentialSet, OrgCredentials,
};
use napi::Status;
use napi::bindgen_prelude::{Function, Result};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use tokio::sync::oneshot;

use crate::defect::reach;
use crate::options::NativeClientCredentials;
use crate::pool::NativeOrg;

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Answer<T> = std::result::Result<T, Failure>;

/// Where an answer goes.
enum CallbackQueue {
    Client(oneshot::Sender<Answer<CredentialSet>>),
    Pool(String, oneshot::Sender<Answer<OrgCredentials>>),
}

/// A question for credentials. When it is collected without an answer, the asker is told.
#[napi]
pub struct NativeQuestion {
    callback_queue: Option<CallbackQueue>,
}

#[napi]
impl NativeQuestion {
    /// The key that a pool asks for.
    #[napi(getter, catch_unwind)]
    pub fn key(&self) -> Option<String> {
        match &self.callback_queue {
            Some(CallbackQueue::Pool(key, _)) => Some(key.clone()),
            _ => None,
        }
    }

    /// Answers with credentials. Only the first answer counts.
    #[napi(catch_unwind)]
    pub fn answer(
        &mut self,
        current: NativeClientCredentials,
        next: Option<NativeClientCredentials>,
    ) {
        // An asker that is gone has stopped waiting.
        if let Some(CallbackQueue::Client(callback_queue)) = self.callback_queue.take() {
            let _ = callback_queue.send(pairs(&current, next.as_ref()).map_err(Failure::from));
        }
    }

    /// Answers a pool.
    #[napi(catch_unwind)]
    pub fn answer_org(&mut self, answer: NativeOrg) {
        if let Some(CallbackQueue::Pool(_, callback_queue)) = self.callback_queue.take() {
            let _ = callback_queue.send(org(&answer).map_err(Failure::from));
        }
    }

    /// Answers that there are none: the texts of what went wrong, from the outside in.
    #[napi(catch_unwind)]
    pub fn fail(&mut self, texts: Vec<String>) {
        let failure: Failure = Box::new(Thrown::chain(texts));
        match self.callback_queue.take() {
            Some(CallbackQueue::Client(callback_queue)) => drop(callback_queue.send(Err(failure))),
            Some(CallbackQueue::Pool(_, callback_queue)) => drop(callback_queue.send(Err(failure))),
            None => {}
        }
    }
}

type Call = ThreadsafeFunction<NativeQuestion, (), NativeQuestion, Status, false, true>;

/// Has the core ask `callback`, which does not keep the loop alive.
pub(crate) fn ask(
    builder: ClientBuilder,
    callback: &Function<'_, NativeQuestion, ()>,
) -> Result<ClientBuilder> {
    let call = call_of(callback)?;
    Ok(builder.credentials_callback(move || answered(Arc::clone(&call), CallbackQueue::Client)))
}

/// The same for a pool, which asks with a key.
pub(crate) fn ask_of_keys(
    builder: ClientPoolBuilder,
    callback: &Function<'_, NativeQuestion, ()>,
) -> Result<ClientPoolBuilder> {
    let call = call_of(callback)?;
    Ok(builder.credentials_callback(move |key| {
        answered(Arc::clone(&call), |callback_queue| {
            CallbackQueue::Pool(key, callback_queue)
        })
    }))
}

fn call_of(callback: &Function<'_, NativeQuestion, ()>) -> Result<Arc<Call>> {
    let call = callback
        .build_threadsafe_function::<NativeQuestion>()
        .weak::<true>()
        .build()?;
    Ok(Arc::new(call))
}

fn answered<T>(
    call: Arc<Call>,
    callback_queue: impl FnOnce(oneshot::Sender<Answer<T>>) -> CallbackQueue,
) -> impl Future<Output = Answer<T>> {
    let (sender, answer) = oneshot::channel();
    let callback_queue = Some(callback_queue(sender));
    async move {
        reach("login");
        let question = NativeQuestion { callback_queue };
        if call.call(question, ThreadsafeFunctionCallMode::NonBlocking) != Status::Ok {
            return Err("the thread of the callback has ended".into());
        }
        match answer.await {
            Ok(answer) => answer,
            Err(_) => Err("the callback's promise was dropped unsettled".into()),
        }
    }
}

/// An org's credentials, checked but for the login URL.
pub(crate) fn org(org: &NativeOrg) -> std::result::Result<OrgCredentials, forcegrant::Error> {
    let pairs = CredentialSet::new(ClientCredentials::new(
        &org.client_id,
        org.client_secret.as_str(),
    )?);
    let pairs = match &org.next {
        Some(next) => pairs.with_next(ClientCredentials::new(
            &next.client_id,
            next.client_secret.as_str(),
        )?),
        None => pairs,
    };
    Ok(OrgCredentials::new(&org.login_url, pairs))
}

/// Both pairs, checked.
pub(crate) fn pairs(
    current: &NativeClientCredentials,
    next: Option<&NativeClientCredentials>,
) -> std::result::Result<CredentialSet, forcegrant::Error> {
    let pair = |pair: &NativeClientCredentials| {
        ClientCredentials::new(&pair.client_id, pair.client_secret.as_str())
    };
    let pairs = CredentialSet::new(pair(current)?);
    Ok(match next {
        Some(next) => pairs.with_next(pair(next)?),
        None => pairs,
    })
}

/// What a function of JavaScript threw, by its text.
#[derive(Debug)]
struct Thrown {
    text: String,
    beneath: Option<Box<Self>>,
}

impl Thrown {
    fn chain(texts: Vec<String>) -> Self {
        let chained = texts
            .into_iter()
            .rev()
            .fold(None, |beneath, text| Some(Box::new(Self { text, beneath })));
        match chained {
            Some(outermost) => *outermost,
            None => Self {
                text: "nothing is known".to_owned(),
                beneath: None,
            },
        }
    }
}

impl fmt::Display for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Thrown {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let beneath = self.beneath.as_deref()?;
        Some(beneath)
    }
}
