//! Where the credentials of an org come from, and when they change.

use super::*;

#[test]
fn new_credentials_keep_the_token_that_still_works() {
    let f = fixture(|builder| builder);
    f.insert("acme", "old");
    assert_eq!(f.text("acme"), "acme.my.salesforce.com!1");
    let new = OrgCredentials::of(host("acme"), "id", "new").unwrap();
    f.pool.set_credentials("acme", new.clone()).unwrap();
    assert_eq!(f.text("acme"), "acme.my.salesforce.com!1");
    // The new ones are used from the next login on.
    assert!(f.pool.invalidate("acme", &f.pool.token("acme").unwrap()));
    assert_eq!(f.text("acme"), "acme.my.salesforce.com!2");
    let error = f.pool.set_credentials("globex", new).unwrap_err();
    assert_eq!(error.code(), "unknown_key");
}

#[test]
fn the_same_credentials_again_change_nothing_and_forget_no_failure() {
    let f = fixture(|builder| builder);
    f.stage.refused.lock().unwrap().push(host("acme"));
    f.insert("acme", "s");
    f.pool.token("acme").unwrap_err();
    f.insert("acme", "s");
    f.pool.token("acme").unwrap_err();
    assert_eq!(f.requests(), 1);
    f.insert("acme", "other");
    f.pool.token("acme").unwrap_err();
    assert_eq!(f.requests(), 2);
}

#[test]
fn another_login_host_under_a_key_is_another_org() {
    let f = fixture(|builder| builder);
    f.insert("tenant", "s");
    let before = f.pool.client("tenant").unwrap();
    f.text("tenant");
    f.pool.insert("tenant", host("globex"), "id", "s").unwrap();
    assert!(f.pool.cached("tenant").is_none(), "the other org's token");
    assert_eq!(f.text("tenant"), "globex.my.salesforce.com!1");
    assert_eq!(f.pool.len(), 1);
    // A handle goes on with what it was made for.
    let token = before.token().unwrap();
    assert_eq!(token.access_token(), "tenant.my.salesforce.com!1");
}

#[test]
fn a_callback_is_asked_once_for_many_callers_and_its_failure_is_remembered() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let f = fixture(move |builder| {
        builder.credentials_callback(move |key| {
            let number = count.fetch_add(1, Ordering::SeqCst);
            async move {
                if number == 0 {
                    return Err("the vault is sealed".into());
                }
                Ok(OrgCredentials::of(host(&key), "id", "s")?)
            }
        })
    });
    let first = f.pool.token("acme").unwrap_err();
    let second = f.pool.token("acme").unwrap_err();
    assert_eq!(first.code(), "credentials_unavailable");
    assert_eq!(second.code(), "credentials_unavailable");
    assert!(second.retry_after().is_some());
    assert_eq!((asked.load(Ordering::SeqCst), f.requests()), (1, 0));
    f.clock.advance(Duration::from_secs(5));
    f.text("acme");
    f.text("acme");
    assert_eq!((asked.load(Ordering::SeqCst), f.requests()), (2, 1));
    assert_eq!(f.pool.status("acme").unwrap().login_host, host("acme"));
}

#[test]
fn a_callback_that_names_a_strange_host_is_refused() {
    let f = fixture(|builder| {
        builder.credentials_callback(async |_| Ok(OrgCredentials::of("evil.example", "id", "s")?))
    });
    assert_eq!(f.pool.token("acme").unwrap_err().code(), "untrusted_host");
    assert_eq!(f.requests(), 0);
}
