//! The environment variables that the core's `ClientBuilder::from_env` reads, under the same rules.
//! It takes all three values or none; the command line mixes them with options, and `doctor` says
//! which variable each came from. A test compares the lists.

pub(crate) const LOGIN_URL: &[&str] = &[
    "SALESFORCE_LOGIN_URL",
    "SALESFORCE_MY_DOMAIN",
    "SALESFORCE_DOMAIN",
    "SALESFORCE_INSTANCE_URL",
    "SF_LOGIN_URL",
];
pub(crate) const CLIENT_ID: &[&str] = &[
    "SALESFORCE_CLIENT_ID",
    "SALESFORCE_CONSUMER_KEY",
    "SF_CLIENT_ID",
];
pub(crate) const CLIENT_SECRET: &[&str] = &[
    "SALESFORCE_CLIENT_SECRET",
    "SALESFORCE_CONSUMER_SECRET",
    "SF_CLIENT_SECRET",
];
pub(crate) const SECRET_FILE: &str = "SALESFORCE_CLIENT_SECRET_FILE";

/// The value of the first variable that is set and not blank, its name, and the names of those that
/// are set too and say something else.
pub(crate) fn first(
    names: &[&'static str],
    variable: &dyn Fn(&str) -> Option<String>,
) -> Option<(String, &'static str, Vec<&'static str>)> {
    let mut set = names.iter().filter_map(|name| {
        let value = variable(name)?;
        (!value.trim().is_empty()).then_some((*name, value))
    });
    let (name, value) = set.next()?;
    let unused = set
        .filter(|(_, other)| other.trim() != value.trim())
        .map(|(name, _)| name)
        .collect();
    Some((value, name, unused))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_those_of_the_core() {
        let core = include_str!("../../forcegrant/src/environment.rs");
        let (core, _) = core.split_once("#[cfg(test)]").expect("a test module");
        let named: Vec<_> = core
            .split('"')
            .skip(1)
            .step_by(2)
            .filter(|text| {
                text.starts_with('S') && text.chars().all(|c| matches!(c, 'A'..='Z' | '_'))
            })
            .collect();
        let ours = [LOGIN_URL, CLIENT_ID, CLIENT_SECRET, &[SECRET_FILE]].concat();
        assert_eq!(named, ours);
    }

    #[test]
    fn blank_variables_count_as_unset_and_others_are_reported() {
        let variable = |name: &str| {
            let value = match name {
                "SALESFORCE_CLIENT_ID" => "  ",
                "SALESFORCE_CONSUMER_KEY" => "a",
                "SF_CLIENT_ID" => "b",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let found = first(CLIENT_ID, &variable);
        let expected = (
            "a".to_owned(),
            "SALESFORCE_CONSUMER_KEY",
            vec!["SF_CLIENT_ID"],
        );
        assert_eq!(found, Some(expected));
        assert_eq!(first(LOGIN_URL, &variable), None);
    }
}
