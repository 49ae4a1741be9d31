//! Bench `authority`: nginx on a free port of this machine, the same server for everybody.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::Outcome;

/// How long nginx may take to listen.
const START: Duration = Duration::from_secs(10);

/// A running server of static files; it stops when dropped.
pub struct Server {
    port: u16,
    nginx: Child,
}

impl Server {
    /// Serves the files below `root`.
    pub fn start(root: &Path) -> Outcome<Server> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let home = root.join("nginx");
        fs::create_dir_all(&home)?;
        let config = home.join("nginx.conf");
        let (root, home) = (root.display(), home.display());
        fs::write(
            &config,
            format!(
                "daemon off; master_process off; pid {home}/pid; error_log {home}/error.log;\n\
                 events {{ worker_connections 256; }}\n\
                 http {{ access_log off; sendfile on; keepalive_requests 100000;\n\
                 client_body_temp_path {home}/a; proxy_temp_path {home}/b; fastcgi_temp_path {home}/c;\n\
                 uwsgi_temp_path {home}/d; scgi_temp_path {home}/e;\n\
                 server {{ listen 127.0.0.1:{port}; root {root}; }} }}\n"
            ),
        )?;
        let nginx = Command::new("nginx")
            .args(["-e", &format!("{home}/error.log"), "-c"])
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("nginx: {e}; install it: apt-get install nginx-light"))?;
        let server = Server { port, nginx };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if began.elapsed() > START {
                return Err("nginx does not listen".into());
            }
            std::thread::yield_now();
        }
        Ok(server)
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.nginx.kill();
        let _ = self.nginx.wait();
    }
}
