use super::*;

#[test]
fn the_same_seed_gives_the_same_table() {
    let options = SimulationOptions {
        clients: 30,
        ..SimulationOptions::small()
    };
    let table = run(&options).to_string();
    assert_eq!(run(&options).to_string(), table);
    let other = SimulationOptions { seed: 2, ..options };
    assert_ne!(run(&other).to_string(), table);
}

#[test]
fn the_small_simulation_meets_its_bars() {
    let report = run(&SimulationOptions::small());
    assert_eq!(missed(&report), Vec::<String>::new(), "\n{report}");
}

#[test]
fn a_bar_that_is_missed_is_named() {
    let mut report = run(&SimulationOptions {
        clients: 30,
        ..SimulationOptions::small()
    });
    report.rows[0].logins_per_client_day = 1_000.0;
    report.rows[0].blocked_hours = 1.0;
    let missed = missed(&report);
    assert!(
        missed
            .iter()
            .any(|bar| bar.starts_with("logins per client-day: 1000.00"))
    );
    assert!(missed.iter().any(|bar| bar.starts_with("hours blocked")));
}

#[test]
fn all_policies_meet_the_same_calls() {
    let options = SimulationOptions {
        clients: 30,
        false_rejections: 100,
        ..SimulationOptions::small()
    };
    let settings = run_settings(&options);
    assert_eq!(settings.calls, run(&options).calls);
    assert!(settings.rows.iter().all(|row| row.replays_ppm > 0.0));
}
