//! What attackers make of a store: copies changed without any key, and copies whose metadata fits
//! together again because the online keys (snapshot, timestamp) were stolen.

use std::fs;

use relman::hash::{Sha256, hex};
use relman::io::keyring::{FileKey, Keyring};
use relman::keys::Signer;
use relman::trust::json;
use serde_json::{Value, json as value};

use crate::clients::Why;
use crate::project::{Copy, Project, write};

/// A copy that every client has to refuse.
pub struct Attack {
    pub what: String,
    pub why: Why,
    pub store: Copy,
}

/// Attacks upon a store whose clients want `target`, which `role` lists: `targets` or an environment.
pub fn attacks(project: &Project, role: &str, target: &str) -> Vec<Attack> {
    let thief = Thief(project.keyring());
    let mut roles = vec!["targets", role];
    roles.dedup();
    let mut all: Vec<Attack> = Vec::new();
    let mut attack = |what: &str, why, how: &dyn Fn(&Copy)| {
        let store = project.copy(&format!("attack-{}", all.len()));
        how(&store);
        let what = what.to_owned();
        all.push(Attack { what, why, store });
    };

    attack("a changed timestamp", Why::Signatures, &|copy| {
        copy.later("metadata/timestamp.json");
    });
    attack("a timestamp without signatures", Why::Signatures, &|copy| {
        copy.edit("metadata/timestamp.json", |file| {
            file["signatures"] = value!([])
        });
    });
    attack(
        "a timestamp that a stranger signed",
        Why::Signatures,
        &|copy| {
            copy.edit("metadata/timestamp.json", |file| forge(file, &stranger()));
        },
    );
    attack(
        "a timestamp by the key of snapshot",
        Why::Signatures,
        &|copy| {
            copy.edit("metadata/timestamp.json", |file| {
                sign(file, &[thief.key("snapshot")])
            });
        },
    );
    attack(
        "a next root that only its own keys signed",
        Why::Signatures,
        &|copy| {
            let (path, version) = copy.newest("root");
            let mut root = copy.json(&path);
            root["signed"]["version"] = (version + 1).into();
            let own = stranger();
            let id = own.public().keyid();
            root["signed"]["keys"] = value!({&id: public(&own)});
            for role in root["signed"]["roles"]
                .as_object_mut()
                .unwrap()
                .values_mut()
            {
                *role = value!({"keyids": [&id], "threshold": 1});
            }
            sign(&mut root, &[own]);
            copy.put(&format!("metadata/{}.root.json", version + 1), &root);
        },
    );
    for role in ["snapshot"].iter().chain(&roles) {
        attack(&format!("a changed {role}"), Why::Digest, &|copy| {
            copy.later(&copy.newest(role).0);
        });
    }
    attack("a target with one bit changed", Why::Digest, &|copy| {
        copy.flip(&copy.target(target));
    });
    attack("a longer target", Why::Digest, &|copy| {
        let path = copy.target(target);
        let bytes = [fs::read(copy.file(&path)).unwrap(), b"x".to_vec()].concat();
        write(&copy.file(&path), &bytes);
    });

    attack(
        "a snapshot by the key of timestamp",
        Why::Signatures,
        &|copy| {
            copy.edit(&copy.newest("snapshot").0, |file| {
                sign(file, &[thief.key("timestamp")])
            });
            thief.relist_snapshot(copy);
        },
    );
    for role in &roles {
        let path = |copy: &Copy| copy.newest(role).0;
        attack(
            &format!("{role} that a stranger signed, online keys stolen"),
            Why::Signatures,
            &|copy| {
                copy.edit(&path(copy), |file| forge(file, &stranger()));
                thief.relist(copy);
            },
        );
        attack(
            &format!("{role} by the online keys, which were stolen"),
            Why::Signatures,
            &|copy| {
                copy.edit(&path(copy), |file| {
                    sign(file, &[thief.key("snapshot"), thief.key("timestamp")])
                });
                thief.relist(copy);
            },
        );
        attack(
            &format!("{role} with a signature too few, online keys stolen"),
            Why::Signatures,
            &|copy| {
                copy.edit(&path(copy), |file| {
                    file["signatures"].as_array_mut().unwrap().pop().unwrap();
                });
                thief.relist(copy);
            },
        );
    }
    // Where more than one is wanted, one signer cannot be two.
    if project.copy("count").signatures("targets") > 1 {
        attack(
            "targets signed twice by one key, online keys stolen",
            Why::Twice,
            &|copy| {
                copy.edit(&copy.newest("targets").0, |file| {
                    let signatures = file["signatures"].as_array_mut().unwrap();
                    signatures[1] = signatures[0].clone();
                });
                thief.relist(copy);
            },
        );
    }
    if role != "targets" {
        attack(
            &format!("{role} by the release signers"),
            Why::Signatures,
            &|copy| {
                copy.edit(&copy.newest(role).0, |file| {
                    sign(file, &[thief.key("targets")])
                });
                thief.relist(copy);
            },
        );
    }
    all
}

/// Attacks with keys that were replaced: `retired`, by whoever has the present online keys as well.
pub fn attacks_by_retired_keys(project: &Project, retired: Keyring) -> Vec<Attack> {
    let (thief, retired) = (Thief(project.keyring()), Thief(retired));
    let attack = |role: &str, path: &dyn Fn(&Copy) -> String, relist: &dyn Fn(&Copy)| {
        let store = project.copy(&format!("retired-{role}"));
        store.edit(&path(&store), |file| sign(file, &[retired.key(role)]));
        relist(&store);
        Attack {
            what: format!("{role} by its retired key"),
            why: Why::Signatures,
            store,
        }
    };
    let newest = |role: &'static str| move |copy: &Copy| copy.newest(role).0;
    let timestamp = |_: &Copy| "metadata/timestamp.json".to_owned();
    vec![
        attack("root", &newest("root"), &|_| ()),
        attack("timestamp", &timestamp, &|_| ()),
        attack("snapshot", &newest("snapshot"), &|copy| {
            thief.relist_snapshot(copy)
        }),
        attack("targets", &newest("targets"), &|copy| thief.relist(copy)),
        attack("mainnet", &newest("mainnet"), &|copy| thief.relist(copy)),
    ]
}

/// Whoever stole keys from a project.
struct Thief(Keyring);

impl Thief {
    fn key(&self, purpose: &str) -> FileKey {
        self.0.require(purpose).unwrap()
    }

    /// Lists in snapshot and timestamp whatever is there now.
    fn relist(&self, copy: &Copy) {
        let (path, _) = copy.newest("snapshot");
        copy.edit(&path, |file| {
            for (name, listed) in file["signed"]["meta"].as_object_mut().unwrap() {
                let path = format!("metadata/{}.{name}", listed["version"]);
                list(listed, &fs::read(copy.file(&path)).unwrap());
            }
            sign(file, &[self.key("snapshot")]);
        });
        self.relist_snapshot(copy);
    }

    fn relist_snapshot(&self, copy: &Copy) {
        let snapshot = fs::read(copy.file(&copy.newest("snapshot").0)).unwrap();
        copy.edit("metadata/timestamp.json", |file| {
            list(&mut file["signed"]["meta"]["snapshot.json"], &snapshot);
            sign(file, &[self.key("timestamp")]);
        });
    }
}

impl Copy {
    /// Lets metadata live a thousand years longer, which is one byte.
    fn later(&self, path: &str) {
        self.replace(path, b"\"expires\": \"2", b"\"expires\": \"3");
    }

    /// Path and version of the newest file of a role.
    pub fn newest(&self, role: &str) -> (String, u64) {
        let version = |n: &u64| self.file(&format!("metadata/{n}.{role}.json")).exists();
        let newest = (1..100).rev().find(version).expect(role);
        (format!("metadata/{newest}.{role}.json"), newest)
    }

    /// Path of a target as top-level targets, an environment or what halts one lists it now.
    pub fn target(&self, name: &str) -> String {
        let listed = |role: &str| {
            let role = self.json(&self.newest(role).0);
            let digest = role["signed"]["targets"][name]["hashes"]["sha256"].as_str();
            digest.map(|digest| format!("targets/{digest}.{name}"))
        };
        if let Some((role, _)) = name.split_once('.').filter(|_| name.starts_with("halt-")) {
            return listed(role).expect(name);
        }
        let mut roles = ["targets", "testnet", "mainnet"].iter();
        roles.find_map(|role| listed(role)).expect(name)
    }

    fn signatures(&self, role: &str) -> usize {
        self.json(&self.newest(role).0)["signatures"]
            .as_array()
            .unwrap()
            .len()
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&fs::read(self.file(path)).unwrap()).unwrap()
    }

    fn put(&self, path: &str, document: &Value) {
        write(&self.file(path), &json::pretty(document).unwrap());
    }

    fn edit(&self, path: &str, how: impl FnOnce(&mut Value)) {
        let mut document = self.json(path);
        how(&mut document);
        self.put(path, &document);
    }
}

/// A key that nobody lists.
fn stranger() -> FileKey {
    let dir = tempfile::tempdir().unwrap();
    let keyring = Keyring::new(dir.path().join("keys"));
    keyring.load_or_generate("stranger", "nobody").unwrap().0
}

fn public(key: &FileKey) -> Value {
    serde_json::to_value(relman::trust::PublicKey::from(key.public())).unwrap()
}

fn list(entry: &mut Value, bytes: &[u8]) {
    entry["length"] = bytes.len().into();
    entry["hashes"]["sha256"] = Sha256::of(bytes).hex().into();
}

fn signature(document: &Value, key: &FileKey) -> String {
    hex(&key
        .sign(&json::canonical(&document["signed"]).unwrap())
        .unwrap())
}

/// Replaces the signatures by those of these keys.
fn sign(document: &mut Value, keys: &[FileKey]) {
    let one = |key: &FileKey| {
        let sig = signature(document, key);
        value!({"keyid": key.public().keyid(), "sig": sig})
    };
    let signatures: Value = keys.iter().map(one).collect();
    document["signatures"] = signatures;
}

/// Replaces every signature by one of this key, under the ids that are there.
fn forge(document: &mut Value, key: &FileKey) {
    let sig = signature(document, key);
    for signature in document["signatures"].as_array_mut().unwrap() {
        signature["sig"] = sig.clone().into();
    }
}
