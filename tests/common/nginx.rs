//! A real nginx over TLS with a private CA, as an ordinary user in a temporary directory.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::wait_for;

/// Settings of `openssl` that are the same for all certificates.
const OPENSSL: &str = "\
[req]
distinguished_name = dn
prompt = no
[dn]
CN = relman test
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[good]
subjectAltName = DNS:localhost, IP:127.0.0.1
[elsewhere]
subjectAltName = DNS:store.example
[ca]
default_ca = here
[here]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
[any]
commonName = supplied
";

/// A running nginx; it stops when dropped.
pub struct Nginx {
    dir: TempDir,
    process: Child,
    ports: [u16; 3],
}

impl Nginx {
    /// Serves the files below `root`.
    pub fn start(root: &Path) -> Nginx {
        let dir = tempfile::tempdir().expect("a directory");
        let ports = free_ports();
        certificates(dir.path());
        let config = configuration(root, ports);
        fs::write(dir.path().join("nginx.conf"), config).expect("a file");
        let process = Command::new("nginx")
            .arg("-p")
            .arg(dir.path())
            .args(["-c", "nginx.conf", "-e", "error.log"])
            .env("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin")
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx starts (apt install nginx)");
        let nginx = Nginx {
            dir,
            process,
            ports,
        };
        wait_for("nginx", || TcpStream::connect(("127.0.0.1", ports[2])).ok());
        nginx
    }

    /// Where its certificate is right.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.ports[0])
    }

    /// Where its certificate is for another host.
    pub fn url_of_another(&self) -> String {
        format!("https://localhost:{}", self.ports[1])
    }

    /// Where its certificate is expired.
    pub fn url_expired(&self) -> String {
        format!("https://localhost:{}", self.ports[2])
    }

    /// The certificate of its CA.
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// The requests until now: connection, status, `Range`, `If-None-Match`, path.
    pub fn requests(&self) -> Vec<String> {
        let log = fs::read_to_string(self.dir.path().join("access.log"));
        let log = log.expect("nginx writes what it was asked");
        log.lines().map(str::to_owned).collect()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_ports() -> [u16; 3] {
    // All are held before the first is let go, so that they differ.
    let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port is free"));
    held.map(|l| l.local_addr().expect("it has an address").port())
}

/// One process, so that nothing changes to another user.
fn configuration(root: &Path, ports: [u16; 3]) -> String {
    let root = root.display();
    let server = |port: u16, certificate: &str| {
        format!(
            "server {{ listen 127.0.0.1:{port} ssl; root {root};\
             ssl_certificate {certificate}.pem; ssl_certificate_key {certificate}.key; }}\n"
        )
    };
    let places: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path tmp;\n"))
        .collect();
    format!(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log error.log;\nevents {{}}\nhttp {{\n{places}\
         log_format asked '$connection $status [$http_range] [$http_if_none_match] $uri';\n\
         access_log access.log asked;\n{}{}{}}}\n",
        server(ports[0], "good"),
        server(ports[1], "elsewhere"),
        server(ports[2], "expired"),
    )
}

fn certificates(dir: &Path) {
    fs::write(dir.join("openssl.cnf"), OPENSSL).expect("a file");
    fs::write(dir.join("index"), "").expect("a file");
    fs::write(dir.join("serial"), "01\n").expect("a file");
    let request = "req -config openssl.cnf -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(
        dir,
        &format!("{request} -x509 -days 2 -extensions authority -keyout ca.key -out ca.pem"),
    );
    for name in ["good", "elsewhere", "expired"] {
        openssl(
            dir,
            &format!("{request} -keyout {name}.key -out {name}.csr"),
        );
    }
    let sign = "x509 -req -CA ca.pem -CAkey ca.key -CAcreateserial -extfile openssl.cnf -days 2";
    for name in ["good", "elsewhere"] {
        openssl(
            dir,
            &format!("{sign} -extensions {name} -in {name}.csr -out {name}.pem"),
        );
    }
    openssl(
        dir,
        "ca -batch -notext -config openssl.cnf -cert ca.pem -keyfile ca.key -extensions good \
         -startdate 20200101000000Z -enddate 20200201000000Z -in expired.csr -out expired.pem",
    );
}

fn openssl(dir: &Path, words: &str) {
    let out = Command::new("openssl")
        .args(words.split_whitespace())
        .current_dir(dir)
        .output()
        .expect("openssl starts");
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "openssl {words}: {stderr}");
}
