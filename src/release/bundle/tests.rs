//! Layouts in memory: what relman writes is read back; every other byte is refused.

use super::*;
use crate::hash::Sha256;

struct Bytes(Vec<u8>);

impl ReadAt for Bytes {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let found = self.0.get(from..).and_then(|rest| rest.get(..buffer.len()));
        let found = found.ok_or_else(|| Error::refused("it ends"))?;
        buffer.copy_from_slice(found);
        Ok(())
    }
}

fn member(path: &str, bytes: &[u8]) -> Member {
    Member {
        path: path.into(),
        length: bytes.len() as u64,
        sha256: Sha256::of(bytes),
    }
}

const TAG: &str = "phase1-a-1.0.0";

fn contents() -> Vec<(String, Vec<u8>)> {
    let long = format!("targets/{}.{}.current.json", "0".repeat(64), "n".repeat(32));
    vec![
        ("log/checkpoint".into(), b"signed".to_vec()),
        ("metadata/1.root.json".into(), vec![b'{'; 700]),
        (long, b"{}".to_vec()),
    ]
}

fn index() -> Index {
    let contents = contents();
    let members = contents.iter().map(|(path, bytes)| member(path, bytes));
    let sha256 = Sha256::of(b"archive");
    let path = format!("targets/{sha256}.{TAG}.tar.gz");
    Index::new(TAG, LOCAL, members.collect(), member(&path, b"archive")).expect("an index")
}

fn built(index: &Index) -> Vec<u8> {
    let mut out = Vec::new();
    let own = index.to_bytes().expect("bytes");
    let mut put = |member: &Member, bytes: &[u8]| {
        out.extend(header(member).expect("a header"));
        out.extend(bytes);
        out.resize(out.len().next_multiple_of(512), 0);
    };
    put(&member(INDEX, &own), &own);
    for (path, bytes) in contents() {
        put(&member(&path, &bytes), &bytes);
    }
    put(&index.archive, b"archive");
    out.resize(out.len() + 1024, 0);
    out
}

#[test]
fn a_bundle_is_read_back_with_every_member_at_its_place() {
    let bytes = built(&index());
    let layout = Layout::read(&Bytes(bytes.clone())).expect("a bundle");
    assert_eq!(layout.index, index());
    for (path, contents) in contents() {
        let piece = layout.pieces[&path];
        let from = piece.offset as usize;
        assert_eq!(&bytes[from..from + piece.length as usize], &contents[..]);
    }
}

#[test]
fn every_flipped_bit_outside_the_archive_is_refused() {
    let bytes = built(&index());
    let archive = Layout::read(&Bytes(bytes.clone())).expect("a bundle");
    let archive = archive.pieces[&index().archive.path];
    let inside = archive.offset as usize..(archive.offset + archive.length) as usize;
    for at in (0..bytes.len()).filter(|at| !inside.contains(at)) {
        for bit in [0x01, 0x20, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= bit;
            let read = Layout::read(&Bytes(changed));
            assert!(read.is_err(), "bit {bit:#x} of byte {at} may be flipped");
        }
    }
}

#[test]
fn a_bundle_that_is_cut_or_goes_on_is_refused() {
    let bytes = built(&index());
    for length in (0..bytes.len()).step_by(7) {
        assert!(Layout::read(&Bytes(bytes[..length].to_vec())).is_err());
    }
    for more in [1, 512, 1024] {
        let mut longer = bytes.clone();
        longer.resize(bytes.len() + more, 0);
        let error = Layout::read(&Bytes(longer)).expect_err("it goes on");
        assert!(error.to_string().contains("its index says"), "{error}");
    }
}

#[test]
fn an_index_with_names_twice_out_of_order_or_outside_is_refused() {
    let whole = index();
    let with = |change: &dyn Fn(&mut Index)| {
        let mut index = whole.clone();
        change(&mut index);
        let bytes = serde_json::to_vec(&index).expect("JSON");
        Index::parse(&[&bytes[..], b"\n"].concat())
    };
    assert!(with(&|_| ()).is_ok());
    assert!(with(&|i| i.members.swap(0, 1)).is_err());
    assert!(with(&|i| i.members.push(i.members[0].clone())).is_err());
    assert!(with(&|i| i.members.push(i.archive.clone())).is_err());
    for path in ["../x", "/x", "zz//y", "zz/.", "zz\n"] {
        let named = with(&|i| i.members[2].path = path.into());
        assert!(named.is_err(), "{path:?}");
    }
    assert!(with(&|i| i.members[0].length = u64::MAX).is_err());
    assert!(with(&|i| i.archive.length = u64::MAX).is_err());
    assert!(with(&|i| i.tag = "phase2-b-1.0.0".into()).is_err());
    assert!(with(&|i| i.environment = "mainnet".into()).is_err());
}

#[test]
fn an_index_that_relman_would_write_otherwise_is_refused() {
    let bytes = index().to_bytes().expect("bytes");
    let text = String::from_utf8(bytes.clone()).expect("text");
    assert!(Index::parse(&bytes).is_ok());
    for other in [
        text.replacen("{", "{ ", 1),
        text.replace("\n", ""),
        text.replacen("\"format\":1", "\"format\":1,\"more\":1", 1),
        text.replacen("\"format\":1", "\"format\":2", 1),
        text.replacen("\"tag\"", "\"format\":1,\"tag\"", 1),
    ] {
        assert!(Index::parse(other.as_bytes()).is_err(), "{other}");
    }
}

#[test]
fn a_node_of_a_network_takes_no_bundle_of_another() {
    let index = index();
    assert!(index.check_environment(LOCAL).is_ok());
    let error = index.check_environment("mainnet").expect_err("another one");
    assert!(
        error
            .hint_text()
            .is_some_and(|h| h.contains("--environment mainnet"))
    );
}
