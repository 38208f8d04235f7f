use std::collections::HashMap;
use std::path::Path;

use super::graph::Graph;
use super::names::{Declaration, RetiredWords, ambiguous_types};
use super::sources::{self, SourceFile};

fn sources(files: &[(&str, &str)]) -> Vec<SourceFile> {
    let files: HashMap<_, _> = files.iter().copied().collect();
    let read = |path: &Path| files.get(path.to_str()?).map(|text| (*text).to_owned());
    sources::read(Path::new("src/lib.rs"), &read).unwrap()
}

/// The circles, each as the names of its files.
fn circles(files: &[(&str, &str)]) -> Vec<String> {
    let circles = Graph::of(&sources(files)).circles();
    circles
        .iter()
        .map(|circle| circle.files.join(" "))
        .collect()
}

fn declarations(text: &str) -> Vec<Declaration> {
    sources(&[("src/lib.rs", text)])[0].declarations()
}

#[test]
fn imports_of_each_other_are_a_circle() {
    let a = ("src/a.rs", "use crate::b::B; pub struct A(B);");
    for b in [
        "use crate::a::A; pub struct B(Option<A>);",
        "use super::a; pub struct B(Option<a::A>);",
        "use super::*; pub struct B(Option<a::A>);",
        "pub struct B; pub fn f() { let _ = crate::a::A::default(); }",
        "pub struct B; pub fn f() { println!(\"{:?}\", crate::a::A::new()); }",
        "pub struct B; pub fn f() { use crate::a::A; }",
        "pub struct B; impl From<super::a::A> for B {}",
        "pub struct B; pub mod inner { pub type Alias = super::super::a::A; }",
        "pub struct B; macro_rules! make { () => { $crate::a::A } }",
        "#[derive(x::Y)] pub struct B(#[x(with = crate::a::A)] u8);",
    ] {
        let found = circles(&[("src/lib.rs", "mod a; mod b;"), a, ("src/b.rs", b)]);
        assert_eq!(found, ["src/a.rs src/b.rs"], "{b}");
    }
}

#[test]
fn what_is_no_import_makes_no_circle() {
    let a = ("src/a.rs", "use crate::b::B; pub struct A(B);");
    for b in [
        "pub struct B; // crate::a::A",
        "/// [`crate::a::A`]\npub struct B;",
        "pub struct B; const TEXT: &str = \"crate::a::A\";",
        "pub struct B; #[cfg(test)] mod tests { use crate::a::A; }",
        "pub struct B; #[cfg(all(test, unix))] use crate::a::A;",
        "pub struct B; #[test] fn a() { crate::a::A; }",
        // A module alone: nothing is taken from it.
        "pub struct B; use crate::a;",
        "pub(in crate::a) struct B;",
        // Of other crates.
        "pub struct B; use a::A;",
        "pub struct B(::a::A);",
    ] {
        let found = circles(&[("src/lib.rs", "mod a; mod b;"), a, ("src/b.rs", b)]);
        assert!(found.is_empty(), "{b}: {found:?}");
    }
}

#[test]
fn a_name_is_followed_to_the_file_that_defines_it() {
    let root = (
        "src/lib.rs",
        "pub mod a; pub use crate::a::deep::Deep; pub struct Here;",
    );
    // The parent only passes the name on.
    let a = (
        "src/a/mod.rs",
        "pub mod deep; mod other; pub use self::deep::Deep;",
    );
    let deep = (
        "src/a/deep.rs",
        "use super::other::Other; pub struct Deep(Other);",
    );
    let other = |text| ("src/a/other.rs", text);
    let passed_on = "use crate::Deep as D; pub struct Other(Option<D>);";
    let found = circles(&[root, a, deep, other(passed_on)]);
    assert_eq!(found, ["src/a/deep.rs src/a/other.rs"]);
    let of_root = "use crate::Here; pub struct Other(Here);";
    assert!(circles(&[root, a, deep, other(of_root)]).is_empty());
    let globbed = "use crate::a::*; pub struct Other(Option<Deep>);";
    let found = circles(&[root, a, deep, other(globbed)]);
    assert_eq!(found, ["src/a/deep.rs src/a/other.rs"]);
    // The parent uses the name itself.
    let a = (
        "src/a/mod.rs",
        "pub mod deep; mod other; pub use self::deep::Deep; pub fn f(_: Deep) {}",
    );
    let of_parent = "use super::f; pub struct Other; pub fn g() { f() }";
    let found = circles(&[root, a, deep, other(of_parent)]);
    assert_eq!(found, ["src/a/deep.rs src/a/mod.rs src/a/other.rs"]);
}

#[test]
fn what_a_macro_defines_is_of_the_file_that_calls_it() {
    let found = circles(&[
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a.rs", "make! { A } use crate::b::B;"),
        ("src/b.rs", "pub struct B(crate::a::A);"),
    ]);
    assert_eq!(found, ["src/a.rs src/b.rs"]);
}

#[test]
fn three_files_in_a_row_are_one_circle_and_others_none() {
    let found = circles(&[
        ("src/lib.rs", "mod a; mod b; mod c; mod d;"),
        ("src/a.rs", "pub fn a() { crate::b::b() }"),
        ("src/b.rs", "pub fn b() { crate::c::c() }"),
        ("src/c.rs", "pub fn c() { crate::a::a(); crate::d::d() }"),
        ("src/d.rs", "pub fn d() {}"),
    ]);
    assert_eq!(found, ["src/a.rs src/b.rs src/c.rs"]);
}

#[test]
fn one_name_for_two_types_is_found() {
    let files = [
        (
            "src/lib.rs",
            "mod a; mod b; mod blocking; pub struct Same; pub trait Fine { type Item; }",
        ),
        (
            "src/a.rs",
            "enum Same {} struct Own; impl crate::Fine for Own { type Item = u8; }",
        ),
        (
            "src/b.rs",
            "make! { pub enum Own { A } } #[cfg(test)] struct Fine;",
        ),
        ("src/blocking.rs", "pub struct Same;"),
    ];
    let declarations: Vec<_> = sources(&files)
        .iter()
        .flat_map(SourceFile::declarations)
        .collect();
    let places = |places: &[&str]| {
        places
            .iter()
            .map(|&place| place.to_owned())
            .collect::<Vec<_>>()
    };
    let found = ambiguous_types(&declarations);
    let found: Vec<_> = found.into_iter().collect();
    assert_eq!(
        found,
        [
            ("Own".to_owned(), places(&["src/a.rs", "src/b.rs"])),
            ("Same".to_owned(), places(&["src/a.rs", "src/lib.rs"])),
        ]
    );
}

#[test]
fn retired_words_are_found_where_they_are_declared() {
    let words: RetiredWords = serde_json::from_str(super::RETIRED_WORDS).unwrap();
    let forbidden = |text| {
        declarations(text)
            .iter()
            .any(|declared| words.forbid(declared))
    };
    for text in [
        "struct Desk;",
        "fn take_off() {}",
        "const PATIENCE: u8 = 0;",
        "fn f() { let minted = 1; }",
        "struct Fine { is_hearsay: bool }",
        "enum Fine { LeaseLapsed }",
        "struct TokenVerdict;",
        "make! { struct Keyring; }",
    ] {
        assert!(forbidden(text), "{text}");
    }
    for text in [
        // Another's name that is only used; a word within a word; tests.
        "fn f() { desk.land(); ring::digest(); Desk::new(); }",
        "struct Peppermint;",
        "/// A verdict.\nfn f() {}",
        "#[cfg(test)] mod tests { struct Desk; }",
    ] {
        assert!(!forbidden(text), "{text}");
    }
}
