//! A kernel for transforms of any kind of a length: what points are and what they are multiplied by is told by flags.
//!
//! Only complex lines, and those whose length is a power of two, have a kernel of each kind: compiling more costs more than they gain. This one fills workgroup memory first and empties
//! it last, so that the text for one point is there once; between, transforms are in place ([`super::in_place`]).

use std::fmt::Write;

use super::in_place::{Lines, place_expression, roots};
use super::kernel::{self, BAND_IN, BAND_OUT, Factor, Load, Save, UNFOLDED, two_tables};
use super::plan::Table;

/// A kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) points: usize,
    pub(super) lines: usize,
    /// The whole convolution with a chirp.
    pub(super) chirped: bool,
    /// Points are multiplied by something else when they are read or written.
    pub(super) factors: bool,
    /// Bins in the middle are not written, and zeros when they are read: see [`super::band`].
    pub(super) band: bool,
}

/// The flags of a kernel's kind, beside those of every kernel.
pub(super) fn flags(key: &kernel::Key) -> u32 {
    let load = match key.load {
        Load::Complex => 0,
        Load::Real => 1,
        Load::Pairs => 2,
        Load::Mirrored => 3,
        Load::Folded => 4,
    };
    let save = match key.save {
        Save::Complex => 0,
        Save::Half => 1,
        Save::Real => 2,
        Save::Pairs => 3,
        Save::Unfolded => 4,
    };
    let factor = |f: Factor| match f {
        Factor::None => 0,
        Factor::Chirp => 1,
        Factor::Spectrum => 2,
        Factor::Roots => 3,
    };
    factor(key.read) << 3 | factor(key.write) << 5 | load << 24 | save << 27
}

const LOAD: &str = "
fn number(at: vec4<i32>, j: u32) -> u32 {
    return j * P.more[0].z + select(u32(at.z), 0u, (P.flags & 4u) != 0u);
}

// Two words of the source, whatever they stand for; behind its elements there are zeros.
fn load(at: vec4<i32>, n: u32) -> vec2<f32> {
    let kind = (P.flags >> 24u) & 7u;
    let real = kind == 1u || kind == 2u;
    let pairs = kind == 2u;
    let mirrored = kind == 3u && 2u * n > P.more[0].w;
    var i = select(select(n, P.more[0].w - n, mirrored), 2u * n, pairs);
{{BAND}}    let k = select(i, i + 1u, pairs);
    let last = P.more[0].y - 1u;
    let a = at.y + i32(min(i, last)) * bitcast<i32>(P.more[0].x);
    let b = at.y + i32(min(k, last)) * bitcast<i32>(P.more[0].x);
    let x = select(0.0, S[select(2 * a, a, real)], i <= last);
    let y = select(0.0, S[select(2 * b + 1, b, real)], k <= last && kind != 1u && !(kind == 3u && n == 0u));
    return vec2<f32>(x, select(y, -y, mirrored));
}

fn load_folded(at: vec4<i32>, n: u32) -> vec2<f32> {
    var a = load(at, n);
    var b = load(at, P.more[0].w / 2u - n);
    a.y = select(a.y, 0.0, n == 0u);
    b.y = select(-b.y, 0.0, n == 0u);
    let d = cmul_conj(a - b, root(n));
    return a + b + vec2<f32>(-d.y, d.x);
}

fn loaded(value: vec2<f32>, n: u32) -> vec2<f32> {
    var v = select(value, value.yx, (P.flags & 1u) != 0u);
{{LOADED}}    return v;
}
";

/// Bins that are not in memory are read behind the last one.
const LOAD_BAND: &str = "    let band = {{BAND_IN}};
    i = select(select(i, i - band.y, i >= band.x), P.more[0].y, i >= band.x && i < band.x + band.y);
";

/// Behind the line there is nothing, whatever a longer source holds there.
const CHIRPED: &str = "    let place = P.more[1].z + min(n, P.shape[1].w - 1u);
    v = select(vec2<f32>(0.0, 0.0), cmul(v, T[place]), n < P.shape[1].w);
";

const FACTOR: &str = "    let factor = (P.flags >> 3u) & 3u;
    if (factor == 1u) {
        v = select(vec2<f32>(0.0, 0.0), cmul(v, T[P.more[1].z + min(n, P.shape[1].w - 1u)]), n < P.shape[1].w);
    }
    if (factor == 2u) {
        v = cmul(v, T[P.more[1].w + n]).yx;
    }
";

const SAVE: &str = "
fn save(at: vec4<i32>, k: u32, value: vec2<f32>) {
    var x = value;
    var q = u32(at.w) + k * P.more[1].y;
    var inside = true;
{{FACTOR}}    x = select(x, x.yx, (P.flags & 2u) != 0u) * P.value.x;
    let kind = (P.flags >> 27u) & 7u;
    let half = kind == 1u;
    let real = kind == 2u || kind == 3u;
    let pairs = kind == 3u;
    x.y = select(x.y, 0.0, half && q == 0u);
    let step = bitcast<i32>(P.more[1].x);
{{BAND}}    let i = at.x + i32(select(q, 2u * q, pairs)) * step;
    if (inside && (!half || 2u * q <= P.more[0].w)) {
        D[select(2 * i, i, real)] = x.x;
        if (kind != 2u) {
            D[select(2 * i + 1, i + step, real)] = x.y;
        }
    }
}
";

const SAVE_BAND: &str = "    let band = {{BAND_OUT}};
    let behind = q >= band.x;
    if (behind && q < band.x + band.y) {
        return;
    }
    q = select(q, q - band.y, behind);
";

const SAVE_CHIRPED: &str = "    inside = q < P.shape[1].w;
    x = cmul(x.yx, T[P.more[1].z + min(q, P.shape[1].w - 1u)]);
";

const SAVE_FACTOR: &str = "    let factor = (P.flags >> 5u) & 3u;
    if (factor == 3u) {
        x = cmul(x, turn(u32(at.z) * k));
    }
    if (factor == 1u) {
        inside = q < P.shape[1].w;
        x = cmul(x.yx, T[P.more[1].z + min(q, P.shape[1].w - 1u)]);
    }
";

/// Fills workgroup memory: with points, or with those that half spectra are turned into.
const FILL: &str = "
    let folds = ((P.flags >> 24u) & 7u) == 4u;
    for (var i = local; i < select({{TOTAL}}u, 0u, folds); i += {{GROUP}}u) {
        let across = (P.flags & 128u) != 0u;
        let line = select(i / {{POINTS}}u, i % {{LINES}}u, across);
        let j = select(i % {{POINTS}}u, i / {{LINES}}u, across);
        // Behind the last line it is read again, and not written.
        let at = places_within(min(line0 + line, P.count - 1u));
        let n = number(at, j);
        W[place(line, j)] = loaded(load(at, n), n);
    }
    for (var i = local; i < select(0u, {{TOTAL}}u, folds); i += {{GROUP}}u) {
        let across = (P.flags & 128u) != 0u;
        let line = select(i / {{POINTS}}u, i % {{LINES}}u, across);
        let j = select(i % {{POINTS}}u, i / {{LINES}}u, across);
        let at = places_within(min(line0 + line, P.count - 1u));
        let n = number(at, j);
        W[place(line, j)] = loaded(load_folded(at, n), n);
    }
    workgroupBarrier();
";

/// Empties it; half spectra of real lines are made from the spectra of their pairs.
const EMPTY: &str = "
    let unfolds = ((P.flags >> 27u) & 7u) == 4u;
    let across = (P.flags >> 30u) != 0u;
    for (var i = local; i < select({{TOTAL}}u, 0u, unfolds); i += {{GROUP}}u) {
        let line = select(i / {{POINTS}}u, i % {{LINES}}u, across);
        let k = select(i % {{POINTS}}u, i / {{LINES}}u, across);
        if (line0 + line < P.count) {
            save(places_within(line0 + line), k, W[place(line, {{PLACE}})]);
        }
    }
    let length = {{LENGTH}};
    let bins = {{BINS}};
    for (var i = local; i < select(0u, {{LINES}}u * bins, unfolds); i += {{GROUP}}u) {
        let line = select(i / bins, i % {{LINES}}u, across);
        let bin = select(i % bins, i / {{LINES}}u, across);
        if (line0 + line < P.count && bin <= length) {
            let at = places_within(line0 + line);
            let a = ended(line, select(bin, 0u, bin == length));
            let b = ended(line, select(length - bin, 0u, bin == 0u));
            let x = unfolded(bin, length, a, b) * P.value.x;
            let to = 2 * (at.x + i32(bin) * bitcast<i32>(P.more[1].x));
            D[to] = x.x;
            D[to + 1] = x.y;
        }
    }
}
";

impl Key {
    /// The name of the pipeline.
    pub(super) fn label(&self) -> String {
        let Self { points, lines, chirped, factors, band } = self;
        let chirped = if *chirped { " * chirp" } else { "" };
        let factors = if *factors { " * factors" } else { "" };
        let band = if *band { " band" } else { "" };
        format!("fft {points} x{lines} any{chirped}{factors}{band}")
    }

    /// The shader.
    pub(super) fn source(&self) -> String {
        let shape = Lines { points: self.points, lines: self.lines, across: false };
        let (passes, group) = (shape.passes(), shape.group());
        let powers = roots(&mut Table::default(), self.points);
        let mut out = String::from(
            "@group(0) @binding(0) var<uniform> P: Params;\n@group(0) @binding(1) var<storage, read> S: array<f32>;\n\
             @group(0) @binding(2) var<storage, read> T: array<vec2<f32>>;\n\
             @group(0) @binding(3) var<storage, read_write> D: array<f32>;\n",
        );
        out += &two_tables("root", "P.more[2].x", "P.more[2].y", "(P.flags >> 8u) & 31u");
        out += &two_tables("turn", "P.more[2].z", "P.more[2].w", "(P.flags >> 16u) & 31u");
        out += UNFOLDED;
        let (loaded, factor) = match (self.chirped, self.factors) {
            (true, _) => (CHIRPED, SAVE_CHIRPED),
            (_, true) => (FACTOR, SAVE_FACTOR),
            _ => ("", ""),
        };
        let (load_band, save_band, bins) = match self.band {
            true => (
                fft_shaders::fill(LOAD_BAND, &[("BAND_IN", BAND_IN)]),
                fft_shaders::fill(SAVE_BAND, &[("BAND_OUT", BAND_OUT)]),
                format!("{BAND_OUT}.x"),
            ),
            false => (String::new(), String::new(), format!("{}u", self.points + 1)),
        };
        out += &fft_shaders::fill(LOAD, &[("LOADED", loaded), ("BAND", &load_band)]);
        out += &fft_shaders::fill(SAVE, &[("FACTOR", factor), ("BAND", &save_band)]);
        out += &shape.declarations();
        // After a convolution with a chirp bins are in order; its factor and the exchange of parts are still to come, and the line is shorter.
        let place = if self.chirped { "k".to_owned() } else { place_expression(self.points, "k") };
        let value = format!("W[place(line, {place})]");
        let value = if self.chirped { format!("cmul({value}.yx, T[P.more[1].z + k])") } else { value };
        let _ = write!(
            out,
            "fn ended(line: u32, k: u32) -> vec2<f32> {{\n    return {value};\n}}\n\
             @compute @workgroup_size({group})\n\
             fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {{\n    \
             let line0 = (group.y * P.groups_x + group.x) * {}u;\n",
            self.lines
        );
        let numbers = [self.points * self.lines, group, self.points, self.lines].map(|n| n.to_string());
        let [total, group, points, lines] = &numbers;
        let length = if self.chirped { "P.shape[1].w".to_owned() } else { format!("{points}u") };
        let words = [
            ("TOTAL", &**total),
            ("GROUP", group),
            ("POINTS", points),
            ("LINES", lines),
            ("PLACE", &place),
            ("LENGTH", &length),
            ("BINS", &bins),
        ];
        out += &fft_shaders::fill(FILL, &words);
        for (level, &pass) in passes.iter().enumerate() {
            let mut body = format!("{}dft{}(&v);\n", Lines::read(pass), pass.radix);
            body += &Lines::turns(&powers, level, pass, None);
            if self.chirped && level + 1 == passes.len() {
                // The product of the two spectra, its parts exchanged for the way back.
                for q in 0..pass.radix {
                    let place = format!("P.more[1].w + {}u + rest", q * self.points / pass.radix);
                    let _ = writeln!(body, "v[{q}] = cmul(v[{q}], T[{place}]).yx;");
                }
                let _ = writeln!(body, "dft{}(&v);", pass.radix);
            }
            body += &Lines::write(pass);
            shape.items(&mut out, pass, &body);
            out += "workgroupBarrier();\n";
        }
        let back = if self.chirped { passes.len() - 1 } else { 0 };
        for (level, &pass) in passes.iter().enumerate().take(back).rev() {
            let turns = Lines::turns(&powers, level, pass, None);
            let body = format!("{}{turns}dft{}(&v);\n{}", Lines::read(pass), pass.radix, Lines::write(pass));
            shape.items(&mut out, pass, &body);
            out += "workgroupBarrier();\n";
        }
        out + &fft_shaders::fill(EMPTY, &words)
    }
}
