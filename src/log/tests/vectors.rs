//! Values that others published: the reference tree of Certificate Transparency with its proofs
//! (as transparency-dev/merkle has them too), the samples of C2SP's specifications as of the commit
//! in docs/formats.md, a checkpoint of sum.golang.org.

use super::NaiveTree;
use crate::hash::Sha256;
use crate::log::{
    Checkpoint, Note, Signature, TlogProof, TreeHead, VerifierKey, check_consistency,
    check_inclusion, leaf_hash, prove_consistency, prove_inclusion,
};

/// The entries of the reference tree.
const ENTRIES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];
/// Its roots at sizes 1 to 8.
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
/// Nodes of it that proofs have: leaf 1, leaves 2 and 3, 4 to 7, leaf 4, leaf 6, 4 and 5, 6 and 7.
const LEAF_1: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const NODE_2_3: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const NODE_4_7: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
const LEAF_4: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const LEAF_6: &str = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f";
const NODE_4_5: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
const NODE_6_7: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";

fn hex(text: &str) -> Sha256 {
    Sha256::from_hex(text).unwrap()
}

fn head(size: u64) -> TreeHead {
    TreeHead {
        size,
        root: hex(ROOTS[size as usize - 1]),
    }
}

#[test]
fn the_reference_tree_of_certificate_transparency_has_its_published_roots_and_proofs() {
    let tree = NaiveTree(ENTRIES.iter().map(|entry| leaf_hash(entry)).collect());
    for size in 1..=8 {
        assert_eq!(tree.head(size), head(size));
    }
    let inclusion: [(u64, u64, &[&str]); 5] = [
        (0, 1, &[]),
        (0, 8, &[LEAF_1, NODE_2_3, NODE_4_7]),
        (5, 8, &[LEAF_4, NODE_6_7, ROOTS[3]]),
        (2, 3, &[ROOTS[1]]),
        (1, 5, &[ROOTS[0], NODE_2_3, LEAF_4]),
    ];
    for (index, size, proof) in inclusion {
        let proof: Vec<Sha256> = proof.iter().map(|hash| hex(hash)).collect();
        assert_eq!(prove_inclusion(index, size, &tree).unwrap(), proof);
        check_inclusion(index, &tree.0[index as usize], &proof, &head(size)).unwrap();
    }
    let consistency: [(u64, u64, &[&str]); 5] = [
        (1, 1, &[]),
        (1, 8, &[LEAF_1, NODE_2_3, NODE_4_7]),
        (6, 8, &[NODE_4_5, NODE_6_7, ROOTS[3]]),
        (2, 5, &[NODE_2_3, LEAF_4]),
        (6, 7, &[NODE_4_5, LEAF_6, ROOTS[3]]),
    ];
    for (old, new, proof) in consistency {
        let proof: Vec<Sha256> = proof.iter().map(|hash| hex(hash)).collect();
        assert_eq!(prove_consistency(old, new, &tree).unwrap(), proof);
        check_consistency(&head(old), &head(new), &proof).unwrap();
    }
}

/// The key of Go's checksum database, which the go command has built in.
const SUMDB: &str = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
/// A signature of its, as the samples of tlog-checkpoint and tlog-cosignature show it under the
/// name of an example.
const BORROWED: &str =
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=";
const SAMPLE_TREE: &str = "20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

#[test]
fn a_checkpoint_of_sum_golang_org_verifies_under_its_key_and_no_other_text_does() {
    let key = VerifierKey::parse(SUMDB).unwrap();
    let note = |origin: &str| {
        let text = format!("{origin}\n{SAMPLE_TREE}\n\u{2014} sum.golang.org {BORROWED}\n");
        let note = Note::parse(text.as_bytes()).unwrap();
        assert_eq!(note.to_string(), text);
        note.verify(std::slice::from_ref(&key))
    };
    let verified = note("go.sum database tree").unwrap();
    let checkpoint = Checkpoint::parse(verified.text()).unwrap();
    assert_eq!(checkpoint.head().size, 20_852_163);
    assert!(note("example.com/behind-the-sofa").is_err());
}

#[test]
fn the_sample_of_tlog_checkpoint_is_right_in_form_and_signed_by_somebody_else() {
    let name = "example.com/behind-the-sofa";
    let text = format!("{name}\n{SAMPLE_TREE}\n\u{2014} {name} {BORROWED}\n");
    let note = Note::parse(text.as_bytes()).unwrap();
    assert_eq!(note.to_string(), text);
    let checkpoint = Checkpoint::parse(note.unverified_text()).unwrap();
    assert_eq!(checkpoint.origin(), name);
    // Its key ID is that of sum.golang.org's key, which under this name would have another.
    let key = VerifierKey::parse(SUMDB).unwrap();
    assert_eq!(note.unverified_signatures()[0].key_id(), key.id());
    let renamed = VerifierKey::new(name, *key.public_key()).unwrap();
    assert_ne!(renamed.id(), key.id());
    assert!(note.verify(&[key, renamed]).is_err());
}

#[test]
fn the_sample_of_signed_note_prints_as_it_was_read() {
    // Its key is published nowhere: good for its form alone, with an empty line in its text.
    let text = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\n\
        ed è subito sera.\n\n\u{2014} quasimodo.example/salvatore \
        NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
    let note = Note::parse(text.as_bytes()).unwrap();
    assert_eq!(note.to_string(), text);
    assert!(note.unverified_text().ends_with("sera.\n"));
    assert_eq!(note.unverified_signatures()[0].bytes().len(), 64);
}

/// The sample of tlog-proof, whose signatures are elided there; here it has the borrowed one.
fn sample_of_tlog_proof(extra: &str) -> String {
    format!(
        "c2sp.org/tlog-proof@v1\n{extra}index 73894\n\
         gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\n\
         B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n\
         EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=\n\
         RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=\n\
         AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=\n\n\
         example.com/fancylog\n109482\nsFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=\n\n\
         \u{2014} example.com/fancylog {BORROWED}\n"
    )
}

#[test]
fn the_sample_of_tlog_proof_is_right_in_form_and_too_short_for_its_tree() {
    let extra = "extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6kYXJ3aW4tYXJ\n";
    let text = sample_of_tlog_proof(extra);
    let proof = TlogProof::parse(text.as_bytes()).unwrap();
    assert_eq!(proof.to_string(), text);
    assert_eq!(proof.unverified_index(), 73_894);
    let checkpoint = Checkpoint::parse(proof.unverified_checkpoint().unverified_text()).unwrap();
    let hashes: Vec<Sha256> = text
        .lines()
        .skip(3)
        .take(5)
        .map(|line| crate::log::text::hash(line, "hash").unwrap())
        .collect();
    let leaf = leaf_hash(b"");
    let error = check_inclusion(73_894, &leaf, &hashes, checkpoint.head()).unwrap_err();
    assert!(
        error.to_string().contains("has 5 hashes, want 17"),
        "{error}"
    );
}

#[test]
fn the_samples_of_tlog_witness_are_illustrations() {
    // Of a size 20852014 tree, 4 hashes prove nothing: the proof to 20852163 has 18.
    let old = TreeHead {
        size: 20_852_014,
        root: leaf_hash(b""),
    };
    let new = *Checkpoint::parse(&format!("o\n{SAMPLE_TREE}"))
        .unwrap()
        .head();
    let error = check_consistency(&old, &new, &[leaf_hash(b""); 4]).unwrap_err();
    assert!(
        error.to_string().contains("has 4 hashes, want 18"),
        "{error}"
    );
    // The cosignatures of the sample answer have the right length, and times beyond 2^63 - 1.
    let lines = [
        "\u{2014} witness.example/w1 CMp+6LWBU0anHGH5aNDTJkH/gj79sG+T6+iP2ThYN5krrDJbR1HDnucjL39QsZTSvVjyQLrdk3DXDqI5G2HgLatVs0pWh6Up69HVOw==",
        "\u{2014} witness.example/w1 I7rEps0pvK2UqkS2gSpVUDhrhVtQV9lgF6pRrWAvjJHjyWpW7VcE3SiOlVlbQNt64vWhO+DlkL0+UfzuOBMh9ChdMkP1vi/lCAsmlw==",
    ];
    for line in lines {
        let signature = Signature::parse(line).unwrap();
        assert_eq!(signature.to_string(), line);
        let (time, ed25519) = signature.bytes().split_first_chunk::<8>().unwrap();
        assert_eq!(ed25519.len(), 64);
        assert!(u64::from_be_bytes(*time) > i64::MAX as u64);
    }
}
