//! What `edge -V` says of the build: the compiler, and the version of rustls that Cargo.lock names.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=Cargo.lock");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let compiler = Command::new(rustc).arg("--version").output().ok();
    let compiler = compiler.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned());
    println!("cargo:rustc-env=EDGE_COMPILER={}", compiler.unwrap_or_else(|| "rustc".into()));
    let lock = std::fs::read_to_string("Cargo.lock").unwrap_or_default();
    let version = lock.split("name = \"rustls\"\nversion = \"").nth(1).and_then(|rest| rest.split('"').next());
    println!("cargo:rustc-env=EDGE_RUSTLS={}", version.unwrap_or("of this build"));
}
