//! Room `io`: named points at which a test can kill the process. Release builds have none.

/// In debug builds, dies by SIGKILL if `RELMAN_INSECURE_KILL_AT` names this point, as a power cut
/// or `kill -9` would; so tests need neither luck nor sleeps.
pub fn point(name: &str) {
    #[cfg(debug_assertions)]
    if std::env::var("RELMAN_INSECURE_KILL_AT").is_ok_and(|wanted| wanted == name) {
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
    #[cfg(not(debug_assertions))]
    let _ = name;
}
