//! Transforms in workgroup memory whose passes write the places that they read: decimation in frequency there, which leaves bins in the order of
//! reversed digits, and decimation in time back.
//!
//! One barrier separates two passes, and nothing lives across it, so that an invocation can work on one transform of a pass after another.

use std::fmt::Write;

use super::butterfly::{function, passes, second_power, turn_powers};
use super::plan::Table;

/// Lines of a workgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Lines {
    /// Points of a line; radices multiply to it.
    pub(super) points: usize,
    pub(super) lines: usize,
    /// Neighbouring invocations work on neighbouring lines.
    pub(super) across: bool,
}

/// A radix over parts of `size` points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pass {
    pub(super) radix: usize,
    pub(super) size: usize,
}

impl Pass {
    /// From one point of a transform to the next.
    pub(super) fn step(self) -> usize {
        self.size / self.radix
    }
}

/// The places of the roots of each pass but the last, the first and the second that are read.
pub(super) type Powers = Vec<[u32; 2]>;

/// The roots that passes over `points` read, and where they are. A kernel that is not in place takes the same in the opposite order.
pub(super) fn roots(table: &mut Table, points: usize) -> Powers {
    let radices = passes(points).unwrap_or_default();
    let (mut powers, mut n) = (Vec::new(), points);
    for &radix in &radices[..radices.len().saturating_sub(1)] {
        let count = n / radix;
        let second = second_power(radix);
        let first = table.powers(n, count, 1);
        powers.push([first, if second > 1 { table.powers(n, count, second) } else { first }]);
        n = count;
    }
    powers
}

/// Where decimation in frequency leaves bin `k` of `points`.
pub(super) fn place_of_bin(points: usize, k: usize) -> usize {
    let (mut rest, mut size, mut place) = (k, points, 0);
    for radix in passes(points).unwrap_or_default() {
        size /= radix;
        place += rest % radix * size;
        rest /= radix;
    }
    place
}

/// The same as an expression.
pub(super) fn place_expression(points: usize, k: &str) -> String {
    let (mut out, mut weight, mut size) = (String::new(), 1, points);
    for radix in passes(points).unwrap_or_default() {
        size /= radix;
        let separator = if out.is_empty() { "" } else { " + " };
        let _ = write!(out, "{separator}({k} / {weight}u) % {radix}u * {size}u");
        weight *= radix;
    }
    if out.is_empty() { "0u".to_owned() } else { format!("({out})") }
}

impl Lines {
    pub(super) fn passes(&self) -> Vec<Pass> {
        let mut size = self.points;
        let radices = passes(self.points).unwrap_or_default();
        let next = |radix: usize| {
            let pass = Pass { radix, size };
            size /= radix;
            pass
        };
        radices.into_iter().map(next).collect()
    }

    /// Invocations of a workgroup: as many as passes leave few of idle.
    pub(super) fn group(&self) -> usize {
        let items = |p: &Pass| self.points * self.lines / p.radix;
        let passes = self.passes();
        let work = |group: usize| passes.iter().map(|p| items(p).next_multiple_of(group)).sum::<usize>();
        (1..=8).map(|i| 32 * i).min_by_key(|&g| (work(g), std::cmp::Reverse(g))).unwrap_or(32)
    }

    /// Complex numbers of workgroup memory for `lines` lines of `points`.
    pub(super) fn memory(points: usize, lines: usize) -> usize {
        lines * points.next_multiple_of(16)
    }

    /// Workgroup memory `W`, where lines are in it, and the transforms of the passes.
    pub(super) fn declarations(&self) -> String {
        let mut out = String::new();
        let mut radices: Vec<usize> = self.passes().iter().map(|p| p.radix).collect();
        radices.dedup();
        for radix in radices {
            out += &function(radix);
        }
        // Exchanged within 16 places, so that neither steps of 16 nor neighbouring lines meet in one bank.
        let _ = writeln!(
            out,
            "var<workgroup> W: array<vec2<f32>, {}>;\nfn place(line: u32, x: u32) -> u32 {{\n    \
             return line * {}u + (x ^ (((x >> 4u) + line) & 15u));\n}}",
            Self::memory(self.points, self.lines),
            Self::memory(self.points, 1)
        );
        out
    }

    /// The place of point `q` of the transform at hand.
    pub(super) fn point(pass: Pass, q: usize) -> String {
        format!("W[place(line, x + {}u)]", q * pass.step())
    }

    /// Statements that fill `v` from memory.
    pub(super) fn read(pass: Pass) -> String {
        (0..pass.radix).map(|q| format!("v[{q}] = {};\n", Self::point(pass, q))).collect()
    }

    /// Those that empty it.
    pub(super) fn write(pass: Pass) -> String {
        (0..pass.radix).map(|q| format!("{} = v[{q}];\n", Self::point(pass, q))).collect()
    }

    /// The turns between a pass and the next: nothing behind the last.
    pub(super) fn turns(powers: &Powers, level: usize, pass: Pass, base: Option<&str>) -> String {
        let Some([first, second]) = powers.get(level) else { return String::new() };
        let power = |at: &u32| format!("T[{at}u + j]");
        turn_powers(pass.radix, &power(first), &power(second), base)
    }

    /// `body` for every transform of a pass: `line` is its line, `rest` its place among those of the line, `x` its first point, `j` that
    /// point's place in its part, `v` an array for its points.
    pub(super) fn items(&self, out: &mut String, pass: Pass, body: &str) {
        let (count, group) = (self.points / pass.radix, self.group());
        let total = count * self.lines;
        let (line, rest) = match (self.across, self.lines) {
            (_, 1) => ("0u".to_owned(), "i".to_owned()),
            (true, lines) => (format!("i % {lines}u"), format!("i / {lines}u")),
            (false, _) => (format!("i / {count}u"), format!("i % {count}u")),
        };
        if total <= group {
            *out += "{\nlet i = local;\n";
        } else {
            let rounds = total.div_ceil(group);
            let _ = writeln!(
                out,
                "for (var round = 0u; round < {rounds}u; round += 1u) {{\nlet i = local + round * {group}u;"
            );
        }
        let guarded = !total.is_multiple_of(group);
        if guarded {
            let _ = writeln!(out, "if (i < {total}u) {{");
        }
        let _ = write!(
            out,
            "let line = {line};\nlet rest = {rest};\nlet j = rest % {step}u;\nlet x = rest / {step}u * {size}u + j;\n\
             var v: array<vec2<f32>, {radix}>;\n{body}",
            step = pass.step(),
            size = pass.size,
            radix = pass.radix
        );
        *out += if guarded { "}\n}\n" } else { "}\n" };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bin_has_its_place() {
        for points in [1, 2, 12, 64, 1000, 1536, 2048] {
            let mut seen = vec![false; points];
            (0..points).for_each(|k| seen[place_of_bin(points, k)] = true);
            assert!(seen.iter().all(|s| *s), "{points}");
        }
        // 2048 = 16 * 16 * 8: digits 1, 2, 3.
        assert_eq!(place_of_bin(2048, 1 + 16 * 2 + 256 * 3), 128 + 2 * 8 + 3);
    }
}
