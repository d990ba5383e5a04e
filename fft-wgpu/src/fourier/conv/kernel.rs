//! Kernels of convolutions of planes, of lines with several channels and of solids, by the convolution theorem.
//!
//! The last axis of a tile is a real line of `2 M` points that lies as `M` complex numbers (see [`circular`]): what leaves it at its end comes
//! back negated at its start, where overlap-save leaves it out. Along the axes before it columns are complex. All transforms are in place
//! ([`crate::fourier::in_place`]), and spectra stay in the order in which decimation leaves them.
//!
//! A volume is a tile of one channel: `[points, points, M]` complex numbers, with 1 for axes that are not there.

use std::fmt::Write;

use crate::call::declare;
use crate::fourier::circular;
use crate::fourier::in_place::{Lines, Pass};
use crate::fourier::plan::Table;
use crate::fourier::those_that_hold;

/// What a kernel does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// Lines of one channel: there, the product, and back.
    Line,
    /// From the input to rows.
    RowsThere,
    /// From rows to the result.
    RowsBack,
    /// Columns, there.
    ColumnsThere,
    /// Columns there, the product of one channel, and back.
    Columns,
    /// Columns, back.
    ColumnsBack,
}

/// A kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) part: Part,
    /// Complex points of its lines.
    pub(super) points: usize,
    /// Lines of a workgroup.
    pub(super) lines: usize,
    /// The axis along which they are: 2 for rows.
    pub(super) axis: usize,
    /// The way back begins with the product: an input channel has several output channels.
    pub(super) apart: bool,
    /// Not all points of the last axis are outputs.
    pub(super) strided: bool,
    pub(super) bias: bool,
}

/// What every transform of a first or last pass knows. Behind the last line it is read again, and not written.
const HERE: &str =
    "let at = place_of(min(line0 + line, P.count - 1u));\nlet here = at.here && line0 + line < P.count;\n";

/// Where a tile is. `P.more[0]`: tiles of a channel in all batches, of one batch, the first one, input channels of a batch; `P.more[1].z`: output
/// channels of an input channel; for each axis `P.steps[axis]`: tiles, from one to the next, the start of the first, elements of the input;
/// `P.steps[3 + axis]`: points that a tile reads, its outputs, from one to the next, outputs in all.
const TILE: &str = "struct Tile {
    channel: u32,
    batch: u32,
    at: vec3<i32>,
}

fn tile_of(volume: u32) -> Tile {
    let channel = volume / P.more[0].x;
    let rest = volume - channel * P.more[0].x;
    let batch = rest / P.more[0].y;
    let tile = rest - batch * P.more[0].y + P.more[0].z;
    let rows = u32(P.steps[1].x);
    let columns = u32(P.steps[2].x);
    let row = tile / columns;
    return Tile(channel, batch, vec3<i32>(i32(row / rows), i32(row % rows), i32(tile - row * columns)));
}

fn start_of(tile: Tile, axis: u32) -> i32 {
    return tile.at[axis] * P.steps[axis].y + P.steps[axis].z;
}
";

/// A row of a tile: `P.more[1].xy` rows of each volume along the axes before the last; `P.more[2]`: numbers of a volume, of a plane, of a row,
/// and output channels of a batch.
const ROW: &str = "struct Place {
    here: bool,
    channel: u32,
    row: i32,
    input: i32,
    start: i32,
    output: i32,
    outputs: i32,
}

fn place_of(item: u32) -> Place {
    let planes = item / P.more[1].y;
    let volume = planes / P.more[1].x;
    let tile = tile_of(volume);
    let n = vec2<i32>(i32(planes - volume * P.more[1].x), i32(item - planes * P.more[1].y));
    var at = Place(true, tile.channel, 0, 0, start_of(tile, 2u), 0, 0);
    var row = vec2<i32>(0);
";

/// Rows that are read begin with the first that lies within the input.
const READ: &str = "    {
        let start = vec2<i32>(start_of(tile, 0u), start_of(tile, 1u));
        let first = n + max(-start, vec2<i32>(0));
        let input = vec2<i32>(P.steps[0].w, P.steps[1].w);
        let element = min(start + first, input - 1);
        at.here = all(start + first < input) && first.x < P.steps[3].x && first.y < P.steps[4].x;
        let channel = i32(tile.batch * P.more[0].w + tile.channel / P.more[1].z);
        at.input = ((channel * input.x + element.x) * input.y + element.y) * P.steps[2].w;
        row = first;
    }
";

const WRITTEN: &str = "    {
        let first = vec3<i32>(tile.at.x * P.steps[3].y, tile.at.y * P.steps[4].y, tile.at.z * P.steps[5].y);
        let output = vec2<i32>(P.steps[3].w, P.steps[4].w);
        let element = first.xy + n;
        at.here = all(element < output);
        let channel = i32(tile.batch * P.more[2].w + tile.channel);
        at.output = ((channel * output.x + element.x) * output.y + element.y) * P.steps[5].w + first.z;
        at.outputs = min(P.steps[5].y, P.steps[5].w - first.z);
        row = n * vec2<i32>(P.steps[3].z, P.steps[4].z);
    }
";

/// A column: `P.more[1].x` planes of each volume, `P.more[1].w` columns of each plane.
const COLUMN: &str = "struct Place {
    here: bool,
    channel: u32,
    volume: i32,
    first: i32,
    low: i32,
    high: i32,
    limit: i32,
}

fn place_of(item: u32) -> Place {
    let planes = item / P.more[1].w;
    let volume = planes / P.more[1].x;
    let tile = tile_of(volume);
    let n = i32(planes - volume * P.more[1].x);
    let start = start_of(tile, AXISu);
    let high = min(P.steps[OUTu].x, P.steps[AXISu].w - start);
    let outputs = min(P.steps[OUTu].y, P.steps[OUTu].w - tile.at[AXISu] * P.steps[OUTu].y);
    let limit = (outputs - 1) * P.steps[OUTu].z + 1;
    var plane = 0;
    var here = true;
";

impl Key {
    pub(super) fn columns(&self) -> bool {
        matches!(self.part, Part::ColumnsThere | Part::Columns | Part::ColumnsBack)
    }

    fn goes(&self) -> bool {
        !matches!(self.part, Part::RowsBack | Part::ColumnsBack)
    }

    fn returns(&self) -> bool {
        !matches!(self.part, Part::RowsThere | Part::ColumnsThere)
    }

    /// The name of the pipeline.
    pub(super) fn label(&self) -> String {
        let Self { part, points, lines, axis, apart, strided, bias } = *self;
        let words = [("first", axis == 0), ("apart", apart), ("strided", strided), ("bias", bias)];
        format!("plane {part:?} {points} x{lines}{}", those_that_hold(&words)).to_lowercase()
    }

    /// Names of the operands with their types, and whether they are written.
    pub(super) fn operands(&self) -> Vec<(&'static str, &'static str, bool)> {
        let (real, complex) = ("f32", "vec2<f32>");
        let mut out = vec![("T", complex, false)];
        if matches!(self.part, Part::Line | Part::RowsThere) {
            out.push(("U", real, false));
        }
        if self.apart {
            out.push(("F", complex, false));
        }
        if self.part != Part::Line && !(self.apart && self.part == Part::RowsBack) {
            out.push(("X", complex, self.part != Part::RowsBack));
        }
        if self.apart || matches!(self.part, Part::Line | Part::Columns) {
            out.push(("H", complex, false));
        }
        if matches!(self.part, Part::Line | Part::RowsBack) {
            if self.bias {
                out.push(("B", real, false));
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
        let shape = Lines { points: self.points, lines: self.lines, across: self.columns() };
        let passes = shape.passes();
        let last = passes.len() - 1;
        let (powers, twist) = circular::roots(&mut Table::default(), self.points);
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
        let turns = |level: usize, pass: Pass| -> String {
            let base = (level == 0 && !self.columns()).then(|| format!("T[{twist}u + j]"));
            Lines::turns(&powers, level, pass, base.as_deref())
        };
        let ends = |body: String, begins: bool| if begins { format!("{HERE}{body}") } else { body };
        if self.goes() {
            for (level, &pass) in passes.iter().enumerate() {
                let mut body = if level == 0 { self.load(pass) } else { Lines::read(pass) };
                let _ = writeln!(body, "dft{}(&v);", pass.radix);
                body += &turns(level, pass);
                match (level == last, self.returns()) {
                    (false, _) => body += &Lines::write(pass),
                    (true, false) => body += &self.keep(pass),
                    (true, true) => {
                        body += &self.product(pass);
                        let _ = writeln!(body, "dft{}(&v);", pass.radix);
                        body += &if level == 0 { self.save(pass) } else { Lines::write(pass) };
                    }
                }
                shape.items(&mut out, pass, &ends(body, level == 0 || level == last));
                if level < last || (last > 0 && self.returns()) {
                    out += "workgroupBarrier();\n";
                }
            }
        }
        if self.returns() {
            for (level, &pass) in passes.iter().enumerate().rev().skip(usize::from(self.goes())) {
                let mut body = if level == last { self.kept(pass) } else { Lines::read(pass) };
                body += &turns(level, pass);
                let _ = writeln!(body, "dft{}(&v);", pass.radix);
                body += &if level == 0 { self.save(pass) } else { Lines::write(pass) };
                shape.items(&mut out, pass, &ends(body, level == 0 || level == last));
                if level > 0 {
                    out += "workgroupBarrier();\n";
                }
            }
        }
        out + "}\n"
    }

    /// `place_of`, and what reads elements of the input and writes those of the result.
    fn functions(&self) -> String {
        let mut out = TILE.to_owned();
        if self.columns() {
            let out_axis = format!("{}u", 3 + self.axis);
            out += &COLUMN.replace("AXISu", &format!("{}u", self.axis)).replace("OUTu", &out_axis);
            // Columns along the first axis go through all planes.
            out += match self.part {
                _ if self.axis == 0 => "",
                Part::ColumnsBack => {
                    "    plane = n * P.steps[3].z;\n    here = tile.at.x * P.steps[3].y + n < P.steps[3].w;\n"
                }
                _ => {
                    "    let before = start_of(tile, 0u);\n    plane = n + max(-before, 0);\n    \
                     here = plane < P.steps[3].x && before + plane < P.steps[0].w;\n"
                }
            };
            out += "    let first = plane * i32(P.more[2].y) + i32(item - planes * P.more[1].w);\n    \
                    return Place(here, tile.channel, i32(volume * P.more[2].x), first, max(-start, 0), high, limit);\n}\n";
            return out;
        }
        out += ROW;
        if self.goes() {
            out += READ;
        }
        if self.returns() {
            out += WRITTEN;
        }
        out += "    at.row = i32(volume * P.more[2].x) + row.x * i32(P.more[2].y) + row.y * i32(P.more[2].z);\n    return at;\n}\n";
        if self.goes() {
            let _ = writeln!(
                out,
                "fn real_at(at: Place, n: u32) -> f32 {{\n    let i = at.start + i32(n);\n    \
                 let x = U[{} + at.input + clamp(i, 0, P.steps[2].w - 1)];\n    \
                 return select(0.0, x, i >= 0 && i < P.steps[2].w && i32(n) < P.steps[5].x);\n}}",
                self.base("U")
            );
        }
        if self.returns() {
            let output = if self.strided {
                "    let output = i32(n) / P.steps[5].z;\n    if (output * P.steps[5].z != i32(n) || output >= at.outputs) {\n"
            } else {
                "    let output = i32(n);\n    if (output >= at.outputs) {\n"
            };
            let bias = match self.bias {
                true => format!(" + B[{} + i32(at.channel)]", self.base("B")),
                false => String::new(),
            };
            let _ = writeln!(
                out,
                "fn save(at: Place, n: u32, value: f32) {{\n{output}        return;\n    }}\n    \
                 D[{} + at.output + output] = value{bias};\n}}",
                self.base("D")
            );
        }
        out
    }

    /// The factor of point `q` of the first pass of a row, beside that of its transform: nothing for 1.
    fn twist(pass: Pass, q: usize) -> Option<String> {
        let angle = -std::f64::consts::FRAC_PI_2 * q as f64 / pass.radix as f64;
        (q > 0).then(|| format!("vec2<f32>({:.17}, {:.17})", angle.cos(), angle.sin()))
    }

    /// The points of the first pass.
    fn load(&self, pass: Pass) -> String {
        let mut out = String::new();
        for q in 0..pass.radix {
            let n = format!("j + {}u", q * pass.step());
            let _ = if self.columns() {
                // Rows outside the input were not written.
                let point = self.number("X", &n);
                writeln!(
                    out,
                    "if (i32({n}) >= at.low && i32({n}) < at.high) {{ v[{q}] = {point}; }} else {{ v[{q}] = vec2<f32>(0.0); }}"
                )
            } else {
                let x = format!("vec2<f32>(real_at(at, {n}), -real_at(at, {n} + {}u))", self.points);
                match Self::twist(pass, q) {
                    Some(twist) => writeln!(out, "v[{q}] = cmul({x}, {twist});"),
                    None => writeln!(out, "v[{q}] = {x};"),
                }
            };
        }
        out
    }

    /// Number `n` of the line at hand: of tiles, or of a kernel's spectrum, where lines begin at `h`.
    fn number(&self, name: &str, n: &str) -> String {
        let base = self.base(name);
        match (self.columns(), name) {
            (true, "H") => format!("H[h + at.first + i32(({n}) * P.more[1].w)]"),
            (true, _) => format!("{name}[{base} + at.volume + at.first + i32(({n}) * P.more[1].w)]"),
            (false, "H") => format!("H[h + i32({n})]"),
            (false, _) => format!("{name}[{base} + at.row + i32({n})]"),
        }
    }

    /// The number that point `q` of a transform of the last pass is kept as.
    fn bin(&self, pass: Pass, q: usize) -> String {
        format!("{}u + rest", q * (self.points / pass.radix))
    }

    /// The end of the way there.
    fn keep(&self, pass: Pass) -> String {
        let store = |q| format!("{} = v[{q}] * P.value.xy;\n", self.number("X", &self.bin(pass, q)));
        let stores: String = (0..pass.radix).map(store).collect();
        format!("if (here) {{\n{stores}}}\n")
    }

    /// The begin of the way back, which is the way there of numbers with exchanged parts.
    fn kept(&self, pass: Pass) -> String {
        if !self.apart {
            let load = |q| format!("v[{q}] = {}.yx;\n", self.number("X", &self.bin(pass, q)));
            return (0..pass.radix).map(load).collect();
        }
        // The tiles of the input channel lie nearer to the first by those of the output channels between.
        let place = if self.columns() { "volume" } else { "row" };
        let mut out =
            "let nearer = i32((at.channel - at.channel / P.more[1].z) * P.more[0].x * P.more[2].x);\n"
                .to_owned();
        for q in 0..pass.radix {
            let from = self.number("F", &self.bin(pass, q));
            let from = from.replace(&format!("at.{place}"), &format!("at.{place} - nearer"));
            let _ = writeln!(out, "v[{q}] = {from};");
        }
        out + &self.product(pass)
    }

    /// The product with the spectrum of the kernel, parts exchanged.
    fn product(&self, pass: Pass) -> String {
        let mut out = format!("let h = {} + i32(at.channel * P.more[2].x);\n", self.base("H"));
        for q in 0..pass.radix {
            let _ = writeln!(out, "v[{q}] = cmul(v[{q}], {}).yx;", self.number("H", &self.bin(pass, q)));
        }
        out
    }

    /// Writes the results of the last pass back.
    fn save(&self, pass: Pass) -> String {
        let mut out = "if (here) {\n".to_owned();
        for q in 0..pass.radix {
            let n = format!("j + {}u", q * pass.step());
            let _ = if self.columns() {
                let point = self.number("X", &n);
                writeln!(out, "if (i32({n}) < at.limit) {{ {point} = v[{q}].yx; }}")
            } else {
                let y = match Self::twist(pass, q) {
                    Some(twist) => format!("cmul(v[{q}], {twist})"),
                    None => format!("v[{q}]"),
                };
                writeln!(
                    out,
                    "let y{q} = {y};\nsave(at, {n}, y{q}.y);\nsave(at, {n} + {}u, -y{q}.x);",
                    self.points
                )
            };
        }
        out + "}\n"
    }
}
