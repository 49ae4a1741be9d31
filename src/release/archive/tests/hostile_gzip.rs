//! The archive room's tests: each way in which the gzip around a tar can lie.

use super::*;
use crate::limits::MAX_GZIP_MEMBER_LEN;

fn wanted() -> BTreeMap<String, Sha256> {
    digests(&big())
}

fn tar() -> Vec<u8> {
    let (archive, _) = packed(&big(), 2);
    read_all(flate2::read::MultiGzDecoder::new(&archive[..]))
}

/// The archive of `big` as its members.
fn members() -> Vec<Vec<u8>> {
    let members: Vec<_> = tar().chunks(GZIP_MEMBER_TAR_LEN).map(our_member).collect();
    assert_eq!(members.len(), 4);
    members
}

fn set_size(member: &mut [u8], size: usize) {
    member[16..20].copy_from_slice(&(size as u32).to_le_bytes());
}

#[track_caller]
fn assert_refused(archive: &[u8], why: &str) {
    for threads in [1, 2] {
        match unpacked(archive, &wanted(), threads) {
            Err(UnpackError::Refused(problems)) => {
                let found = problems.last().unwrap().to_string();
                assert!(found.contains(why), "{found}");
            }
            other => panic!("not refused: {:?}", other.map(|(done, _)| done)),
        }
    }
}

#[test]
fn garbage_and_zeros_behind_the_last_member_are_refused() {
    let good = members().concat();
    for (tail, why) in [
        (&b"x"[..], "1 bytes after the last member"),
        (&[0; 19][..], "19 bytes after the last member"),
        (&[0; 512][..], "another header"),
        (&[b'x'; 512][..], "another header"),
    ] {
        assert_refused(&[&good[..], tail].concat(), why);
    }
    let plain = plain_gzip(&tar());
    for tail in [&b"x"[..], &[0; 512], b"\x1f\x8b\x08"] {
        assert_refused(&[&plain[..], tail].concat(), "broken data");
    }
}

#[test]
fn a_plain_member_behind_ours_is_refused_and_ours_behind_plain_are_just_gzip() {
    let tar = tar();
    let (one, two) = tar.split_at(GZIP_MEMBER_TAR_LEN);
    assert_refused(&[our_gzip(one), plain_gzip(two)].concat(), "another header");
    assert!(unpacked(&[plain_gzip(one), our_gzip(two)].concat(), &wanted(), 2).is_ok());
}

#[test]
fn a_gap_between_members_is_refused_even_with_a_second_right_trailer() {
    let good = members();
    let mut gap = good.clone();
    let trailer = gap[1].last_chunk::<8>().unwrap().to_vec();
    gap[1].extend_from_slice(b"hidden");
    gap[1].extend_from_slice(&trailer);
    let size = gap[1].len();
    set_size(&mut gap[1], size);
    assert_refused(&gap.concat(), "bytes after a member's trailer");
    let mut garbage = good.clone();
    garbage[1].extend_from_slice(b"hidden");
    let size = garbage[1].len();
    set_size(&mut garbage[1], size);
    assert_refused(&garbage.concat(), "bytes after a member's trailer");
    let mut between = good;
    between[1].extend_from_slice(b"hidden");
    assert_refused(&between.concat(), "another header");
}

#[test]
fn a_member_that_only_plain_gzip_would_see_is_refused() {
    let evil = our_member(b"more tar, for those who do not believe the sizes");
    let mut hidden = members();
    let last = hidden.last_mut().unwrap();
    let again = last.clone();
    last.extend_from_slice(&evil);
    let size = last.len();
    set_size(last, size);
    assert_refused(&hidden.concat(), "bytes after a member's trailer");
    let mut twice = members();
    let last = twice.last_mut().unwrap();
    last.extend_from_slice(&again);
    let size = last.len();
    set_size(last, size);
    assert_refused(&twice.concat(), "bytes after a member's trailer");
}

#[test]
fn wrong_sizes_in_the_extra_field_are_refused() {
    let good = members();
    let true_size = good[1].len();
    for (size, why) in [
        (0, "a compressed member of 0 bytes"),
        (27, "a compressed member of 27 bytes"),
        (28, "does not inflate"),
        (true_size - 1, "does not inflate"),
        (true_size + 1, "bytes after a member's trailer"),
        (MAX_GZIP_MEMBER_LEN, "bytes after a member's trailer"),
        (MAX_GZIP_MEMBER_LEN + 1, "a compressed member of"),
        (u32::MAX as usize, "a compressed member of 4294967295 bytes"),
    ] {
        let mut bad = good.clone();
        set_size(&mut bad[1], size);
        assert_refused(&bad.concat(), why);
    }
    let mut last = good;
    let size = last[3].len() + 1;
    set_size(&mut last[3], size);
    assert_refused(&last.concat(), "bytes of a member");
}

#[test]
fn wrong_crc_and_isize_are_refused() {
    for back in 1..=8 {
        let mut bad = members();
        let at = bad[2].len() - back;
        bad[2][at] ^= 0x10;
        assert_refused(&bad.concat(), "does not inflate");
    }
}

#[test]
fn members_left_out_doubled_swapped_empty_or_short_are_refused() {
    let good = members();
    let [a, b, c, d] = &good[..] else { panic!() };
    for order in [vec![a, c, d], vec![a, b, b, c, d], vec![a, c, b, d]] {
        let archive = order.into_iter().cloned().collect::<Vec<_>>().concat();
        assert!(matches!(
            unpacked(&archive, &wanted(), 2),
            Err(UnpackError::Refused(_))
        ));
    }
    assert_refused(&[&a[..], b, c].concat(), "bytes before that of bin/timed");
    assert_refused(
        &[&a[..], b, &our_member(b""), c, d].concat(),
        "an empty member",
    );
    let tar = tar();
    let (one, two) = tar.split_at(512);
    assert_refused(
        &[our_gzip(one), our_gzip(two)].concat(),
        "a member after a short one",
    );
}

#[test]
fn a_member_that_holds_more_than_it_may_is_refused() {
    let bomb = our_member(&vec![0; GZIP_MEMBER_TAR_LEN + 1]);
    assert_refused(&bomb, "does not inflate (InsufficientSpace)");
    let bomb = our_member(&vec![0; 64 * GZIP_MEMBER_TAR_LEN]);
    assert_refused(&bomb, "does not inflate (InsufficientSpace)");
}

/// Repeats `member` for ever after `start`; `read` counts.
struct Endless {
    start: Cursor<Vec<u8>>,
    member: Cursor<Vec<u8>>,
    read: usize,
}

impl Read for Endless {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let mut len = self.start.read(to)?;
        if len == 0 {
            len = self.member.read(to)?;
        }
        if len == 0 {
            self.member.set_position(0);
            len = self.member.read(to)?;
        }
        self.read += len;
        Ok(len)
    }
}

#[test]
fn endless_zeros_are_refused_after_a_little() {
    let zeros = vec![0; GZIP_MEMBER_TAR_LEN];
    for (start, member) in [
        (plain_gzip(&tar_of(&[])), plain_gzip(&zeros)),
        (Vec::new(), plain_gzip(&zeros)),
        (Vec::new(), our_member(&zeros)),
    ] {
        let (start, member) = (Cursor::new(start), Cursor::new(member));
        let mut bomb = Endless {
            start,
            member,
            read: 0,
        };
        match unpack(&mut bomb, TAG, &BTreeMap::new(), 2, None) {
            Err(UnpackError::Refused(problems)) => {
                assert!(problems[0].found.contains("more zeros"), "{problems:?}");
            }
            other => panic!("not refused: {other:?}"),
        }
        assert!(bomb.read < 1 << 17, "read {} bytes", bomb.read);
    }
}

#[test]
fn endless_empty_members_of_plain_gzip_end_at_the_limit_of_an_archive() {
    // The limit itself is 4 GiB, too long to read here: a source that ends stands for it.
    let empty = plain_gzip(b"").repeat(1000);
    assert_refused(&empty, "no end marker");
}

#[test]
fn what_is_no_gzip_at_all_is_refused() {
    for archive in [
        &b""[..],
        b"\x1f\x8b",
        b"PK\x03\x04 a zip file, not ours",
        &tar()[..2048],
    ] {
        assert_refused(archive, "broken data");
    }
}

#[test]
fn a_reader_that_fails_is_not_the_archives_fault() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("input/output error"))
        }
    }
    let ours = members().concat();
    let plain = plain_gzip(&tar());
    for archive in [&ours, &plain] {
        for len in [0, 10, 20, 5000, archive.len() - 1, archive.len()] {
            let mut broken = archive[..len].chain(Broken);
            let failed = unpack(&mut broken, TAG, &wanted(), 2, None);
            assert!(
                matches!(failed, Err(UnpackError::Failed(_))),
                "{len}: {failed:?}"
            );
        }
    }
}
