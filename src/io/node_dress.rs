//! Mode, owner and extended attributes (capabilities, SELinux label, ACL) of a binary: the next version
//! gets those of the file that it takes the place of, or what `node.toml` says.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use rustix::fs::{Gid, Mode, Stat, Uid, XattrFlags, fchmod, fchown, fgetxattr, fsetxattr, fstat};

use super::backup::raw_attributes;
use super::durable;
use super::node_dir::{Dir, cannot};
use super::node_link;
use crate::error::{Error, Result};
use crate::limits::MAX_ACCOUNTS_LEN;
use crate::node::config::Binary;

/// Attributes that belong to the program and not to its bytes; a signature of the bytes would be wrong
/// for others.
const KEPT: [&[u8]; 4] = [
    b"security.capability",
    b"security.selinux",
    b"system.posix_acl_access",
    b"user.",
];

/// What one binary is given.
pub(crate) struct Dress {
    mode: u32,
    uid: u32,
    gid: u32,
    attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// By path inside the version.
pub(crate) type Wardrobe = BTreeMap<String, Dress>;

/// What each of `binaries` is given: as the file at its path has it, or that in the current version.
pub(crate) fn wardrobe(
    binaries: &[Binary],
    current: Option<&Dir>,
    ours: &dyn Fn(&Binary) -> bool,
) -> Result<Wardrobe> {
    let mut out = Wardrobe::new();
    for binary in binaries {
        let found = match (ours(binary), current) {
            (true, Some(current)) => open(current, &binary.name)?,
            (true, None) => None,
            (false, _) => {
                let (dir, name) = node_link::parent(binary)?;
                open(&dir, name)?
            }
        };
        let before = found
            .map(|(file, stat)| Dress::of(&file, &stat, &binary.path))
            .transpose()?;
        if let Some(dress) = Dress::configured(binary, before)? {
            out.insert(binary.name.clone(), dress);
        }
    }
    Ok(out)
}

fn open(dir: &Dir, name: &str) -> Result<Option<(File, Stat)>> {
    let is_file = |stat: Stat| {
        rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::RegularFile
    };
    match dir.stat(name)?.is_some_and(is_file) {
        true => dir.open_file(name),
        false => Ok(None),
    }
}

impl Dress {
    fn of(file: &File, stat: &Stat, path: &Path) -> Result<Dress> {
        let mut attributes = raw_attributes(file, path)?;
        attributes.retain(|(name, _)| KEPT.iter().any(|kept| name.starts_with(kept)));
        // A program that others can write to, or that nobody can run, is not what anybody wants kept.
        let mode = match stat.st_mode & 0o100 {
            0 => 0o755,
            _ => stat.st_mode & 0o7755,
        };
        Ok(Dress {
            mode,
            uid: stat.st_uid,
            gid: stat.st_gid,
            attributes,
        })
    }

    /// `before`, with what `node.toml` says instead; none where neither says anything.
    fn configured(binary: &Binary, before: Option<Dress>) -> Result<Option<Dress>> {
        let said = &binary.attributes;
        if before.is_none() && said.mode.is_none() && said.owner.is_none() && said.group.is_none() {
            return Ok(None);
        }
        let mut dress = match before {
            Some(dress) => dress,
            None => Dress {
                mode: 0o755,
                uid: rustix::process::geteuid().as_raw(),
                gid: rustix::process::getegid().as_raw(),
                attributes: Vec::new(),
            },
        };
        if let Some(mode) = said.mode {
            dress.mode = mode;
        }
        if let Some(owner) = &said.owner {
            dress.uid = account(owner, Path::new("/etc/passwd"))?;
        }
        if let Some(group) = &said.group {
            dress.gid = account(group, Path::new("/etc/group"))?;
        }
        Ok(Some(dress))
    }

    /// Gives an open file all of it. Its bytes are hashed afterwards.
    pub(crate) fn put_on(&self, file: &File, path: &Path) -> Result<()> {
        let now = fstat(file).map_err(|e| cannot("look at", path, e))?;
        // The owner first: changing it takes set-id bits and capabilities away.
        if (now.st_uid, now.st_gid) != (self.uid, self.gid) {
            let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
            fchown(file, Some(uid), Some(gid)).map_err(|e| cannot("keep the owner in", path, e))?;
        }
        for (name, value) in &self.attributes {
            let mut buffer = vec![0u8; value.len() + 1];
            let same = fgetxattr(file, name.as_slice(), buffer.as_mut_slice())
                .is_ok_and(|len| buffer.get(..len) == Some(value.as_slice()));
            if !same {
                fsetxattr(file, name.as_slice(), value, XattrFlags::empty()).map_err(|e| {
                    let what = String::from_utf8_lossy(name).into_owned();
                    cannot(&format!("keep {what} in"), path, e)
                })?;
            }
        }
        fchmod(file, Mode::from_raw_mode(self.mode)).map_err(|e| cannot("set the mode of", path, e))
    }
}

/// The number of an account: itself, or that of its name in `file` (passwd(5) or group(5)).
fn account(name: &str, file: &Path) -> Result<u32> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let bytes = durable::read_required(file, MAX_ACCOUNTS_LEN)?;
    let text = String::from_utf8_lossy(&bytes);
    text.lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
        })
        .ok_or_else(|| {
            Error::failed(format!("{} has no {name:?}", file.display()))
                .hint("write the number in node.toml, if the account is not kept there")
        })
}
