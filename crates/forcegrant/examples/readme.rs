//! The quick start as the README prints it, word for word. `quickstart` does more, and needs no org.

use forcegrant::Client;

#[tokio::main]
async fn main() -> Result<(), forcegrant::Error> {
    let sf = Client::from_env()?; // or Client::builder("acme.my.salesforce.com", id, secret).build()?
    let token = sf.token().await?;
    println!("{} {:?}", token.instance_url(), token.org_id());
    Ok(())
}
