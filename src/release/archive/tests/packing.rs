//! The archive room's tests: the format, and what packing refuses.

use super::*;
use crate::Kind;

/// If this fails, old and new relman make different archives of one release: that is a new
/// format, to be recorded in the provenance, never a digest to paste over.
#[test]
fn the_bytes_of_a_small_archive_never_change() {
    let (_, packed) = packed(&small(), 1);
    assert_eq!(
        packed.sha256.hex(),
        "002e4cd13d9295a101dc6c18ca19f6e05b86898dd1b6e2c600c00b5e9ea4e09c"
    );
}

#[test]
fn the_bytes_of_an_archive_of_several_members_never_change() {
    let (archive, packed) = packed(&big(), 1);
    assert_eq!(
        archive
            .windows(6)
            .filter(|w| w == b"\x08\0RM\x04\0")
            .count(),
        4
    );
    assert_eq!(
        packed.sha256.hex(),
        "741166ef80477e906a5a95e1ea90c883de48e51b09dd2cd3713d35055b4156f9"
    );
}

#[test]
fn any_number_of_threads_and_any_order_of_entries_give_the_same_bytes() {
    let (one, packed_one) = packed(&big(), 1);
    for threads in [0, 2, 5, usize::MAX] {
        let mut files = big();
        files.reverse();
        let (many, packed_many) = packed(&files, threads);
        assert!(one == many, "{threads} threads");
        assert_eq!(packed_one, packed_many);
    }
}

#[test]
fn other_readers_find_every_file_and_plain_headers() {
    let (archive, packed) = packed(&big(), 2);
    let tar = read_all(flate2::read::MultiGzDecoder::new(&archive[..]));
    let mut reader = tar::Archive::new(&tar[..]);
    let mut seen = Vec::new();
    for entry in reader.entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header().clone();
        assert!(header.as_ustar().is_some() && header.entry_type().is_file());
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        assert_eq!(
            (header.username_bytes(), header.groupname_bytes()),
            (Some(&b""[..]), Some(&b""[..]))
        );
        assert_eq!(header.mtime().unwrap(), MTIME);
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let executable = header.mode().unwrap() == 0o755;
        assert!(executable || header.mode().unwrap() == 0o644);
        seen.push((path, executable, Sha256::of(&read_all(&mut entry))));
    }
    let wanted: Vec<_> = packed
        .members
        .iter()
        .map(|m| (format!("{TAG}/{}", m.path), m.executable, m.sha256))
        .collect();
    assert_eq!(seen, wanted);
    assert_eq!(wanted.len(), 2);
}

#[test]
fn what_was_packed_unpacks_to_the_same_files() {
    for files in [small(), big()] {
        let (archive, packed) = packed(&files, 2);
        for threads in [1, 2, 5] {
            let (done, got) = unpacked(&archive, &digests(&files), threads).unwrap();
            assert_eq!(done.members, packed.members);
            let mut wanted: Vec<_> = files
                .iter()
                .map(|(p, x, b)| ((*p).to_owned(), *x, b.clone(), Some(Sha256::of(b))))
                .collect();
            wanted.sort();
            assert!(got.0 == wanted);
        }
    }
}

#[test]
fn files_that_end_at_and_around_a_member_boundary_survive() {
    for around in [-513, -512, -511, -1, 0, 1, 512, 1024] {
        let len = (GZIP_MEMBER_TAR_LEN as i64 - 512 + around) as usize;
        let files = vec![("a", false, noise(len)), ("b", false, b"tail".to_vec())];
        let (archive, packed) = packed(&files, 2);
        let (done, _) = unpacked(&archive, &digests(&files), 2).unwrap();
        assert_eq!(done.members, packed.members);
    }
}

#[test]
fn a_long_path_is_split_as_tar_readers_expect() {
    let path = format!("{}/{}", "d".repeat(100), "f".repeat(90));
    let bytes = b"deep".to_vec();
    let mut archive = Vec::new();
    pack(
        TAG,
        vec![entry(&path, false, 4, &bytes)],
        MTIME,
        1,
        &mut archive,
    )
    .unwrap();
    let tar = read_all(flate2::read::MultiGzDecoder::new(&archive[..]));
    let mut reader = tar::Archive::new(&tar[..]);
    let first = reader.entries().unwrap().next().unwrap().unwrap();
    assert_eq!(first.path_bytes(), format!("{TAG}/{path}").as_bytes());
    let wanted = BTreeMap::from([(path, Sha256::of(&bytes))]);
    assert!(unpacked(&archive, &wanted, 1).is_ok());
}

fn refusal(entries: Vec<Entry<'_>>) -> Error {
    pack(TAG, entries, MTIME, 1, &mut Vec::new()).unwrap_err()
}

#[test]
fn names_that_no_node_would_unpack_are_not_packed() {
    for name in [
        "",
        "/etc/passwd",
        "../up",
        "a/../b",
        "./a",
        "a//b",
        "a/",
        "a\\b",
        "a\nb",
    ] {
        let error = refusal(vec![entry(name, false, 0, b"")]);
        assert_eq!(error.kind(), Kind::Refused, "{name:?}: {error}");
    }
    for name in [
        "n".repeat(101),
        format!("{}/f", "d".repeat(140)),
        "n".repeat(5000),
    ] {
        assert_eq!(
            refusal(vec![entry(&name, false, 0, b"")]).kind(),
            Kind::Refused
        );
    }
    for prefix in ["", "a/b", ".."] {
        assert!(pack(prefix, Vec::new(), MTIME, 1, &mut Vec::new()).is_err());
    }
}

#[test]
fn one_name_twice_and_a_file_that_is_a_directory_are_not_packed() {
    let twice = vec![entry("a", false, 0, b""), entry("a", true, 0, b"")];
    assert!(
        refusal(twice)
            .message()
            .contains("two files to pack as \"a\"")
    );
    let both = ["a/b", "a.c", "a"].map(|name| entry(name, false, 0, b""));
    assert!(
        refusal(both.into())
            .message()
            .contains("directory of \"a/b\"")
    );
}

#[test]
fn too_many_and_too_big_files_are_not_packed() {
    let many = (0..=4096)
        .map(|n| entry(&n.to_string(), false, 0, b""))
        .collect();
    assert!(refusal(many).message().contains("4097 files"));
    let huge = vec![entry("a", false, u64::MAX, b""), entry("b", false, 9, b"")];
    assert_eq!(refusal(huge).kind(), Kind::Refused);
    let over_octal = vec![entry("a", false, 1 << 33, b"")];
    assert!(refusal(over_octal).message().contains("does not fit"));
    let late = pack(
        TAG,
        vec![entry("a", false, 0, b"")],
        1 << 33,
        1,
        &mut Vec::new(),
    );
    assert!(late.unwrap_err().message().contains("modification time"));
}

#[test]
fn a_file_that_changes_its_length_meanwhile_is_noticed() {
    let short = refusal(vec![entry("a", false, 5, b"four")]);
    assert_eq!(
        short.message(),
        "a ends after 4 bytes, wanted exactly 5 bytes"
    );
    let long = refusal(vec![entry("a", false, 3, b"four")]);
    assert_eq!(long.message(), "a has more bytes, wanted exactly 3 bytes");
    assert_eq!(long.kind(), Kind::Failed);
}

#[test]
fn a_source_that_fails_and_a_full_disk_are_told() {
    let open: Open<'_> = Box::new(|| Err(Error::failed("no such file")));
    let (path, executable, len) = ("a".to_owned(), false, 0);
    let error = refusal(vec![Entry {
        path,
        executable,
        len,
        open,
    }]);
    assert_eq!(error.to_string(), "cannot open a to pack it: no such file");
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("input/output error"))
        }
    }
    let mut broken = entry("a", false, 1, b"");
    broken.open = Box::new(|| Ok(Box::new(Broken)));
    let error = refusal(vec![broken]);
    assert_eq!(
        error.to_string(),
        "cannot read a to pack it: input/output error"
    );
    let mut disk = [0; 100];
    let full = pack(TAG, entries(&big()), MTIME, 2, &mut &mut disk[..]).unwrap_err();
    assert_eq!(full.message(), "cannot write the archive");
}
