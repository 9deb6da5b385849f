//! A certificate authority and a server certificate for `localhost` and 127.0.0.1, made by the `openssl` command for one test.

use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Certificates {
    directory: tempfile::TempDir,
}

impl Certificates {
    pub fn generate() -> Certificates {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("server.ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n").expect("written");
        openssl(
            directory.path(),
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=tidemill-test-ca \
             -addext keyUsage=critical,keyCertSign,cRLSign -keyout ca.key -out ca.pem",
        );
        openssl(
            directory.path(),
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -keyout server.key -out server.csr",
        );
        openssl(
            directory.path(),
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext -out server.pem",
        );
        Certificates { directory }
    }

    /// A client's certificate by the same authority, and its key.
    pub fn client(&self) -> (PathBuf, PathBuf) {
        let directory = self.directory.path();
        openssl(
            directory,
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=logger -keyout client.key -out client.csr",
        );
        openssl(directory, "x509 -req -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext -out client.pem");
        (directory.join("client.pem"), directory.join("client.key"))
    }

    /// The authority's certificate, PEM: what a client trusts.
    pub fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    pub fn server_certificate_file(&self) -> PathBuf {
        self.directory.path().join("server.pem")
    }

    pub fn server_key_file(&self) -> PathBuf {
        self.directory.path().join("server.key")
    }
}

fn openssl(directory: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(directory)
        .output()
        .unwrap_or_else(|error| panic!("cannot run openssl (apt-get install openssl): {error}"));
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
