//! `INSTALLATION.md`: how an operator without relman verifies, installs and goes back. Pure.
//!
//! It goes into the archive, so nothing in it depends on a key or a clock.

use std::fmt::Write;

use crate::release::tag::Tag;

/// What the text names.
#[derive(Clone, Copy, Debug)]
pub struct Installation<'a> {
    /// The project.
    pub project: &'a str,
    /// The release.
    pub tag: &'a Tag,
    /// File names of the binaries; the first is the daemon.
    pub binaries: &'a [String],
    /// Who signs `SHA256SUMS`, as `allowed_signers` names them, such as `builder@timed`.
    pub principal: &'a str,
}

impl Installation<'_> {
    /// The text.
    pub fn text(&self) -> String {
        let Installation {
            project,
            tag,
            principal,
            ..
        } = self;
        let archive = tag.archive_name();
        let mut out = format!("# Installing {project} {tag}\n\n");
        let _ = write!(
            out,
            "With relman: `relman install {tag} --config node.toml` checks everything below and more, swaps\n\
             the binary and goes back by itself if the daemon does not come up. By hand:\n\n\
             ## 1. Verify\n\n\
             You need, from the release's directory: `{archive}`, `SHA256SUMS` and `SHA256SUMS.sig`; and\n\
             the project's `allowed_signers`, which you must have from a source that you trust already,\n\
             not from beside the download.\n\n\
             First who signed the list of digests, then the digests:\n\n\
             ```sh\n\
             ssh-keygen -Y verify -f allowed_signers -I {principal} -n relman \\\n    \
             -s SHA256SUMS.sig < SHA256SUMS\n\
             sha256sum --check --strict --ignore-missing SHA256SUMS\n\
             ```\n\n\
             Go on only if the first says `Good \"relman\" signature` and the second `{archive}: OK`.\n\
             This says who made these bytes. It does not say that your network agreed to run them.\n\n\
             What they were made from is in two more files that `SHA256SUMS` lists: `sbom.cdx.json`, every\n\
             dependency (CycloneDX), and `provenance.intoto.jsonl`, source and build (SLSA).\n\n\
             ## 2. Install\n\n\
             Unpack, keep the binary that runs now, put the new one beside its target and rename it: the\n\
             name never points to half a file, and a running daemon keeps the old one until it restarts.\n\n\
             ```sh\n\
             tar -xzf {archive}\n"
        );
        for name in self.binaries {
            let _ = write!(
                out,
                "if [ -e /usr/local/bin/{name} ]; then cp -p /usr/local/bin/{name} /usr/local/bin/{name}.previous; fi\n\
                 install -m 0755 {tag}/{name} /usr/local/bin/{name}.new\n\
                 mv -f /usr/local/bin/{name}.new /usr/local/bin/{name}\n"
            );
        }
        let daemon = self.binaries.first().map_or(*project, String::as_str);
        let _ = write!(
            out,
            "systemctl restart {daemon}\n\
             ```\n\n\
             Then look whether it runs and follows the chain: `systemctl status {daemon}`.\n\n\
             ## 3. Go back\n\n\
             ```sh\n"
        );
        for name in self.binaries {
            let _ = write!(
                out,
                "cp -p /usr/local/bin/{name}.previous /usr/local/bin/{name}.new\n\
                 mv -f /usr/local/bin/{name}.new /usr/local/bin/{name}\n"
            );
        }
        let _ = write!(
            out,
            "systemctl restart {daemon}\n\
             ```\n\n\
             Read `RELEASE_NOTES.md` first: a release may change data that an older one cannot read.\n"
        );
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::tag::Pattern;

    #[test]
    fn every_binary_is_renamed_into_place_and_can_go_back() {
        let tag = Tag::parse("phase1-sig-verify-1.0.0", Pattern::Phase).unwrap();
        let binaries = ["timed".to_owned(), "time-cli".to_owned()];
        let text = Installation {
            project: "timed",
            tag: &tag,
            binaries: &binaries,
            principal: "builder@timed",
        }
        .text();
        for name in &binaries {
            assert_eq!(
                text.matches(&format!(
                    "mv -f /usr/local/bin/{name}.new /usr/local/bin/{name}\n"
                ))
                .count(),
                2
            );
        }
        assert!(
            text.contains("-I builder@timed -n relman \\\n    -s SHA256SUMS.sig < SHA256SUMS\n"),
            "{text}"
        );
        assert!(
            text.contains("\ninstall -m 0755 phase1-sig-verify-1.0.0/timed /usr"),
            "{text}"
        );
        assert!(text.contains("systemctl restart timed\n"));
        assert_eq!(text.matches("```").count() % 2, 0);
    }
}
