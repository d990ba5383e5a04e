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

/// A text with something to learn: sentences of a few words, the same everywhere.
fn sentences() -> String {
    let kinds: [&[&str]; 4] = [
        &["The spectrum", "A signal", "Every window", "The filter", "One tone", "The longest wave"],
        &["holds", "repeats", "shifts", "answers", "carries"],
        &["the phase", "a lower octave", "two frequencies", "the old sequence", "nothing", "an echo"],
        &["of the sea.\n", "at night. ", "again; ", "before noon.\n", "without a sound. "],
    ];
    let mut state = 1u32;
    let mut word = |words: &[&'static str]| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        words[(state >> 16) as usize % words.len()]
    };
    (0..800).map(|_| kinds.map(&mut word).join(" ")).collect()
}

fn text(dir: &Path) -> String {
    let path = dir.join("text.txt");
    std::fs::write(&path, sentences()).unwrap();
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
    std::fs::create_dir_all(part(".training.safetensors.partial-1")).unwrap();
    std::fs::write(part(".training.safetensors.partial-1").join("model.safetensors"), "half").unwrap();
    std::fs::create_dir_all(part(".log.jsonl.partial-12-1")).unwrap();
    std::fs::write(part(".notes.partial-1"), "kept").unwrap();
    let log = || std::fs::read_to_string(Path::new(out).join("log.jsonl")).unwrap();
    let fewer = fails(1, &train(&text, out, &["--steps", "1", "--resume"]));
    assert!(fewer.contains("--steps: stored 1000000, given 1"), "{fewer}");
    let told = stdout(&train(&text, out, &["--steps", "1", "--resume", "--force"]));
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
    assert!(!part(".training.safetensors.partial-1").exists() && !part(".log.jsonl.partial-12-1").exists());
    assert!(part(".notes.partial-1").exists());
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
        let more = ["--steps", steps, "--resume", "--force", "--save-every", "1", "--schedule", "constant"];
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
fn a_resumed_training_keeps_its_options() {
    let dir = tempfile::tempdir().unwrap();
    let text = text(dir.path());
    let out = dir.path().join("model");
    let out = out.to_str().unwrap();
    stdout(&train(&text, out, &["--steps", "2", "--mixer", "fnet"]));
    let files = || {
        let read = |name: String| (std::fs::read(Path::new(out).join(&name)).unwrap(), name);
        entries(out).into_iter().map(read).collect::<Vec<_>>()
    };
    let before = files();
    let other = dir.path().join("other.txt");
    std::fs::write(&other, sentences() + "More.").unwrap();
    let other = other.to_str().unwrap();
    let resume = ["train", "--out", out, "--resume", "--steps", "3"];
    let error = fails(
        1,
        &[
            &resume[..],
            &["--lr", "0.02", "--batch", "3", "--density", "0.5", "--linear", "spectral", "--text", other],
        ]
        .concat(),
    );
    for part in [
        "training.safetensors",
        "--lr: stored 0.01, given 0.02",
        "--batch: stored 2, given 3",
        "--density: stored not given, given 0.5",
        "--linear: stored dense, given spectral",
        "--text: stored ",
        "other.txt (content ",
        "--force",
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
    // Another model, whatever is forced: its tensors tell, and no more of them than can be read.
    let error =
        fails(1, &[&resume[..], &["--preset", "tiny-llama", "--mixer", "attention", "--force"]].concat());
    for part in [
        "missing: ",
        "of another shape: ",
        "21 more; unused: model/model.layers.0.mixer.o_proj.weight",
        "model.embed_tokens.weight is [300, 32], not [300, 192]",
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
    assert!(error.matches("model/model.").count() == 12, "{error}");
    assert!(before == files(), "nothing was written");
    // What does not decide the training may change, and the rest need not be repeated.
    let moved = dir.path().join("moved.txt");
    std::fs::rename(&text, &moved).unwrap();
    let moved = moved.to_str().unwrap();
    let more = [
        "--text",
        moved,
        "--val-every",
        "1",
        "--save-every",
        "1",
        "--val-windows",
        "2",
        "--threads",
        "1",
        "--json",
    ];
    let summary = stdout(&[&resume[..], &more].concat());
    assert_eq!(serde_json::from_str::<serde_json::Value>(&summary).unwrap()["steps"], 3);
    let summary = stdout(&["train", "--out", out, "--resume", "--steps", "4", "--lr", "0.01", "--json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&summary).unwrap()["steps"], 4);
    // A training that had ended is as it was, its log too.
    let log = || std::fs::read_to_string(Path::new(out).join("log.jsonl")).unwrap();
    let before = log();
    stdout(&["train", "--out", out, "--resume"]);
    assert_eq!(log(), before);
}

#[test]
fn options_are_stored_to_the_last_digit() {
    let dir = tempfile::tempdir().unwrap();
    let text = text(dir.path());
    let out = dir.path().join("model");
    let out = out.to_str().unwrap();
    let options = ["--linear", "spectral", "--density", "0.09090909090909091"];
    stdout(&train(&text, out, &[&options[..], &["--steps", "1"]].concat()));
    stdout(&[&["train", "--out", out, "--resume", "--steps", "2"], &options[..]].concat());
}

#[test]
fn a_resumed_training_recomputes_if_it_did() {
    let dir = tempfile::tempdir().unwrap();
    let text = text(dir.path());
    let peak = |name: &str, more: &[&str]| {
        let out = dir.path().join(name);
        let out = out.to_str().unwrap();
        stdout(&train(&text, out, &[&["--steps", "1", "--threads", "1"], more].concat()));
        let summary =
            stdout(&["train", "--out", out, "--resume", "--steps", "2", "--threads", "1", "--json"]);
        serde_json::from_str::<serde_json::Value>(&summary).unwrap()["peak_bytes"].as_u64().unwrap()
    };
    let (remembered, recomputed) = (peak("remembered", &[]), peak("recomputed", &["--recompute"]));
    assert!(recomputed < remembered, "{recomputed} bytes, {remembered} without");
}

#[test]
fn foreign_files_are_not_replaced_unless_forced() {
    let dir = tempfile::tempdir().unwrap();
    let text = text(dir.path());
    let out = dir.path().join("model");
    std::fs::create_dir(&out).unwrap();
    let log = out.join("log.jsonl");
    std::fs::write(&log, "mine").unwrap();
    std::fs::write(out.join("notes"), "mine too").unwrap();
    let out = out.to_str().unwrap();
    let error = fails(1, &train(&text, out, &["--steps", "1"]));
    assert!(error.contains("log.jsonl and 1 more") && error.contains("--force"), "{error}");
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "mine");
    assert_eq!(entries(out), ["log.jsonl", "notes"]);
    stdout(&train(&text, out, &["--steps", "1", "--force"]));
    assert!(std::fs::read_to_string(&log).unwrap().contains("\"step\":1"));
    assert_eq!(std::fs::read_to_string(Path::new(out).join("notes")).unwrap(), "mine too");
    // A model is never trained over.
    assert!(fails(1, &train(&text, out, &["--steps", "1", "--force"])).contains("--resume"));
}

#[test]
fn help_lists_options_where_they_belong() {
    let help = stdout(&["train", "--help"]);
    let (own, device) = help.split_once("Device:").unwrap();
    for option in ["--resume", "--json", "--force", "--text"] {
        let listed = |part: &str| part.lines().any(|line| line.trim_start().starts_with(option));
        assert!(listed(own) && !listed(device), "{option}: {help}");
    }
    for name in ["longconv", "frequency", "cosine", "constant"] {
        assert!(own.contains(name), "{name}: {help}");
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
    write("mixer = \"wavelet\"\n");
    let error = fails(2, &["train", toml_path]);
    assert!(error.contains("wavelet") && error.contains("longconv"), "{error}");
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
    let nothing_is_written = || assert_eq!(entries(dir.path().to_str().unwrap()), ["text.txt"]);
    assert!(fails(2, &["train", "--out", out]).contains("--text"));
    assert!(fails(2, &["train", "--text", &text]).contains("--out"));
    for (more, word) in [
        (&["--density", "0.5"][..], "dense"),
        (&["--linear", "circulant", "--density", "0.3"], "0.3"),
        (&["--linear", "spectral", "--density", "0"], "density"),
        (&["--mixer", "wavelet"], "wavelet"),
        (&["--schedule", "square"], "square"),
        (&["--val-windows", "0"], "val-windows"),
    ] {
        let error = fails(2, &train(&text, out, more));
        assert!(error.contains(word), "{error}");
        nothing_is_written();
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
        (&["--val", "nowhere.txt"], "nowhere.txt"),
        (&["--linear", "circulant", "--density", "0.2"], "q_proj"),
        (&["--device", "abacus"], "abacus"),
    ] {
        let bare = ["train", "--text", &text, "--out", out, "--preset", "nano"];
        let error = fails(1, &[&bare, more].concat());
        assert!(error.contains(word), "{word} is not in: {error}");
        nothing_is_written();
    }
    assert!(fails(1, &train("nowhere.txt", out, &[])).contains("nowhere.txt"));
    nothing_is_written();
}
