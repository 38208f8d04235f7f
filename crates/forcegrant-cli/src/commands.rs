//! Every command with its words and options: what the parser, `--help` and shell completion go by.

/// An option of the command line.
#[derive(Debug)]
pub(crate) struct OptionSpec {
    pub(crate) name: &'static str,
    /// What its value is called; `None` if it has none.
    pub(crate) value: Option<&'static str>,
    pub(crate) help: &'static str,
    /// The values to complete, if they are known.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "what the completion scripts are made from")
    )]
    pub(crate) values: &'static [&'static str],
}

/// A command, or a command of `connections`.
#[derive(Debug)]
pub(crate) struct CommandSpec {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Its words, as the help shows them.
    pub(crate) words: &'static str,
    /// How many words it takes at most.
    pub(crate) max_words: usize,
    /// Values of its first word, for completion.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "what the completion scripts are made from")
    )]
    pub(crate) word_values: &'static [&'static str],
    pub(crate) options: &'static [&'static [OptionSpec]],
    /// What the help says below the options.
    pub(crate) details: &'static str,
    pub(crate) commands: &'static [CommandSpec],
}

const fn flag(name: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec {
        name,
        value: None,
        help,
        values: &[],
    }
}

const fn valued(name: &'static str, value: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec {
        name,
        value: Some(value),
        help,
        values: &[],
    }
}

const COMMAND: CommandSpec = CommandSpec {
    name: "",
    about: "",
    words: "",
    max_words: 0,
    word_values: &[],
    options: &[],
    details: "",
    commands: &[],
};

const FOLDER: &[OptionSpec] = &[valued(
    "folder",
    "DIR",
    "where the connections are (default: FORCEGRANT_CONNECTIONS)",
)];

const SAVED: &[OptionSpec] = &[valued(
    "connection",
    "ID",
    "a saved connection, in place of the credentials below",
)];

const APP: &[OptionSpec] = &[
    valued(
        "login-url",
        "HOST",
        "the org's My Domain, or any address of the org",
    ),
    valued("client-id", "KEY", "the app's consumer key"),
];

const SECRET: &[OptionSpec] = &[
    valued(
        "client-secret-file",
        "FILE",
        "a file that holds the app's consumer secret alone",
    ),
    flag(
        "client-secret-stdin",
        "read the consumer secret from standard input",
    ),
];

const ENDPOINT: &[OptionSpec] = &[
    OptionSpec {
        values: &["body", "basic"],
        ..valued(
            "auth-style",
            "STYLE",
            "how the app authenticates itself: body (default) or basic",
        )
    },
    valued(
        "token-url",
        "URL",
        "the whole token endpoint, for a gateway or custom domain",
    ),
    valued(
        "trusted-host",
        "HOST",
        "one more host that may see secret and token; repeatable",
    ),
];

const NETWORK: &[OptionSpec] = &[
    valued(
        "roots",
        "FROM",
        "certificate authorities: platform (default), bundled or a file",
    ),
    valued("proxy", "PROXY", "env (default), none or a URL"),
    valued(
        "resolve",
        "HOST=ADDR:PORT",
        "reach a host at this address; repeatable",
    ),
    valued("timeout", "SECONDS", "for the whole login (default: 30)"),
];

const JSON: &[OptionSpec] = &[flag("json", "as JSON")];
const HEADER: &[OptionSpec] = &[flag("header", "as an HTTP header, for curl -H @-")];
const LABEL: &[OptionSpec] = &[valued(
    "label",
    "KEY=VALUE",
    "a label of the connection; repeatable",
)];

const CONNECT: &[OptionSpec] = &[
    valued("name", "TEXT", "a name in any characters"),
    flag("replace", "replace a connection that exists"),
    flag("other-org", "even if it was one of another org"),
    flag("terminal", "ask in the terminal, not by the page"),
    flag("no-browser", "print the link of the page, and open nothing"),
    valued(
        "port",
        "N",
        "the page's port on 127.0.0.1 (default: any free one)",
    ),
];

const LOGIN_DETAILS: &str = "\
Without --connection and the options of the app: FORCEGRANT_CONNECTION, or SALESFORCE_LOGIN_URL,
SALESFORCE_CLIENT_ID, SALESFORCE_CLIENT_SECRET or SALESFORCE_CLIENT_SECRET_FILE. The secret
itself cannot be an argument: every user of the machine sees arguments in the process list.";

const LOGIN: &[&[OptionSpec]] = &[SAVED, FOLDER, APP, SECRET, ENDPOINT, NETWORK];

/// The commands, in the order of the help.
pub(crate) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "token",
        about: "log in and print the access token, alone on its line",
        options: &[HEADER, JSON, SAVED, FOLDER, APP, SECRET, ENDPOINT, NETWORK],
        details: "\
With a connection the token is shared with later runs, through a folder in the user's cache.

--json is one object, whose fields stay: version (1), token_type (\"Bearer\"), access_token,
instance_url, org_id, user_id, scopes, and expiry with at (RFC 3339), source and certainty
(known or estimated). A greater version may mean something else; fields may be added.

Without --connection and the options of the app: FORCEGRANT_CONNECTION, or SALESFORCE_LOGIN_URL,
SALESFORCE_CLIENT_ID, SALESFORCE_CLIENT_SECRET or SALESFORCE_CLIENT_SECRET_FILE. The secret
itself cannot be an argument: every user of the machine sees arguments in the process list.",
        ..COMMAND
    },
    CommandSpec {
        name: "verify",
        about: "log in and make one API call; say in a few lines what works",
        options: LOGIN,
        details: LOGIN_DETAILS,
        ..COMMAND
    },
    CommandSpec {
        name: "doctor",
        about: "check everything step by step, and say what to fix and where",
        options: LOGIN,
        details: LOGIN_DETAILS,
        ..COMMAND
    },
    CommandSpec {
        name: "call",
        about: "call an API of the org with the token",
        words: "METHOD PATH",
        max_words: 2,
        word_values: &["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD"],
        options: &[CALL, SAVED, FOLDER, APP, SECRET, ENDPOINT, NETWORK],
        details: "\
PATH is a path on the org's instance, such as /services/data/v60.0/limits. The body of the
response goes to standard output, status and errors to standard error.

Exit codes: 0 status below 400, 4 status 400 to 499, 5 status 500 and above,
1 no response (login, network), 2 the command line is wrong.",
        ..COMMAND
    },
    CommandSpec {
        name: "connect",
        about: "enter three values; what they give is verified and saved",
        words: "ID",
        max_words: 1,
        options: &[CONNECT, APP, SECRET, LABEL, FOLDER, NETWORK],
        details: "\
A page on this computer asks for the three values; in the terminal if there is no display, or
over SSH. With --client-secret-stdin or --client-secret-file nothing is asked.
On another machine: ssh -L 4242:127.0.0.1:4242 HOST, and there --port 4242 --no-browser.

Exit codes: 0 connected, 3 not connected, 2 the command line is wrong, 130 Ctrl-C.",
        ..COMMAND
    },
    CommandSpec {
        name: "connections",
        about: "list, show, verify, remove, label or reseal connections",
        options: &[JSON, LABEL, FOLDER],
        commands: CONNECTIONS,
        details: "Exit codes: 0 success, 1 failed, 2 the command line is wrong.",
        ..COMMAND
    },
    CommandSpec {
        name: "emulator",
        about: "run the Salesforce emulator, where it is installed",
        words: "[ARGUMENT]...",
        details: "All arguments go to forcegrant-emulator: `forcegrant emulator -- --help` shows them.",
        ..COMMAND
    },
    CommandSpec {
        name: "errors",
        about: "explain an error code, or list them all",
        words: "[CODE]",
        max_words: 1,
        ..COMMAND
    },
    CommandSpec {
        name: "completions",
        about: "print the script that completes commands in a shell",
        words: "SHELL",
        max_words: 1,
        word_values: &["bash", "zsh", "fish", "powershell"],
        details: "For bash: source <(forcegrant completions bash)",
        ..COMMAND
    },
];

const CALL: &[OptionSpec] = &[
    valued(
        "data",
        "TEXT|@FILE|-",
        "the body: a text, a file, or standard input",
    ),
    valued("header", "NAME:VALUE", "one more header; repeatable"),
    flag("include", "status and headers too, on standard error"),
];

const CONNECTIONS: &[CommandSpec] = &[
    CommandSpec {
        name: "show",
        about: "show one connection, without its secret",
        words: "ID",
        max_words: 1,
        options: &[JSON, FOLDER],
        ..COMMAND
    },
    CommandSpec {
        name: "verify",
        about: "log in with one or all, and make one API call",
        words: "[ID]",
        max_words: 1,
        options: &[ALL, FOLDER, NETWORK],
        details: "Exit codes: 0 all work, 1 one fails, 2 the command line is wrong.",
        ..COMMAND
    },
    CommandSpec {
        name: "remove",
        about: "remove a connection; Salesforce is told nothing",
        words: "ID",
        max_words: 1,
        options: &[FOLDER],
        ..COMMAND
    },
    CommandSpec {
        name: "label",
        about: "set or remove labels of a connection; the others stay",
        words: "ID [KEY=VALUE]...",
        max_words: usize::MAX,
        options: &[
            &[valued("remove", "KEY", "remove this label; repeatable")],
            FOLDER,
        ],
        ..COMMAND
    },
    CommandSpec {
        name: "reseal",
        about: "seal the secret of a connection, or of all, anew",
        words: "[ID]",
        max_words: 1,
        options: &[ALL, FOLDER],
        details: "\
The keys are in FORCEGRANT_CONNECTIONS_KEY, or in the file that FORCEGRANT_CONNECTIONS_KEY_FILE
names: base64 of 32 bytes, several with commas. The first seals, all open.",
        ..COMMAND
    },
    CommandSpec {
        name: "key",
        about: "print a new key for FORCEGRANT_CONNECTIONS_KEY",
        ..COMMAND
    },
];

const ALL: &[OptionSpec] = &[flag("all", "all connections")];

impl CommandSpec {
    /// The command with this name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        COMMANDS.iter().find(|command| command.name == name)
    }

    pub(crate) fn all_options(&self) -> impl Iterator<Item = &'static OptionSpec> {
        self.options.iter().flat_map(|group| group.iter())
    }

    pub(crate) fn option(&self, name: &str) -> Option<&'static OptionSpec> {
        self.all_options().find(|option| option.name == name)
    }
}
