//! Publishing through the stage of a local store, on real files.

use std::fs;
use std::path::{Path, PathBuf};

use relman::hash::Sha256;
use relman::io::stage_local::LocalStage;
use relman::io::store_local::LocalStore;
use relman::store::stage::{Stage, Transaction};

struct Shop {
    _dir: tempfile::TempDir,
    store: LocalStore,
    source: PathBuf,
}

impl Shop {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("archive");
        fs::write(&source, "the archive").unwrap();
        Shop {
            store: LocalStore::new(dir.path().join("releases")),
            source,
            _dir: dir,
        }
    }

    fn root(&self) -> &Path {
        self.store.root()
    }

    /// An archive under two names, an object, and two heads that say `text`.
    fn transaction(&self, text: &str) -> Transaction {
        let mut t = Transaction::default();
        let digest = Sha256::of(b"the archive");
        t.new_file("tag/tag.tar.gz", self.source.clone(), digest);
        t.new_file("targets/a.tag.tar.gz", self.source.clone(), digest);
        t.head("log/checkpoint", text);
        t.new_object(format!("metadata/{text}.targets.json"), text);
        t.head("metadata/timestamp.json", text);
        t
    }

    fn publish(&self, text: &str) {
        let stage = LocalStage::new(&self.store);
        stage.write(&self.transaction(text)).unwrap();
        assert!(stage.finish().unwrap());
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap()
    }

    /// Every file of the store.
    fn files(&self) -> Vec<String> {
        let mut out = Vec::new();
        let mut dirs = vec![self.root().to_owned()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => dirs.push(path),
                    false => {
                        let below = path.strip_prefix(self.root()).unwrap();
                        out.push(below.to_string_lossy().into_owned());
                    }
                }
            }
        }
        out.sort();
        out
    }
}

#[test]
fn heads_change_objects_stay_and_nothing_else_is_left() {
    let shop = Shop::new();
    shop.publish("1");
    shop.publish("2");
    assert_eq!(shop.read("log/checkpoint"), "2");
    assert_eq!(shop.read("metadata/timestamp.json"), "2");
    assert_eq!(
        shop.files(),
        [
            "log/checkpoint",
            "metadata/1.targets.json",
            "metadata/2.targets.json",
            "metadata/timestamp.json",
            "tag/tag.tar.gz",
            "targets/a.tag.tar.gz",
        ]
    );
}

#[test]
fn a_stage_that_comes_back_after_it_was_carried_out_changes_nothing() {
    let shop = Shop::new();
    let stage = shop.root().join(".relman-stage");
    let kept = shop.root().join("kept");
    LocalStage::new(&shop.store)
        .write(&shop.transaction("1"))
        .unwrap();
    // Links, as the stage itself had when a power cut undid its removal.
    fs::create_dir(&kept).unwrap();
    for entry in fs::read_dir(&stage).unwrap() {
        let entry = entry.unwrap();
        fs::hard_link(entry.path(), kept.join(entry.file_name())).unwrap();
    }
    assert!(LocalStage::new(&shop.store).finish().unwrap());
    fs::rename(&kept, &stage).unwrap();
    let before = shop.files();
    let before: Vec<&String> = before
        .iter()
        .filter(|f| !f.starts_with(".relman"))
        .collect();
    assert!(LocalStage::new(&shop.store).finish().unwrap());
    assert!(!LocalStage::new(&shop.store).finish().unwrap());
    assert_eq!(shop.files().iter().collect::<Vec<_>>(), before);
}

#[test]
fn a_staged_byte_that_flipped_since_is_not_published() {
    let shop = Shop::new();
    LocalStage::new(&shop.store)
        .write(&shop.transaction("1"))
        .unwrap();
    fs::write(shop.root().join(".relman-stage/4"), "X").unwrap();
    let e = LocalStage::new(&shop.store).finish().unwrap_err();
    assert!(e.to_string().contains("metadata/timestamp.json"), "{e}");
    assert!(!shop.root().join("log/checkpoint").exists());
    assert!(!shop.root().join("tag").exists());
}

#[test]
fn a_file_that_is_not_what_its_draft_said_is_not_staged() {
    let shop = Shop::new();
    let transaction = shop.transaction("1");
    fs::write(&shop.source, "another one").unwrap();
    let e = LocalStage::new(&shop.store)
        .write(&transaction)
        .unwrap_err();
    assert!(e.to_string().contains("tag/tag.tar.gz"), "{e}");
    assert_eq!(shop.files(), Vec::<String>::new());
}

#[test]
fn an_object_with_other_contents_stops_a_publication_before_its_heads() {
    let shop = Shop::new();
    fs::create_dir_all(shop.root().join("targets")).unwrap();
    fs::write(shop.root().join("targets/a.tag.tar.gz"), "somebody's").unwrap();
    let stage = LocalStage::new(&shop.store);
    stage.write(&shop.transaction("1")).unwrap();
    let e = stage.finish().unwrap_err();
    assert!(e.to_string().contains("targets/a.tag.tar.gz"), "{e}");
    assert_eq!(shop.read("targets/a.tag.tar.gz"), "somebody's");
    assert!(!shop.root().join("log/checkpoint").exists());
}
