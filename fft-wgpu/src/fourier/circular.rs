//! Kernels of convolutions of real lines with kernels whose spectra are known: a line of `2 M` points as `M` complex numbers, there and back in
//! workgroup memory.
//!
//! - The product of polynomials modulo `t^M + i` holds a real product of fewer than `2 M` coefficients whole: those from `M` on are the imaginary
//!   part, with a minus. It is a circular convolution of points that are multiplied by powers of `e^(-pi i / (2 M))` before, and by their
//!   conjugates after (right-angle convolution, Krot and Minervina 1989). So there is no spectrum of pairs to take apart.
//! - The way there decimates in frequency and the way back in time. Spectra never come in order: what a pass reads it writes to the same
//!   places, and the last pass there, the product and the first pass back are one, in registers.
//! - The way back is the way there of numbers with exchanged parts.
//!
//! A line too long for a workgroup is a matrix `[M / N, N]`: kernels of its columns, of its rows, and of its columns again.

use std::fmt::Write;

use super::butterfly::{function, passes, second_power, turn_powers};
use super::plan::Table;
use crate::call::declare;

/// Which part of the way there and back a kernel goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// Columns of long lines, there.
    First,
    /// Rows of long lines, there and back.
    Rows,
    /// Columns, back.
    Last,
}

/// A kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) part: Part,
    /// Complex points of its lines.
    pub(super) points: usize,
    /// Lines of a workgroup.
    pub(super) lines: usize,
    /// Lines have at most half as many elements as places, so that imaginary parts are 0 before, and of no interest after.
    pub(super) half: bool,
    /// The way ends with the spectrum, which is written.
    pub(super) spectrum: bool,
    /// The terms of [`LongConvTerms`](fft_core::convolution::LongConvTerms).
    pub(super) skip: bool,
    pub(super) before: bool,
    pub(super) after: bool,
}

/// The places of powers of roots for a pass: the first and the second that are read.
type Powers = Vec<[u32; 2]>;

/// The roots that kernels of lines of `points` read, and where they are.
pub(super) fn roots(table: &mut Table, points: usize) -> (Powers, u32) {
    let radices = passes(points).unwrap_or_default();
    let (mut powers, mut n) = (Vec::new(), points);
    let inner = radices.len().saturating_sub(1);
    for &radix in &radices[..inner] {
        let count = n / radix;
        let second = second_power(radix);
        let first = table.powers(n, count, 1);
        powers.push([first, if second > 1 { table.powers(n, count, second) } else { first }]);
        n = count;
    }
    let twist = if inner > 0 { table.powers(4 * points, points / radices[0], 1) } else { 0 };
    (powers, twist)
}

/// One pass: a radix over parts of `size` points.
#[derive(Clone, Copy)]
struct Pass {
    radix: usize,
    size: usize,
}

impl Pass {
    /// From one point of a transform to the next.
    fn step(self) -> usize {
        self.size / self.radix
    }
}

impl Key {
    fn pitch(&self) -> usize {
        self.points.next_multiple_of(16)
    }

    /// Neighbouring invocations work on neighbouring lines, which are columns.
    fn across(&self) -> bool {
        matches!(self.part, Part::First | Part::Last)
    }

    fn twisted(&self) -> bool {
        self.part != Part::Rows
    }

    fn passes(&self) -> Vec<Pass> {
        let mut size = self.points;
        let radices = passes(self.points).unwrap_or_default();
        radices
            .into_iter()
            .map(|radix| {
                let pass = Pass { radix, size };
                size /= radix;
                pass
            })
            .collect()
    }

    /// Invocations of a workgroup: as many as passes leave few of idle.
    fn group(&self) -> usize {
        let items = |p: &Pass| self.points * self.lines / p.radix;
        let work =
            |group: usize| self.passes().iter().map(|p| items(p).next_multiple_of(group)).sum::<usize>();
        (1..=8).map(|i| 32 * i).min_by_key(|&g| (work(g), std::cmp::Reverse(g))).unwrap_or(32)
    }

    /// The name of the pipeline.
    pub(super) fn label(&self) -> String {
        format!("circular:{self:?}")
    }

    /// Names of the operands with their types, and whether they are written.
    pub(super) fn operands(&self) -> Vec<(&'static str, &'static str, bool)> {
        let (real, complex) = ("f32", "vec2<f32>");
        let mut out = Vec::new();
        let reads_input = match self.part {
            Part::Whole | Part::First => true,
            Part::Rows => false,
            Part::Last => self.skip,
        };
        if reads_input {
            out.push(("U", real, false));
            if self.before {
                out.push(("G", real, false));
            }
        }
        out.push(("T", complex, false));
        if self.part != Part::Whole {
            // Rows are changed in place.
            out.push(("X", complex, self.part == Part::First || (self.part == Part::Rows && !self.spectrum)));
        }
        if matches!(self.part, Part::Whole | Part::Rows) {
            out.push(("H", complex, self.spectrum));
        }
        if matches!(self.part, Part::Whole | Part::Last) && !self.spectrum {
            if self.skip {
                out.push(("K", real, false));
            }
            if self.after {
                out.push(("A", real, false));
            }
            out.push(("D", real, true));
        }
        out
    }

    /// The first element of an operand.
    fn base(&self, name: &str) -> String {
        match self.operands().iter().position(|(n, _, _)| *n == name) {
            Some(at @ 0..4) => format!("P.base[{at}]"),
            Some(at) => format!("P.steps[7][{}]", at - 4),
            None => "0".to_owned(),
        }
    }

    /// The shader.
    pub(super) fn source(&self) -> String {
        let mut out = declare(&self.operands());
        let passes = self.passes();
        let mut radices: Vec<usize> = passes.iter().map(|p| p.radix).collect();
        let levels = radices.len();
        radices.dedup();
        for &radix in &radices {
            out += &function(radix);
        }
        if levels > 1 {
            let _ = writeln!(out, "var<workgroup> W: array<vec2<f32>, {}>;", self.lines * self.pitch());
            // Exchanged within 16 places, so that neither steps of 16 nor neighbouring lines meet in one bank.
            let _ = writeln!(
                out,
                "fn place(line: u32, x: u32) -> u32 {{\n    return line * {}u + (x ^ (((x >> 4u) + line) & 15u));\n}}",
                self.pitch()
            );
        }
        out += &self.functions();
        let _ = writeln!(
            out,
            "@compute @workgroup_size({})\nfn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {{\n\
             let line0 = (group.y * P.groups_x + group.x) * {}u;",
            self.group(),
            self.lines
        );
        let (powers, twist) = roots(&mut Table::default(), self.points);
        let turns = |level: usize, pass: Pass| -> String {
            let Some([first, second]) = powers.get(level) else { return String::new() };
            let base = (level == 0 && self.twisted()).then(|| format!("T[{twist}u + j]"));
            let power = |at: &u32| format!("T[{at}u + j]");
            turn_powers(pass.radix, &power(first), &power(second), base.as_deref())
        };
        let memory = |pass: Pass, q: usize| format!("W[place(line, x + {}u)]", q * pass.step());
        let last = levels - 1;
        if self.part != Part::Last {
            for (level, &pass) in passes.iter().enumerate() {
                let mut body = String::new();
                for q in 0..pass.radix {
                    let value = match level {
                        0 => self.input(pass, q),
                        _ => memory(pass, q),
                    };
                    let _ = writeln!(body, "v[{q}] = {value};");
                }
                let _ = writeln!(body, "dft{}(&v);", pass.radix);
                body += &turns(level, pass);
                if level == last {
                    body += &self.middle(pass, &passes);
                    if self.part == Part::First || self.spectrum {
                        self.items(&mut out, pass, &body);
                        return out + "}\n";
                    }
                    let _ = writeln!(body, "dft{}(&v);", pass.radix);
                }
                if level == last && last == 0 {
                    body += &self.output(pass);
                } else {
                    for q in 0..pass.radix {
                        let _ = writeln!(body, "{} = v[{q}];", memory(pass, q));
                    }
                }
                self.items(&mut out, pass, &body);
                if last > 0 {
                    out += "workgroupBarrier();\n";
                }
            }
        }
        for (level, &pass) in passes.iter().enumerate().rev() {
            if level == last && self.part != Part::Last {
                continue;
            }
            let mut body = String::new();
            for q in 0..pass.radix {
                let value = match level == last {
                    true => self.between_item(pass, q),
                    false => memory(pass, q),
                };
                let _ = writeln!(body, "v[{q}] = {value};");
            }
            if level == last {
                body += &self.between(pass, &passes);
            }
            body += &turns(level, pass);
            let _ = writeln!(body, "dft{}(&v);", pass.radix);
            if level == 0 {
                body += &self.output(pass);
            } else {
                for q in 0..pass.radix {
                    let _ = writeln!(body, "{} = v[{q}];", memory(pass, q));
                }
            }
            self.items(&mut out, pass, &body);
            if level > 0 {
                out += "workgroupBarrier();\n";
            }
        }
        out + "}\n"
    }

    /// `body` for every transform of a pass: `rest` is its place among those of the line, `x` its first point, `j` that point's place in
    /// its part.
    fn items(&self, out: &mut String, pass: Pass, body: &str) {
        let (count, group) = (self.points / pass.radix, self.group());
        let total = count * self.lines;
        let (line, rest) = match self.across() {
            true => (format!("i % {}u", self.lines), format!("i / {}u", self.lines)),
            false => (format!("i / {count}u"), format!("i % {count}u")),
        };
        let (open, close) = if total <= group {
            ("{\nlet i = local;\n".to_owned(), "}\n")
        } else {
            let rounds = total.div_ceil(group);
            (
                format!(
                    "for (var round = 0u; round < {rounds}u; round += 1u) {{\nlet i = local + round * {group}u;\n"
                ),
                "}\n",
            )
        };
        *out += &open;
        let guarded = !total.is_multiple_of(group);
        if guarded {
            let _ = writeln!(out, "if (i < {total}u) {{");
        }
        let _ = write!(
            out,
            "let line = {line};\nlet rest = {rest};\nlet j = rest % {step}u;\nlet x = rest / {step}u * {size}u + j;\n\
             // Behind the last line it is read again, and not written.\n\
             let here = line0 + line < P.count;\nlet item = min(line0 + line, P.count - 1u);\nlet row = row_of(item);\nvar v: array<vec2<f32>, {radix}>;\n",
            step = pass.step(),
            size = pass.size,
            radix = pass.radix
        );
        *out += body;
        if guarded {
            *out += "}\n";
        }
        *out += close;
    }

    /// `row_of`, and `real_at`: an element of a line, 0 outside.
    fn functions(&self) -> String {
        // P.more[0]: columns (or rows) of a long line, tiles of a line, channels, length of a line; P.more[1]: useful points of a tile, those
        // before them, from one channel's spectrum to the next, points of a whole line; P.more[2]: the roots of long lines, the first line.
        let mut out = "struct Row {
    start: i32,
    first: i32,
    channel: u32,
    column: u32,
    scratch: u32,
}

fn row_of(item: u32) -> Row {
    let row = item / P.more[0].x;
    let line = (row + P.more[2].w) / P.more[0].y;
    let tile = (row + P.more[2].w) - line * P.more[0].y;
    return Row(i32(line * P.more[0].w), i32(tile * P.more[1].x) - i32(P.more[1].y), line % P.more[0].z, item % P.more[0].x, row);
}
"
        .to_owned();
        if self.operands().iter().any(|(name, _, _)| *name == "U") {
            let gate = if self.before { format!(" * G[{} + at]", self.base("G")) } else { String::new() };
            let _ = writeln!(
                out,
                "fn real_at(row: Row, n: u32) -> f32 {{\n    let i = row.first + i32(n);\n    \
                 let at = row.start + clamp(i, 0, i32(P.more[0].w) - 1);\n    let x = U[{} + at]{gate};\n    \
                 return select(0.0, x, i >= 0 && i < i32(P.more[0].w));\n}}",
                self.base("U")
            );
        }
        if self.operands().iter().any(|(name, _, _)| *name == "D") {
            let mut body = "    var y = value;\n".to_owned();
            if self.skip {
                let _ =
                    writeln!(body, "    y += K[{} + i32(row.channel)] * real_at(row, n);", self.base("K"));
            }
            if self.after {
                let _ = writeln!(body, "    y *= A[{} + at];", self.base("A"));
            }
            let _ = writeln!(
                out,
                "fn save(row: Row, n: u32, value: f32) {{\n    let i = row.first + i32(n);\n    \
                 if (n < P.more[1].y || n >= P.more[1].x + P.more[1].y || i >= i32(P.more[0].w)) {{\n        return;\n    }}\n    \
                 let at = row.start + i;\n{body}    D[{} + at] = y;\n}}",
                self.base("D")
            );
        }
        if self.across() {
            out += "fn root(i: u32) -> vec2<f32> {\n    let bits = P.more[2].z;\n    \
                    return cmul(T[P.more[2].x + (i >> bits)], T[P.more[2].y + (i & ((1u << bits) - 1u))]);\n}\n";
        }
        out
    }

    /// The factor of point `q` of the first pass, beside that of its transform.
    fn twist(pass: Pass, q: usize) -> String {
        let angle = -std::f64::consts::FRAC_PI_2 * q as f64 / pass.radix as f64;
        format!("vec2<f32>({:.17}, {:.17})", angle.cos(), angle.sin())
    }

    /// A point of the first pass.
    fn input(&self, pass: Pass, q: usize) -> String {
        let point = format!("(j + {}u)", q * pass.step());
        match self.part {
            Part::Rows => {
                format!("X[{} + i32(item * {}u + j + {}u)]", self.base("X"), self.points, q * pass.step())
            }
            _ => {
                let n = match self.across() {
                    true => format!("{point} * P.more[0].x + row.column"),
                    false => point,
                };
                match self.half {
                    true => format!("real_at(row, {n}) * {}", Self::twist(pass, q)),
                    false => format!(
                        "cmul(vec2<f32>(real_at(row, {n}), -real_at(row, {n} + P.more[1].w)), {})",
                        Self::twist(pass, q)
                    ),
                }
            }
        }
    }

    /// Between the way there and the way back: the product, or what ends the kernel.
    fn middle(&self, pass: Pass, passes: &[Pass]) -> String {
        let mut out = String::new();
        if self.part == Part::First {
            out += &self.between(pass, passes);
            for q in 0..pass.radix {
                let _ = writeln!(out, "if (here) {{ {} = v[{q}]; }}", self.between_item(pass, q));
            }
            return out;
        }
        let count = self.points / pass.radix;
        let _ = writeln!(
            out,
            "let h = {} + i32(row.channel * P.more[1].z + row.column * {}u + rest);",
            self.base("H"),
            self.points
        );
        for q in 0..pass.radix {
            let at = format!("H[h + {}]", q * count);
            let _ = match self.spectrum {
                true => writeln!(out, "if (here) {{ {at} = v[{q}] * P.value.x; }}"),
                false => writeln!(out, "v[{q}] = cmul(v[{q}], {at}).yx;"),
            };
        }
        out
    }

    /// A point between columns and rows.
    fn between_item(&self, pass: Pass, q: usize) -> String {
        format!(
            "X[{} + i32((row.scratch * {}u + rest * {}u + {q}u) * P.more[0].x + row.column)]",
            self.base("X"),
            self.points,
            pass.radix
        )
    }

    /// The roots between columns and rows, for the bins of a transform of the last pass.
    fn between(&self, pass: Pass, passes: &[Pass]) -> String {
        // The digits of `rest` are those of the bin in turn.
        let (mut bin, mut weight) = ("0u".to_owned(), 1);
        for p in &passes[..passes.len() - 1] {
            let _ = write!(bin, " + (rest / {}u) % {}u * {weight}u", p.step() / pass.radix, p.radix);
            weight *= p.radix;
        }
        let step = format!("column * 4u * {weight}u");
        let turns = turn_powers(
            pass.radix,
            &format!("root({step})"),
            &format!("root({step} * {}u)", second_power(pass.radix)),
            Some("root(column * (4u * bin + 1u))"),
        );
        format!("let column = row.column;\nlet bin = {bin};\n{turns}")
    }

    /// Writes the results of the last pass.
    fn output(&self, pass: Pass) -> String {
        let mut out = "if (here) {\n".to_owned();
        if self.part == Part::Rows {
            for q in 0..pass.radix {
                let _ = writeln!(out, "{} = v[{q}];", self.input(pass, q));
            }
            return out + "}\n";
        }
        for q in 0..pass.radix {
            let point = format!("(j + {}u)", q * pass.step());
            let n = if self.across() { format!("{point} * P.more[0].x + row.column") } else { point };
            let _ =
                writeln!(out, "let y{q} = cmul(v[{q}], {});\nsave(row, {n}, y{q}.y);", Self::twist(pass, q));
            if !self.half {
                let _ = writeln!(out, "save(row, {n} + P.more[1].w, -y{q}.x);");
            }
        }
        out + "}\n"
    }
}
