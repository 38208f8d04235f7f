use super::*;

type Pairs<'a> = &'a [(&'a str, &'a str)];

const SALESFORCE: [(&str, &str); 3] = [
    ("SALESFORCE_LOGIN_URL", "a.my.salesforce.com"),
    ("SALESFORCE_CLIENT_ID", "id-a"),
    ("SALESFORCE_CLIENT_SECRET", "secret-a"),
];
const SF: [(&str, &str); 3] = [
    ("SF_LOGIN_URL", "b.my.salesforce.com"),
    ("SF_CLIENT_ID", "id-b"),
    ("SF_CLIENT_SECRET", "secret-b"),
];

fn parts(pairs: Pairs<'_>) -> EnvironmentCredentials {
    EnvironmentCredentials::read(&Environment::of(pairs.iter().copied()), Wanted::ALL)
}

/// The values, or the code and text of the first error.
fn read(pairs: Pairs<'_>) -> Result<[String; 3], (&'static str, String)> {
    let parts = parts(pairs);
    let value = |part: Result<FoundVariable, Error>| match part {
        Ok(found) => Ok(found.value.expose().to_owned()),
        Err(error) => {
            let help = error.help().unwrap_or_default();
            Err((error.code().as_str(), format!("{error}\n{help}")))
        }
    };
    Ok([
        value(parts.login_url)?,
        value(parts.client_id)?,
        value(parts.client_secret)?,
    ])
}

#[test]
fn a_family_is_taken_whole() {
    assert_eq!(
        read(&SALESFORCE).unwrap(),
        ["a.my.salesforce.com", "id-a", "secret-a"]
    );
    assert_eq!(
        read(&SF).unwrap(),
        ["b.my.salesforce.com", "id-b", "secret-b"]
    );
    let both = [SALESFORCE, SF].concat();
    assert_eq!(
        read(&both).unwrap(),
        ["a.my.salesforce.com", "id-a", "secret-a"]
    );
    assert_eq!(
        parts(&both).client_id.unwrap().unused,
        ["SF_CLIENT_ID"],
        "what does not count is known"
    );
}

#[test]
fn every_mixture_is_an_error_that_names_two_variables() {
    // Each part from one of the families, and not all from the same.
    for choice in 1..7_u8 {
        let pairs: Vec<_> = (0..3)
            .map(|part| {
                if choice & (1 << part) == 0 {
                    SALESFORCE[part]
                } else {
                    SF[part]
                }
            })
            .collect();
        let (code, text) = read(&pairs).unwrap_err();
        assert_eq!(code, "ambiguous_credentials", "{pairs:?}");
        assert!(
            text.contains("SALESFORCE_") && text.contains("SF_"),
            "{text}"
        );
        assert!(!text.contains("secret-") && !text.contains("id-"), "{text}");
    }
    // One part of the first family beside the second one whole.
    for one in SALESFORCE {
        let pairs = [&SF[..], &[one]].concat();
        assert_eq!(
            read(&pairs).unwrap_err().0,
            "ambiguous_credentials",
            "{one:?}"
        );
    }
}

#[test]
fn what_is_given_in_another_way_mixes_with_nothing() {
    let environment = Environment::of([SALESFORCE[0], SF[1], SF[2]]);
    let wanted = Wanted {
        login_url: false,
        ..Wanted::ALL
    };
    let parts = EnvironmentCredentials::read(&environment, wanted);
    assert_eq!(parts.client_id.unwrap().name, "SF_CLIENT_ID");
    assert_eq!(parts.client_secret.unwrap().name, "SF_CLIENT_SECRET");
}

#[test]
fn aliases_are_one_family_and_have_to_agree() {
    let aliases = [
        ("SALESFORCE_MY_DOMAIN", "a.my.salesforce.com"),
        ("SALESFORCE_CONSUMER_KEY", "id-a"),
        ("SALESFORCE_CONSUMER_SECRET", "secret-a"),
    ];
    let expected = ["a.my.salesforce.com", "id-a", "secret-a"];
    assert_eq!(read(&aliases).unwrap(), expected);
    assert_eq!(read(&[SALESFORCE, aliases].concat()).unwrap(), expected);
    // The same host in another spelling.
    let pasted = ("SALESFORCE_INSTANCE_URL", "https://a.lightning.force.com/x");
    assert!(read(&[&SALESFORCE[..], &[pasted]].concat()).is_ok());
    for (name, beside) in [
        ("SALESFORCE_INSTANCE_URL", "SALESFORCE_LOGIN_URL"),
        ("SALESFORCE_DOMAIN", "SALESFORCE_LOGIN_URL"),
        ("SALESFORCE_CONSUMER_KEY", "SALESFORCE_CLIENT_ID"),
        ("SALESFORCE_CONSUMER_SECRET", "SALESFORCE_CLIENT_SECRET"),
    ] {
        let pairs = [&SALESFORCE[..], &[(name, "other")]].concat();
        let (code, text) = read(&pairs).unwrap_err();
        assert_eq!(code, "ambiguous_credentials");
        assert!(text.contains(name) && text.contains(beside), "{text}");
    }
}

#[test]
fn a_missing_variable_is_named() {
    assert!(read(&[]).unwrap_err().1.contains("SALESFORCE_LOGIN_URL"));
    for family in [SALESFORCE, SF] {
        for (left_out, (name, _)) in SALESFORCE.iter().enumerate() {
            let pairs: Vec<_> = (0..3)
                .filter(|i| *i != left_out)
                .map(|i| family[i])
                .collect();
            let (code, text) = read(&pairs).unwrap_err();
            assert_eq!(code, "missing_credentials");
            assert!(text.contains(name), "{text}");
        }
    }
}

#[test]
fn the_secret_can_be_a_file() {
    let path = std::env::temp_dir().join(format!("forcegrant-env-{}", std::process::id()));
    let name = "SALESFORCE_CLIENT_SECRET_FILE";
    let text_path = path.to_str().unwrap();
    std::fs::write(&path, b"\xef\xbb\xbfsecret-a\r\n").unwrap();
    let in_file = [SALESFORCE[0], SALESFORCE[1], (name, text_path)];
    let read_it = || read(&in_file).map(|[.., secret]| secret);
    assert_eq!(read_it().unwrap(), "secret-a");
    assert_eq!(
        parts(&in_file).client_secret.unwrap().file,
        Some(path.clone())
    );
    // Beside a variable that says the same, and one that does not.
    let beside = [&SALESFORCE[..], &in_file[2..]].concat();
    assert_eq!(read(&beside).unwrap()[2], "secret-a");
    std::fs::write(&path, "hunter22").unwrap();
    let (code, text) = read(&beside).unwrap_err();
    assert_eq!(code, "ambiguous_credentials");
    assert!(text.contains(name) && !text.contains("hunter22"), "{text}");
    for content in [&b"\xff\xfeh\0u\0n\0"[..], b"hunter\xff", b"hunter\n22"] {
        std::fs::write(&path, content).unwrap();
        let (code, text) = read_it().unwrap_err();
        assert_eq!(code, "invalid_option");
        assert!(text.contains(name) && !text.contains("hunter"), "{text}");
    }
    // A secret where a path belongs is not repeated.
    std::fs::remove_file(&path).unwrap();
    let (code, text) = read_it().unwrap_err();
    assert_eq!(code, "invalid_option");
    assert!(text.contains(name) && !text.contains(text_path), "{text}");
}

#[test]
fn damaged_values_are_refused_by_name() {
    for (name, _) in SALESFORCE {
        for damage in ["xq\u{200b}zz", "xq\u{feff}zz", "xq\nzz", "xq\u{fffd}zz"] {
            let mut pairs = SALESFORCE;
            for credentials in &mut pairs {
                if credentials.0 == name {
                    credentials.1 = damage;
                }
            }
            let (code, text) = read(&pairs).unwrap_err();
            assert_eq!(code, "invalid_option");
            assert!(text.contains(name) && !text.contains("zz"), "{text}");
        }
    }
}

#[test]
fn all_names_are_known() {
    let names: Vec<_> = Environment::names().collect();
    for name in [
        "SALESFORCE_LOGIN_URL",
        "SF_CLIENT_SECRET",
        "SALESFORCE_CLIENT_SECRET_FILE",
        "HTTPS_PROXY",
        "no_proxy",
    ] {
        assert!(names.contains(&name), "{name}");
    }
}
