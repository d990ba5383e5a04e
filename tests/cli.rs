//! The command line as a user meets it: exit codes, messages, closed pipes, destinations.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/tiny-llama-kjv");

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fft-tensor"));
    command.args(args).stdin(Stdio::null());
    // Without it Mesa's Vulkan drivers write to standard error that it is missing.
    command.env("XDG_RUNTIME_DIR", std::env::temp_dir());
    command
}

fn run(args: &[&str]) -> Output {
    command(args).output().expect("the program starts")
}

/// Standard output of a run that must succeed.
fn stdout(args: &[&str]) -> String {
    let out = run(args);
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("UTF-8")
}

fn json(args: &[&str]) -> serde_json::Value {
    let text = stdout(args);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{args:?}: {e}\n{text}"))
}

/// Standard error of a run that must end with `code`.
fn fails(code: i32, args: &[&str]) -> String {
    let out = run(args);
    let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(code), "{args:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
    stderr
}

fn path(p: &Path) -> &str {
    p.to_str().expect("UTF-8 path")
}

/// A copy of the model in which a test may break things.
fn copy_model(dir: &Path) -> PathBuf {
    let to = dir.join("model");
    std::fs::create_dir(&to).unwrap();
    for entry in std::fs::read_dir(MODEL).unwrap() {
        let from = entry.unwrap().path();
        std::fs::copy(&from, to.join(from.file_name().unwrap())).unwrap();
    }
    to
}

#[test]
fn help_teaches_and_exit_codes_hold() {
    for args in [
        vec!["--help"],
        vec!["demo", "--help"],
        vec!["devices", "--help"],
        vec!["inspect", "--help"],
        vec!["llamaize", "--help"],
        vec!["generate", "--help"],
        vec!["compare", "--help"],
        vec!["forward", "--help"],
        vec!["export", "--help"],
    ] {
        let text = stdout(&args);
        assert!(text.contains("Example"), "{args:?} shows no example");
    }
    fails(2, &[]);
    fails(2, &["frobnicate"]);
    fails(2, &["generate", MODEL]);
    fails(2, &["generate", MODEL, "--prompt", "x", "--greedy", "--temperature", "1"]);
    fails(2, &["generate", MODEL, "--prompt", "x", "--temperature", "-1"]);
    fails(2, &["generate", MODEL, "--prompt", "x", "--threads", "0"]);
    fails(2, &["llamaize", MODEL, "--out", "/nonexistent/x", "--codec", "sparse", "--density", "0"]);
    fails(2, &["llamaize", MODEL, "--out", "/nonexistent/x", "--codec", "sparse", "--density", "1.5"]);
    fails(2, &["llamaize", MODEL, "--out", "/nonexistent/x", "--codec", "sparse", "--density", "nan"]);
    fails(2, &["llamaize", MODEL, "--out", "/nonexistent/x", "--codec", "rotated", "--density", "0.5"]);
    fails(2, &["llamaize", MODEL, "--out", "/nonexistent/x", "--codec", "rotated", "--bits", "3"]);
    fails(2, &["llamaize", MODEL, "--out", "/nonexistent/x", "--only", "["]);
    fails(2, &["compare", MODEL, MODEL, "--text", "x", "--window", "1"]);
    let message = fails(1, &["generate", "/nonexistent", "--prompt", "x"]);
    assert!(message.contains("/nonexistent"), "{message}");
    let message = fails(1, &["generate", MODEL, "--prompt", "x", "--device", "tpu"]);
    assert!(message.contains("tpu") && message.contains("cpu"), "{message}");
}

#[test]
fn devices_are_listed() {
    let devices = json(&["devices", "--json"]);
    assert_eq!(devices[0]["id"], "cpu");
    assert!(devices[0]["parallelism"].as_u64().unwrap() >= 1);
    assert!(stdout(&["devices"]).contains("cpu"));
}

#[test]
fn generation_is_reproducible_and_streams() {
    let greedy = ["generate", MODEL, "--prompt", "In the beginning", "--max-new-tokens", "24"];
    let text = stdout(&greedy);
    let report = json(&[&greedy[..], &["--json"]].concat());
    assert_eq!(text.trim_end_matches('\n'), report["text"].as_str().unwrap().trim_end_matches('\n'));
    let sampled = [&greedy[..], &["--temperature", "1", "--top-k", "50", "--seed", "3"]].concat();
    assert_eq!(stdout(&sampled), stdout(&[&sampled[..], &["--threads", "1"]].concat()));
    assert_ne!(stdout(&sampled), text);
    let message = fails(1, &["generate", MODEL, "--prompt", ""]);
    assert!(message.contains("prompt"), "{message}");
}

#[test]
fn a_closed_pipe_is_no_failure() {
    for args in [
        vec!["generate", MODEL, "--prompt", "And", "--max-new-tokens", "400", "--ignore-eos"],
        vec!["inspect", MODEL],
        vec!["devices"],
        vec!["--help"],
    ] {
        let mut child = command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{args:?}: {stderr}");
        assert_eq!(stderr, "", "{args:?}");
    }
}

#[test]
fn a_memory_limit_says_how_much_is_needed() {
    let args = ["generate", MODEL, "--prompt", "And", "--memory-limit", "10kB"];
    let message = fails(1, &args);
    assert!(message.contains("limit is 10000") && message.contains("are needed"), "{message}");
}

#[test]
fn forward_writes_every_output() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("out.safetensors");
    let args = ["forward", MODEL, "--ids", "5,17,3", "--out", path(&file)];
    let rows = json(&[&args[..], &["--json"]].concat());
    assert_eq!(rows[1]["shape"], serde_json::json!([1, 3, 2048]));
    assert!(std::fs::metadata(&file).unwrap().len() > 3 * 2048 * 4);
    let message = fails(1, &args);
    assert!(message.contains("exists"), "{message}");
    stdout(&[&args[..], &["--force"]].concat());
    let args = ["forward", MODEL, "--ids", "5,2048", "--out", path(&file), "--force"];
    let message = fails(1, &args);
    assert!(message.contains("2048"), "{message}");
    fails(2, &["forward", MODEL, "--ids", "5,x", "--out", path(&file)]);
}

#[test]
fn conversion_comparison_export() {
    let dir = tempfile::tempdir().unwrap();
    let (small, plain) = (dir.path().join("small"), dir.path().join("plain"));
    let report = json(&["llamaize", MODEL, "--out", path(&small), "--bits", "8", "--json"]);
    assert!(report["bytes_out"].as_u64().unwrap() < report["bytes_in"].as_u64().unwrap(), "{report}");
    let text = dir.path().join("text");
    std::fs::write(&text, "And the king said unto the people, Hear ye the word of the LORD. ".repeat(60))
        .unwrap();
    let compared = json(&["compare", MODEL, path(&small), "--text", path(&text), "--window", "64", "--json"]);
    let kl = compared["kl_mean"].as_f64().unwrap();
    assert!(kl > 0.0 && kl < 0.01, "{compared}");
    let same = json(&["compare", MODEL, MODEL, "--text", path(&text), "--window", "64", "--json"]);
    assert_eq!(same["kl_mean"].as_f64(), Some(0.0), "{same}");
    assert_eq!(same["top1_agreement"].as_f64(), Some(1.0));
    let message = fails(1, &["compare", MODEL, path(&small), "--text", path(&text), "--window", "100000"]);
    assert!(message.contains("window"), "{message}");

    let rows = json(&["inspect", path(&small), "--source", MODEL, "--json"]);
    let coded = rows["tensors"].as_array().unwrap().iter().filter(|t| t["codec"] == "rotated").count();
    assert!(coded >= 28, "{coded} coded tensors");

    stdout(&["export", path(&small), "--out", path(&plain)]);
    let compared =
        json(&["compare", path(&small), path(&plain), "--text", path(&text), "--window", "64", "--json"]);
    assert!(compared["kl_mean"].as_f64().unwrap() < 1e-4, "{compared}");

    // A destination is never overwritten by accident.
    let before = std::fs::read(small.join("config.json")).unwrap();
    let message = fails(1, &["llamaize", MODEL, "--out", path(&small)]);
    assert!(message.contains("--force") || message.contains("exists"), "{message}");
    assert_eq!(std::fs::read(small.join("config.json")).unwrap(), before);
    stdout(&["llamaize", MODEL, "--out", path(&small), "--codec", "sparse", "--density", "0.3", "--force"]);
    assert_ne!(std::fs::read(small.join("config.json")).unwrap(), before);
}

#[test]
fn broken_models_are_refused_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let model = copy_model(dir.path());
    let weights = model.join("model.safetensors");
    let out = dir.path().join("out");
    let whole = std::fs::read(&weights).unwrap();
    let header = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;

    let mut cases: Vec<(&str, Vec<u8>)> = vec![
        ("truncated", whole[..whole.len() - 1000].to_vec()),
        ("empty", Vec::new()),
        ("a header of 100 MB and more", [&100_000_001u64.to_le_bytes()[..], &whole[8..]].concat()),
    ];
    let mut nan = whole.clone();
    nan[8 + header + 100..8 + header + 102].copy_from_slice(&0x7fc0u16.to_le_bytes());
    cases.push(("NaN in a weight", nan));
    let lying =
        String::from_utf8(whole[8..8 + header].to_vec()).unwrap().replacen("[2048,192]", "[2049,192]", 1);
    assert_eq!(lying.len(), header, "the edit keeps the header's length");
    cases.push(("wrong shape", [&whole[..8], lying.as_bytes(), &whole[8 + header..]].concat()));
    for (what, bytes) in cases {
        std::fs::write(&weights, bytes).unwrap();
        let message = fails(1, &["llamaize", path(&model), "--out", path(&out)]);
        assert!(message.contains("model.safetensors"), "{what}: {message}");
        assert!(!out.exists(), "{what}");
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["model"], "{what}: {left:?}");
    }
    std::fs::write(&weights, &whole).unwrap();
    let config = model.join("config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    for (from, to, expected) in [
        ("LlamaForCausalLM", "GPTNeoXForCausalLM", "LlamaForCausalLM"),
        ("\"hidden_size\": 192", "\"hidden_size\": 128", "192"),
        ("\"vocab_size\": 2048", "\"vocab_size\": 4096", "4096"),
    ] {
        std::fs::write(&config, text.replace(from, to)).unwrap();
        let message = fails(1, &["generate", path(&model), "--prompt", "And"]);
        assert!(message.contains(expected), "{to}: {message}");
    }
}

#[cfg(unix)]
#[test]
fn a_kill_leaves_no_destination() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    // Killed at different moments; wherever that is, the destination is whole or absent.
    for delay in [1, 5, 20, 60, 120] {
        let args = ["llamaize", MODEL, "--out", path(&out), "--codec", "sparse", "--energy", "0.9"];
        let mut child = command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(delay));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        if status.success() {
            stdout(&["inspect", path(&out)]);
            std::fs::remove_dir_all(&out).unwrap();
        } else {
            // It may have been killed just after the last rename: then the destination must be whole.
            if out.exists() {
                stdout(&["inspect", path(&out)]);
                std::fs::remove_dir_all(&out).unwrap();
            }
        }
    }
}

#[test]
fn weights_that_are_not_finite_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let broken = copy_model(dir.path());
    let file = broken.join("model.safetensors");
    let mut bytes = std::fs::read(&file).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let parsed: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    let name = "model.layers.1.mlp.down_proj.weight";
    let at = 8 + header + parsed[name]["data_offsets"][0].as_u64().unwrap() as usize;
    bytes[at..at + 2].copy_from_slice(&0x7fc0u16.to_le_bytes());
    std::fs::write(&file, bytes).unwrap();
    let (broken, out) = (path(&broken), dir.path().join("o.safetensors"));
    let text = concat!(env!("CARGO_MANIFEST_DIR"), "/models/kjv-held-out.txt");
    for args in [
        vec!["generate", broken, "--prompt", "And"],
        vec!["generate", broken, "--prompt", "And", "--json"],
        vec!["forward", broken, "--ids", "5", "--out", path(&out)],
        vec!["compare", MODEL, broken, "--text", text, "--max-windows", "1"],
        vec!["inspect", broken, "--source", MODEL],
    ] {
        let message = fails(1, &args);
        assert!(message.contains(name) && message.contains("[0, 0] is NaN"), "{args:?}: {message}");
    }
    assert!(!out.exists());
}

#[test]
fn absurd_counts_are_refused() {
    fails(2, &["demo", "--windows", "99999999999"]);
    let message = fails(1, &["generate", MODEL, "--prompt", "And", "--threads", "1000000"]);
    assert!(message.contains("at most"), "{message}");
}
