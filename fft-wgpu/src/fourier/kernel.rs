//! The kernel of one kind of transform, written for a line length: whole lines in workgroup memory, a Stockham pass for each radix, the first reading
//! the source and the last writing the result. Between two barriers values live in registers, so that a line is held once.

use std::fmt::Write;

use super::plan::Table;
use super::{butterfly, in_place};

/// How points of a line are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Load {
    /// Complex numbers.
    Complex,
    /// Real numbers.
    Real,
    /// Pairs of real numbers as complex ones.
    Pairs,
    /// Half a spectrum, the other half mirrored.
    Mirrored,
    /// Half a spectrum of real pairs, turned into the spectrum of the pairs as complex numbers.
    Folded,
}

/// How results of a line are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Save {
    /// Complex numbers.
    Complex,
    /// Half of a real line's spectrum.
    Half,
    /// The real part.
    Real,
    /// Complex numbers as pairs of real ones.
    Pairs,
    /// The spectrum of pairs, turned into half the spectrum of the real line.
    Unfolded,
}

/// A kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// Points of a line; radices multiply to it.
    pub(super) points: usize,
    /// Lines of a workgroup.
    pub(super) lines: usize,
    pub(super) load: Load,
    pub(super) save: Save,
    /// Points are multiplied by a chirp when read, or by its spectrum.
    pub(super) read: Factor,
    /// Results are multiplied by roots of unity (between the steps of a long line) or by a chirp.
    pub(super) write: Factor,
    /// Bins in the middle are not written, and zeros when they are read: see [`super::band`].
    pub(super) band: bool,
}

/// What points are multiplied by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Factor {
    None,
    /// The chirp of a line whose length no radices multiply to.
    Chirp,
    /// The transform of the chirp.
    Spectrum,
    /// Roots of unity by the product of the line's place and the point.
    Roots,
}

/// Whether neighbouring invocations read the same point of neighbouring lines, and whether they write so.
const LOAD_ACROSS: &str = "(P.flags & 128u) != 0u";
const SAVE_ACROSS: &str = "(P.flags >> 30u) != 0u";

/// The bins of a line that are read, and those that are written: so many are in memory, then so many are not.
pub(super) const BAND_IN: &str = "vec2<u32>(P.steps[7].xy)";
pub(super) const BAND_OUT: &str = "vec2<u32>(P.steps[7].zw)";

impl Key {
    /// From one line to the next in workgroup memory: odd where there is room, so that neighbours across lines lie in different banks.
    fn pitch(&self) -> usize {
        if self.lines > 2 { self.points | 1 } else { self.points }
    }

    /// The radices of the passes, the smallest first: the roots of a pass then are those of one that decimates in frequency.
    fn radices(&self) -> Vec<usize> {
        let mut radices = butterfly::passes(self.points).unwrap_or_default();
        radices.reverse();
        radices
    }

    /// Invocations of a workgroup: as many as passes leave few of idle, but so that each has at most 32 points.
    fn group(&self) -> usize {
        let radices = self.radices();
        let items = |r: usize| self.points * self.lines / r;
        let work = |group: usize| radices.iter().map(|&r| items(r).next_multiple_of(group)).sum::<usize>();
        let few = |group: usize| group == 256 || radices.iter().all(|&r| items(r).div_ceil(group) * r <= 32);
        let groups = (1..=8).map(|i| 32 * i).filter(|&g| few(g));
        groups.min_by_key(|&g| (work(g), std::cmp::Reverse(g))).unwrap_or(256)
    }

    /// The name of the pipeline.
    pub(super) fn label(&self) -> String {
        let Self { points, lines, load, save, read, write, band } = self;
        let factor = |factor: &Factor| match factor {
            Factor::None => String::new(),
            other => format!(" * {other:?}"),
        };
        let (read, write) = (factor(read), factor(write));
        let band = if *band { " band" } else { "" };
        format!("fft {points} x{lines} {load:?}{read} -> {save:?}{write}{band}").to_lowercase()
    }

    /// The shader.
    pub(super) fn source(&self) -> String {
        let radices = self.radices();
        let real_in = matches!(self.load, Load::Real | Load::Pairs);
        let real_out = matches!(self.save, Save::Real | Save::Pairs);
        let source = if real_in { "f32" } else { "vec2<f32>" };
        let result = if real_out { "f32" } else { "vec2<f32>" };
        let mut out = format!(
            "@group(0) @binding(0) var<uniform> P: Params;\n@group(0) @binding(1) var<storage, read> S: array<{source}>;\n\
             @group(0) @binding(2) var<storage, read> T: array<vec2<f32>>;\n\
             @group(0) @binding(3) var<storage, read_write> D: array<{result}>;\n"
        );
        let memory = self.lines * self.pitch();
        if radices.len() > 1 || self.save == Save::Unfolded {
            let _ = writeln!(out, "var<workgroup> W: array<vec2<f32>, {memory}>;");
        }
        let mut distinct = radices.clone();
        distinct.dedup();
        for radix in distinct {
            out += &butterfly::function(radix);
        }
        out += &self.loading();
        out += &self.saving();
        let _ = writeln!(
            out,
            "@compute @workgroup_size({})\nfn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) \
             {{\n    let line0 = (group.y * P.groups_x + group.x) * {}u;",
            self.group(),
            self.lines
        );
        let to_memory = self.save == Save::Unfolded;
        self.passes(&mut out, &radices, to_memory);
        if to_memory {
            self.unfold(&mut out);
        }
        out + "}\n"
    }

    /// `load(at, j)`: the j-th point of the line at `at`.
    fn loading(&self) -> String {
        // P.more[0]: stride, length, weight of a point, length of the transform; at.z: the line's place within the points.
        // Behind the source's elements there are zeros: chosen after a read of the last, which costs less than a branch.
        let real = matches!(self.load, Load::Real | Load::Pairs);
        let zero = if real { "0.0" } else { "vec2<f32>(0.0, 0.0)" };
        let one = |to: &str, n: &str| {
            format!(
                "    var {to} = S[at.y + i32(min({n}, P.more[0].y - 1u)) * bitcast<i32>(P.more[0].x)];\n    \
                 {to} = select({zero}, {to}, {n} < P.more[0].y);\n"
            )
        };
        let body = match self.load {
            Load::Complex if self.band => {
                format!(
                    "    let behind = n >= {BAND_IN}.x;\n    let bin = select(n, n - {BAND_IN}.y, behind);\n{}    \
                     v = select(v, {zero}, behind && n < {BAND_IN}.x + {BAND_IN}.y);\n",
                    one("v", "bin")
                )
            }
            Load::Complex => one("v", "n"),
            Load::Real => one("a", "n") + "    let v = vec2<f32>(a, 0.0);\n",
            Load::Pairs => {
                one("a", "(2u * n)") + &one("b", "(2u * n + 1u)") + "    let v = vec2<f32>(a, b);\n"
            }
            Load::Mirrored => {
                "    let mirrored = 2u * n > P.more[0].w;\n    let k = select(n, P.more[0].w - n, mirrored);\n".to_owned()
                    + &one("v", "k")
                    + "    v.y = select(select(v.y, -v.y, mirrored), 0.0, n == 0u);\n"
            }
            Load::Folded => {
                "    let k = P.more[0].w / 2u - n;\n".to_owned()
                    + &one("a", "n")
                    + &one("b", "k")
                    + "    a.y = select(a.y, 0.0, n == 0u);\n    b.y = select(-b.y, 0.0, n == 0u);\n    let w = root(n);\n    \
                       let d = cmul_conj(a - b, w);\n    let v = a + b + vec2<f32>(-d.y, d.x);\n"
            }
        };
        let mut out = String::new();
        if self.load == Load::Folded || self.save == Save::Unfolded {
            out += &two_tables("root", "P.more[2].x", "P.more[2].y", "(P.flags >> 8u) & 31u");
        }
        // Behind the line there is nothing, whatever a longer source holds there.
        let (early, factor) = match self.read {
            Factor::Chirp => (
                "    if (n >= P.shape[1].w) {\n        return vec2<f32>(0.0, 0.0);\n    }\n",
                "    x = cmul(x, T[P.more[1].z + n]);\n",
            ),
            Factor::Spectrum => ("", "    x = cmul(x, T[P.more[1].w + n]).yx;\n"),
            _ => ("", ""),
        };
        // Flag 1: the other sign of the exponent, by exchanging the parts; flag 4: at.z is no place within the points.
        out + &format!(
            "fn load(at: vec4<i32>, j: u32) -> vec2<f32> {{\n    let n = j * P.more[0].z + select(u32(at.z), 0u, (P.flags & 4u) != 0u);\n\
             {early}{body}    var x = select(v, v.yx, (P.flags & 1u) != 0u);\n{factor}    return x;\n}}\n"
        )
    }

    /// `save(at, k, value)`: the k-th result of the line at `at`.
    fn saving(&self) -> String {
        // P.more[1]: stride, weight of a result; at.w: the line's place within the results.
        let mut out = String::new();
        let mut body = String::new();
        match self.write {
            Factor::Roots => {
                out += &two_tables("turn", "P.more[2].z", "P.more[2].w", "(P.flags >> 16u) & 31u");
                body += "    x = cmul(x, turn(u32(at.z) * k));\n";
            }
            Factor::Chirp => {
                body += "    if (q >= P.shape[1].w) {\n        return;\n    }\n    x = cmul(x.yx, T[P.more[1].z + q]);\n"
            }
            _ => {}
        }
        body += "    x = select(x, x.yx, (P.flags & 2u) != 0u) * P.value.x;\n";
        let one = |i: &str| format!("D[at.x + {i} * bitcast<i32>(P.more[1].x)]");
        let bin = if self.band && self.save != Save::Unfolded {
            body += &format!(
                "    let behind = q >= {BAND_OUT}.x;\n    if (behind && q < {BAND_OUT}.x + {BAND_OUT}.y) {{\n        return;\n    }}\n    \
                 let bin = select(q, q - {BAND_OUT}.y, behind);\n"
            );
            "i32(bin)"
        } else {
            "i32(q)"
        };
        body += &match self.save {
            Save::Complex | Save::Unfolded => format!("    {} = x;\n", one(bin)),
            Save::Half => format!(
                "    if (2u * q <= P.more[0].w) {{\n        if (q == 0u) {{\n            x.y = 0.0;\n        }}\n        {} = x;\n    }}\n",
                one(bin)
            ),
            Save::Real => format!("    {} = x.x;\n", one("i32(q)")),
            Save::Pairs => {
                format!("    {} = x.x;\n    {} = x.y;\n", one("i32(2u * q)"), one("i32(2u * q + 1u)"))
            }
        };
        out + &format!(
            "fn save(at: vec4<i32>, k: u32, value: vec2<f32>) {{\n    var x = value;\n    let q = u32(at.w) + k * P.more[1].y;\n{body}}}\n"
        )
    }

    /// The radices' passes from the source into the result, or into workgroup memory.
    fn passes(&self, out: &mut String, radices: &[usize], to_memory: bool) {
        let (points, pitch, group) = (self.points, self.pitch(), self.group());
        let radices = if radices.is_empty() { &[1][..] } else { radices };
        let powers = in_place::roots(&mut Table::default(), points);
        let mut done = 1;
        for (p, &radix) in radices.iter().enumerate() {
            let (first, last) = (p == 0, p + 1 == radices.len());
            let count = points / radix;
            let total = self.lines * count;
            let rounds = total.div_ceil(group);
            let across = match (first, last && !to_memory) {
                (true, true) => Some(format!("{LOAD_ACROSS} && {SAVE_ACROSS}")),
                (true, false) => Some(LOAD_ACROSS.to_owned()),
                (false, true) => Some(SAVE_ACROSS.to_owned()),
                (false, false) => None,
            };
            let (line, j) = match (across, self.lines) {
                (_, 1) => ("0u".to_owned(), "i".to_owned()),
                (Some(across), lines) => (
                    format!("select(i / {count}u, i % {lines}u, {across})"),
                    format!("select(i % {count}u, i / {lines}u, {across})"),
                ),
                (None, _) => (format!("i / {count}u"), format!("i % {count}u")),
            };
            let begin = |round: usize| {
                let guard =
                    if (round + 1) * group > total { format!("if (i < {total}u) ") } else { String::new() };
                format!(
                    "    {{\n        let i = local + {}u;\n        {guard}{{\n            let line = {line};\n            \
                     let j = {j};\n",
                    round * group
                )
            };
            *out += "    {\n";
            for round in 0..rounds {
                let _ = writeln!(out, "    var v{round}: array<vec2<f32>, {radix}>;");
            }
            for round in 0..rounds {
                *out += &begin(round);
                if first {
                    // Behind the last line it is read again, and not written.
                    *out += "            let at = places_within(min(line0 + line, P.count - 1u));\n";
                }
                for r in 0..radix {
                    let point = format!("j + {}u", r * count);
                    let value = if first {
                        format!("load(at, {point})")
                    } else {
                        format!("W[line * {pitch}u + {point}]")
                    };
                    let _ = writeln!(out, "                v{round}[{r}] = {value};");
                }
                *out += "        }\n    }\n";
            }
            if !first {
                *out += "    workgroupBarrier();\n";
            }
            for round in 0..rounds {
                *out += &begin(round);
                if let Some([one, two]) =
                    (radices.len() - 1).checked_sub(p).and_then(|level| powers.get(level))
                {
                    let root = |at: &u32| format!("T[{at}u + j % {done}u]");
                    let turns = butterfly::turn_powers(radix, &root(one), &root(two), None);
                    *out += &turns.replace("v[", &format!("v{round}["));
                }
                if radix > 1 {
                    let _ = writeln!(out, "            dft{radix}(&v{round});");
                }
                if last && !to_memory {
                    *out += "            if (line0 + line < P.count) {\n                let at = places_within(line0 + line);\n";
                    for r in 0..radix {
                        let _ = writeln!(out, "                save(at, j + {}u, v{round}[{r}]);", r * count);
                    }
                    *out += "            }\n";
                } else {
                    let _ = writeln!(
                        out,
                        "            let to = line * {pitch}u + (j / {done}u) * {}u + j % {done}u;",
                        done * radix
                    );
                    for r in 0..radix {
                        let _ = writeln!(out, "            W[to + {}u] = v{round}[{r}];", r * done);
                    }
                }
                *out += "        }\n    }\n";
            }
            if !last || to_memory {
                *out += "    workgroupBarrier();\n";
            }
            *out += "    }\n";
            done *= radix;
        }
    }

    /// Half the spectrum of a real line from the spectrum of its pairs, which lies in workgroup memory.
    fn unfold(&self, out: &mut String) {
        let (points, pitch) = (self.points, self.pitch());
        let lines = self.lines;
        let bins = if self.band { format!("{BAND_OUT}.x") } else { format!("{}u", points + 1) };
        let line = format!("select(i / {bins}, i % {lines}u, {SAVE_ACROSS})");
        let k = format!("select(i % {bins}, i / {lines}u, {SAVE_ACROSS})");
        let value = |k: &str| format!("W[line * {pitch}u + {k}]");
        let length = format!("{points}u");
        let _ = write!(
            out,
            "    for (var i = local; i < {lines}u * {bins}; i += {}u) {{\n        let line = {line};\n        let k = {k};\n        \
             if (k <= {length} && line0 + line < P.count) {{\n            let a = {};\n            let b = {};\n            \
             let at = places_within(line0 + line);\n            let x = unfolded(k, {length}, a, b) * P.value.x;\n            \
             D[at.x + i32(k) * bitcast<i32>(P.more[1].x)] = x;\n        }}\n    }}\n",
            self.group(),
            value(&format!("(k % {length})")),
            value(&format!("(({length} - k) % {length})")),
        );
        out.insert_str(0, UNFOLDED);
    }
}

/// Bin `k` of a real line of `2 length` points from bins `k` and `length - k` of its pairs.
pub(super) const UNFOLDED: &str =
    "fn unfolded(k: u32, length: u32, a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    if (k == 0u) {
        return vec2<f32>(a.x + a.y, 0.0);
    }
    if (k == length) {
        return vec2<f32>(a.x - a.y, 0.0);
    }
    let even = 0.5 * vec2<f32>(a.x + b.x, a.y - b.y);
    let odd = 0.5 * vec2<f32>(a.y + b.y, b.x - a.x);
    return even + cmul(odd, root(k));
}
";

/// The same for lines that lie in storage.
pub(super) fn unfold_source() -> String {
    let head = "@group(0) @binding(0) var<uniform> P: Params;\n@group(0) @binding(1) var<storage, read> S: array<vec2<f32>>;\n\
                @group(0) @binding(2) var<storage, read> T: array<vec2<f32>>;\n\
                @group(0) @binding(3) var<storage, read_write> D: array<vec2<f32>>;\n";
    let main = "@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = item_of(group, local, 256u);
    let length = P.more[0].w / 2u;
    let bins = P.more[1].y;
    if (item >= P.count * bins) {
        return;
    }
    let line = item / bins;
    let k = item - line * bins;
    let at = places_within(line);
    let a = S[at.y + i32(k % length)];
    let b = S[at.y + i32((length - k) % length)];
    D[at.x + i32(k) * bitcast<i32>(P.more[1].x)] = unfolded(k, length, a, b) * P.value.x;
}
";
    let root = two_tables("root", "P.more[2].x", "P.more[2].y", "(P.flags >> 8u) & 31u");
    [head, &root, UNFOLDED, main].concat()
}

/// A function of roots of unity from two tables: multiples of `2^bits`, and those below.
pub(super) fn two_tables(name: &str, coarse: &str, fine: &str, bits: &str) -> String {
    format!(
        "fn {name}(i: u32) -> vec2<f32> {{\n    let bits = {bits};\n    \
         return cmul(T[{coarse} + (i >> bits)], T[{fine} + (i & ((1u << bits) - 1u))]);\n}}\n"
    )
}
