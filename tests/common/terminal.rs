//! A terminal to type at: the program's stdin and stderr, its stdout apart.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::PATIENCE;
use super::relman::Run;

/// A program at a terminal.
pub struct Terminal {
    keyboard: File,
    screen: File,
    child: Child,
    seen: String,
}

impl Terminal {
    /// Starts a program at a terminal of its own.
    pub fn run(command: Command) -> Terminal {
        Self::sized(command, 0, 0)
    }

    /// The same, with so many lines and columns; with none, nobody knows how large it is.
    pub fn sized(mut command: Command, lines: u16, columns: u16) -> Terminal {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&keyboard).expect("it is ours");
        unlockpt(&keyboard).expect("it can be opened");
        let size = Winsize {
            ws_row: lines,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&keyboard, size).expect("it takes a size");
        let name = ptsname(&keyboard, Vec::new()).expect("it has a name");
        let screen = OpenOptions::new()
            .read(true)
            .write(true)
            .open(name.to_str().expect("a plain name"))
            .expect("its other end");
        let end = || Stdio::from(screen.try_clone().expect("a descriptor"));
        let child = command
            .stdin(end())
            .stderr(end())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        Terminal {
            keyboard: keyboard.into(),
            screen,
            child,
            seen: String::new(),
        }
    }

    /// Waits until `text` is on the screen after what was waited for before.
    #[track_caller]
    pub fn shows(&mut self, text: &str) -> &mut Self {
        let until = Instant::now() + PATIENCE;
        while !self.seen.contains(text) {
            assert!(Instant::now() < until, "no {text:?} in {:?}", self.seen);
            self.look();
        }
        let (_, rest) = self.seen.split_once(text).expect("it is there");
        self.seen = rest.to_owned();
        self
    }

    /// Types keys.
    pub fn types(&mut self, keys: &str) -> &mut Self {
        self.keyboard
            .write_all(keys.as_bytes())
            .expect("it takes keys");
        self
    }

    /// Whether what is typed would be shown.
    pub fn echoes(&self) -> bool {
        let modes = tcgetattr(&self.screen).expect("a terminal").local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }

    /// Waits for the end; gives how it ended and all that was shown since it was looked for last.
    pub fn ends(mut self) -> Run {
        let status = self.child.wait().expect("it ends");
        while self.look() {}
        let mut stdout = String::new();
        let pipe = self.child.stdout.take();
        pipe.expect("a pipe")
            .read_to_string(&mut stdout)
            .expect("UTF-8");
        assert!(self.echoes(), "the terminal is left without echo");
        Run {
            code: status.code(),
            signal: status.signal(),
            stdout,
            stderr: self.seen,
        }
    }

    /// Reads what is new on the screen; whether there was anything.
    fn look(&mut self) -> bool {
        let soon = Timespec {
            tv_sec: 0,
            tv_nsec: 20_000_000,
        };
        let keyboard = self.keyboard.as_fd();
        let mut ready = [PollFd::new(&keyboard, PollFlags::IN)];
        if poll(&mut ready, Some(&soon)).expect("it can be waited for") == 0 {
            return false;
        }
        let mut bytes = [0; 4096];
        let len = self.keyboard.read(&mut bytes).expect("it can be read");
        self.seen.push_str(&String::from_utf8_lossy(&bytes[..len]));
        len > 0
    }
}
