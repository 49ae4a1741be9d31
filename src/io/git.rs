//! The source repository, read with libgit2: tags, history, clean clones. I/O room.
//!
//! The user's git configuration never decides what is read or written here: references and objects
//! are read as they are, and a clone's files are written byte for byte as committed (`clone.rs`).

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use git2::{ConfigLevel, ErrorCode, ObjectType, Oid, Repository, RepositoryOpenFlags, Sort};

use crate::attest::git_tag;
use crate::error::Context;
use crate::limits::{MAX_MESSAGE_LEN, MAX_NOTES_COMMITS, MAX_SHOWN_NAME, MAX_TAGS};
use crate::release::source::{
    ChangedFile, CommitInfo, Previous, Rules, Source, TagInfo, near_names,
};
use crate::release::tag::{Pattern, Tag};
use crate::release::text::shown;
use crate::{Error, Result};

mod changes;
mod checkout;
mod clone;
mod fetch;
mod lineage;
mod objects;

pub use fetch::fetch;

/// A git repository on this machine: with or without a working tree, or a linked worktree.
pub struct GitSource {
    repo: Repository,
    public_url: Option<String>,
}

/// A tag of the repository that leads to a commit.
struct RefTag {
    name: String,
    id: Oid,
    commit: Oid,
    // The tag object's time; none for a lightweight tag.
    time: Option<i64>,
}

impl GitSource {
    /// The repository that `path` is in (it or a directory above has a `.git`, or is bare).
    ///
    /// # Errors
    /// No repository there, or one that libgit2 cannot read.
    pub fn open(path: &Path) -> Result<Self> {
        let above: [&Path; 0] = [];
        let repo =
            Repository::open_ext(path, RepositoryOpenFlags::empty(), above).map_err(|e| {
                let error = Error::failed(format!(
                    "git repository at {} cannot be opened",
                    path.display()
                ))
                .caused_by(e.message());
                match e.code() {
                    ErrorCode::Owner => error.hint(format!(
                        "git config --global --add safe.directory {}",
                        path.display()
                    )),
                    ErrorCode::NotFound => {
                        error.hint("run relman inside the project's git repository")
                    }
                    _ => error,
                }
            })?;
        Ok(GitSource {
            repo,
            public_url: None,
        })
    }

    /// The URL that clones name as their `origin`; without one they have no remote.
    pub fn with_public_url(mut self, url: Option<String>) -> Self {
        self.public_url = url;
        self
    }

    /// The working tree's top directory; `None` for a bare repository.
    pub fn work_dir(&self) -> Option<PathBuf> {
        self.repo.workdir().map(Path::to_path_buf)
    }

    fn tag_names(&self) -> Result<Vec<(String, Oid)>> {
        let mut out = Vec::new();
        let refs = self
            .repo
            .references_glob("refs/tags/*")
            .or_failed(|| "git tags cannot be listed".into())?;
        for reference in refs {
            let reference = reference.or_failed(|| "git tags cannot be listed".into())?;
            // A name that is not UTF-8 is no release and has no place in a clone.
            let Ok(name) = reference.name() else { continue };
            let Some(name) = name.strip_prefix("refs/tags/").map(str::to_owned) else {
                continue;
            };
            let Ok(direct) = reference.resolve() else {
                continue;
            };
            out.extend(direct.target().map(|id| (name, id)));
            if out.len() > MAX_TAGS {
                return Err(Error::failed(format!(
                    "the repository has more than {MAX_TAGS} tags"
                )));
            }
        }
        out.sort();
        Ok(out)
    }

    fn tags(&self) -> Result<Vec<RefTag>> {
        let read = |(name, id): (String, Oid)| {
            let object = self.repo.find_object(id, None).ok()?;
            let time = object
                .as_tag()
                .map(|t| t.tagger().map_or(0, |s| s.when().seconds()));
            let commit = object.peel(ObjectType::Commit).ok()?.id();
            Some(RefTag {
                name,
                id,
                commit,
                time,
            })
        };
        Ok(self.tag_names()?.into_iter().filter_map(read).collect())
    }

    /// The tags that a clone for `info` has: its own, and those on its history that were there
    /// when it was made, as far as git can tell. What is tagged later changes no version string.
    fn tags_of(&self, info: &TagInfo, ancestors: &HashSet<Oid>) -> Result<Vec<RefTag>> {
        let commit = oid(&info.commit)?;
        let mut tags = self.tags()?;
        tags.retain(|t| {
            t.name == info.tag.as_str()
                || (ancestors.contains(&t.commit)
                    && match t.time {
                        Some(time) => time <= info.time(),
                        None => t.commit != commit,
                    })
        });
        Ok(tags)
    }

    fn history(&self, from: Oid, hide: Option<Oid>) -> Result<git2::Revwalk<'_>> {
        let walk = || {
            let mut walk = self.repo.revwalk()?;
            walk.set_sorting(Sort::TOPOLOGICAL | Sort::TIME)?;
            walk.push(from)?;
            if let Some(id) = hide {
                walk.hide(id)?;
            }
            Ok::<_, git2::Error>(walk)
        };
        walk().or_failed(|| format!("the history of {from} cannot be read"))
    }

    fn no_such_tag(&self, tag: &Tag) -> Error {
        if self
            .repo
            .find_reference(&format!("refs/heads/{tag}"))
            .is_ok()
        {
            return Error::failed(format!("{tag} is a branch, wanted a tag")).hint(format!(
                "git branch -m {tag} work/{tag} && git tag -a {tag} work/{tag}"
            ));
        }
        let names = self.tag_names().unwrap_or_default();
        let near = near_names(tag.as_str(), names.iter().map(|(n, _)| n.as_str()));
        let hint = if near.is_empty() {
            format!("git fetch --tags, or git tag -a {tag} -m \"what it brings\"")
        } else {
            format!("did you mean {}", near.join(" or "))
        };
        Error::failed(format!(
            "no tag {tag} in this repository, found {} tags",
            names.len()
        ))
        .hint(hint)
    }
}

impl Source for GitSource {
    fn resolve(&self, tag: &Tag, rules: Rules) -> Result<TagInfo> {
        if self.repo.is_shallow() {
            return Err(Error::failed(
                "the repository is a shallow clone, wanted its whole history",
            )
            .caused_by("build scripts that count commits would count wrong")
            .hint("git fetch --unshallow --tags"));
        }
        let reference = match self.repo.find_reference(&format!("refs/tags/{tag}")) {
            Ok(reference) => reference,
            Err(e) if e.code() == ErrorCode::NotFound => return Err(self.no_such_tag(tag)),
            Err(e) => {
                return Err(
                    Error::failed(format!("tag {tag} cannot be read")).caused_by(e.message())
                );
            }
        };
        let object = reference
            .resolve()
            .and_then(|r| r.peel(ObjectType::Any))
            .or_failed(|| format!("tag {tag} cannot be read"))?;
        // `peel(Any)` stops at the first object that is no tag: the tag object is the target.
        let target = reference.resolve().ok().and_then(|r| r.target());
        let annotated = target.and_then(|id| self.repo.find_tag(id).ok());
        let commit = object.as_commit().ok_or_else(|| {
            let kind = object.kind().map_or("an unknown object", |k| k.str());
            Error::failed(format!(
                "tag {tag} is of a {kind} ({}), wanted a commit",
                object.id()
            ))
        })?;
        if annotated.is_none() && !rules.allow_lightweight {
            return Err(Error::failed(format!(
                "tag {tag} is lightweight, wanted an annotated one, which says who made it and when"
            ))
            .hint(format!(
                "git tag -a -f {tag} {tag}^{{commit}} -m \"what it brings\", or allow_lightweight = true below [tags] in relman.toml"
            )));
        }
        let mut info = TagInfo {
            tag: tag.clone(),
            object: None,
            commit: commit.id().to_string(),
            tree: commit.tree_id().to_string(),
            annotation: String::new(),
            tagger: None,
            tag_time: None,
            commit_time: commit.time().seconds(),
            is_signed: false,
        };
        if let Some(annotated) = annotated {
            // A tag object under another name may be an old release served as a new one.
            if annotated.name_bytes() != tag.as_str().as_bytes() {
                let found = String::from_utf8_lossy(annotated.name_bytes()).into_owned();
                return Err(Error::refused(format!(
                    "tag {tag} points to the tag object of {}",
                    shown(&found, MAX_SHOWN_NAME)
                ))
                .hint(format!(
                    "git show-ref --tags {tag}, then make the tag again"
                )));
            }
            let (annotation, is_signed) =
                split_signature(annotated.message_bytes().unwrap_or_default());
            let tagger = annotated.tagger();
            info.object = Some(annotated.id().to_string());
            info.annotation = annotation;
            info.is_signed = is_signed;
            info.tag_time = tagger.as_ref().map(|s| s.when().seconds());
            info.tagger =
                tagger.map(|s| format!("{} <{}>", lossy(s.name_bytes()), lossy(s.email_bytes())));
        }
        Ok(info)
    }

    fn clone_at(&self, info: &TagInfo, dir: &Path) -> Result<()> {
        clone::clone_at(self, info, dir)
    }

    fn previous_release(&self, info: &TagInfo, pattern: Pattern) -> Result<Option<Previous>> {
        let commit = oid(&info.commit)?;
        let mut releases: HashMap<Oid, Tag> = HashMap::new();
        for found in self.tags()? {
            let existed = found
                .time
                .map_or(info.object.is_none(), |t| t <= info.time());
            let Ok(tag) = Tag::parse(&found.name, pattern) else {
                continue;
            };
            if !existed || found.commit == commit {
                continue;
            }
            let newest = releases.entry(found.commit).or_insert_with(|| tag.clone());
            if *newest < tag {
                *newest = tag;
            }
        }
        if releases.is_empty() {
            return Ok(None);
        }
        for id in self.history(commit, None)? {
            let id = id.or_failed(|| format!("the history of {commit} cannot be read"))?;
            if let Some(tag) = releases.remove(&id) {
                return Ok(Some(Previous {
                    tag,
                    commit: id.to_string(),
                }));
            }
        }
        Ok(None)
    }

    fn commits_between(&self, previous: Option<&str>, commit: &str) -> Result<Vec<CommitInfo>> {
        let hide = previous.map(oid).transpose()?;
        let mut out = Vec::new();
        for id in self.history(oid(commit)?, hide)?.take(MAX_NOTES_COMMITS) {
            let commit = id
                .and_then(|id| self.repo.find_commit(id))
                .or_failed(|| format!("the history of {commit} cannot be read"))?;
            out.push(CommitInfo {
                id: commit.id().to_string(),
                summary: lossy(commit.summary_bytes().unwrap_or_default()),
                body: lossy(commit.body_bytes().unwrap_or_default()),
                parents: commit.parent_count(),
            });
        }
        Ok(out)
    }

    fn tag_object(&self, info: &TagInfo) -> Result<Option<Vec<u8>>> {
        let Some(id) = &info.object else {
            return Ok(None);
        };
        lineage::tag_object(&self.repo, oid(id)?, info.tag.as_str()).map(Some)
    }

    fn has_ancestor(&self, commit: &str, ancestor: &str) -> Result<bool> {
        lineage::has_ancestor(&self.repo, oid(commit)?, oid(ancestor)?)
    }

    fn branches_with(&self, commit: &str, is_wanted: &dyn Fn(&str) -> bool) -> Result<Vec<String>> {
        lineage::branches_with(&self.repo, oid(commit)?, is_wanted)
    }

    fn release_tags(&self, pattern: Pattern) -> Result<Vec<Tag>> {
        let names = self.tag_names()?;
        let mut tags: Vec<Tag> = names
            .iter()
            .filter_map(|(n, _)| Tag::parse(n, pattern).ok())
            .collect();
        tags.sort();
        Ok(tags)
    }

    fn committed_file(&self, info: &TagInfo, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let cannot = || format!("cannot read {path} of {}", info.tag);
        let tree = self.repo.find_tree(oid(&info.tree)?).or_failed(cannot)?;
        let entry = match tree.get_path(Path::new(path)) {
            Ok(entry) => entry,
            Err(e) if e.code() == git2::ErrorCode::NotFound => return Ok(None),
            Err(e) => return Err(Error::failed(cannot()).caused_by(e)),
        };
        let blob = self.repo.find_blob(entry.id()).or_failed(cannot)?;
        let found = blob.size() as u64;
        if found > limit {
            return Err(Error::usage(format!(
                "{path} of {} has {found} bytes, at most {limit} are allowed",
                info.tag
            )));
        }
        Ok(Some(blob.content().to_vec()))
    }

    fn changes(
        &self,
        previous: Option<&str>,
        commit: &str,
        is_wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<ChangedFile>> {
        let previous = previous.map(oid).transpose()?;
        changes::changes(&self.repo, previous, oid(commit)?, is_wanted)
    }

    fn origin_url(&self) -> Option<String> {
        // The repository's own level: the user's could rewrite it.
        let local = self
            .repo
            .config()
            .ok()?
            .open_level(ConfigLevel::Local)
            .ok()?;
        local.get_string("remote.origin.url").ok()
    }
}

fn oid(hex: &str) -> Result<Oid> {
    Oid::from_str(hex)
        .or_failed(|| format!("{} is not a git object id", shown(hex, MAX_SHOWN_NAME)))
}

fn lossy(bytes: &[u8]) -> String {
    let bytes = bytes.get(..MAX_MESSAGE_LEN).unwrap_or(bytes);
    String::from_utf8_lossy(bytes).into_owned()
}

fn split_signature(message: &[u8]) -> (String, bool) {
    let at = git_tag::signature_start(message);
    let text = message.get(..at).unwrap_or(message);
    (lossy(text).trim_end().to_owned(), at < message.len())
}
