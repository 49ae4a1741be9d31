//! The rebuild room: which parts of two ELF files differ. Pure; never panics, whatever the bytes.

use std::collections::BTreeMap;

use elf::ElfBytes;
use elf::abi;
use elf::endian::AnyEndian;
use serde::Serialize;

use crate::hash::hex;
use crate::limits::{MAX_ELF_SECTIONS, MAX_SHOWN_NAME};
use crate::release::text::cut;

/// Sections that hold tables for the loader and the unwinder, and names of sections.
const TABLES: [&str; 5] = [
    ".shstrtab",
    ".eh_frame",
    ".eh_frame_hdr",
    ".gcc_except_table",
    ".debug_line",
];

/// A section of one file.
#[derive(Clone, Debug)]
pub struct Section<'a> {
    /// Its name; escaped where it is odd.
    pub name: String,
    /// Bytes that it has in memory (in the file, unless it is like `.bss`).
    pub size: u64,
    /// Where its bytes begin in the file.
    pub offset: u64,
    /// Its bytes; none for one like `.bss`.
    pub data: &'a [u8],
    kind: u32,
    flags: u64,
}

impl Section<'_> {
    /// Whether it is machine code.
    pub fn is_code(&self) -> bool {
        self.flags & u64::from(abi::SHF_EXECINSTR) != 0
    }

    /// Whether it can hold text that people wrote.
    pub fn may_have_text(&self) -> bool {
        matches!(
            self.kind,
            abi::SHT_PROGBITS | abi::SHT_STRTAB | abi::SHT_NOTE
        ) && !self.is_code()
            && !TABLES.contains(&self.name.as_str())
    }

    /// Whether it is of symbols, which go with the code that they name.
    pub fn is_symbols(&self) -> bool {
        matches!(
            self.name.as_str(),
            ".symtab" | ".dynsym" | ".strtab" | ".dynstr" | ".gnu.hash" | ".hash"
        )
    }

    /// Whether it is for debuggers alone.
    pub fn is_debug(&self) -> bool {
        self.name.starts_with(".debug_")
    }
}

/// An ELF file, as far as it could be read.
#[derive(Clone, Debug)]
pub struct Elf<'a> {
    /// Class, byte order and machine, such as `64-bit, little endian, machine 62`.
    pub machine: String,
    /// The linker's build id, hex.
    pub build_id: Option<String>,
    /// The sections, in the file's order.
    pub sections: Vec<Section<'a>>,
}

/// A section that is not the same in both files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SectionDifference {
    /// Its name.
    pub name: String,
    /// Its size in the published file, in bytes; none where it is not there.
    pub published: Option<u64>,
    /// Its size in the rebuilt file.
    pub rebuilt: Option<u64>,
}

/// How two ELF files differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ElfDifference {
    /// Class, byte order and machine of each, where they are not the same.
    pub machines: Option<[String; 2]>,
    /// Build id of each, published first, where they are not the same.
    pub build_ids: Option<[Option<String>; 2]>,
    /// The sections that differ.
    pub sections: Vec<SectionDifference>,
}

impl<'a> Elf<'a> {
    /// Reads a file; `None` where it is no ELF file, or none that can be read.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        if !bytes.starts_with(&abi::ELFMAGIC) {
            return None;
        }
        let file = ElfBytes::<AnyEndian>::minimal_parse(bytes).ok()?;
        let headers = file.section_headers()?;
        // Where there are too many sections for the header, the first one's says which has the names.
        let names = match file.ehdr.e_shstrndx {
            abi::SHN_XINDEX => headers.get(0).ok()?.sh_link as usize,
            index => usize::from(index),
        };
        let names = headers.get(names).ok();
        let names = names.and_then(|h| slice(bytes, h.sh_offset, h.sh_size));
        let mut sections = Vec::new();
        let mut build_id = None;
        for header in headers.iter().take(MAX_ELF_SECTIONS) {
            let name = shown(name_at(names.unwrap_or_default(), header.sh_name));
            let in_file = header.sh_type != abi::SHT_NOBITS && header.sh_type != abi::SHT_NULL;
            let data = match in_file {
                true => slice(bytes, header.sh_offset, header.sh_size)?,
                false => &[],
            };
            if name == ".note.gnu.build-id" {
                build_id = note_of(data);
            }
            sections.push(Section {
                name,
                size: header.sh_size,
                offset: header.sh_offset,
                data,
                kind: header.sh_type,
                flags: header.sh_flags,
            });
        }
        let class = match file.ehdr.class {
            elf::file::Class::ELF32 => "32-bit",
            elf::file::Class::ELF64 => "64-bit",
        };
        let order = match file.ehdr.endianness {
            AnyEndian::Little => "little endian",
            AnyEndian::Big => "big endian",
        };
        Some(Elf {
            machine: format!("{class}, {order}, machine {}", file.ehdr.e_machine),
            build_id,
            sections,
        })
    }

    /// The sections by name; of several with one name the second is `name (2)` and so on.
    pub fn by_name(&self) -> BTreeMap<String, &Section<'a>> {
        let mut out = BTreeMap::new();
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for section in &self.sections {
            let count = seen.entry(&section.name).or_default();
            *count += 1;
            let name = match count {
                1 => section.name.clone(),
                n => format!("{} ({n})", section.name),
            };
            out.insert(name, section);
        }
        out
    }
}

/// What is not the same in two files.
pub fn compare(published: &Elf, rebuilt: &Elf) -> ElfDifference {
    let (a, b) = (published.by_name(), rebuilt.by_name());
    let names = a
        .keys()
        .chain(b.keys().filter(|name| !a.contains_key(*name)));
    let mut sections: Vec<SectionDifference> = Vec::new();
    for name in names {
        let (left, right) = (a.get(name), b.get(name));
        if let (Some(left), Some(right)) = (left, right)
            && left.size == right.size
            && left.data == right.data
        {
            continue;
        }
        sections.push(SectionDifference {
            name: name.clone(),
            published: left.map(|s| s.size),
            rebuilt: right.map(|s| s.size),
        });
    }
    let machines = [&published.machine, &rebuilt.machine].map(Clone::clone);
    let build_ids = [&published.build_id, &rebuilt.build_id].map(Clone::clone);
    ElfDifference {
        machines: (machines[0] != machines[1]).then_some(machines),
        build_ids: (build_ids[0] != build_ids[1]).then_some(build_ids),
        sections,
    }
}

fn slice(bytes: &[u8], offset: u64, len: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(len).ok()?)?;
    bytes.get(start..end)
}

fn name_at(names: &[u8], at: u32) -> &[u8] {
    let rest = names.get(at as usize..).unwrap_or_default();
    let rest = rest.get(..MAX_SHOWN_NAME).unwrap_or(rest);
    rest.split(|b| *b == 0).next().unwrap_or_default()
}

fn shown(name: &[u8]) -> String {
    cut(&name.escape_ascii().to_string(), MAX_SHOWN_NAME)
}

/// The description of the one note in a section (System V ABI, "Note Section"): name size,
/// description size, type, name, description, each padded to four bytes. Sizes are small, so the
/// byte order shows in which half is zero.
fn note_of(data: &[u8]) -> Option<String> {
    let word = |at: usize| {
        let bytes: [u8; 4] = data.get(at..at + 4)?.try_into().ok()?;
        let (little, big) = (u32::from_le_bytes(bytes), u32::from_be_bytes(bytes));
        usize::try_from(little.min(big)).ok()
    };
    let (name, description) = (word(0)?, word(4)?);
    let start = 12usize.checked_add(name.checked_next_multiple_of(4)?)?;
    let found = data.get(start..start.checked_add(description)?)?;
    (!found.is_empty() && found.len() <= 64).then(|| hex(found))
}

#[cfg(test)]
pub mod tests;
