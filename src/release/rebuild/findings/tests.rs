//! What pieces of text look like.

use super::*;
use crate::release::rebuild::compare::tests::around;
use crate::release::rebuild::strings::Piece;

fn finding(left: &str, right: &str) -> Finding {
    let piece = |text: &str| {
        (!text.is_empty()).then(|| Piece {
            offset: 0,
            text: text.into(),
        })
    };
    let spot = Spot {
        published: piece(left),
        rebuilt: piece(right),
    };
    Finding::of_spot(".rodata", &spot, &around())
}

#[test]
fn each_sort_of_text_is_recognised() {
    for (left, right, cause) in [
        (
            "at 2025-11-25 16:00:59",
            "at 2025-12-02 08:00:11",
            Cause::Clock,
        ),
        ("Nov 25 2025", "Dec  2 2025", Cause::Clock),
        ("/home/me/timed/src", "/var/tmp/x/src", Cause::Path),
        ("in /opt/ci/work/a.rs", "in /srv/build/a.rs", Cause::Path),
        ("built on anvil", "built on forge", Cause::Name),
        (
            "id 0f8fad5b-d9cb-469f-a165-70867728950e",
            "id 7c9e6679-7425-40de-944b-e07fc1f90ae7",
            Cause::Random,
        ),
        (
            "rustc version 1.94.0",
            "rustc version 1.95.0",
            Cause::Toolchain,
        ),
        (
            "GCC: (Debian 12.2.0) 12.2.0",
            "GCC: (Debian 14.1.0) 14.1.0",
            Cause::Toolchain,
        ),
        ("feature on", "feature off", Cause::Text),
        ("", "one side alone", Cause::Text),
        (
            "the same /home/me/x and 2025-11-25, red",
            "the same /home/me/x and 2025-11-25, blue",
            Cause::Text,
        ),
    ] {
        assert_eq!(finding(left, right).cause, cause, "{left} | {right}");
    }
}

#[test]
fn a_path_of_this_rebuild_is_called_what_it_is() {
    let note = finding("/build/src/a", "/var/tmp/relman-7/timed+rebuild/src/a").note;
    assert!(
        note.contains("this rebuild's clone") && note.contains("/build/src/a"),
        "{note}"
    );
    let note = finding("/tmp/a1b2/x", "/tmp/c3d4/x").note;
    assert!(note.contains("a temporary directory"), "{note}");
    // Text in a program is often not separated from what stands before it.
    let joined = finding("panicked/home/me/a/x", "panicked/home/me/b/x");
    assert_eq!(joined.cause, Cause::Path);
}

#[test]
fn what_stands_beside_a_difference_and_is_the_same_is_no_cause() {
    let std = "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/alloc";
    let clock = finding(
        &format!("built 1764086460{std}"),
        &format!("built 1764662460{std}"),
    );
    assert_eq!(clock.cause, Cause::Clock, "{}", clock.note);
    let path = finding(&format!("/home/me/a{std}"), &format!("/home/me/b{std}"));
    assert!(
        path.note.ends_with(": /home/me/a, /home/me/b"),
        "{}",
        path.note
    );
    let tools = finding(std, &std.replace("59807616", "4d1e3a2b"));
    assert_eq!(tools.cause, Cause::Toolchain);
}

#[test]
fn remapped_paths_urls_and_slashes_are_no_paths_of_a_machine() {
    for text in [
        "/src/main.rs",
        "/target/release/build/x",
        "/cargo/registry/src/y",
        "https://example.org/a/b",
        "and/or/not",
        "/",
        "//",
        "a / b",
    ] {
        assert_eq!(absolute(text), [""; 0], "{text}");
    }
}

#[test]
fn two_things_in_one_text_are_both_told() {
    let both = finding(
        "1764086460 in /home/me/a",
        "1764662460 in /var/tmp/relman-7/timed+rebuild/src",
    );
    assert_eq!(both.cause, Cause::Clock);
    assert!(
        both.note.contains("a time") && both.note.contains("a path"),
        "{}",
        both.note
    );
}

#[test]
fn a_name_counts_as_a_word_and_not_within_one() {
    assert_eq!(finding("x", "forgery and forget").cause, Cause::Text);
    assert_eq!(finding("of forge", "by forge now").cause, Cause::Text);
    assert_eq!(finding("x", "me alone").cause, Cause::Text);
}

#[test]
fn causes_are_in_the_order_in_which_to_look_into_them() {
    assert!(
        Cause::Toolchain < Cause::Clock
            && Cause::Text < Cause::Symbols
            && Cause::Code < Cause::BuildId
    );
    assert_eq!(serde_json::json!(Cause::BuildId), "build-id");
}
