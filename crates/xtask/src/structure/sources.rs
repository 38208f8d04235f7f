//! The files of a crate as syntax trees, with the modules that they hold. Code for tests is left out.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::{Attribute, Item, Meta, Token, UseTree};

use super::names::{Declaration, NameKind};

/// The path of a module from the crate's root.
pub(crate) type ModulePath = Vec<String>;

/// What a file is made of.
pub(crate) struct SourceFile {
    /// Relative to the repository.
    pub(crate) path: String,
    /// The modules that are written in this file: its own, and those with a body in it.
    pub(crate) modules: Vec<Module>,
}

/// A module, with the items of its body.
pub(crate) struct Module {
    pub(crate) path: ModulePath,
    pub(crate) items: Vec<Item>,
    /// The names that it declares, and for each what it is. One name can have several meanings.
    pub(crate) scope: HashMap<String, Vec<Named>>,
    /// The modules or enums whose names are all imported.
    pub(crate) globs: Vec<Import>,
}

/// What a name in a module stands for.
#[derive(Clone, Debug)]
pub(crate) enum Named {
    /// An item of this module.
    Item,
    /// A module below it.
    Module,
    /// Something from elsewhere.
    Import(Import),
}

/// A path in a `use` item.
#[derive(Clone, Debug)]
pub(crate) struct Import {
    pub(crate) path: Vec<String>,
    /// `pub use` and the like: others take the name from here, so that it is no import of this module itself.
    pub(crate) reexport: bool,
}

impl SourceFile {
    /// All names that this file declares.
    pub(crate) fn declarations(&self) -> Vec<Declaration> {
        let items = self.modules.iter().flat_map(|module| &module.items);
        super::names::declarations(&self.path, items)
    }
}

/// Returns the text of a file, or `None` if there is none.
pub(crate) type ReadFile<'a> = &'a dyn Fn(&Path) -> Option<String>;

/// Reads a crate from its root file on.
pub(crate) fn read(crate_root: &Path, read_file: ReadFile<'_>) -> Result<Vec<SourceFile>, String> {
    let folder = crate_root.parent().unwrap_or(crate_root);
    let mut files = Vec::new();
    let mut next = vec![(Vec::new(), crate_root.to_owned(), folder.to_owned())];
    while let Some((module, path, folder)) = next.pop() {
        let shown = path.to_string_lossy().replace('\\', "/");
        let text = read_file(&path).ok_or_else(|| format!("{shown} cannot be read"))?;
        let file = syn::parse_file(&text).map_err(|error| format!("{shown}: {error}"))?;
        let mut reader = ModuleReader {
            read_file,
            modules: Vec::new(),
            files: Vec::new(),
        };
        reader.module(&module, &folder, file.items)?;
        files.push(SourceFile {
            path: shown,
            modules: reader.modules,
        });
        next.extend(reader.files);
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

/// The modules of one file.
struct ModuleReader<'a> {
    read_file: ReadFile<'a>,
    modules: Vec<Module>,
    /// Modules with a file of their own, and the folder of what is below them.
    files: Vec<(ModulePath, PathBuf, PathBuf)>,
}

impl ModuleReader<'_> {
    fn module(&mut self, path: &ModulePath, folder: &Path, items: Vec<Item>) -> Result<(), String> {
        let mut module = Module {
            path: path.clone(),
            items: Vec::new(),
            scope: HashMap::new(),
            globs: Vec::new(),
        };
        for item in items {
            if is_for_tests(attributes(&item)) {
                continue;
            }
            match item {
                Item::Mod(inner) => {
                    let name = inner.ident.to_string();
                    module.declare(&name, Named::Module);
                    let mut below = path.clone();
                    below.push(name.clone());
                    let inner_folder = folder.join(&name);
                    match inner.content {
                        Some((_, items)) => self.module(&below, &inner_folder, items)?,
                        None => {
                            let file = self.own_file(&inner.attrs, below, folder, &name)?;
                            self.files.push(file);
                        }
                    }
                }
                Item::Use(item) => {
                    let reexport = !matches!(item.vis, syn::Visibility::Inherited);
                    module.import(&item.tree, &mut Vec::new(), reexport);
                    module.items.push(Item::Use(item));
                }
                other => {
                    if let Some(name) = name(&other) {
                        module.declare(&name, Named::Item);
                    }
                    module.items.push(other);
                }
            }
        }
        self.modules.push(module);
        Ok(())
    }

    /// Where a module without a body is, and the folder of the modules below it.
    fn own_file(
        &self,
        attrs: &[Attribute],
        module: ModulePath,
        folder: &Path,
        name: &str,
    ) -> Result<(ModulePath, PathBuf, PathBuf), String> {
        let named = attrs.iter().find_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
                syn::Expr::Lit(syn::ExprLit {
                    lit: syn::Lit::Str(text),
                    ..
                }) => Some(text.value()),
                _ => None,
            },
            _ => None,
        });
        if let Some(named) = named {
            let file = folder.join(named);
            let below = file.parent().unwrap_or(folder).to_owned();
            return Ok((module, file, below));
        }
        let below = folder.join(name);
        for file in [folder.join(format!("{name}.rs")), below.join("mod.rs")] {
            if (self.read_file)(&file).is_some() {
                return Ok((module, file, below));
            }
        }
        Err(format!(
            "{}: the module `{name}` has no file",
            folder.display()
        ))
    }
}

impl Module {
    fn declare(&mut self, name: &str, named: Named) {
        self.scope.entry(name.to_owned()).or_default().push(named);
    }

    fn import(&mut self, tree: &UseTree, prefix: &mut Vec<String>, reexport: bool) {
        let import = |prefix: &[String], last: Option<String>| Import {
            path: prefix.iter().cloned().chain(last).collect(),
            reexport,
        };
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.import(&path.tree, prefix, reexport);
                prefix.pop();
            }
            UseTree::Name(name) if name.ident == "self" => {
                let name = prefix.last().cloned().unwrap_or_default();
                self.declare(&name, Named::Import(import(prefix, None)));
            }
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                self.declare(&name, Named::Import(import(prefix, Some(name.clone()))));
            }
            UseTree::Rename(rename) => {
                let target = Some(rename.ident.to_string()).filter(|name| name != "self");
                self.declare(
                    &rename.rename.to_string(),
                    Named::Import(import(prefix, target)),
                );
            }
            UseTree::Glob(_) => self.globs.push(import(prefix, None)),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, prefix, reexport);
                }
            }
        }
    }
}

/// Whether only tests have what carries these attributes.
pub(crate) fn is_for_tests(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute
                    .parse_args::<Meta>()
                    .is_ok_and(|meta| needs_test(&meta))
    })
}

/// Whether a condition holds in tests only: `test`, or `all(...)` with it.
fn needs_test(meta: &Meta) -> bool {
    match meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .is_ok_and(|parts| parts.iter().any(needs_test)),
        _ => false,
    }
}

pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn name(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

/// What a macro's tokens declare: names after `struct`, `enum`, `trait`, `type` and `union`.
pub(crate) fn types_in_tokens(tokens: TokenStream, found: &mut Vec<(String, NameKind)>) {
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
