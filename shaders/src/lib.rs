//! The shaders of fft-tensor's GPU backends, as text.
//!
//! WGSL has no includes. The files of [`LIBRARY`] hold functions, structures and constants, one after another; [`link`] puts before
//! a kernel those that it uses, and those that these use, so that a shader is no longer than it must be.

pub mod attention;
pub mod spectral;

use std::collections::HashMap;
use std::sync::OnceLock;

/// The files of functions that kernels draw from: a name for messages, and the text.
pub const LIBRARY: &[(&str, &str)] = &[
    ("scalar", include_str!("../wgsl/scalar.wgsl")),
    ("integer64", include_str!("../wgsl/integer64.wgsl")),
    ("math", include_str!("../wgsl/math.wgsl")),
    ("complex", include_str!("../wgsl/complex.wgsl")),
    ("order", include_str!("../wgsl/order.wgsl")),
    ("params", include_str!("../wgsl/params.wgsl")),
];

/// What every reduction has: joining elements.
pub const REDUCE: &str = include_str!("../wgsl/reduce.wgsl");
/// A reduction with an invocation for each result.
pub const REDUCE_THREAD: &str = include_str!("../wgsl/reduce_thread.wgsl");
/// A reduction with a workgroup for each result, or for each part of one.
pub const REDUCE_GROUP: &str = include_str!("../wgsl/reduce_group.wgsl");
/// Picks elements by index from a part of a table.
pub const GATHER_PART: &str = include_str!("../wgsl/gather_part.wgsl");
/// The last source for each place.
pub const SCATTER_LAST: &str = include_str!("../wgsl/scatter_last.wgsl");
/// Replaces elements by index.
pub const SCATTER_SET: &str = include_str!("../wgsl/scatter_set.wgsl");
/// The sources of each place, in order.
pub const SCATTER_LISTS: &str = include_str!("../wgsl/scatter_lists.wgsl");
/// Adds to elements by index.
pub const SCATTER_ADD: &str = include_str!("../wgsl/scatter_add.wgsl");
/// What every step of a selection has: its keys, and sums over a workgroup.
pub const LARGEST: &str = include_str!("../wgsl/largest.wgsl");
/// The digit of the last key that is taken.
pub const LARGEST_PICK: &str = include_str!("../wgsl/largest_pick.wgsl");
/// How often each digit occurs.
pub const LARGEST_DIGIT: &str = include_str!("../wgsl/largest_digit.wgsl");
/// How many keys of each block are taken.
pub const LARGEST_BLOCKS: &str = include_str!("../wgsl/largest_blocks.wgsl");
/// Their positions.
pub const LARGEST_POSITIONS: &str = include_str!("../wgsl/largest_positions.wgsl");
/// What every product of matrices has: its operands, and how a result is stored.
pub const MATMUL_BINDINGS: &str = include_str!("../wgsl/matmul_bindings.wgsl");
/// The elements of a product's operands, one by one.
pub const MATMUL: &str = include_str!("../wgsl/matmul.wgsl");
/// A product with an invocation for each result.
pub const MATMUL_ROW: &str = include_str!("../wgsl/matmul_row.wgsl");
/// A product with several invocations for each result.
pub const MATMUL_DOT: &str = include_str!("../wgsl/matmul_dot.wgsl");
/// A product of a few rows with a matrix whose words are read four at a time.
pub const MATMUL_WIDE: &str = include_str!("../wgsl/matmul_wide.wgsl");
/// A convolution as a sum over taps.
pub const CONVOLUTION: &str = include_str!("../wgsl/convolution.wgsl");
/// Its weights in vectors.
pub const CONVOLUTION_PACK: &str = include_str!("../wgsl/convolution_pack.wgsl");
/// Operations along rows.
pub const ROWS: &str = include_str!("../wgsl/rows.wgsl");
/// A sum or maximum over a row.
pub const ROWS_PASS: &str = include_str!("../wgsl/rows_pass.wgsl");
/// How its terms are joined.
pub const ROWS_JOIN: &str = include_str!("../wgsl/rows_join.wgsl");
/// The whole of a row that one invocation has.
pub const ROWS_ONE: &str = include_str!("../wgsl/rows_one.wgsl");
/// The whole of a row that a few invocations have.
pub const ROWS_FEW: &str = include_str!("../wgsl/rows_few.wgsl");
/// The whole of a row that many invocations have.
pub const ROWS_MANY: &str = include_str!("../wgsl/rows_many.wgsl");
/// Sums along columns.
pub const COLUMNS: &str = include_str!("../wgsl/columns.wgsl");

/// `text` with each `{{NAME}}` replaced by what `words` says for the name.
pub fn fill(text: &str, words: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for (i, piece) in text.split("{{").enumerate() {
        match piece.split_once("}}") {
            Some((name, rest)) if i > 0 => {
                out.push_str(words.iter().find(|(word, _)| *word == name).map_or(name, |(_, word)| word));
                out.push_str(rest);
            }
            _ => out.push_str(piece),
        }
    }
    out
}

struct Item {
    name: &'static str,
    text: &'static str,
}

/// The name that a declaration at the start of a line introduces.
fn declared(line: &str) -> Option<&str> {
    let (keyword, rest) = line.split_once(' ')?;
    matches!(keyword, "fn" | "const" | "struct" | "alias").then(|| words(rest).next()).flatten()
}

/// The identifiers of a text, those in comments too.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|w| !w.is_empty())
}

/// The declarations of a file. Each begins at the start of a line, and ends with a line that begins with a closing bracket or, when it has
/// one line only, with that.
fn items(text: &'static str) -> Vec<Item> {
    let (mut out, mut begin, mut at) = (Vec::new(), None, 0);
    for line in text.split_inclusive('\n') {
        let end = at + line.len();
        if begin.is_none()
            && let Some(name) = declared(line)
        {
            begin = Some((name, at));
        }
        let closed =
            line.starts_with(['}', ')']) || (declared(line).is_some() && line.trim_end().ends_with(';'));
        if closed && let Some((name, from)) = begin.take() {
            out.push(Item { name, text: &text[from..end] });
        }
        at = end;
    }
    out
}

fn library() -> &'static (Vec<Item>, HashMap<&'static str, usize>) {
    static ITEMS: OnceLock<(Vec<Item>, HashMap<&'static str, usize>)> = OnceLock::new();
    ITEMS.get_or_init(|| {
        let all: Vec<Item> = LIBRARY.iter().flat_map(|(_, text)| items(text)).collect();
        let places = all.iter().enumerate().map(|(i, item)| (item.name, i)).collect();
        (all, places)
    })
}

/// `kernel` with the declarations of [`LIBRARY`] that it needs before it, in the order of the library.
pub fn link(kernel: &str) -> String {
    let (all, places) = library();
    let mut needed = vec![false; all.len()];
    let mut open: Vec<&str> = vec![kernel];
    while let Some(text) = open.pop() {
        for word in words(text) {
            if let Some(&at) = places.get(word)
                && !std::mem::replace(&mut needed[at], true)
            {
                open.push(all[at].text);
            }
        }
    }
    let mut out = String::with_capacity(kernel.len() + 4096);
    for (item, _) in all.iter().zip(&needed).filter(|(_, needed)| **needed) {
        out.push_str(item.text);
    }
    out.push_str(kernel);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_gets_what_it_uses_and_no_more() {
        let text = link("fn main() { let y = exp_(1.0); }");
        assert!(text.contains("fn exp_(") && text.contains("fn power_of_two("), "{text}");
        assert!(!text.contains("fn sin_(") && text.ends_with("exp_(1.0); }"), "{text}");
        assert_eq!(link("fn main() {}"), "fn main() {}");
    }

    #[test]
    fn every_declaration_is_found_once() {
        let (all, places) = library();
        assert_eq!(all.len(), places.len(), "a name is declared twice");
        let declared: usize =
            LIBRARY.iter().map(|(_, t)| t.lines().filter(|l| declared(l).is_some()).count()).sum();
        assert_eq!(all.len(), declared);
    }
}
