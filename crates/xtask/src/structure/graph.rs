//! Which file of a crate takes what from which.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item};

use super::sources::{Import, Module, ModulePath, Named, SourceFile, attributes, is_for_tests};

/// The imports among the files of a crate.
pub(crate) struct Graph {
    files: Vec<String>,
    /// For each file the files that it takes something from, and one path for which it does.
    edges: Vec<BTreeMap<usize, String>>,
}

/// Files that import each other, directly or through others.
pub(crate) struct Circle {
    pub(super) files: Vec<String>,
    /// The imports among them: from, to, and the path for which.
    imports: Vec<(String, String, String)>,
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} files import each other in a circle:",
            self.files.len()
        )?;
        for (from, to, path) in &self.imports {
            write!(f, "\n  {from} -> {to} ({path})")?;
        }
        Ok(())
    }
}

impl Graph {
    pub(crate) fn of(sources: &[SourceFile]) -> Self {
        let resolver = PathResolver::of(sources);
        let mut edges = vec![BTreeMap::new(); sources.len()];
        for (place, source) in sources.iter().enumerate() {
            for module in &source.modules {
                for path in used_paths(module) {
                    for target in resolver.files(&module.path, &path) {
                        if target != place {
                            edges[place]
                                .entry(target)
                                .or_insert_with(|| path.join("::"));
                        }
                    }
                }
            }
        }
        let files = sources.iter().map(|source| source.path.clone()).collect();
        Self { files, edges }
    }

    pub(crate) fn edge_count(&self) -> usize {
        self.edges.iter().map(BTreeMap::len).sum()
    }

    /// Every set of files that reach each other.
    pub(crate) fn circles(&self) -> Vec<Circle> {
        let reach: Vec<_> = (0..self.files.len())
            .map(|from| self.reachable(from))
            .collect();
        let mut circles = Vec::new();
        let mut done = HashSet::new();
        for from in 0..self.files.len() {
            if !reach[from].contains(&from) || !done.insert(from) {
                continue;
            }
            let mut members: BTreeSet<_> = reach[from]
                .iter()
                .copied()
                .filter(|&to| reach[to].contains(&from))
                .collect();
            members.insert(from);
            done.extend(&members);
            let name = |place: usize| self.files[place].clone();
            let within = |from: usize| {
                let imports = self.edges[from]
                    .iter()
                    .filter(|(to, _)| members.contains(to));
                imports.map(move |(to, path)| (name(from), name(*to), path.clone()))
            };
            circles.push(Circle {
                files: members.iter().map(|&place| name(place)).collect(),
                imports: members.iter().flat_map(|&from| within(from)).collect(),
            });
        }
        circles
    }

    /// The files that are reached from one by an import or more.
    fn reachable(&self, from: usize) -> HashSet<usize> {
        let mut reached = HashSet::new();
        let mut next: Vec<_> = self.edges[from].keys().copied().collect();
        while let Some(place) = next.pop() {
            if reached.insert(place) {
                next.extend(self.edges[place].keys());
            }
        }
        reached
    }
}

/// Finds the file in which a path ends.
struct PathResolver<'a> {
    modules: HashMap<&'a [String], (usize, &'a Module)>,
}

/// How far a path was followed.
enum PathEnd {
    /// To an item, in this file.
    Item(usize),
    /// To a module: nothing was taken from it yet.
    Module(ModulePath),
}

/// Re-exports of re-exports; more is a circle among them.
const MAX_STEPS: usize = 32;

impl<'a> PathResolver<'a> {
    fn of(sources: &'a [SourceFile]) -> Self {
        let files = sources.iter().enumerate();
        let modules = files
            .flat_map(|(place, source)| source.modules.iter().map(move |module| (place, module)));
        Self {
            modules: modules
                .map(|(place, module)| (module.path.as_slice(), (place, module)))
                .collect(),
        }
    }

    /// The files that hold what a path in a module stands for. None if it is of another crate, or a module.
    fn files(&self, module: &[String], path: &[String]) -> Vec<usize> {
        let ends = self.resolve(module, path, MAX_STEPS);
        ends.into_iter()
            .filter_map(|end| match end {
                PathEnd::Item(file) => Some(file),
                PathEnd::Module(_) => None,
            })
            .collect()
    }

    fn resolve(&self, module: &[String], path: &[String], steps: usize) -> Vec<PathEnd> {
        let Some((first, rest)) = path.split_first() else {
            return vec![PathEnd::Module(module.to_vec())];
        };
        match first.as_str() {
            "crate" | "$crate" => self.within(&[], rest, steps),
            "self" if !rest.is_empty() => self.within(module, rest, steps),
            "super" => {
                let parent = &module[..module.len().saturating_sub(1)];
                if rest.first().is_some_and(|next| next == "super") {
                    self.resolve(parent, rest, steps)
                } else {
                    self.within(parent, rest, steps)
                }
            }
            // A name of this module, or of another crate.
            name => self.named(module, name, rest, steps),
        }
    }

    /// A path that begins in a module of this crate, so that it ends in this crate.
    fn within(&self, module: &[String], path: &[String], steps: usize) -> Vec<PathEnd> {
        let Some((name, rest)) = path.split_first() else {
            return vec![PathEnd::Module(module.to_vec())];
        };
        let found = self.named(module, name, rest, steps);
        match self.modules.get(module) {
            // What the syntax tree does not show is made by a macro of that file.
            Some((file, shown)) if found.is_empty() && !shown.scope.contains_key(name) => {
                vec![PathEnd::Item(*file)]
            }
            _ => found,
        }
    }

    fn named(&self, module: &[String], name: &str, rest: &[String], steps: usize) -> Vec<PathEnd> {
        let Some((file, shown)) = self.modules.get(module) else {
            return Vec::new();
        };
        if steps == 0 {
            return Vec::new();
        }
        let follow = |import: &Import, more: &[String]| {
            let whole: Vec<_> = import.path.iter().chain(more).cloned().collect();
            // `use x::x;` is about another `x` than the one that it declares.
            let external = import.path.first().is_some_and(|first| {
                !matches!(first.as_str(), "crate" | "self" | "super")
                    && !shown.scope.get(first).is_some_and(|named| {
                        named
                            .iter()
                            .any(|named| matches!(named, Named::Module | Named::Item))
                    })
            });
            if external {
                Vec::new()
            } else {
                self.resolve(module, &whole, steps - 1)
            }
        };
        let Some(meanings) = shown.scope.get(name) else {
            let more: Vec<_> = std::iter::once(name.to_owned())
                .chain(rest.iter().cloned())
                .collect();
            let globs = shown
                .globs
                .iter()
                .filter(|glob| self.exports(module, glob, name, steps));
            return globs.flat_map(|glob| follow(glob, &more)).collect();
        };
        let mut ends = Vec::new();
        for meaning in meanings {
            match meaning {
                Named::Item => ends.push(PathEnd::Item(*file)),
                Named::Import(import) => ends.extend(follow(import, rest)),
                Named::Module => {
                    let mut below = module.to_vec();
                    below.push(name.to_owned());
                    ends.extend(self.within(&below, rest, steps));
                }
            }
        }
        ends
    }

    /// Whether a glob import brings a name, as far as the syntax tree shows.
    fn exports(&self, module: &[String], glob: &Import, name: &str, steps: usize) -> bool {
        let ends = self.resolve(module, &glob.path, steps - 1);
        ends.iter().any(|end| match end {
            PathEnd::Module(path) => self.modules.get(path.as_slice()).is_some_and(|(_, shown)| {
                shown.scope.contains_key(name) || !shown.globs.is_empty()
            }),
            // The variants of an enum.
            PathEnd::Item(_) => true,
        })
    }
}

/// The paths for which a module needs others: of its code, and of its imports that are no re-exports.
fn used_paths(module: &Module) -> BTreeSet<Vec<String>> {
    let mut collector = PathCollector::default();
    for item in &module.items {
        if !matches!(item, Item::Use(_)) {
            collector.visit_item(item);
        }
    }
    let imports = module
        .scope
        .values()
        .flatten()
        .filter_map(|named| match named {
            Named::Import(import) if !import.reexport => Some(import.path.clone()),
            _ => None,
        });
    collector.paths.extend(imports);
    collector.paths
}

#[derive(Default)]
struct PathCollector {
    paths: BTreeSet<Vec<String>>,
}

impl PathCollector {
    /// Paths in what a macro is given.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(mark) if mark.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                // `$crate`, or a parameter of a macro.
                TokenTree::Punct(mark) if mark.as_char() == '$' => {
                    self.end(&mut path);
                    continue;
                }
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.end(&mut path);
                    }
                    path.push(name.to_string());
                }
                TokenTree::Group(group) => {
                    self.end(&mut path);
                    self.tokens(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => self.end(&mut path),
            }
            colons = 0;
        }
        self.end(&mut path);
    }

    fn end(&mut self, path: &mut Vec<String>) {
        if !path.is_empty() {
            self.paths.insert(std::mem::take(path));
        }
    }
}

impl<'ast> Visit<'ast> for PathCollector {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_for_tests(attributes(item)) {
            return;
        }
        // A function can have imports of its own; they count as paths of its module.
        if let Item::Use(item) = item {
            collect_use(&item.tree, &mut Vec::new(), &mut self.paths);
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        let for_tests = match item {
            syn::ImplItem::Fn(item) => is_for_tests(&item.attrs),
            syn::ImplItem::Const(item) => is_for_tests(&item.attrs),
            _ => false,
        };
        if !for_tests {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if !attribute.path().is_ident("doc")
            && let syn::Meta::List(list) = &attribute.meta
        {
            self.tokens(list.tokens.clone());
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string());
        if path.leading_colon.is_none() {
            self.paths.insert(segments.collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, found: &'ast syn::Macro) {
        visit::visit_macro(self, found);
        self.tokens(found.tokens.clone());
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        visit::visit_item_macro(self, item);
    }
}

fn collect_use(tree: &syn::UseTree, prefix: &mut Vec<String>, paths: &mut BTreeSet<Vec<String>>) {
    match tree {
        syn::UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            collect_use(&path.tree, prefix, paths);
            prefix.pop();
        }
        syn::UseTree::Name(name) => {
            paths.insert(
                prefix
                    .iter()
                    .cloned()
                    .chain([name.ident.to_string()])
                    .collect(),
            );
        }
        syn::UseTree::Rename(rename) => {
            paths.insert(
                prefix
                    .iter()
                    .cloned()
                    .chain([rename.ident.to_string()])
                    .collect(),
            );
        }
        syn::UseTree::Glob(_) => {
            paths.insert(prefix.clone());
        }
        syn::UseTree::Group(group) => {
            for tree in &group.items {
                collect_use(tree, prefix, paths);
            }
        }
    }
}
