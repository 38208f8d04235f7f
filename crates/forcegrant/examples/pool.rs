//! The pool as docs/guides/many-orgs.md prints it, word for word.

use forcegrant::{ClientPool, OrgCredentials};

#[tokio::main]
async fn main() -> Result<(), forcegrant::Error> {
    let pool = ClientPool::builder()
        .credentials_callback(async |_key| {
            // From your database or vault; here every tenant has the same org.
            let id = std::env::var("SALESFORCE_CLIENT_ID")?;
            let secret = std::env::var("SALESFORCE_CLIENT_SECRET")?;
            let login_url = std::env::var("SALESFORCE_LOGIN_URL")?;
            Ok(OrgCredentials::of(login_url, id, secret)?)
        })
        .build()?;
    let token = pool.token("tenant-42").await?;
    println!("{} {:?}", token.instance_url(), token.org_id());
    Ok(())
}
