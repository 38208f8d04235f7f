//! The names that files declare.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use serde::Deserialize;
use syn::visit::{self, Visit};
use syn::{Ident, Item};

use super::sources::{SourceFile, attributes, is_for_tests};

/// A name where it is declared.
#[derive(Clone, Debug)]
pub(crate) struct Declaration {
    pub(crate) name: String,
    pub(crate) kind: NameKind,
    pub(crate) file: String,
}

/// What kind of name it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameKind {
    /// A struct, an enum, a union, a trait or an alias.
    Type,
    Function,
    Constant,
    /// A module, a field, a variant, a parameter or a variable.
    Other,
}

/// The words that STYLE replaced, by what they may not name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetiredWords {
    types: BTreeSet<String>,
    functions: BTreeSet<String>,
    constants: BTreeSet<String>,
    /// May be no part of any name: words of lower-case letters.
    anywhere: BTreeSet<String>,
}

impl RetiredWords {
    pub(crate) fn forbid(&self, declared: &Declaration) -> bool {
        let whole = match declared.kind {
            NameKind::Type => self.types.contains(&declared.name),
            NameKind::Function => self.functions.contains(&declared.name),
            NameKind::Constant => self.constants.contains(&declared.name),
            NameKind::Other => false,
        };
        whole || words(&declared.name).any(|word| self.anywhere.contains(&word))
    }
}

/// The words of `snake_case`, `CamelCase` and `CONSTANT_CASE`, in lower case.
fn words(name: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut after_small = false;
    for letter in name.chars() {
        if letter == '_' || (letter.is_uppercase() && after_small) {
            words.push(String::new());
        }
        after_small = letter.is_lowercase() || letter.is_ascii_digit();
        if let Some(word) = words.last_mut()
            && letter != '_'
        {
            word.extend(letter.to_lowercase());
        }
    }
    words.into_iter().filter(|word| !word.is_empty())
}

/// Places by name, of names that have more than one.
type Places = BTreeMap<String, Vec<String>>;

/// The type names that are declared in more than one place. A type for threads has the name of its asynchronous twin,
/// in a module `blocking`.
pub(crate) fn ambiguous_types(declarations: &[Declaration]) -> Places {
    let mut places: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for declared in declarations
        .iter()
        .filter(|declared| declared.kind == NameKind::Type)
    {
        places
            .entry((declared.name.clone(), is_blocking(&declared.file)))
            .or_default()
            .insert(declared.file.clone());
    }
    let many = places.into_iter().filter(|(_, files)| files.len() > 1);
    many.map(|((name, _), files)| (name, files.into_iter().collect()))
        .collect()
}

/// Whether a file is of a module `blocking`.
fn is_blocking(file: &str) -> bool {
    file.split(['/', '.']).any(|part| part == "blocking")
}

/// All names that a file declares.
pub(crate) fn declarations(source: &SourceFile) -> Vec<Declaration> {
    let mut collector = Collector::default();
    for item in source.modules.iter().flat_map(|module| &module.items) {
        collector.visit_item(item);
    }
    let declare = |(name, kind)| Declaration {
        name,
        kind,
        file: source.path.clone(),
    };
    collector.found.into_iter().map(declare).collect()
}

#[derive(Default)]
struct Collector {
    found: Vec<(String, NameKind)>,
}

impl Collector {
    fn add(&mut self, name: &Ident, kind: NameKind) {
        self.found.push((name.to_string(), kind));
    }
}

impl<'ast> Visit<'ast> for Collector {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_for_tests(attributes(item)) {
            return;
        }
        match item {
            Item::Enum(item) => self.add(&item.ident, NameKind::Type),
            Item::Struct(item) => self.add(&item.ident, NameKind::Type),
            Item::Trait(item) => self.add(&item.ident, NameKind::Type),
            Item::Type(item) => self.add(&item.ident, NameKind::Type),
            Item::Union(item) => self.add(&item.ident, NameKind::Type),
            Item::Const(item) => self.add(&item.ident, NameKind::Constant),
            Item::Static(item) => self.add(&item.ident, NameKind::Constant),
            Item::Mod(item) => self.add(&item.ident, NameKind::Other),
            Item::Macro(item) => types_in_tokens(item.mac.tokens.clone(), &mut self.found),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        let attrs = match item {
            syn::ImplItem::Fn(item) => item.attrs.as_slice(),
            syn::ImplItem::Const(item) => {
                self.add(&item.ident, NameKind::Constant);
                item.attrs.as_slice()
            }
            _ => &[],
        };
        if !is_for_tests(attrs) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.add(&signature.ident, NameKind::Function);
        visit::visit_signature(self, signature);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.add(&variant.ident, NameKind::Other);
        visit::visit_variant(self, variant);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let Some(name) = &field.ident {
            self.add(name, NameKind::Other);
        }
        visit::visit_field(self, field);
    }

    fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
        self.add(&pattern.ident, NameKind::Other);
        visit::visit_pat_ident(self, pattern);
    }
}

/// What a macro's tokens declare: names after `struct`, `enum`, `trait`, `type` and `union`.
fn types_in_tokens(tokens: TokenStream, found: &mut Vec<(String, NameKind)>) {
    let mut keyword = false;
    let mut after_dollar = false;
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                keyword = false;
                types_in_tokens(group.stream(), found);
            }
            TokenTree::Ident(name) => {
                let name = name.to_string();
                if keyword && !after_dollar {
                    found.push((name.clone(), NameKind::Type));
                }
                keyword = matches!(name.as_str(), "struct" | "enum" | "trait" | "union");
                after_dollar = false;
            }
            TokenTree::Punct(mark) => after_dollar = mark.as_char() == '$',
            TokenTree::Literal(_) => keyword = false,
        }
    }
}
