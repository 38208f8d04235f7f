use super::*;

fn quiet(life: Life) -> SimulatedOrg {
    SimulatedOrg {
        life,
        outages: vec![],
        slow: vec![],
        broken: vec![],
        kills: vec![],
        moves: vec![],
        false_rejections: 0,
    }
}

fn span(start: Time) -> Vec<Span> {
    std::iter::once(start..start + 10).collect()
}

fn call(salesforce: &mut Salesforce<'_>, token: TokenId, now: Time) -> bool {
    salesforce.call(token, now, &mut Rng::of(1, &[]))
}

fn login(salesforce: &mut Salesforce<'_>, now: Time) -> Granted {
    match salesforce.login(now, &mut Rng::of(1, &[])) {
        (LoginResponse::Granted(granted), _) => granted,
        (response, _) => panic!("{response:?}"),
    }
}

#[test]
fn activity_counts_only_in_the_second_half_of_the_period() {
    let org = quiet(Life::Sliding(2 * HOUR));
    let mut salesforce = Salesforce::new(&org);
    let token = login(&mut salesforce, 0).token;
    assert!(call(&mut salesforce, token, 59 * MINUTE));
    assert!(
        !salesforce.is_alive(token, 120 * MINUTE),
        "the first half does not count"
    );
    assert!(call(&mut salesforce, token, 61 * MINUTE));
    assert!(salesforce.is_alive(token, 180 * MINUTE));
    assert!(!salesforce.is_alive(token, 181 * MINUTE));
}

#[test]
fn the_same_token_comes_back_while_its_session_lives_and_a_login_does_not_prolong_it() {
    let org = quiet(Life::Sliding(2 * HOUR));
    let mut salesforce = Salesforce::new(&org);
    let first = login(&mut salesforce, 0);
    assert_eq!(login(&mut salesforce, 119 * MINUTE), first);
    assert_eq!(first.ends, None);
    let second = login(&mut salesforce, 120 * MINUTE);
    assert_ne!(second.token, first.token);
    assert!(!call(&mut salesforce, first.token, 120 * MINUTE));
    salesforce.kill();
    assert!(!call(&mut salesforce, second.token, 121 * MINUTE));
}

#[test]
fn jwts_are_fresh_and_absolute_and_survive_a_kill_but_not_a_move() {
    let org = quiet(Life::Jwt(MINUTE));
    let mut salesforce = Salesforce::new(&org);
    let (a, b) = (login(&mut salesforce, 500), login(&mut salesforce, 1_500));
    assert_eq!((a.ends, b.ends), (Some(60_000), Some(61_000)));
    assert!(call(&mut salesforce, a.token, 59_999) && !call(&mut salesforce, a.token, 60_000));
    salesforce.kill();
    assert!(call(&mut salesforce, b.token, 60_000));
    salesforce.relocate();
    assert!(!call(&mut salesforce, b.token, 60_000));
    let c = login(&mut salesforce, 60_000);
    assert!(call(&mut salesforce, c.token, 60_001));
}

#[test]
fn a_stated_end_is_what_is_left_without_activity() {
    let org = quiet(Life::Stated(2 * HOUR));
    let mut salesforce = Salesforce::new(&org);
    assert_eq!(login(&mut salesforce, 0).ends, Some(2 * HOUR));
    assert_eq!(login(&mut salesforce, HOUR).ends, Some(2 * HOUR));
}

#[test]
fn the_limit_holds_for_a_sliding_hour() {
    let org = quiet(Life::Sliding(2 * HOUR));
    let mut salesforce = Salesforce::new(&org);
    let mut rng = Rng::of(1, &[]);
    for n in 0..3_600 {
        assert!(matches!(
            salesforce.login(n, &mut rng).0,
            LoginResponse::Granted(_)
        ));
    }
    assert_eq!(
        salesforce.login(4_000, &mut rng).0,
        LoginResponse::RateExceeded
    );
    assert_eq!(
        salesforce.login(59 * MINUTE, &mut rng).0,
        LoginResponse::RateExceeded
    );
    assert_eq!(salesforce.blocked_minutes(), 2);
    assert!(matches!(
        salesforce.login(HOUR, &mut rng).0,
        LoginResponse::Granted(_)
    ));
}

#[test]
fn accidents_answer_as_they_should() {
    let org = SimulatedOrg {
        outages: span(10),
        broken: span(30),
        slow: span(50),
        ..quiet(Life::Jwt(HOUR))
    };
    let mut salesforce = Salesforce::new(&org);
    let mut rng = Rng::of(1, &[]);
    assert_eq!(salesforce.login(15, &mut rng).0, LoginResponse::Unavailable);
    assert_eq!(salesforce.introspect(0, 15, &mut rng).0, None);
    assert_eq!(salesforce.login(35, &mut rng).0, LoginResponse::Refused);
    assert!(salesforce.login(55, &mut rng).1 >= SECOND);
    assert!(salesforce.login(65, &mut rng).1 < SECOND);
}
