//! Holds the sources of the crates to their shape: no import circles, one meaning for each type name, no retired words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

mod graph;
mod names;
mod sources;

use self::graph::Graph;
use self::names::{Declaration, RetiredWords};
use self::sources::SourceFile;

/// The check of the other languages reads them too.
const RETIRED_WORDS: &str = include_str!("../../../scripts/retired_words.json");

/// Checks every crate of the workspace.
pub(crate) fn run(root: &Path) -> Result<String, String> {
    let words: RetiredWords = serde_json::from_str(RETIRED_WORDS)
        .map_err(|error| format!("scripts/retired_words.json: {error}"))?;
    let (mut files, mut edges, mut circles) = (0, 0, 0);
    let mut declarations = Vec::new();
    let mut problems = String::new();
    for crate_root in crate_roots(root)? {
        let sources = sources::read(&crate_root, &|path| {
            std::fs::read_to_string(root.join(path)).ok()
        })?;
        let graph = Graph::of(&sources);
        files += sources.len();
        edges += graph.edge_count();
        for circle in graph.circles() {
            circles += 1;
            let _ = writeln!(problems, "{circle}");
        }
        declarations.extend(sources.iter().flat_map(SourceFile::declarations));
    }
    let ambiguous = names::ambiguous_types(&declarations);
    for (name, places) in &ambiguous {
        let _ = writeln!(
            problems,
            "`{name}` stands for {} types: {}",
            places.len(),
            places.join(", ")
        );
    }
    let retired: BTreeSet<_> = declarations
        .iter()
        .filter(|found| words.forbid(found))
        .map(|Declaration { name, file, .. }| (file, name))
        .collect();
    for (file, name) in &retired {
        let _ = writeln!(
            problems,
            "{file}: the name `{name}` is retired; see scripts/retired_words.json"
        );
    }
    let summary = format!(
        "structure of the crates: {files} files, {edges} imports, {circles} circles, {} ambiguous type names, \
         {} retired names",
        ambiguous.len(),
        retired.len()
    );
    if problems.is_empty() {
        Ok(summary)
    } else {
        Err(format!("{problems}{summary}"))
    }
}

/// The root files of all libraries and programs, relative to the repository.
fn crate_roots(root: &Path) -> Result<Vec<PathBuf>, String> {
    let mut roots = Vec::new();
    for group in ["crates", "bindings"] {
        for package in list(&root.join(group))? {
            let source = package.join("src");
            roots.extend(["lib.rs", "main.rs"].map(|name| source.join(name)));
            let programs = source.join("bin");
            if programs.is_dir() {
                for program in list(&programs)? {
                    let inner = program.join("main.rs");
                    roots.push(if program.is_dir() { inner } else { program });
                }
            }
        }
    }
    roots.retain(|path| path.is_file());
    for path in &mut roots {
        *path = path.strip_prefix(root).unwrap_or(path).to_owned();
    }
    roots.sort();
    if roots.is_empty() {
        return Err(format!("no crate in {}", root.display()));
    }
    Ok(roots)
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries =
        std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    entries
        .map(|entry| {
            entry
                .map(|entry| entry.path())
                .map_err(|error| error.to_string())
        })
        .collect()
}

/// Places by name, of names that have more than one.
type Places = BTreeMap<String, Vec<String>>;

#[cfg(test)]
mod tests;
