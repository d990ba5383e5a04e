//! `train` as a user meets it: a model from a text, interruptions, options in a file, errors.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fft-tensor"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(args: &[&str]) -> Output {
    command(args).output().expect("the program starts")
}

fn stdout(args: &[&str]) -> String {
    let out = run(args);
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("UTF-8")
}

fn fails(code: i32, args: &[&str]) -> String {
    let out = run(args);
    let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(code), "{args:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
    stderr
}

/// The project's own pages as a text to train on.
fn text(dir: &Path) -> String {
    let pages = ["docs/transforms.md", "docs/formats.md", "docs/convolutions.md"];
    let text: String = pages
        .map(|page| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap())
        .concat();
    let path = dir.join("text.txt");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Options of a training that takes a second.
const SMALL: [&str; 14] = [
    "--preset",
    "nano",
    "--vocab-size",
    "300",
    "--window",
    "32",
    "--batch",
    "2",
    "--lr",
    "0.01",
    "--warmup",
    "2",
    "--val-windows",
    "4",
];

fn train<'a>(text: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["train", "--text", text, "--out", out], &SMALL[..], more].concat()
}

fn entries(dir: &str) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_text_becomes_a_model_that_generates() {
    let dir = tempfile::tempdir().unwrap();
    let text = text(dir.path());
    for (name, more) in [
        ("dense", &[][..]),
        ("spectral", &["--linear", "spectral", "--density", "0.5"]),
        ("circulant", &["--linear", "circulant"]),
        ("longconv", &["--mixer", "longconv"]),
        ("fnet", &["--mixer", "fnet", "--linear", "circulant", "--density", "0.125"]),
        ("frequency", &["--mixer", "frequency"]),
    ] {
        let out = dir.path().join(name);
        let out = out.to_str().unwrap();
        let summary = stdout(&train(&text, out, &[more, &["--steps", "40", "--json"]].concat()));
        let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
        assert_eq!(summary["steps"], 40, "{name}");
        // Better than knowing nothing of 300 tokens.
        assert!(summary["val_perplexity"].as_f64().unwrap() < 150.0, "{name}: {summary}");
        let want = [
            "config.json",
            "log.jsonl",
            "loss.svg",
            "model.safetensors",
            "tokenizer.json",
            "training.safetensors",
        ];
        assert_eq!(entries(out), want, "{name}");
        let log = std::fs::read_to_string(Path::new(out).join("log.jsonl")).unwrap();
        assert_eq!(log.lines().count(), 41, "40 steps and a validation: {log}");
        assert!(std::fs::read_to_string(Path::new(out).join("loss.svg")).unwrap().contains("</svg>"));
        let generated =
            stdout(&["generate", out, "--prompt", "The spectrum", "--max-new-tokens", "5", "--json"]);
        let generated: serde_json::Value = serde_json::from_str(&generated).unwrap();
        assert!(!generated["text"].as_str().unwrap().is_empty(), "{name}: {generated}");
    }
    let (a, b) = (dir.path().join("dense"), dir.path().join("longconv"));
    let compared = stdout(&[
        "compare",
        a.to_str().unwrap(),
        b.to_str().unwrap(),
        "--text",
        &text,
        "--window",
        "32",
        "--max-windows",
        "2",
    ]);
    assert!(compared.contains("KL"), "{compared}");
}

#[test]
fn a_killed_training_is_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let text = text(dir.path());
    let out = dir.path().join("model");
    let out = out.to_str().unwrap();
    let checkpoint = Path::new(out).join("training.safetensors");
    let mut child =
        command(&train(&text, out, &["--steps", "1000000", "--save-every", "2"])).spawn().unwrap();
    let start = Instant::now();
    while !checkpoint.exists() && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(200));
    child.kill().unwrap();
    child.wait().unwrap();
    // What lies in the directory is a model already.
    stdout(&["generate", out, "--prompt", "The", "--max-new-tokens", "2"]);
    let refused = fails(1, &train(&text, out, &["--steps", "3"]));
    assert!(refused.contains("--resume"), "{refused}");
    // What a kill in the middle of writing leaves, and what is none of ours.
    let part = |name: &str| Path::new(out).join(name);
    std::fs::create_dir_all(part("training.safetensors.partial-1")).unwrap();
    std::fs::write(part("training.safetensors.partial-1").join("model.safetensors"), "half").unwrap();
    std::fs::write(part(".log.jsonl.partial-12"), "half").unwrap();
    std::fs::write(part("notes.partial-1"), "kept").unwrap();
    let log = || std::fs::read_to_string(Path::new(out).join("log.jsonl")).unwrap();
    let told = stdout(&train(&text, out, &["--steps", "1", "--resume"]));
    let after: usize = told
        .split("continuing after step ")
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(after >= 2 && after.is_multiple_of(2), "{told}");
    let steps = log().lines().filter(|line| line.contains("\"loss\"")).count();
    assert_eq!(steps, after, "the log has the steps of the checkpoint and no more");
    assert!(!part("training.safetensors.partial-1").exists() && !part(".log.jsonl.partial-12").exists());
    assert!(part("notes.partial-1").exists());
    let more = (after + 3).to_string();
    let resumed = run(&train(&text, out, &["--steps", &more, "--resume", "--val-every", "1"]));
    let shown = String::from_utf8(resumed.stderr).unwrap();
    assert_eq!(shown.lines().filter(|line| line.contains("validation")).count(), 2, "{shown}");
    assert_eq!(log().lines().filter(|line| line.contains("\"loss\"")).count(), after + 3);
}

#[test]
fn a_broken_training_fails_and_leaves_the_last_good_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let text = text(dir.path());
    let out = dir.path().join("model");
    let out = out.to_str().unwrap();
    stdout(&train(&text, out, &["--steps", "2"]));
    let read = |name: &str| std::fs::read(Path::new(out).join(name)).unwrap();
    let (checkpoint, model) = (read("training.safetensors"), read("model.safetensors"));
    for steps in ["3", "9"] {
        let more = ["--steps", steps, "--resume", "--save-every", "1", "--schedule", "constant"];
        let broken: Vec<&str> = train(&text, out, &more)
            .into_iter()
            .map(|arg| if arg == "0.01" { "1e38" } else { arg })
            .collect();
        let error = fails(1, &broken);
        assert!(error.contains("finite"), "{error}");
        assert!(checkpoint == read("training.safetensors") && model == read("model.safetensors"));
    }
}

#[test]
fn options_may_come_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let text = text(dir.path());
    let out = dir.path().join("model");
    let toml = dir.path().join("run.toml");
    let write = |more: &str| {
        let lines = format!(
            "text = {text:?}\nout = {out:?}\npreset = \"nano\"\nvocab-size = 256\nwindow = 16\nbatch = 1\nsteps = 2\nval-windows = 2\n{more}"
        );
        std::fs::write(&toml, lines).unwrap();
    };
    let toml_path = toml.to_str().unwrap();
    write("colour = 3\n");
    let error = fails(1, &["train", toml_path]);
    assert!(error.contains("run.toml") && error.contains("colour"), "{error}");
    write("linear = \"circulant\"\ndensity = 0.25\n");
    let summary = stdout(&["train", toml_path, "--steps", "3", "--json"]);
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["steps"], 3, "the command line comes first");
    let config = std::fs::read_to_string(out.join("config.json")).unwrap();
    assert!(config.contains("block-circulant") && config.contains("\"vocab_size\": 256"), "{config}");
}

#[test]
fn bad_arguments_are_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let text = text(dir.path());
    let out = dir.path().join("model");
    let out = out.to_str().unwrap();
    assert!(fails(2, &["train", "--out", out]).contains("--text"));
    assert!(fails(2, &["train", "--text", &text]).contains("--out"));
    for (more, word) in [
        (&["--density", "0.5"][..], "dense"),
        (&["--linear", "circulant", "--density", "0.3"], "0.3"),
        (&["--linear", "spectral", "--density", "0"], "density"),
        (&["--mixer", "wavelet"], "wavelet"),
        (&["--val-windows", "0"], "val-windows"),
    ] {
        let error = fails(2, &train(&text, out, more));
        assert!(error.contains(word), "{error}");
    }
    for (more, word) in [
        (&["--batch", "0"][..], "batch"),
        (&["--lr", "NaN"], "rate"),
        (&["--batch", "99999999999999"], "batch"),
        (&["--batch", "18446744073709551615"], "batch"),
        (&["--vocab-size", "100"], "vocab_size = 100"),
        (&["--vocab-size", "99999999999"], "vocab_size = 99999999999"),
        (&["--window", "1000000"], "window"),
        (&["--resume"], "no training to resume"),
        (&["--tokenizer", "nowhere.json"], "nowhere.json"),
        (&["--linear", "circulant", "--density", "0.2"], "q_proj"),
    ] {
        let _ = std::fs::remove_dir_all(out);
        let bare = ["train", "--text", &text, "--out", out, "--preset", "nano"];
        let error = fails(1, &[&bare, more].concat());
        assert!(error.contains(word), "{word} is not in: {error}");
        assert!(!Path::new(out).join("model.safetensors").exists());
    }
    assert!(fails(1, &train("nowhere.txt", out, &[])).contains("nowhere.txt"));
}
