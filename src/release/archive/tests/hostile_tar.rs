//! The archive room's tests: each way in which a tar can lie.

use super::*;

/// One problem of form, found in both kinds of gzip.
fn refusal(tar: &[u8]) -> String {
    let wanted = BTreeMap::from([("timed".to_owned(), Sha256::of(b"good"))]);
    let ours = problems(&our_gzip(tar), &wanted);
    assert_eq!(ours, problems(&plain_gzip(tar), &wanted));
    ours.last().unwrap().clone()
}

/// The refusal of an archive with this entry after a good one.
fn entry_refusal(entry: Vec<u8>) -> String {
    refusal(&tar_of(&[file("timed", b"good"), entry]))
}

fn typed(flag: u8, link: &str) -> String {
    entry_refusal(raw(&format!("{TAG}/l"), b"", |block| {
        block[156] = flag;
        block[157..157 + link.len()].copy_from_slice(link.as_bytes());
    }))
}

#[track_caller]
fn assert_says(refusal: String, part: &str) {
    assert!(refusal.contains(part), "{refusal}");
}

#[test]
fn a_good_tar_of_any_gzip_with_directories_and_padding_is_unpacked() {
    let directory = |name: &str| raw(name, b"", |block| block[156] = b'5');
    let mut tar = tar_of(&[
        directory(&format!("{TAG}/")),
        file("timed", b"good"),
        directory(&format!("{TAG}/etc/")),
        file("etc/unit", b""),
    ]);
    tar.resize(tar.len().next_multiple_of(10_240), 0);
    let wanted = BTreeMap::from([
        ("timed".to_owned(), Sha256::of(b"good")),
        ("etc/unit".to_owned(), Sha256::of(b"")),
    ]);
    let (one, two) = tar.split_at(700);
    for archive in [
        our_gzip(&tar),
        plain_gzip(&tar),
        [plain_gzip(one), plain_gzip(two)].concat(),
    ] {
        let (done, got) = unpacked(&archive, &wanted, 2).unwrap();
        assert_eq!((done.members.len(), done.len), (2, 4));
        assert_eq!(got.0[0].2, b"good");
    }
}

#[test]
fn names_that_lead_out_are_refused() {
    for (name, why) in [
        ("/etc/passwd", "is absolute"),
        ("../up", "has a `..` component"),
        ("timed", "outside the prefix"),
        ("phase1-sig-verify-1.0.0", "outside the prefix"),
        ("phase1-sig-verify-1.0.0x/a", "outside the prefix"),
        ("phase1-sig-verify-1.0.0/../../a", "has a `..` component"),
        ("phase1-sig-verify-1.0.0/./a", "has a `.` component"),
        ("phase1-sig-verify-1.0.0//a", "is absolute"),
        ("phase1-sig-verify-1.0.0/a//b", "has an empty component"),
        ("phase1-sig-verify-1.0.0/", "is empty"),
        ("phase1-sig-verify-1.0.0/a/", "has an empty component"),
        ("phase1-sig-verify-1.0.0/..\\a", "has a backslash"),
        (
            "phase1-sig-verify-1.0.0/a\x1b[2J",
            "has a control character",
        ),
    ] {
        assert_says(entry_refusal(raw(name, b"", |_| {})), why);
    }
}

#[test]
fn a_name_cannot_write_to_the_terminal_of_who_reads_the_refusal() {
    let clear = raw(&format!("{TAG}/\x1b[2J\u{202e}"), b"", |_| {});
    assert_says(entry_refusal(clear), "\\u{1b}[2J\\u{202e}: found");
    let outside = raw("\x1b[2J", b"", |_| {});
    assert_says(entry_refusal(outside), "\\u{1b}[2J: found");
}

#[test]
fn a_name_that_is_not_utf8_or_has_bytes_behind_its_end_is_refused() {
    let name = format!("{TAG}/a");
    let latin1 = raw(&name, b"", |block| block[26] = 0xe9);
    assert_says(entry_refusal(latin1), "not utf-8");
    let behind = raw(&name, b"", |block| block[40] = b'z');
    assert_says(entry_refusal(behind), "bytes after its end");
    let prefix = raw("a", b"", |block| block[345..348].copy_from_slice(b"../"));
    assert_says(entry_refusal(prefix), "has a `..` component");
}

#[test]
fn links_devices_and_fifos_are_refused() {
    for (flag, link, why) in [
        (b'1', "/etc/passwd", "a hard link"),
        (b'2', "/etc", "a symbolic link"),
        (b'3', "", "a character device"),
        (b'4', "", "a block device"),
        (b'6', "", "a fifo"),
        (b'7', "", "a contiguous file"),
        (b'S', "", "a sparse file"),
        (b'x', "", "a pax header"),
        (b'g', "", "a pax header"),
        (b'L', "", "a gnu long name"),
        (b'Z', "", "an entry of type 'Z'"),
        (b'0', "/etc", "a link target"),
    ] {
        assert_says(typed(flag, link), why);
    }
}

#[test]
fn headers_of_other_tars_are_named() {
    let gnu = raw("a", b"", |block| {
        block[257..265].copy_from_slice(b"ustar  \0")
    });
    assert_says(entry_refusal(gnu), "a gnu tar header");
    let v7 = raw("a", b"", |block| block[257..265].fill(0));
    assert_says(entry_refusal(v7), "without ustar magic");
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    builder
        .append_data(&mut header, "n".repeat(150), &b""[..])
        .unwrap();
    assert_says(refusal(&builder.into_inner().unwrap()), "a gnu tar header");
}

#[test]
fn two_entries_of_one_name_are_refused_but_case_counts() {
    let twice = file("timed", b"evil");
    assert_says(entry_refusal(twice), "is there twice");
    let tar = tar_of(&[file("timed", b"good"), file("Timed", b"good")]);
    let wanted = BTreeMap::from(["timed", "Timed"].map(|p| (p.to_owned(), Sha256::of(b"good"))));
    assert!(unpacked(&our_gzip(&tar), &wanted, 1).is_ok());
}

#[test]
fn a_file_that_is_a_directory_of_another_is_refused() {
    assert_says(entry_refusal(file("timed/a", b"")), "is below a file");
    let above = tar_of(&[file("a/b/c", b""), file("a.b", b""), file("a", b"")]);
    assert_says(refusal(&above), "is a file above other files");
    let both = raw(&format!("{TAG}/timed/"), b"", |block| block[156] = b'5');
    assert_says(entry_refusal(both), "is there twice");
}

#[test]
fn sizes_that_are_not_octal_or_too_large_are_refused() {
    let size = |size: [u8; 12]| {
        entry_refusal(raw(&format!("{TAG}/a"), b"", |block| {
            block[124..136].copy_from_slice(&size)
        }))
    };
    assert_says(size(*b"\x80\0\0\0\0\0\0\0\0\0\x02\0"), "a base-256 size");
    assert_says(
        size(*b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        "a base-256 size",
    );
    assert_says(size(*b"-0000000001\0"), "a size that is no octal number");
    assert_says(size(*b"777777777777"), "a size that is no octal number");
    assert_says(size([0; 12]), "a size that is no octal number");
    assert_says(size(*b"77777777777\0"), "bytes before that of a");
}

#[test]
fn a_directory_with_contents_and_special_mode_bits_are_refused() {
    let directory = raw(&format!("{TAG}/d/"), b"x", |block| block[156] = b'5');
    assert_says(entry_refusal(directory), "a directory of 1 bytes");
    let setuid = raw(&format!("{TAG}/s"), b"", |block| {
        block[100..107].copy_from_slice(b"0004755")
    });
    assert_says(entry_refusal(setuid), "mode 4755");
}

#[test]
fn a_bad_checksum_is_refused() {
    let mut bad = file("a", b"");
    bad[9] ^= 1;
    assert_says(entry_refusal(bad), "header checksum");
    let mut none = file("a", b"");
    none[148..156].fill(b'?');
    assert_says(entry_refusal(none), "no octal number");
}

#[test]
fn what_is_hidden_in_padding_or_behind_the_end_is_refused() {
    let mut padding = file("a", b"abc");
    *padding.last_mut().unwrap() = 1;
    assert_says(entry_refusal(padding), "data between two entries");
    let good = tar_of(&[file("timed", b"good")]);
    let behind = [good.clone(), file("evil", b"x")].concat();
    assert_says(refusal(&behind), "data after the end");
    let mut far = good.clone();
    far.resize(far.len() + 5000, 0);
    far.push(1);
    assert_says(refusal(&far), "data after the end");
    let lone = [&good[..1024 + 512], &file("evil", b"x")].concat();
    assert_says(refusal(&lone), "data after the end");
    let mut header = file("a", b"");
    header[511] = 1;
    let sum = ustar::checksum(header[..512].first_chunk().unwrap());
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_says(entry_refusal(header), "bytes after the header's last field");
}

#[test]
fn a_tar_without_its_whole_end_is_refused() {
    let good = tar_of(&[file("timed", b"good")]);
    assert_says(refusal(&good[..1024]), "no end marker");
    assert_says(refusal(&good[..1024 + 512]), "an end marker of 512 zeros");
    assert_says(refusal(&good[..1024 + 1023]), "an end marker of 1023 zeros");
    let odd = [&good[..], &[0; 100]].concat();
    assert_says(refusal(&odd), "an end marker of 1124 zeros");
    assert_says(refusal(&good[..600]), "an end inside padding");
    assert_says(refusal(&good[..514]), "2 bytes before that of timed");
    assert_says(refusal(&good[..100]), "100 bytes of a header");
}

#[test]
fn too_many_entries_are_refused() {
    let many: Vec<_> = (0..4097).map(|n| file(&n.to_string(), b"")).collect();
    assert_says(
        refusal(&tar_of(&many)),
        "limit: archive: found more entries",
    );
}

#[test]
fn all_wrong_missing_and_unexpected_files_are_named_at_once() {
    let tar = tar_of(&[
        file("a", b"changed"),
        file("b", b"right"),
        file("evil", b"not listed"),
        raw(&format!("{TAG}/d/"), b"", |block| block[156] = b'5'),
    ]);
    let wanted =
        BTreeMap::from(["a", "b", "d", "gone"].map(|p| (p.to_owned(), Sha256::of(b"right"))));
    let found = problems(&our_gzip(&tar), &wanted);
    let starts = [
        "digest: a: found sha256",
        "members: evil: found an unexpected",
        "members: d: found no",
        "members: gone: found no",
    ];
    assert_eq!(found.len(), starts.len(), "{found:?}");
    for (found, start) in found.iter().zip(starts) {
        assert!(found.starts_with(start), "{found}");
    }
    let error = Error::from(unpacked(&our_gzip(&tar), &wanted, 1).unwrap_err());
    assert_eq!(error.message(), "the archive is refused with 4 problems");
    assert_eq!(error.causes(), found);
}

#[test]
fn a_sink_is_not_told_that_a_wrong_file_is_complete_nor_of_later_ones() {
    let tar = tar_of(&[
        file("a", b"right"),
        file("b", b"wrong"),
        file("c", b"right"),
    ]);
    let wanted = BTreeMap::from(["a", "b", "c"].map(|p| (p.to_owned(), Sha256::of(b"right"))));
    let mut got = Got::default();
    let archive = our_gzip(&tar);
    assert!(unpack(&mut &archive[..], TAG, &wanted, 1, Some(&mut got)).is_err());
    let ended: Vec<_> = got
        .0
        .iter()
        .map(|(path, .., end)| (path.as_str(), end.is_some()))
        .collect();
    assert_eq!(ended, [("a", true), ("b", false)]);
}

#[test]
fn a_sink_that_fails_ends_it_without_blaming_the_archive() {
    struct Full;
    impl Sink for Full {
        fn begin(&mut self, _: &MemberPath, _: bool, _: u64) -> Result<()> {
            Ok(())
        }
        fn data(&mut self, _: &[u8]) -> Result<()> {
            Err(Error::failed("no space left"))
        }
        fn end(&mut self, _: Sha256) -> Result<()> {
            Ok(())
        }
    }
    let (archive, _) = packed(&big(), 2);
    let failed = unpack(&mut &archive[..], TAG, &digests(&big()), 2, Some(&mut Full));
    assert!(matches!(failed, Err(UnpackError::Failed(e)) if e.message() == "no space left"));
}

#[test]
fn a_prefix_that_is_no_tag_is_refused() {
    for prefix in ["", "..", "a/b", "/"] {
        let done = unpack(&mut &b""[..], prefix, &BTreeMap::new(), 1, None);
        assert!(matches!(done, Err(UnpackError::Refused(_))), "{prefix}");
    }
}
