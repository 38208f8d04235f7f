use super::*;

#[test]
fn the_same_seed_gives_the_same_table() {
    let options = Options {
        clients: 30,
        ..Options::small()
    };
    let table = run(&options).to_string();
    assert_eq!(run(&options).to_string(), table);
    let other = Options { seed: 2, ..options };
    assert_ne!(run(&other).to_string(), table);
}
