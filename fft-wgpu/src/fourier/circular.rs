//! Kernels of convolutions of real lines with kernels whose spectra are known: a line of `2 M` points as `M` complex numbers, there and back in
//! workgroup memory.
//!
//! - The product of polynomials modulo `t^M + i` holds a real product of fewer than `2 M` coefficients whole: those from `M` on are the imaginary
//!   part, with a minus. It is a circular convolution of points that are multiplied by powers of `e^(-pi i / (2 M))` before, and by their
//!   conjugates after (right-angle convolution, Krot and Minervina 1989). So there is no spectrum of pairs to take apart.
//! - Transforms are in place ([`in_place`]), and spectra never come in order: the last pass there, the product and the first pass back are one, in
//!   registers.
//! - The way back is the way there of numbers with exchanged parts.
//!
//! A line too long for a workgroup is a matrix `[M / N, N]`: kernels of its columns, of its rows, and of its columns again.

use std::fmt::Write;

use super::butterfly::{passes, second_power, turn_powers};
use super::in_place::{self, Lines, Pass, Powers};
use super::plan::Table;
use super::those_that_hold;
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

/// How many places of a tile stand for elements of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Fit {
    /// Any: there may be several tiles.
    Tiles,
    /// There is one tile, whose first places do.
    Single,
    /// There is one tile, and all that are read and written do.
    Exact,
}

/// What every transform of a pass knows. Behind the last line it is read again, and not written.
const HERE: &str = "let here = line0 + line < P.count;\nlet item = min(line0 + line, P.count - 1u);\nlet row = row_of(item);\n";

/// A kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) part: Part,
    /// Complex points of its lines.
    pub(super) points: usize,
    /// Lines of a workgroup.
    pub(super) lines: usize,
    /// Columns or rows of a long line; else 1.
    pub(super) items: usize,
    pub(super) fit: Fit,
    /// Lines have at most half as many elements as places, so that imaginary parts are 0 before, and of no interest after.
    pub(super) half: bool,
    /// The coefficients behind those of the line are added to its first: the product is circular.
    pub(super) wraps: bool,
    /// The way ends with the spectrum, which is written.
    pub(super) spectrum: bool,
    /// The terms of [`LongConvTerms`](fft_core::convolution::LongConvTerms).
    pub(super) skip: bool,
    pub(super) before: bool,
    pub(super) after: bool,
}

/// The roots that kernels of lines of `points` read, and where they are: those of passes, and of the factors of points.
pub(super) fn roots(table: &mut Table, points: usize) -> (Powers, u32) {
    let powers = in_place::roots(table, points);
    let count = passes(points).filter(|p| p.len() > 1).map_or(0, |p| points / p[0]);
    (powers, table.powers(4 * points, count, 1))
}

impl Key {
    fn shape(&self) -> Lines {
        Lines { points: self.points, lines: self.lines, across: self.across() }
    }

    /// Neighbouring invocations work on neighbouring lines, which are columns.
    fn across(&self) -> bool {
        matches!(self.part, Part::First | Part::Last)
    }

    fn twisted(&self) -> bool {
        self.part != Part::Rows
    }

    /// The name of the pipeline.
    pub(super) fn label(&self) -> String {
        let Self { part, points, lines, items, fit, half, wraps, spectrum, skip, before, after } = *self;
        let words = [
            ("half", half),
            ("wraps", wraps),
            ("spectrum", spectrum),
            ("skip", skip),
            ("before", before),
            ("after", after),
        ];
        format!("circular {part:?} {points} x{lines} of {items} {fit:?}{}", those_that_hold(&words))
            .to_lowercase()
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
        let shape = self.shape();
        let passes = shape.passes();
        let levels = passes.len();
        let mut out = declare(&self.operands());
        out += &shape.declarations();
        out += &self.functions();
        let _ = writeln!(
            out,
            "@compute @workgroup_size({})\nfn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {{\n\
             let line0 = (group.y * P.groups_x + group.x) * {}u;",
            shape.group(),
            self.lines
        );
        let (powers, twist) = roots(&mut Table::default(), self.points);
        let turns = |level: usize, pass: Pass| -> String {
            let base = (level == 0 && self.twisted()).then(|| format!("T[{twist}u + j]"));
            Lines::turns(&powers, level, pass, base.as_deref())
        };
        let last = levels - 1;
        if self.part != Part::Last {
            for (level, &pass) in passes.iter().enumerate() {
                let mut body = HERE.to_owned();
                if level == 0 {
                    for q in 0..pass.radix {
                        let _ = writeln!(body, "v[{q}] = {};", self.input(pass, q));
                    }
                } else {
                    body += &Lines::read(pass);
                }
                let _ = writeln!(body, "dft{}(&v);", pass.radix);
                body += &turns(level, pass);
                if level == last {
                    body += &self.middle(pass, &passes);
                    if self.part == Part::First || self.spectrum {
                        shape.items(&mut out, pass, &body);
                        return out + "}\n";
                    }
                    let _ = writeln!(body, "dft{}(&v);", pass.radix);
                }
                if level == last && last == 0 {
                    body += &self.output(pass);
                } else {
                    body += &Lines::write(pass);
                }
                shape.items(&mut out, pass, &body);
                if last > 0 {
                    out += "workgroupBarrier();\n";
                }
            }
        }
        for (level, &pass) in passes.iter().enumerate().rev() {
            if level == last && self.part != Part::Last {
                continue;
            }
            let mut body = HERE.to_owned();
            if level == last {
                for q in 0..pass.radix {
                    let _ = writeln!(body, "v[{q}] = {};", self.between_item(pass, q));
                }
                body += &self.between(pass, &passes);
            } else {
                body += &Lines::read(pass);
            }
            body += &turns(level, pass);
            let _ = writeln!(body, "dft{}(&v);", pass.radix);
            if level == 0 {
                body += &self.output(pass);
            } else {
                body += &Lines::write(pass);
            }
            shape.items(&mut out, pass, &body);
            if level > 0 {
                out += "workgroupBarrier();\n";
            }
        }
        out + "}\n"
    }

    /// `row_of`, and `real_at`: an element of a line, 0 outside.
    fn functions(&self) -> String {
        // P.more[0].y: tiles of a line, channels, length of a line; P.more[1]: useful points of a tile, those before them, from one channel's spectrum
        // to the next, points of a whole line; P.more[2]: the roots of long lines, the first line. Divisions are slow where nothing is known of the divisor.
        let items = self.items;
        let place = match self.fit {
            Fit::Tiles => {
                "    let line = (row + P.more[2].w) / P.more[0].y;\n    let tile = (row + P.more[2].w) - line * P.more[0].y;\n    \
                 let first = i32(tile * P.more[1].x) - i32(P.more[1].y);"
            }
            Fit::Single | Fit::Exact => "    let line = row + P.more[2].w;\n    let first = 0;",
        };
        let mut out = format!(
            "struct Row {{
    start: i32,
    first: i32,
    channel: u32,
    column: u32,
    scratch: u32,
}}

fn row_of(item: u32) -> Row {{
    let row = item / {items}u;
{place}
    return Row(i32(line * P.more[0].w), first, line % P.more[0].z, item % {items}u, row);
}}
"
        );
        if self.operands().iter().any(|(name, _, _)| *name == "U") {
            let gate = if self.before { format!(" * G[{} + at]", self.base("G")) } else { String::new() };
            let (at, value) = match self.fit {
                Fit::Exact => ("i", "x"),
                _ => ("clamp(i, 0, i32(P.more[0].w) - 1)", "select(0.0, x, i >= 0 && i < i32(P.more[0].w))"),
            };
            let _ = writeln!(
                out,
                "fn real_at(row: Row, n: u32) -> f32 {{\n    let i = row.first + i32(n);\n    let at = row.start + {at};\n    \
                 let x = U[{} + at]{gate};\n    return {value};\n}}",
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
            let outside = match self.fit {
                Fit::Tiles => {
                    "    if (n < P.more[1].y || n >= P.more[1].x + P.more[1].y || i >= i32(P.more[0].w)) {\n        return;\n    }\n"
                }
                Fit::Single => "    if (i >= i32(P.more[0].w)) {\n        return;\n    }\n",
                Fit::Exact => "",
            };
            let _ = writeln!(
                out,
                "fn save(row: Row, n: u32, value: f32) {{\n    let i = row.first + i32(n);\n{outside}    \
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
                    true => format!("{point} * {}u + row.column", self.items),
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
            "X[{} + i32((row.scratch * {}u + rest * {}u + {q}u) * {}u + row.column)]",
            self.base("X"),
            self.points,
            pass.radix,
            self.items
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
            let n = if self.across() { format!("{point} * {}u + row.column", self.items) } else { point };
            let value = if self.wraps { format!("y{q}.y - y{q}.x") } else { format!("y{q}.y") };
            let twist = Self::twist(pass, q);
            let _ = writeln!(out, "let y{q} = cmul(v[{q}], {twist});\nsave(row, {n}, {value});");
            if !self.half {
                let _ = writeln!(out, "save(row, {n} + P.more[1].w, -y{q}.x);");
            }
        }
        out + "}\n"
    }
}
