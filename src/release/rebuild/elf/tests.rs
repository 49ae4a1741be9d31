//! Small ELF files, made by hand, whole and broken.

use super::*;
use crate::release::rebuild::compare::tests::around;
use crate::release::rebuild::compare::{Difference, Sort};

/// A 64-bit little-endian file with these sections: name, kind, flags, contents.
pub fn file(sections: &[(&str, u32, u32, &[u8])]) -> Vec<u8> {
    let mut names = vec![0u8];
    let mut bytes = vec![0u8; 64];
    let mut headers = vec![[0u8; 64]];
    let mut all = sections.to_vec();
    all.push((".shstrtab", abi::SHT_STRTAB, 0, &[]));
    for (name, kind, flags, contents) in &all {
        let at = names.len() as u32;
        names.extend_from_slice(name.as_bytes());
        names.push(0);
        let last = *name == ".shstrtab";
        let contents = if last {
            names.clone()
        } else {
            contents.to_vec()
        };
        let mut header = [0u8; 64];
        header[..4].copy_from_slice(&at.to_le_bytes());
        header[4..8].copy_from_slice(&kind.to_le_bytes());
        header[8..16].copy_from_slice(&u64::from(*flags).to_le_bytes());
        header[24..32].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        header[32..40].copy_from_slice(&(contents.len() as u64).to_le_bytes());
        headers.push(header);
        bytes.extend_from_slice(&contents);
    }
    let table = bytes.len() as u64;
    let count = headers.len() as u16;
    headers
        .iter()
        .for_each(|header| bytes.extend_from_slice(header));
    bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    bytes[16..20].copy_from_slice(&[2, 0, 62, 0]);
    bytes[20] = 1;
    bytes[40..48].copy_from_slice(&table.to_le_bytes());
    for (at, value) in [
        (52, 64u16),
        (54, 56),
        (58, 64),
        (60, count),
        (62, count - 1),
    ] {
        bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    bytes
}

const CODE: u32 = abi::SHF_ALLOC | abi::SHF_EXECINSTR;

fn note(id: &[u8]) -> Vec<u8> {
    let mut note = vec![4, 0, 0, 0, id.len() as u8, 0, 0, 0, 3, 0, 0, 0];
    note.extend_from_slice(b"GNU\0");
    note.extend_from_slice(id);
    note
}

fn program(text: &[u8], id: &[u8]) -> Vec<u8> {
    file(&[
        (".text", abi::SHT_PROGBITS, CODE, b"\x90\x90\xc3"),
        (".rodata", abi::SHT_PROGBITS, abi::SHF_ALLOC, text),
        (
            ".note.gnu.build-id",
            abi::SHT_NOTE,
            abi::SHF_ALLOC,
            &note(id),
        ),
        (".bss", abi::SHT_NOBITS, abi::SHF_ALLOC, &[]),
    ])
}

#[test]
fn sections_and_build_id_of_a_program_are_read() {
    let bytes = program(b"some text", &[0xab; 20]);
    let elf = Elf::read(&bytes).unwrap();
    assert_eq!(elf.machine, "64-bit, little endian, machine 62");
    assert_eq!(elf.build_id.as_deref(), Some("ab".repeat(20).as_str()));
    let names: Vec<&str> = elf.sections.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "",
            ".text",
            ".rodata",
            ".note.gnu.build-id",
            ".bss",
            ".shstrtab"
        ]
    );
    assert_eq!(elf.sections[2].data, b"some text");
    assert!(elf.sections[1].is_code() && !elf.sections[1].may_have_text());
    assert!(elf.sections[2].may_have_text());
}

#[test]
fn only_what_differs_is_listed_with_both_sizes() {
    let (a, b) = (program(b"one", &[1; 20]), program(b"three", &[2; 20]));
    let (a, b) = (Elf::read(&a).unwrap(), Elf::read(&b).unwrap());
    assert_eq!(compare(&a, &a), ElfDifference::default());
    let found = compare(&a, &b);
    assert_eq!(found.build_ids, Some([1u8, 2].map(|n| Some(hex(&[n; 20])))));
    let sections: Vec<_> = found
        .sections
        .iter()
        .map(|s| (s.name.as_str(), s.published, s.rebuilt))
        .collect();
    assert_eq!(
        sections,
        [
            (".note.gnu.build-id", Some(36), Some(36)),
            (".rodata", Some(3), Some(5))
        ]
    );
}

#[test]
fn a_section_that_one_side_lacks_and_two_of_one_name_are_told_apart() {
    let data = (".data", abi::SHT_PROGBITS, 0, b"x".as_slice());
    let a = file(&[data, data]);
    let b = file(&[data, (".more", abi::SHT_PROGBITS, 0, b"y")]);
    let found = compare(&Elf::read(&a).unwrap(), &Elf::read(&b).unwrap());
    let sections: Vec<_> = found
        .sections
        .iter()
        .map(|s| (s.name.as_str(), s.published, s.rebuilt))
        .collect();
    assert_eq!(sections[0], (".data (2)", Some(1), None));
    assert!(sections.contains(&(".more", None, Some(1))), "{sections:?}");
}

#[test]
fn what_is_no_elf_file_is_none() {
    for bytes in [
        b"".as_slice(),
        b"\x7fEL",
        b"\x7fELF",
        b"#!/bin/sh\n",
        &[0x7f; 64],
    ] {
        assert!(Elf::read(bytes).is_none());
    }
}

#[test]
fn a_name_without_end_is_cut_and_an_odd_one_is_escaped() {
    let long = "n".repeat(1_000);
    let bytes = file(&[
        (&long, abi::SHT_PROGBITS, 0, b"x"),
        ("\u{1b}[2J", abi::SHT_PROGBITS, 0, b"y"),
    ]);
    let elf = Elf::read(&bytes).unwrap();
    assert_eq!(elf.sections[1].name.len(), MAX_SHOWN_NAME);
    assert_eq!(elf.sections[2].name, "\\x1b[2J");
}

#[test]
fn a_broken_elf_file_never_panics_wherever_it_is_broken() {
    let whole = program(b"built at 1764086400 by somebody", &[7; 20]);
    let look = |other: &[u8]| {
        for (a, b) in [(whole.as_slice(), other), (other, whole.as_slice())] {
            let difference = Difference::closed("timed", None, None).look(a, b, &around());
            assert_ne!(difference.sort, Sort::Closed);
        }
    };
    (0..whole.len()).for_each(|len| look(&whole[..len]));
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff, whole[at] ^ 1, whole[at] ^ 0x80] {
            let mut broken = whole.clone();
            broken[at] = value;
            look(&broken);
        }
    }
    // Several bytes of a header at once, as sizes and offsets have.
    for at in (0..whole.len().saturating_sub(8)).step_by(4) {
        let mut broken = whole.clone();
        broken[at..at + 8].fill(0xff);
        look(&broken);
    }
}

#[test]
fn a_hostile_note_has_no_build_id() {
    for bytes in [
        b"".as_slice(),
        &[0xff; 12],
        &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0],
        &[0xfd, 0xff, 0xff, 0xff, 4, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4],
    ] {
        assert_eq!(note_of(bytes), None, "{bytes:?}");
    }
}
