//! The rebuild room: what the differences of two programs are, section by section. Pure.

use std::collections::BTreeMap;

use super::compare::{look_for_numbers, look_into_bytes};
use super::elf::{Elf, ElfDifference, Section};
use super::findings::{Around, Cause, Finding};
use super::strings::{self, Piece};

/// Sections that only follow from others: a digest of them, and their names.
const FOLLOWING: [&str; 2] = [".note.gnu.build-id", ".shstrtab"];

/// What the differences of two programs are.
pub fn look(a: &Elf, b: &Elf, found: &ElfDifference, around: &Around, out: &mut Vec<Finding>) {
    let (left, right) = (a.by_name(), b.by_name());
    let mut code = Vec::new();
    let mut debug = Vec::new();
    let mut symbols = Vec::new();
    for difference in &found.sections {
        let name = difference.name.as_str();
        let (x, y) = match (left.get(name), right.get(name)) {
            (Some(x), Some(y)) => (x, y),
            (Some(one), None) | (None, Some(one)) => {
                match one {
                    one if one.is_debug() => debug.push(name),
                    one if one.is_symbols() => symbols.push(name),
                    _ => code.push(name),
                }
                continue;
            }
            (None, None) => continue,
        };
        if FOLLOWING.contains(&name) {
            continue;
        }
        let before = out.len();
        if x.is_symbols() {
            symbols.push(name);
        } else if x.may_have_text() {
            look_into_bytes(name, x.data, y.data, around, out);
        } else {
            look_for_numbers(name, x.data, y.data, around, out);
        }
        if out.len() == before && !x.is_symbols() {
            match x.is_debug() {
                true => debug.push(name),
                false => code.push(name),
            }
        }
    }
    if found.machines.is_some() {
        out.push(Finding::new(
            Cause::Toolchain,
            "header",
            "built for another machine",
        ));
    }
    // Code and symbols move when text changes its length: only where nothing else was found, they say something.
    if out.is_empty() && !symbols.is_empty() {
        out.push(symbols_of(&symbols, &left, &right));
    }
    let alone = out.iter().all(|f| f.cause == Cause::Symbols);
    for (cause, names, note) in [
        (Cause::Debug, debug, "for debuggers alone"),
        (Cause::Code, code, "machine code or data that goes with it"),
    ] {
        if alone && !names.is_empty() {
            out.push(Finding::new(cause, names.join(", "), note));
        }
    }
    if found.build_ids.is_some() && out.is_empty() {
        out.push(Finding::new(
            Cause::BuildId,
            ".note.gnu.build-id",
            "nothing else differs",
        ));
    }
    if out.is_empty() {
        out.push(Finding::new(
            Cause::Other,
            "headers",
            "or what lies between the sections",
        ));
    }
}

type Sections<'a, 'b> = BTreeMap<String, &'a Section<'b>>;

/// One finding for all tables of symbols, with the first name that is on one side alone.
fn symbols_of(names: &[&str], left: &Sections, right: &Sections) -> Finding {
    let spots = |name: &&str| {
        let (x, y) = (left.get(*name)?, right.get(*name)?);
        strings::spots(x.data, y.data).into_iter().next()
    };
    let spot = names
        .iter()
        .filter(|n| n.ends_with("str") || n.ends_with("strtab"))
        .find_map(spots);
    let text = |piece: Option<Piece>| piece.map(|p| p.text);
    let (published, rebuilt) = match spot {
        Some(spot) => (text(spot.published), text(spot.rebuilt)),
        None => (None, None),
    };
    Finding {
        published,
        rebuilt,
        ..Finding::new(
            Cause::Symbols,
            names.join(", "),
            "names or places of symbols",
        )
    }
}
