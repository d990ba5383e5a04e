//! Text that arrives token by token, and tokenizer files that are none.

use std::collections::BTreeMap;
use std::path::Path;

use fft_core::Error;
use fft_nn::tokenizer::Tokenizer;
use serde_json::json;

/// The printable stand-ins of byte-level tokenizers for the 256 bytes.
fn byte_characters() -> Vec<String> {
    let printable = |b: u32| matches!(b, 33..=126 | 161..=172 | 174..=255);
    let mut next = 256;
    (0..256)
        .map(|b| {
            let code = if printable(b) {
                b
            } else {
                next += 1;
                next - 1
            };
            char::from_u32(code).unwrap().to_string()
        })
        .collect()
}

/// A byte-level tokenizer: `<s>` is 0, byte `b` is `1 + b`, and each merge takes the next id.
fn write_tokenizer(dir: &Path, merges: &[(&[u8], &[u8])]) {
    let bytes = byte_characters();
    let word = |w: &[u8]| w.iter().map(|&b| bytes[b as usize].as_str()).collect::<String>();
    let mut vocab: BTreeMap<String, usize> =
        bytes.iter().enumerate().map(|(b, c)| (c.clone(), 1 + b)).collect();
    vocab.insert("<s>".into(), 0);
    let mut pairs = Vec::new();
    for (a, b) in merges {
        vocab.insert(word(&[*a, *b].concat()), vocab.len());
        pairs.push(json!([word(a), word(b)]));
    }
    let tokenizer = json!({
        "version": "1.0",
        "added_tokens": [{"id": 0, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
                          "normalized": false, "special": true}],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": vocab, "merges": pairs},
    });
    std::fs::write(dir.join("tokenizer.json"), tokenizer.to_string()).unwrap();
}

fn streamed(tokenizer: &Tokenizer, ids: &[u32]) -> (Vec<String>, String) {
    let mut stream = tokenizer.stream();
    let pieces: Vec<String> = ids.iter().map(|&id| stream.push(id).unwrap()).collect();
    let rest = stream.finish().unwrap();
    (pieces, rest)
}

#[test]
fn characters_of_several_tokens_come_whole() {
    let dir = tempfile::tempdir().unwrap();
    // A token that ends within a character, and one that begins there.
    let dash = "—".as_bytes();
    write_tokenizer(dir.path(), &[(b"?", &dash[..1]), (&dash[1..2], &dash[2..])]);
    let tokenizer = Tokenizer::open(dir.path()).unwrap();
    let text = "a😀?—y é漢字 🇬🇧, the end. ".repeat(9);
    let ids = tokenizer.encode(&text).unwrap();
    assert!(ids.contains(&257) && ids.contains(&258));
    let (pieces, rest) = streamed(&tokenizer, &ids);
    assert_eq!(pieces.concat() + &rest, text);
    assert_eq!(rest, "");
    assert!(pieces.iter().all(|p| !p.contains('\u{FFFD}')));
    // Nothing is held back longer than needed: at every whole character all text is out.
    let mut out = String::new();
    for (n, piece) in pieces.iter().enumerate() {
        out.push_str(piece);
        let so_far = tokenizer.decode(&ids[..=n]).unwrap();
        assert_eq!(out, so_far.trim_end_matches('\u{FFFD}'));
    }
}

#[test]
fn broken_bytes_become_replacement_characters() {
    let dir = tempfile::tempdir().unwrap();
    write_tokenizer(dir.path(), &[]);
    let tokenizer = Tokenizer::open(dir.path()).unwrap();
    for bytes in [&b"ab\xF0\x9F\x98"[..], b"\xFF\xFE", b"a\xE2\x80b\x80\x80c", &[b'a', 0xFF].repeat(40)] {
        let ids: Vec<u32> = bytes.iter().map(|&b| 1 + u32::from(b)).collect();
        let (pieces, rest) = streamed(&tokenizer, &ids);
        assert_eq!(pieces.concat() + &rest, String::from_utf8_lossy(bytes));
    }
}

#[test]
fn prompts_begin_with_the_begin_token() {
    let dir = tempfile::tempdir().unwrap();
    write_tokenizer(dir.path(), &[]);
    let open = || Tokenizer::open(dir.path()).unwrap();
    assert_eq!(open().encode("A").unwrap(), [66]);
    assert_eq!(open().encode_prompt("A", Some(0)).unwrap(), [0, 66]);
    assert_eq!(open().encode_prompt("<s>A", Some(0)).unwrap(), [0, 66]);
    assert_eq!(open().encode_prompt("A", None).unwrap(), [66]);
    assert!(matches!(open().encode_prompt("", Some(0)), Err(Error::InvalidArgument { .. })));
    std::fs::write(dir.path().join("tokenizer_config.json"), r#"{"add_bos_token": false}"#).unwrap();
    assert_eq!(open().encode_prompt("A", Some(0)).unwrap(), [66]);
    assert_eq!(open().decode(&[0, 66, 67]).unwrap(), "AB");
}

#[test]
fn files_that_are_no_tokenizer_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Tokenizer::open(dir.path()).unwrap_err();
    let missing = open();
    assert!(
        matches!(missing, Error::Io { .. }) && missing.to_string().contains("tokenizer.json"),
        "{missing}"
    );
    for text in ["", "{}", "[1, 2", r#"{"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}}"#] {
        std::fs::write(dir.path().join("tokenizer.json"), text).unwrap();
        let error = open();
        assert!(
            matches!(error, Error::Format { .. }) && error.to_string().contains("tokenizer.json"),
            "{error}"
        );
    }
    write_tokenizer(dir.path(), &[]);
    std::fs::write(dir.path().join("tokenizer_config.json"), "no").unwrap();
    assert!(open().to_string().contains("tokenizer_config.json"));
}

#[test]
fn a_vocabulary_larger_than_the_model_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write_tokenizer(dir.path(), &[]);
    let tokenizer = Tokenizer::open(dir.path()).unwrap();
    assert_eq!((tokenizer.vocab_size(), tokenizer.max_id()), (257, Some(256)));
    tokenizer.check_vocabulary(257).unwrap();
    let error = tokenizer.check_vocabulary(256).unwrap_err().to_string();
    assert!(error.contains("256") && error.contains("tokenizer.json"), "{error}");
}
