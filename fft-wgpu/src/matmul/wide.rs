//! The product of a few rows with a matrix that lies along the inner axis: a decoder's step, bound by reading the matrix once.

use crate::store::Store;

/// The most rows.
pub(super) const MOST_ROWS: usize = 8;

/// How a kernel is made: rows (a power of two) and invocations for a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wide {
    pub(super) rows: usize,
    pub(super) lanes: usize,
}

/// Elements of the right matrix in four words.
pub(super) fn per(b: Store) -> usize {
    4 * b.per_word()
}

impl Wide {
    /// For so many rows of `inner` elements; two reads or more an invocation.
    pub(super) fn new(rows: usize, inner: usize, b: Store) -> Self {
        let lanes = (inner / per(b) / 2).next_power_of_two().clamp(4, 32);
        Self { rows: rows.next_power_of_two(), lanes }
    }

    /// The kernel behind `matmul.wgsl`; `types` of the matrices are `F32` to the left, and `b` to the right.
    pub(super) fn body(self, b: Store) -> String {
        let Self { rows, lanes } = self;
        let quads = per(b) / 4;
        let each = |text: &dyn Fn(usize) -> String| (0..rows).map(text).collect::<Vec<_>>().join("\n");
        let mut add = String::new();
        for q in 0..quads {
            // The words of four elements, decoded.
            let quad = match b {
                Store::F32 => "w".to_owned(),
                _ => {
                    let half =
                        |word: char, shift: u32| b.decode(&format!("((w.{word} >> {shift}u) & 0xffffu)"));
                    let words = if q == 0 { ['x', 'y'] } else { ['z', 'w'] };
                    let list: Vec<String> =
                        words.iter().flat_map(|&word| [half(word, 0), half(word, 16)]).collect();
                    format!("vec4<f32>({})", list.join(", "))
                }
            };
            add += &format!("        let w{q} = {quad};\n");
        }
        for r in 0..rows {
            for q in 0..quads {
                let place = format!("a0 + i32(min({r}u, last)) * pitch + i32(i) * {quads} + {q}");
                add += &format!("        sums[{r}] += dot(w{q}, A[{place}]);\n");
            }
        }
        let put = |r: usize| {
            format!(
                "        if ({r}u <= last) {{\n            put(at, {r}u, column, W[local + {}u]);\n        }}",
                r * 256
            )
        };
        let words = [
            ("LANES", lanes.to_string()),
            ("ROWS", rows.to_string()),
            ("MEMORY", (256 * rows).to_string()),
            ("RESULTS", (256 / lanes).to_string()),
            ("PER", per(b).to_string()),
            ("BEGIN", each(&|r| format!("    sums[{r}] = 0.0;"))),
            ("ADD", add),
            ("KEEP", each(&|r| format!("    W[local + {}u] = sums[{r}];", r * 256))),
            ("JOIN", each(&|r| format!("            W[local + {0}u] += W[local + {0}u + half];", r * 256))),
            ("END", each(&put)),
        ];
        let words: Vec<(&str, &str)> = words.iter().map(|(name, text)| (*name, text.as_str())).collect();
        fft_shaders::fill(fft_shaders::MATMUL_WIDE, &words)
    }
}
