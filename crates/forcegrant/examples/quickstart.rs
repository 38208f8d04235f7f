//! The README's quick start: set SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID and
//! SALESFORCE_CLIENT_SECRET, then `cargo run --example quickstart`.

use forcegrant::Client;

#[tokio::main]
async fn main() -> Result<(), forcegrant::Error> {
    let sf = Client::from_env()?; // or Client::builder("acme.my.salesforce.com", id, secret).build()?
    let token = sf.token().await?;
    println!("{} {:?}", token.instance_url(), token.org_id());
    Ok(())
}
