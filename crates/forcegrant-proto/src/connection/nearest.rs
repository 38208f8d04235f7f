//! Which of the saved ids were meant by one that is not saved.

/// How many ids are named in an error.
const MAX_NAMED: usize = 5;

/// Those of `ids` that differ least from `wanted`, nearest first; the first ones if none is near.
pub fn nearest<'a>(wanted: &str, ids: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut by_distance: Vec<_> = ids
        .into_iter()
        .map(|id| (distance(wanted, id), id))
        .collect();
    by_distance.sort_unstable();
    let near = by_distance
        .iter()
        .filter(|(distance, id)| *distance * 2 <= id.len());
    let near: Vec<_> = near.map(|(_, id)| *id).take(MAX_NAMED).collect();
    if !near.is_empty() {
        return near;
    }
    by_distance.sort_unstable_by_key(|(_, id)| *id);
    by_distance
        .iter()
        .map(|(_, id)| *id)
        .take(MAX_NAMED)
        .collect()
}

/// How many letters have to be inserted, removed or exchanged (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other = other.as_bytes();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, a) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, b) in other.iter().enumerate() {
            let exchanged = diagonal + usize::from(a != *b);
            diagonal = row[column + 1];
            row[column + 1] = exchanged.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first_and_all_if_none_is_near() {
        let ids = ["globex", "acme-uat", "acme"];
        assert_eq!(nearest("acmee", ids), ["acme", "acme-uat"]);
        assert_eq!(nearest("glob", ids), ["globex"]);
        assert_eq!(nearest("x", ids), ["acme", "acme-uat", "globex"]);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
