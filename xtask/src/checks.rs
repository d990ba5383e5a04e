//! The checks, each a few calls of cargo.

use std::path::Path;
use std::process::{Command, Stdio};

/// A named check.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// What it does.
    pub(crate) run: fn() -> Result<(), String>,
}

/// Every check, in the order of a full run: the quick ones first, the tests last so that their counts close the output.
pub(crate) const STEPS: &[Step] = &[
    Step { name: "fmt", run: fmt },
    Step { name: "clippy", run: clippy },
    Step { name: "docs", run: docs },
    Step { name: "features", run: features },
    Step { name: "deny", run: deny },
    Step { name: "package", run: package },
    Step { name: "test", run: test },
];

/// Fits the cost model of convolutions; no check, so not among them.
pub(crate) const TUNE: Step = Step { name: "tune", run: tune };

/// The crates that are published, in the order of their dependencies.
const PUBLISHED: &[&str] =
    &["fft-core", "fft-plans", "fft-cpu", "fft-shaders", "fft-wgpu", "fft-nn", "fft-tensor"];

/// Crates that only a command line needs; the library must do without.
const CLI_CRATES: &[&str] = &["clap", "indicatif", "globset", "ctrlc"];

fn cargo(args: &[&str], env: &[(&str, &str)]) -> Result<(), String> {
    let status = Command::new(env!("CARGO"))
        .args(args)
        .envs(env.iter().copied())
        .status()
        .map_err(|e| format!("cargo did not start: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("cargo {} ended with {status}", args.join(" "))) }
}

fn output(args: &[&str]) -> Result<String, String> {
    let out = Command::new(env!("CARGO"))
        .args(args)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("cargo did not start: {e}"))?;
    if !out.status.success() {
        return Err(format!("cargo {} ended with {}", args.join(" "), out.status));
    }
    String::from_utf8(out.stdout).map_err(|e| format!("cargo {}: {e}", args.join(" ")))
}

fn tune() -> Result<(), String> {
    const TO: &str = "fft-cpu/src/convolution/tuned.rs";
    cargo(&["run", "--release", "-p", "fft-benches", "--bin", "tune_convolution", "--", TO], &[])?;
    cargo(&["fmt", "-p", "fft-cpu"], &[])
}

fn fmt() -> Result<(), String> {
    cargo(&["fmt", "--all", "--check"], &[])
}

fn clippy() -> Result<(), String> {
    cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"], &[])
}

fn docs() -> Result<(), String> {
    let args = ["doc", "--workspace", "--no-deps", "--locked", "--document-private-items"];
    cargo(&args, &[("RUSTDOCFLAGS", "-D warnings")])
}

fn features() -> Result<(), String> {
    cargo(&["check", "--locked", "-p", "fft-tensor", "--lib", "--no-default-features"], &[])?;
    cargo(
        &["check", "--locked", "-p", "fft-tensor", "--lib", "--no-default-features", "--features", "cpu"],
        &[],
    )?;
    cargo(
        &["check", "--locked", "-p", "fft-tensor", "--lib", "--no-default-features", "--features", "wgpu"],
        &[],
    )?;
    cargo(&["check", "--locked", "-p", "fft-core"], &[])?;
    cargo(&["check", "--locked", "-p", "fft-core", "--features", "conformance"], &[])?;
    let args = ["tree", "--locked", "-p", "fft-tensor", "--no-default-features", "--features", "cpu", "-e"];
    let tree = output(&[&args[..], &["normal", "--prefix", "none", "--format", "{p}"]].concat())?;
    let found: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| CLI_CRATES.contains(name) || name.starts_with("clap"))
        .collect();
    if found.is_empty() { Ok(()) } else { Err(format!("the library without `cli` pulls in {found:?}")) }
}

fn deny() -> Result<(), String> {
    let found =
        Command::new("cargo-deny").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        return Err("cargo-deny is missing: cargo install --locked cargo-deny".into());
    }
    cargo(&["deny", "check", "licenses", "bans", "sources"], &[])
}

/// Packs the crates, and builds what lies in the packages. Cargo's own way to build them takes what it once unpacked for a version as final,
/// also while our crates change and keep their version; so they are unpacked here, as a workspace in which they find one another.
fn package() -> Result<(), String> {
    let mut args = vec!["package", "--no-verify", "--locked", "--allow-dirty", "--quiet"];
    for name in PUBLISHED {
        args.extend(["-p", name]);
    }
    cargo(&args, &[])?;
    let folder = Path::new("target/unpacked");
    let failed = |e: std::io::Error| format!("{}: {e}", folder.display());
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(failed)?;
    }
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut manifest =
        String::from("[workspace]\nresolver = \"3\"\nmembers = [\"fft-*\"]\n\n[patch.crates-io]\n");
    for name in PUBLISHED {
        let packed = format!("{name}-{}", env!("CARGO_PKG_VERSION"));
        // As new: in packages every file has the same date, by which cargo would not see a change.
        let status = Command::new("tar")
            .args(["-xzmf", &format!("target/package/{packed}.crate"), "-C", "target/unpacked"])
            .status()
            .map_err(|e| format!("tar did not start: {e}"))?;
        if !status.success() {
            return Err(format!("unpacking {packed} ended with {status}"));
        }
        manifest += &format!("{name} = {{ path = \"{packed}\" }}\n");
    }
    std::fs::write(folder.join("Cargo.toml"), manifest).map_err(failed)?;
    std::fs::copy("Cargo.lock", folder.join("Cargo.lock")).map_err(failed)?;
    let manifest = "target/unpacked/Cargo.toml";
    cargo(&["check", "--quiet", "--workspace", "--manifest-path", manifest, "--target-dir", "target"], &[])
}

fn test() -> Result<(), String> {
    // With a driver here, a run without its cases is a failure; without one they say loudly that they did not run.
    let env: &[_] = if vulkan_driver() { &[("FFT_TENSOR_REQUIRE_WGPU", "1")] } else { &[] };
    cargo(&["test", "--workspace", "--locked", "--features", "fft-tensor/wgpu"], env)
}

/// Whether there is a Vulkan driver, after installing Mesa's software driver where that can be done without a question.
fn vulkan_driver() -> bool {
    let present = || {
        ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"]
            .iter()
            .any(|dir| std::fs::read_dir(dir).is_ok_and(|mut files| files.next().is_some()))
    };
    if present() || !cfg!(target_os = "linux") {
        return present();
    }
    let succeeds = |program: &str, args: &[&str]| {
        let status = Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let install = ["apt-get", "install", "-y", "--no-install-recommends", "mesa-vulkan-drivers"];
    let installed = succeeds("sh", &["-c", "test \"$(id -u)\" = 0"]) && succeeds(install[0], &install[1..])
        || succeeds("sudo", &[&["-n"], &install[..]].concat());
    if !installed {
        eprintln!(
            "xtask: no Vulkan driver, and mesa-vulkan-drivers could not be installed: the wgpu cases will not run"
        );
    }
    installed && present()
}
