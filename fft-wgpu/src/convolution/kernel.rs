//! The kernel of the direct way, written for a tile: the outputs that an invocation sums in registers.

use std::fmt::Write;

use crate::call::declare;

/// Invocations of a workgroup.
pub(super) const GROUP: usize = 64;

/// The input of row `r` of a tile, the `i`th from where its first output takes one.
fn element(r: usize, i: usize) -> String {
    format!("element(from{r}, here{r}, x + {i} * apart)")
}

/// What an invocation sums, and how it reads for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tile {
    /// Output channels: 1, or vectors of four.
    pub(super) channels: usize,
    /// Rows of outputs.
    pub(super) rows: usize,
    /// Outputs of a row.
    pub(super) columns: usize,
    /// Whether an input of one tap serves the output before for the next tap, so that a tap reads one new input for each row.
    pub(super) slides: bool,
}

impl Tile {
    pub(super) fn label(self) -> String {
        let Self { channels, rows, columns, slides } = self;
        format!("convolution:{channels} {rows} {columns} {slides}")
    }

    /// Vectors of channels.
    fn vectors(self) -> usize {
        self.channels.div_ceil(4)
    }

    fn is_single(self) -> bool {
        self.channels == 1
    }

    /// The indices of vectors, rows and columns of all sums.
    fn sums(self) -> impl Iterator<Item = (usize, usize, usize)> {
        let of_row = move |q, r| (0..self.columns).map(move |i| (q, r, i));
        (0..self.vectors()).flat_map(move |q| (0..self.rows).flat_map(move |r| of_row(q, r)))
    }

    pub(super) fn source(self) -> String {
        let weights = if self.is_single() { "f32" } else { "vec4<f32>" };
        let head =
            declare(&[("X", "f32", false), ("W", weights, false), ("B", "f32", false), ("D", "f32", true)]);
        let words = [
            ("GROUP", GROUP.to_string()),
            ("CHANNELS", self.channels.to_string()),
            ("ROWS", self.rows.to_string()),
            ("COLUMNS", self.columns.to_string()),
            ("VECTORS", self.vectors().to_string()),
            ("BEGIN", self.begin(weights)),
            ("AROUND", self.around()),
            ("TAPS", self.taps()),
            ("BIAS", self.bias()),
            ("END", self.end()),
        ];
        let words: Vec<(&str, &str)> = words.iter().map(|(name, text)| (*name, text.as_str())).collect();
        head + &fft_shaders::fill(fft_shaders::CONVOLUTION, &words)
    }

    fn begin(self, weights: &str) -> String {
        self.sums().fold(String::new(), |mut out, (q, r, i)| {
            let _ = writeln!(out, "    var s{q}_{r}_{i} = {weights}();");
            out
        })
    }

    /// Where the rows of a piece of taps begin, and whether there are any.
    fn around(self) -> String {
        (0..self.rows).fold(String::new(), |mut out, r| {
            let _ = write!(
                out,
                "        let y{r} = (row + {r}) * P.steps[4].x + ky * P.steps[4].y - P.steps[1].w;
        let here{r} = y{r} >= 0 && y{r} < P.steps[1].x;
        let from{r} = plane + clamp(y{r}, 0, P.steps[1].x - 1) * P.steps[6].w;
"
            );
            out
        })
    }

    /// The sums over a piece of a row of taps.
    fn taps(self) -> String {
        let mut out = String::new();
        let last = self.columns - 1;
        if self.slides {
            for (r, i) in self.inputs().filter(|&(_, i)| i < last) {
                let _ = writeln!(out, "            var v{r}_{i} = {};", element(r, i));
            }
        }
        out += "            for (var k = first; k < end; k += P.steps[5].w) {\n";
        for (r, i) in self.inputs().filter(|&(_, i)| !self.slides || i == last) {
            let _ = writeln!(out, "                let {}{r}_{i} = {};", self.fresh(i), element(r, i));
        }
        for q in 0..self.vectors() {
            let place = if self.is_single() {
                "w + k".to_owned()
            } else {
                format!("(w + k) * {} + {q}", self.vectors())
            };
            let _ = writeln!(out, "                let w{q} = W[{place}];");
        }
        for (q, r, i) in self.sums() {
            let value = format!("{}{r}_{i}", self.fresh(i));
            let value = if self.is_single() { value } else { format!("vec4<f32>({value})") };
            let _ = writeln!(out, "                s{q}_{r}_{i} = fma(w{q}, {value}, s{q}_{r}_{i});");
        }
        if self.slides {
            for (r, i) in self.inputs().filter(|&(_, i)| i < last) {
                let _ = writeln!(out, "                v{r}_{i} = {}{r}_{};", self.fresh(i + 1), i + 1);
            }
        }
        out + "                x += onward;\n            }\n"
    }

    /// The rows and columns of inputs that the outputs take with one tap.
    fn inputs(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.rows).flat_map(move |r| (0..self.columns).map(move |i| (r, i)))
    }

    /// What an input of a column is called: one that is kept from the tap before, or one that is read.
    fn fresh(self, column: usize) -> &'static str {
        if self.slides && column + 1 < self.columns { "v" } else { "n" }
    }

    /// The bias of each channel, added to its sums. Channels behind the last have the last one's, and are not stored.
    fn bias(self) -> String {
        let mut out = String::from(
            "        let offset = P.base.z + family * i32(P.more[0].z);\n        let end = i32(P.more[0].z) - 1;\n",
        );
        for q in 0..self.vectors() {
            let list: Vec<String> = (4 * q..(4 * q + 4).min(self.channels))
                .map(|c| format!("B[offset + min(channel + {c}, end)]"))
                .collect();
            let list = list.join(", ");
            let value = if self.is_single() { list } else { format!("vec4<f32>({list})") };
            let _ = writeln!(out, "        let b{q} = {value};");
        }
        for (q, r, i) in self.sums() {
            let _ = writeln!(out, "        s{q}_{r}_{i} += b{q};");
        }
        out
    }

    fn end(self) -> String {
        self.sums().fold(String::new(), |mut out, (q, r, i)| {
            let sum = format!("s{q}_{r}_{i}");
            let _ = if self.is_single() {
                writeln!(out, "    put(out, channel, row + {r}, column + {i} * spread, {sum});")
            } else {
                writeln!(out, "    put4(out, channel + {}, row + {r}, column + {i} * spread, {sum});", 4 * q)
            };
            out
        })
    }
}
