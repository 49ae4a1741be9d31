//! The `config.toml` of a build's own cargo home: path remapping that keeps the project's own
//! compiler flags, and of the user's configuration only where downloads come from. Pure.

use std::path::Path;

use toml::{Table, Value};

use crate::release::cfg_expr;
use crate::{Error, Result};

/// Where compiler flags must stand so that cargo joins them with the project's own.
///
/// Cargo takes rustflags from one kind of place only: all matching `[target.*]` tables, joined,
/// or if there are none, `[build]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `[build] rustflags`
    Build,
    /// `[target.'cfg(all())'] rustflags`
    Target,
}

/// Tables of the user's configuration that say where downloads come from, and nothing about
/// what is compiled.
const USER_TABLES: [&str; 5] = ["source", "registries", "registry", "net", "http"];
/// Keys below them that are secrets or run programs to get one.
const SECRET_KEYS: [&str; 5] = [
    "token",
    "secret-key",
    "credential-provider",
    "credential-process",
    "global-credential-providers",
];

/// Where flags must stand for a project whose `.cargo/config.toml` is `project`, built for
/// `triple`, whose `rustc --print cfg` is `cfg`.
///
/// # Errors
/// Usage: the text is not TOML.
pub fn rustflags_place(project: Option<&str>, triple: &str, cfg: &[String]) -> Result<Place> {
    let config = parse(project, "the project's .cargo/config.toml")?;
    let applies = |key: &str| match key.strip_prefix("cfg(").and_then(|k| k.strip_suffix(')')) {
        Some(expression) => cfg_expr::matches(expression, cfg),
        None => key == triple,
    };
    let found = config
        .get("target")
        .and_then(Value::as_table)
        .is_some_and(|t| {
            t.iter()
                .any(|(key, v)| v.get("rustflags").is_some() && applies(key))
        });
    Ok(if found { Place::Target } else { Place::Build })
}

/// The value of a variable below `[env]` in a project's `.cargo/config.toml`.
///
/// # Errors
/// Usage: the text is not TOML.
pub fn project_env(project: Option<&str>, name: &str) -> Result<Option<String>> {
    let config = parse(project, "the project's .cargo/config.toml")?;
    let value = config.get("env").and_then(|e| e.get(name));
    let text = value.and_then(|v| {
        v.as_str()
            .or_else(|| v.get("value").and_then(Value::as_str))
    });
    Ok(text.map(str::to_owned))
}

/// The text of `config.toml` for a build's own cargo home. Relative paths in the user's text
/// are relative to `user_base`, the directory above the user's cargo home.
///
/// # Errors
/// Usage: the user's text is not TOML.
pub fn private_config(
    user: Option<&str>,
    user_base: Option<&Path>,
    flags: &[String],
    place: Place,
) -> Result<String> {
    let mut config = parse(user, "your cargo configuration")?;
    config.retain(|key, _| USER_TABLES.contains(&key));
    for value in config.iter_mut().map(|(_, v)| v) {
        drop_secrets(value, 4);
    }
    if let (Some(sources), Some(base)) = (
        config.get_mut("source").and_then(Value::as_table_mut),
        user_base,
    ) {
        for source in sources.iter_mut().filter_map(|(_, v)| v.as_table_mut()) {
            for key in ["directory", "local-registry"] {
                if let Some(Value::String(path)) = source.get_mut(key)
                    && let Some(absolute) = base.join(path.as_str()).to_str()
                {
                    *path = absolute.to_owned();
                }
            }
        }
    }
    let flags = Value::Array(flags.iter().cloned().map(Value::String).collect());
    let flags = Table::from_iter([("rustflags".to_owned(), flags)]);
    match place {
        Place::Build => config.insert("build".into(), flags.into()),
        Place::Target => {
            let table = Table::from_iter([("cfg(all())".to_owned(), Value::Table(flags))]);
            config.insert("target".into(), table.into())
        }
    };
    // The directory of downloads is partly the user's own: nothing is tidied away there.
    let never = Table::from_iter([("auto-clean-frequency".to_owned(), Value::from("never"))]);
    config.insert("cache".into(), never.into());
    toml::to_string(&config)
        .map_err(|e| Error::bug("a cargo configuration cannot be written").caused_by(e))
}

fn drop_secrets(value: &mut Value, depth: usize) {
    if let (Value::Table(table), true) = (value, depth > 0) {
        table.retain(|key, _| !SECRET_KEYS.contains(&key));
        for (_, inner) in table.iter_mut() {
            drop_secrets(inner, depth - 1);
        }
    }
}

fn parse(text: Option<&str>, what: &str) -> Result<Table> {
    text.unwrap_or_default().parse::<Table>().map_err(|e| {
        Error::usage(format!("{what} is not TOML")).caused_by(e.message().replace('\n', "; "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cfg() -> Vec<String> {
        ["unix", "target_os=\"linux\"", "target_arch=\"x86_64\""]
            .map(String::from)
            .into()
    }

    fn place(project: &str) -> Place {
        rustflags_place(Some(project), "x86_64-unknown-linux-gnu", &cfg()).unwrap()
    }

    #[test]
    fn flags_stand_where_cargo_joins_them_with_the_projects_own() {
        assert_eq!(place(""), Place::Build);
        assert_eq!(place("build.rustflags = ['-Ca']"), Place::Build);
        assert_eq!(
            place("[target.x86_64-unknown-linux-gnu]\nrustflags = ['-Ca']"),
            Place::Target
        );
        assert_eq!(
            place("[target.x86_64-unknown-linux-gnu]\nlinker = 'x'"),
            Place::Build
        );
        assert_eq!(
            place("[target.aarch64-apple-darwin]\nrustflags = ['-Ca']"),
            Place::Build
        );
        assert_eq!(
            place("[target.'cfg(unix)']\nrustflags = ['-Ca']"),
            Place::Target
        );
        assert_eq!(
            place("[target.'cfg(windows)']\nrustflags = ['-Ca']"),
            Place::Build
        );
        assert!(rustflags_place(Some("["), "", &[]).is_err());
    }

    #[test]
    fn of_the_users_configuration_only_download_places_survive() {
        let user = "\
[build]\nrustflags = ['-Ctarget-cpu=native']\nrustc-wrapper = 'sccache'
[profile.release]\nlto = true
[target.x86_64-unknown-linux-gnu]\nlinker = 'mold'
[registries.mine]\nindex = 'sparse+https://example.org/'\ntoken = 'secret'\ncredential-provider = 'x'
[registry]\ntoken = 'secret'
[source.crates-io]\nreplace-with = 'vendored'
[source.vendored]\ndirectory = 'vendor'
[http]\ncainfo = '/ca.pem'\n";
        let text = private_config(
            Some(user),
            Some(Path::new("/home/me")),
            &["-Cx".into()],
            Place::Target,
        )
        .unwrap();
        let config: Table = text.parse().unwrap();
        let keys: Vec<&str> = config.keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "cache",
                "http",
                "registries",
                "registry",
                "source",
                "target"
            ]
        );
        assert!(
            !text.contains("secret") && !text.contains("credential"),
            "{text}"
        );
        assert_eq!(
            config["source"]["vendored"]["directory"].as_str(),
            Some("/home/me/vendor")
        );
        assert_eq!(
            config["target"]["cfg(all())"]["rustflags"][0].as_str(),
            Some("-Cx")
        );
    }

    #[test]
    fn the_projects_c_flags_are_found() {
        let project = Some("[env]\nCFLAGS = '-O1'\nCXXFLAGS = { value = '-O2', force = true }");
        assert_eq!(
            project_env(project, "CFLAGS").unwrap().as_deref(),
            Some("-O1")
        );
        assert_eq!(
            project_env(project, "CXXFLAGS").unwrap().as_deref(),
            Some("-O2")
        );
        assert_eq!(project_env(None, "CFLAGS").unwrap(), None);
    }
}
