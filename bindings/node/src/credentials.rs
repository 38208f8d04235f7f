//! Credentials from a function of JavaScript: the core asks on its worker thread,
//! the function runs on the loop, and its answer comes back through a channel.

use std::fmt;
use std::sync::Arc;

use forcegrant::{ClientBuilder, KeyPair, KeyPairs};
use napi::Status;
use napi::bindgen_prelude::{Function, Result};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use tokio::sync::oneshot;

use crate::defect::reach;
use crate::options::NativeKeyPair;

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Answer = std::result::Result<KeyPairs, Failure>;

/// A question for credentials. When it is collected without an answer, the asker is told.
#[napi]
pub struct NativeQuestion {
    asker: Option<oneshot::Sender<Answer>>,
}

#[napi]
impl NativeQuestion {
    /// Answers with credentials. Only the first answer counts.
    #[napi(catch_unwind)]
    pub fn answer(&mut self, current: NativeKeyPair, next: Option<NativeKeyPair>) {
        let answer = pairs(&current, next.as_ref()).map_err(Failure::from);
        self.settle(answer);
    }

    /// Answers that there are none: the texts of what went wrong, from the outside in.
    #[napi(catch_unwind)]
    pub fn fail(&mut self, texts: Vec<String>) {
        self.settle(Err(Box::new(Thrown::chain(texts))));
    }

    fn settle(&mut self, answer: Answer) {
        if let Some(asker) = self.asker.take() {
            // An asker that is gone has stopped waiting.
            let _ = asker.send(answer);
        }
    }
}

/// Has the core ask `callback`, which does not keep the loop alive.
pub(crate) fn ask(
    builder: ClientBuilder,
    callback: &Function<'_, NativeQuestion, ()>,
) -> Result<ClientBuilder> {
    let call = callback
        .build_threadsafe_function::<NativeQuestion>()
        .weak::<true>()
        .build()?;
    let call = Arc::new(call);
    Ok(builder.credentials_callback(move || {
        let call = Arc::clone(&call);
        async move {
            reach("login");
            let (asker, answer) = oneshot::channel();
            let question = NativeQuestion { asker: Some(asker) };
            if call.call(question, ThreadsafeFunctionCallMode::NonBlocking) != Status::Ok {
                return Err("the thread of the callback has ended".into());
            }
            match answer.await {
                Ok(answer) => answer,
                Err(_) => Err("the callback's promise was dropped unsettled".into()),
            }
        }
    }))
}

/// Both pairs, checked.
pub(crate) fn pairs(
    current: &NativeKeyPair,
    next: Option<&NativeKeyPair>,
) -> std::result::Result<KeyPairs, forcegrant::Error> {
    let pair = |pair: &NativeKeyPair| KeyPair::new(&pair.client_id, pair.client_secret.as_str());
    let pairs = KeyPairs::new(pair(current)?);
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
