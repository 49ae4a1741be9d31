//! Finding the project, its store and its trust root, for every command that needs them.

#[cfg(feature = "maintainer")]
use std::cell::OnceCell;
use std::path::{Path, PathBuf};
#[cfg(feature = "maintainer")]
use std::rc::Rc;

use super::args::{Cli, HttpArgs, StoreArgs};
#[cfg(feature = "maintainer")]
use crate::fleet::records::Records;
#[cfg(feature = "maintainer")]
use crate::io::keyring::Keyring;
use crate::io::mirror_local::LocalMirror;
#[cfg(feature = "maintainer")]
use crate::io::passphrase::Passphrases;
#[cfg(feature = "maintainer")]
use crate::io::rollouts::RecordDir;
use crate::io::store_http::HttpStore;
use crate::io::store_local::LocalStore;
#[cfg(feature = "object-store")]
use crate::io::store_object::{BucketStore, Settings};
#[cfg(feature = "maintainer")]
use crate::io::witnesses::Witnesses;
use crate::io::{durable, process};
use crate::limits::{MAX_CONFIG_LEN, MAX_ROOT_LEN};
use crate::release::config::{Config, FILE_NAME};
use crate::store::Reader;
use crate::store::http::{HttpOptions, Proxy};
use crate::store::mirror::Destination;
#[cfg(feature = "maintainer")]
use crate::store::stage::Authoritative;
use crate::{Error, Result};

/// A project: a directory with a `relman.toml`.
pub struct Project {
    /// The directory.
    pub dir: PathBuf,
    /// What `relman.toml` says.
    pub config: Config,
    #[cfg(feature = "maintainer")]
    secret_keys: Option<PathBuf>,
    #[cfg(feature = "maintainer")]
    passphrases: Rc<Passphrases>,
    #[cfg(feature = "maintainer")]
    witnesses: OnceCell<Witnesses>,
}

/// Where a command was started, after `-C`.
pub fn start_dir(cli: &Cli) -> Result<PathBuf> {
    let cwd = process::current_dir()?;
    Ok(match &cli.directory {
        Some(dir) => cwd.join(dir),
        None => cwd,
    })
}

impl Project {
    /// The project that holds the start directory.
    ///
    /// # Errors
    /// No `relman.toml` there or above; a malformed one.
    pub fn find(cli: &Cli) -> Result<Self> {
        let start = start_dir(cli)?;
        Self::look(cli)?.ok_or_else(|| {
            Error::usage(format!(
                "there is no {FILE_NAME} in {} or above it",
                start.display()
            ))
            .hint("set the project up: relman init")
        })
    }

    /// As [`Project::find`], where there need not be one.
    ///
    /// # Errors
    /// A malformed `relman.toml`.
    pub fn look(cli: &Cli) -> Result<Option<Self>> {
        for dir in start_dir(cli)?.ancestors() {
            if let Some(project) = Self::at(cli, dir)? {
                return Ok(Some(project));
            }
        }
        Ok(None)
    }

    /// The project in exactly this directory, if there is one.
    pub fn at(cli: &Cli, dir: &Path) -> Result<Option<Self>> {
        let Some(bytes) = durable::read_bounded(&dir.join(FILE_NAME), MAX_CONFIG_LEN)? else {
            return Ok(None);
        };
        let text = String::from_utf8(bytes)
            .map_err(|e| Error::usage(format!("{FILE_NAME} is not UTF-8")).caused_by(e))?;
        Self::of(cli, dir, &text).map(Some)
    }

    /// The project that this `relman.toml` would make of a directory.
    pub fn of(cli: &Cli, dir: &Path, text: &str) -> Result<Self> {
        #[cfg(not(feature = "maintainer"))]
        let _ = cli;
        Ok(Project {
            dir: dir.to_owned(),
            config: Config::parse(text)?,
            #[cfg(feature = "maintainer")]
            secret_keys: cli.secret_keys.clone(),
            #[cfg(feature = "maintainer")]
            passphrases: Rc::clone(&cli.passphrases),
            #[cfg(feature = "maintainer")]
            witnesses: OnceCell::new(),
        })
    }

    /// The embedded store.
    pub fn store(&self) -> LocalStore {
        LocalStore::new(self.dir.join(&self.config.store.path))
    }

    /// The store that this project publishes to.
    #[cfg(feature = "maintainer")]
    pub fn authoritative(&self) -> Result<Box<dyn Authoritative>> {
        match &self.config.store.url {
            #[cfg(feature = "object-store")]
            Some(url) => {
                let store = BucketStore::open(&self.bucket(url))?;
                Ok(Box::new(
                    store.with_cosigners(self.witnesses()?.cosigners()),
                ))
            }
            #[cfg(not(feature = "object-store"))]
            Some(url) => Err(no_object_stores(url)),
            None => {
                let cosigners = self.witnesses()?.cosigners();
                Ok(Box::new(self.store().with_cosigners(cosigners)))
            }
        }
    }

    /// Where this project's store keeps records of rollouts.
    ///
    /// # Errors
    /// Usage: a store that this relman cannot write.
    #[cfg(feature = "maintainer")]
    pub fn records(&self) -> Result<Box<dyn Records>> {
        match &self.config.store.url {
            #[cfg(feature = "object-store")]
            Some(url) => Ok(Box::new(BucketStore::open(&self.bucket(url))?)),
            #[cfg(not(feature = "object-store"))]
            Some(url) => Err(no_object_stores(url)),
            None => Ok(Box::new(RecordDir::of_store(self.store().root()))),
        }
    }

    /// Where the store in a bucket that the environment describes keeps them.
    ///
    /// # Errors
    /// As [`Project::records`].
    #[cfg(feature = "maintainer")]
    pub fn bucket_records(url: &str) -> Result<Box<dyn Records>> {
        #[cfg(feature = "object-store")]
        return Ok(Box::new(BucketStore::open(&Settings {
            url: url.to_owned(),
            ..Settings::default()
        })?));
        #[cfg(not(feature = "object-store"))]
        return Err(no_object_stores(url));
    }

    /// The store that this project publishes to, for reading.
    fn reader(&self) -> Result<Box<dyn Reader>> {
        match &self.config.store.url {
            #[cfg(feature = "object-store")]
            Some(url) => Ok(Box::new(BucketStore::open(&self.bucket(url))?)),
            #[cfg(not(feature = "object-store"))]
            Some(url) => Err(no_object_stores(url)),
            None => open_store(
                &self.store().root().to_string_lossy(),
                &HttpOptions::default(),
            ),
        }
    }

    #[cfg(feature = "object-store")]
    fn bucket(&self, url: &str) -> Settings {
        let store = &self.config.store;
        Settings {
            url: url.to_owned(),
            endpoint: store.endpoint.clone(),
            region: store.region.clone(),
            allow_http: store.allow_http,
        }
    }

    /// Where the store is, for people.
    #[cfg(feature = "maintainer")]
    pub fn store_place(&self) -> String {
        match &self.config.store.url {
            Some(url) => url.clone(),
            None => self.store().root().display().to_string(),
        }
    }

    /// The directory of public keys.
    pub fn keys_dir(&self) -> PathBuf {
        self.dir.join(&self.config.trust.keys)
    }

    /// The bytes of the trust root.
    pub fn root(&self) -> Result<Vec<u8>> {
        read_root(&self.keys_dir().join("root.json"))
    }

    /// The secret keys.
    #[cfg(feature = "maintainer")]
    pub fn keyring(&self) -> Result<Keyring> {
        let dir = self.secret_keys.as_deref();
        let keyring = keyring(dir, &self.config.project, &self.passphrases)?;
        Ok(keyring.with_witnesses(self.witnesses()?))
    }

    /// The way to witnesses on other machines.
    #[cfg(feature = "maintainer")]
    fn witnesses(&self) -> Result<Witnesses> {
        if let Some(witnesses) = self.witnesses.get() {
            return Ok(witnesses.clone());
        }
        let log = &self.config.log;
        let proxy = log.witness_proxy.as_deref().map(Proxy::parse).transpose();
        let witnesses = Witnesses::new(HttpOptions {
            ca: log.witness_ca.as_ref().map(|path| self.dir.join(path)),
            proxy: proxy
                .map_err(|e| e.under("log.witness_proxy is malformed"))?
                .unwrap_or_default(),
            ..HttpOptions::default()
        });
        Ok(self.witnesses.get_or_init(|| witnesses).clone())
    }

    /// Secret keys below the repository are one `git add .` away from the public: refuses such a place
    /// that nobody has named.
    ///
    /// # Errors
    /// Usage: the keys would be inside of `repository`.
    #[cfg(feature = "maintainer")]
    pub fn keys_outside(&self, repository: &Path) -> Result<()> {
        let keyring = self.keyring()?;
        let (keys, repository) = (
            durable::resolve(keyring.dir()),
            durable::resolve(repository),
        );
        if self.secret_keys.is_none() && keys.starts_with(repository) {
            return Err(Error::usage(format!(
                "the secret keys would be in {}, inside the repository",
                keyring.dir().display()
            ))
            .hint("name a place outside it, or this one on purpose: --secret-keys DIR"));
        }
        Ok(())
    }

    /// Relman's own files in the project, none of them committed.
    pub fn work_dir(&self) -> PathBuf {
        self.dir.join(".relman")
    }
}

#[cfg(feature = "maintainer")]
/// The keyring that a command line names, or the default one of the project.
pub fn keyring(
    named: Option<&Path>,
    project: &str,
    passphrases: &Rc<Passphrases>,
) -> Result<Keyring> {
    let dir = match named {
        Some(dir) => dir.to_owned(),
        None => Keyring::default_dir(project)?,
    };
    Ok(Keyring::with(dir, passphrases))
}

/// Reads a trust root.
pub fn read_root(path: &Path) -> Result<Vec<u8>> {
    durable::read_bounded(path, MAX_ROOT_LEN)?.ok_or_else(|| {
        Error::failed(format!("there is no trust root at {}", path.display()))
            .hint("get root.json from the project's team, by a way that you trust")
    })
}

/// How the arguments want a store behind HTTP(S) to be reached.
///
/// # Errors
/// Usage: no proxy.
pub fn http_options(cli: &Cli, args: &HttpArgs) -> Result<HttpOptions> {
    let start = start_dir(cli)?;
    let proxy = args.store_proxy.as_deref().map(Proxy::parse).transpose();
    Ok(HttpOptions {
        ca: args.store_ca.as_ref().map(|path| start.join(path)),
        proxy: proxy
            .map_err(|e| e.under("--store-proxy is malformed"))?
            .unwrap_or_default(),
        ..HttpOptions::default()
    })
}

#[cfg(not(feature = "object-store"))]
fn no_object_stores(url: &str) -> Error {
    Error::usage(format!(
        "this relman was built without object stores, so not for {url}"
    ))
    .hint("use one that was built with them: cargo install relman")
}

/// A store by its path or URL; the options are for URLs.
///
/// # Errors
/// No such directory; a URL or options that cannot be used.
pub fn open_store(place: &str, options: &HttpOptions) -> Result<Box<dyn Reader>> {
    if place.starts_with("s3://") {
        #[cfg(feature = "object-store")]
        return Ok(Box::new(BucketStore::open(&Settings {
            url: place.to_owned(),
            ..Settings::default()
        })?));
        #[cfg(not(feature = "object-store"))]
        return Err(no_object_stores(place));
    }
    if place.contains("://") {
        return Ok(Box::new(HttpStore::with_options(place, options)?));
    }
    let path = Path::new(place);
    if !durable::is_dir(path) {
        return Err(
            Error::failed(format!("there is no store at {}", path.display()))
                .hint("give the directory that has metadata/ and log/ in it, or a URL"),
        );
    }
    Ok(Box::new(LocalStore::new(path)))
}

/// A place that a store is copied to: a directory, or a bucket that the environment describes.
///
/// # Errors
/// Usage: a URL that nothing can be written to.
pub fn open_mirror(place: &str) -> Result<Box<dyn Destination>> {
    if place.starts_with("s3://") {
        #[cfg(feature = "object-store")]
        return Ok(Box::new(BucketStore::open(&Settings {
            url: place.to_owned(),
            ..Settings::default()
        })?));
        #[cfg(not(feature = "object-store"))]
        return Err(no_object_stores(place));
    }
    match place.contains("://") {
        true => Err(Error::usage(format!(
            "mirror {place:?} is neither a directory nor a bucket"
        ))
        .hint("copy to a directory that a web server serves, or to s3://BUCKET/PREFIX")),
        false => Ok(Box::new(LocalMirror::new(place))),
    }
}

/// The store and trust root that the arguments name, by default the project's.
pub fn store_and_root(cli: &Cli, args: &StoreArgs) -> Result<(Box<dyn Reader>, Vec<u8>)> {
    let project =
        match (&args.store, &args.root) {
            (Some(_), Some(_)) => None,
            _ => Some(Project::find(cli).map_err(|e| {
                e.hint("outside a project, name both: --store PATH|URL --root FILE")
            })?),
        };
    let start = start_dir(cli)?;
    let options = http_options(cli, &args.http)?;
    let store: Box<dyn Reader> = match (&args.store, &project) {
        (Some(place), _) if place.contains("://") => open_store(place, &options)?,
        (Some(place), _) => open_store(&start.join(place).to_string_lossy(), &options)?,
        (None, Some(project)) => project.reader()?,
        (None, None) => return Err(Error::bug("neither a store nor a project")),
    };
    let root = match (&args.root, &project) {
        (Some(path), _) => read_root(&start.join(path))?,
        (None, Some(project)) => project.root()?,
        (None, None) => return Err(Error::bug("neither a root nor a project")),
    };
    Ok((store, root))
}
