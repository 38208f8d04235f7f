//! The text of `--help`.

pub(crate) const TEXT: &str = "\
Fetches Salesforce access tokens with the OAuth 2.0 client-credentials flow.

Usage: forcegrant COMMAND [options]

Commands:
  token            log in and print the access token, alone on its line
  verify           log in and make one API call; say in a few lines what works
  doctor           check everything step by step, and say what to fix and where
  errors [CODE]    explain an error code, or list them all

Which org and app:
  --login-url HOST           the org's My Domain, for example acme.my.salesforce.com,
                             or any address of the org as the browser shows it
  --client-id KEY            the app's consumer key
  --client-secret-file FILE  a file that holds the app's consumer secret alone
  --client-secret-stdin      read the consumer secret from standard input
  Without them: SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID, SALESFORCE_CLIENT_SECRET
  or SALESFORCE_CLIENT_SECRET_FILE. The secret itself cannot be an argument: every
  user of the machine sees arguments in the process list, and the shell keeps them.

How to get there:
  --auth-style body|basic    how the app authenticates itself (default: body)
  --token-url URL            the whole token endpoint, for a gateway or custom domain
  --trusted-host HOST        one more host that may see the secret and the token;
                             .example.com for all below it; may be repeated
  --roots platform|bundled|FILE   certificate authorities (default: platform)
  --proxy env|none|URL       (default: env, that is HTTPS_PROXY, ALL_PROXY, NO_PROXY)
  --resolve HOST=ADDR:PORT   reach a host at this address; may be repeated
  --timeout SECONDS          for the whole login (default: 30)

  --header                   with token: as an HTTP header, for curl -H @-
  --json                     with token: also instance URL, org, user, scopes, expiry
  --help, --version

Exit codes: 0 success, 1 refused or failed, 2 the command line is wrong.

Example: the token is in no process list, and without one curl does not run.
  header=$(forcegrant token --header) && printf '%s\\n' \"$header\" |
    curl -H @- https://acme.my.salesforce.com/services/data/v60.0/limits";
