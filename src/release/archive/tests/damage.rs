//! The archive room's tests: cut and flipped archives never give other contents.

use super::*;

/// Fails, or gives exactly what the undamaged archive gives.
#[track_caller]
fn assert_harmless(archive: &[u8], files: &Files, what: &str) -> bool {
    match unpacked(archive, &digests(files), 1) {
        Err(UnpackError::Refused(problems)) => {
            assert!(!problems.is_empty());
            false
        }
        Err(UnpackError::Failed(error)) => panic!("{what}: {error}"),
        Ok((_, got)) => {
            for (path, executable, bytes, end) in &got.0 {
                let same = |f: &&(&str, bool, Vec<u8>)| f.0 == path && f.1 == *executable;
                let file = files.iter().find(same).unwrap();
                assert!(file.2 == *bytes && end.is_some(), "{what}: {path}");
            }
            assert_eq!(got.0.len(), files.len(), "{what}");
            true
        }
    }
}

fn both_gzips(files: &Files) -> [Vec<u8>; 2] {
    let (ours, _) = packed(files, 1);
    let tar = read_all(flate2::read::MultiGzDecoder::new(&ours[..]));
    [ours, plain_gzip(&tar)]
}

#[test]
fn a_small_archive_cut_at_any_length_is_refused() {
    for archive in both_gzips(&small()) {
        assert!(assert_harmless(&archive, &small(), "whole"));
        for len in 0..archive.len() {
            let what = format!("cut to {len}");
            assert!(!assert_harmless(&archive[..len], &small(), &what), "{what}");
        }
    }
}

#[test]
fn a_small_archive_with_any_bit_flipped_gives_no_other_contents() {
    for archive in both_gzips(&small()) {
        for at in 0..archive.len() {
            for bit in [0, 3, 7] {
                let mut bad = archive.clone();
                bad[at] ^= 1 << bit;
                assert_harmless(&bad, &small(), &format!("bit {bit} of {at}"));
            }
        }
    }
}

#[test]
fn no_bit_of_our_gzip_headers_can_be_flipped() {
    let (archive, _) = packed(&small(), 1);
    for at in 0..20 {
        for bit in 0..8 {
            let mut bad = archive.clone();
            bad[at] ^= 1 << bit;
            // Without an `RM` field alone it is anybody's gzip, whose time and system do not matter.
            let done = assert_harmless(&bad, &small(), &format!("bit {bit} of {at}"));
            assert!(
                !done || at == 3 || (10..16).contains(&at),
                "bit {bit} of {at}"
            );
        }
    }
}

#[test]
fn a_tar_with_any_bit_flipped_gives_no_other_contents() {
    let [ours, _] = both_gzips(&small());
    let tar = read_all(flate2::read::MultiGzDecoder::new(&ours[..]));
    for at in (0..tar.len()).step_by(11) {
        let mut bad = tar.clone();
        bad[at] ^= 1 << (at % 8);
        assert_harmless(&our_gzip(&bad), &small(), &format!("byte {at} of the tar"));
    }
}

#[test]
fn an_archive_of_several_members_cut_or_flipped_anywhere_is_harmless() {
    let [ours, _] = both_gzips(&big());
    for at in (0..ours.len()).step_by(ours.len() / 11) {
        assert!(!assert_harmless(
            &ours[..at],
            &big(),
            &format!("cut to {at}")
        ));
        let mut bad = ours.clone();
        bad[at] ^= 0x40;
        assert_harmless(&bad, &big(), &format!("flipped at {at}"));
    }
}
