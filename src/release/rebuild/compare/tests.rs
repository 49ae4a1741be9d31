//! Pairs of files, made up, and what is found in them.

use super::*;
use crate::release::rebuild::clock::Span;

/// Two builds a week apart, on a machine called `forge`.
pub fn around() -> Around {
    let span = |started: &str, finished: &str| Span {
        started: started.parse().unwrap(),
        finished: finished.parse().unwrap(),
    };
    Around {
        then: span("2025-11-25T16:00:00Z", "2025-11-25T16:02:00Z"),
        now: span("2025-12-02T08:00:00Z", "2025-12-02T08:02:00Z"),
        dirs: vec![(
            "/var/tmp/relman-7/timed+rebuild/src".into(),
            "this rebuild's clone",
        )],
        names: vec!["forge".into(), "me".into()],
    }
}

fn look(a: &[u8], b: &[u8]) -> Difference {
    Difference::closed("some file", None, None).look(a, b, &around())
}

/// Cause and place of each finding, but that one side is missing, which it is here.
fn causes(difference: &Difference) -> Vec<(Cause, &str)> {
    let findings = difference
        .findings
        .iter()
        .filter(|f| f.cause != Cause::Member);
    findings.map(|f| (f.cause, f.place.as_str())).collect()
}

/// A program with text, code and symbols.
fn program(text: &[u8], code: &[u8], symbols: &[u8]) -> Vec<u8> {
    crate::release::rebuild::elf::tests::file(&[
        (".text", 1, 6, code),
        (".rodata", 1, 2, text),
        (".strtab", 3, 0, symbols),
    ])
}

#[test]
fn a_clock_in_a_program_is_found_with_its_text_and_not_its_consequences() {
    let a = program(b"\0timed built at 1764086460\0", b"\x90\x90", b"\0main\0");
    let b = program(b"\0timed built at 1764662460\0", b"\x90\x91", b"\0main\0");
    let found = look(&a, &b);
    assert_eq!(found.sort, Sort::Elf);
    assert_eq!(causes(&found), [(Cause::Clock, ".rodata")]);
    let finding = found.findings.last().unwrap();
    assert_eq!(
        finding.published.as_deref(),
        Some("timed built at 1764086460")
    );
    assert!(
        finding.note.contains("1764086460 is 2025-11-25T16:01:00Z"),
        "{}",
        finding.note
    );
    assert!(
        finding.note.contains("when it was published and rebuilt"),
        "{}",
        finding.note
    );
    assert_eq!(found.differing_bytes, Some(4));
}

#[test]
fn a_clock_in_machine_code_is_found_as_a_number() {
    let code = |second: u32| [b"\xb8".as_slice(), &second.to_le_bytes(), b"\xc3"].concat();
    let a = program(b"text", &code(1_764_086_460), b"\0main\0");
    let b = program(b"text", &code(1_764_662_460), b"\0main\0");
    let found = look(&a, &b);
    assert_eq!(causes(&found), [(Cause::Clock, ".text at 1")]);
    assert!(
        found
            .findings
            .last()
            .unwrap()
            .note
            .contains("2025-12-02T08:01:00Z")
    );
}

#[test]
fn machine_code_alone_is_told_as_such() {
    let (a, b) = (
        program(b"text", b"\x90\xc3", b"\0a\0"),
        program(b"text", b"\x91\xc3", b"\0a\0"),
    );
    assert_eq!(causes(&look(&a, &b)), [(Cause::Code, ".text")]);
}

#[test]
fn a_stripped_program_lacks_what_is_for_debuggers_and_no_text() {
    let section = |name, kind| (name, kind, 0, b"\0something\0".as_slice());
    let (rodata, debug, symbols) = (
        section(".rodata", 1),
        section(".debug_str", 1),
        section(".strtab", 3),
    );
    let file = crate::release::rebuild::elf::tests::file;
    let found = look(&file(&[rodata, debug, symbols]), &file(&[rodata]));
    assert_eq!(
        causes(&found),
        [(Cause::Symbols, ".strtab"), (Cause::Debug, ".debug_str")]
    );
}

#[test]
fn symbols_are_one_finding_however_many_there_are() {
    let a = program(b"text", b"\x90", b"\0_ZN5timed4main17h0123456789abcdefE\0");
    let b = program(b"text", b"\x90", b"\0_ZN5timed4main17hfedcba9876543210E\0");
    assert_eq!(causes(&look(&a, &b)), [(Cause::Symbols, ".strtab")]);
}

#[test]
fn the_same_bytes_in_another_order_are_an_order() {
    let a = program(b"\0alpha one\0beta two\0", b"\x90", b"\0");
    let b = program(b"\0beta two\0alpha one\0", b"\x90", b"\0");
    assert_eq!(causes(&look(&a, &b)), [(Cause::Order, ".rodata")]);
    let found = look(b"one\ntwo\nthree\n", b"three\none\ntwo\n");
    assert_eq!(causes(&found), [(Cause::Order, "file")]);
}

#[test]
fn lines_of_a_text_file_are_told_by_number() {
    let a = "name = timed\nbuilt = 2025-11-25\nby = anybody\nend\n";
    let b = "name = timed\nbuilt = 2025-12-02\nby = forge\nend\n";
    let found = look(a.as_bytes(), b.as_bytes());
    assert_eq!(found.sort, Sort::Text);
    assert_eq!(
        causes(&found),
        [(Cause::Clock, "line 2"), (Cause::Name, "line 3")]
    );
    assert_eq!(found.first_difference, Some(27));
}

#[test]
fn a_line_more_or_less_does_not_make_all_after_it_differ() {
    let found = look(b"one\ntwo\nthree\n", b"one\nthree\n");
    assert_eq!(causes(&found), [(Cause::Text, "line 2")]);
    assert_eq!(
        found.findings.last().unwrap().published.as_deref(),
        Some("two")
    );
    assert_eq!(found.findings.last().unwrap().rebuilt, None);
    assert_eq!(
        causes(&look(b"one\n", b"one\r\n")),
        [(Cause::Other, "file")]
    );
}

#[test]
fn bytes_that_are_no_text_still_have_a_finding() {
    let found = look(b"\xff\x00\x01", b"\xff\x00\x02");
    assert_eq!(
        (found.sort, causes(&found)),
        (Sort::Bytes, vec![(Cause::Other, "file")])
    );
}

#[test]
fn relmans_own_files_say_where_they_come_from() {
    let notes =
        Difference::closed("RELEASE_NOTES.md", None, None).look(b"a 2025-11-25", b"b", &around());
    assert_eq!(causes(&notes), [(Cause::History, "line 1")]);
    let installation =
        Difference::closed("INSTALLATION.md", None, None).look(b"a", b"b", &around());
    assert_eq!(causes(&installation), [(Cause::Relman, "line 1")]);
}

#[test]
fn missing_files_and_modes_are_told_from_outside() {
    let side = |executable| {
        Some(Side {
            sha256: Sha256::of(b"x"),
            length: 1,
            executable,
        })
    };
    let cause = |a, b| {
        Difference::closed("x", a, b)
            .findings
            .first()
            .map(|f| (f.cause, f.note.clone()))
    };
    assert_eq!(cause(side(true), side(true)), None);
    assert_eq!(
        cause(side(true), side(false)),
        Some((Cause::Mode, "mode 0755 published, 0644 rebuilt".into()))
    );
    assert_eq!(cause(side(true), None).unwrap().0, Cause::Member);
    assert_eq!(cause(None, side(true)).unwrap().0, Cause::Member);
}

#[test]
fn of_many_findings_of_a_kind_a_few_are_shown_and_the_others_counted() {
    let lines = |day: u32| {
        (0..8)
            .map(|i| format!("{i} 2025-11-{day}\n"))
            .collect::<String>()
    };
    let found = look(lines(25).as_bytes(), lines(26).as_bytes());
    assert_eq!(
        (causes(&found).len(), found.more),
        (MAX_FINDINGS, 8 - MAX_FINDINGS)
    );
}
