//! Transforms of a few points as WGSL: in place on an array of complex numbers.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};
use std::fmt::Write;

/// The radices that kernels have: primes, and products of two that have a text here.
const RADICES: [usize; 12] = [2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 16];

/// The function `dftN` for one of [`RADICES`].
pub(super) fn function(radix: usize) -> String {
    let mut out = format!("fn dft{radix}(v: ptr<function, array<vec2<f32>, {radix}>>) {{\n");
    for i in 0..radix {
        let _ = writeln!(out, "    let a{i} = (*v)[{i}];");
    }
    let points: Vec<String> = (0..radix).map(|i| format!("a{i}")).collect();
    let results = transform(&mut out, &points, "b");
    for (i, result) in results.iter().enumerate() {
        let _ = writeln!(out, "    (*v)[{i}] = {result};");
    }
    out + "}\n"
}

/// The transform of the variables `a` into others, whose names begin with `to`.
fn transform(out: &mut String, a: &[String], to: &str) -> Vec<String> {
    let results = match a.len() {
        1 => return a.to_vec(),
        2 => vec![format!("{} + {}", a[0], a[1]), format!("{} - {}", a[0], a[1])],
        4 => four(out, a, to),
        8 => {
            // Even and odd points, then the turns by eighths.
            let part = |first: usize| -> Vec<String> { a.iter().skip(first).step_by(2).cloned().collect() };
            let e = transform(out, &part(0), &format!("{to}e"));
            let o = transform(out, &part(1), &format!("{to}o"));
            let t: Vec<String> = (0..4).map(|k| turned(out, &o[k], k, 8, &format!("{to}t{k}"))).collect();
            (0..8).map(|k| format!("{} {} {}", e[k % 4], if k < 4 { "+" } else { "-" }, t[k % 4])).collect()
        }
        n @ (6 | 9 | 10 | 12 | 15 | 16) => {
            let inner = match n {
                12 | 16 => 4,
                10 | 15 => 5,
                _ => 3,
            };
            return product(out, a, inner, to);
        }
        _ => odd(out, a, to),
    };
    let name = |k: usize| format!("{to}{k}");
    for (k, result) in results.iter().enumerate() {
        let _ = writeln!(out, "    let {} = {result};", name(k));
    }
    (0..a.len()).map(name).collect()
}

/// The transform of `inner` times as many points as the rest: lines of `inner` points, turns, and lines across (Cooley and Tukey 1965).
fn product(out: &mut String, a: &[String], inner: usize, to: &str) -> Vec<String> {
    let n = a.len();
    let outer = n / inner;
    let mut lines = Vec::new();
    for i in 0..outer {
        let line: Vec<String> = a.iter().skip(i).step_by(outer).cloned().collect();
        let line = transform(out, &line, &format!("{to}i{i}_"));
        let line = line.iter().enumerate().map(|(k, x)| turned(out, x, i * k, n, &format!("{to}t{i}_{k}")));
        lines.push(line.collect::<Vec<_>>());
    }
    let mut results = vec![String::new(); n];
    for k in 0..inner {
        let across: Vec<String> = lines.iter().map(|line| line[k].clone()).collect();
        for (i, x) in transform(out, &across, &format!("{to}o{k}_")).into_iter().enumerate() {
            results[k + inner * i] = x;
        }
    }
    results
}

/// The variable `x` times the `k`-th power of the `n`-th root of unity, in the variable `to` unless it is `x` itself.
fn turned(out: &mut String, x: &str, k: usize, n: usize, to: &str) -> String {
    let eighths = 8 * (k % n);
    let value = match (eighths.is_multiple_of(n), eighths / n) {
        (true, 0) => return x.to_owned(),
        (true, 1) => format!("{FRAC_1_SQRT_2:.17} * vec2<f32>({x}.x + {x}.y, {x}.y - {x}.x)"),
        (true, 2) => format!("vec2<f32>({x}.y, -{x}.x)"),
        (true, 3) => format!("{FRAC_1_SQRT_2:.17} * vec2<f32>({x}.y - {x}.x, -{x}.x - {x}.y)"),
        _ => {
            let (sine, cosine) = (TAU * (k % n) as f64 / n as f64).sin_cos();
            format!("({cosine:.17}) * {x} + ({sine:.17}) * vec2<f32>({x}.y, -{x}.x)")
        }
    };
    let _ = writeln!(out, "    let {to} = {value};");
    to.to_owned()
}

fn four(out: &mut String, a: &[String], to: &str) -> Vec<String> {
    let _ = write!(
        out,
        "    let {to}p = {} + {};\n    let {to}m = {} - {};\n    let {to}q = {} + {};\n    let {to}r = {} - {};\n",
        a[0], a[2], a[0], a[2], a[1], a[3], a[1], a[3]
    );
    vec![
        format!("{to}p + {to}q"),
        format!("vec2<f32>({to}m.x + {to}r.y, {to}m.y - {to}r.x)"),
        format!("{to}p - {to}q"),
        format!("vec2<f32>({to}m.x - {to}r.y, {to}m.y + {to}r.x)"),
    ]
}

/// An odd prime: sums and differences of points opposite each other share their cosines and sines.
fn odd(out: &mut String, a: &[String], to: &str) -> Vec<String> {
    let p = a.len();
    let h = p / 2;
    for k in 1..=h {
        let (x, y) = (&a[k], &a[p - k]);
        let _ = writeln!(out, "    let {to}t{k} = {x} + {y};\n    let {to}u{k} = {x} - {y};");
    }
    let angle = |k: usize, m: usize| TAU * ((k * m) % p) as f64 / p as f64;
    for m in 1..=h {
        let part = |f: fn(f64) -> f64, name: &str| -> Vec<String> {
            (1..=h).map(|k| format!("({:.17}) * {to}{name}{k}", f(angle(k, m)))).collect()
        };
        let (cosines, sines) = (part(f64::cos, "t"), part(f64::sin, "u"));
        let _ = writeln!(
            out,
            "    let {to}c{m} = {} + ({});\n    let {to}s{m} = {};",
            a[0],
            cosines.join(" + "),
            sines.join(" + ")
        );
    }
    let sums: Vec<String> = (1..=h).map(|k| format!("{to}t{k}")).collect();
    let mut results = vec![format!("{} + ({})", a[0], sums.join(" + "))];
    for m in 1..p {
        let (i, sign) = if m <= h { (m, ["+", "-"]) } else { (p - m, ["-", "+"]) };
        let (c, s) = (format!("{to}c{i}"), format!("{to}s{i}"));
        results.push(format!("vec2<f32>({c}.x {} {s}.y, {c}.y {} {s}.x)", sign[0], sign[1]));
    }
    results
}

/// Which power of the root of a pass is read beside the first, so that the others are products of few factors: 1 where none is.
pub(super) fn second_power(radix: usize) -> usize {
    match radix {
        0..=4 => 1,
        5..=9 => 3,
        _ => 4,
    }
}

/// Statements that multiply `v[p]` by the `p`-th power of a root, times `base` where there is one. `first` is the root, `second` its
/// [`second_power`].
pub(super) fn turn_powers(radix: usize, first: &str, second: &str, base: Option<&str>) -> String {
    let step = second_power(radix);
    let mut out = String::new();
    if radix > 1 {
        let _ = writeln!(out, "let w1 = {first};");
    }
    if step > 1 {
        let _ = writeln!(out, "let w{step} = {second};");
    }
    for p in 2..radix {
        let (a, b) = match step {
            1 => (p / 2, p - p / 2),
            _ if p == step => continue,
            // Multiples of the second: by doubling; between them: the multiple below times a small power.
            _ if p.is_multiple_of(step) => (p / step / 2 * step, p - p / step / 2 * step),
            _ if p < step => (p / 2, p - p / 2),
            _ => (p / step * step, p % step),
        };
        let _ = writeln!(out, "let w{p} = cmul(w{a}, w{b});");
    }
    if let Some(base) = base {
        let _ = writeln!(out, "let w0 = {base};\nv[0] = cmul(v[0], w0);");
    }
    for p in 1..radix {
        let factor = if base.is_some() { format!("cmul(w{p}, w0)") } else { format!("w{p}") };
        let _ = writeln!(out, "v[{p}] = cmul(v[{p}], {factor});");
    }
    out
}

/// The radices of the passes over `n` points, the largest first: as few as may be, and of those the least work; nothing when a prime
/// above 7 divides `n`, which is at most the points of a workgroup.
pub(super) fn passes(n: usize) -> Option<Vec<usize>> {
    // A pass moves every point to memory and back, which costs as much as a large radix computes.
    const PASS: usize = 40;
    let cost = |radix: usize| match radix {
        2 => 2,
        3 => 5,
        4 => 4,
        5 => 8,
        6 => 7,
        7 => 13,
        8 => 7,
        9 => 11,
        10 | 12 => 10,
        16 => 11,
        _ => 13,
    };
    let mut best: Vec<Option<(usize, usize)>> = vec![None; n + 1];
    best[1] = Some((0, 1));
    for m in (2..=n).filter(|&m| n.is_multiple_of(m)) {
        let ways = RADICES.iter().filter(|&&r| m.is_multiple_of(r));
        best[m] = ways.filter_map(|&r| best[m / r].map(|(rest, _)| (rest + PASS + cost(r), r))).min();
    }
    let (mut rest, mut out) = (n, Vec::new());
    while rest > 1 {
        let (_, radix) = best[rest]?;
        out.push(radix);
        rest /= radix;
    }
    out.sort_unstable_by_key(|&r| std::cmp::Reverse(r));
    Some(out)
}

/// The radices whose product is `n`, or nothing when a prime above 7 divides it.
pub(super) fn radices(n: usize) -> Option<Vec<usize>> {
    let (mut rest, mut out) = (n, Vec::new());
    for p in [7, 5, 3] {
        while rest.is_multiple_of(p) {
            out.push(p);
            rest /= p;
        }
    }
    let twos = rest.trailing_zeros() as usize;
    if rest != 1 << twos {
        return None;
    }
    match twos % 3 {
        1 if twos >= 4 => out.extend([4, 4]),
        1 => out.push(2),
        2 => out.push(4),
        _ => {}
    }
    out.extend(std::iter::repeat_n(8, if twos % 3 == 1 && twos >= 4 { twos / 3 - 1 } else { twos / 3 }));
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn radices_multiply_to_their_length() {
        for n in 1..=4096usize {
            match radices(n) {
                Some(r) => assert_eq!(r.iter().product::<usize>(), n),
                None => {
                    assert!((11..=n).any(|p| n.is_multiple_of(p) && (2..p).all(|d| !p.is_multiple_of(d))))
                }
            }
        }
        assert_eq!(radices(16).unwrap(), [4, 4]);
        assert_eq!(radices(1 << 11).unwrap(), [4, 8, 8, 8]);
    }

    #[test]
    fn passes_are_few() {
        for n in 1..=4096usize {
            assert_eq!(passes(n).map(|p| p.iter().product()), radices(n).map(|_| n));
        }
        for (n, want) in [
            (2, &[2][..]),
            (64, &[8, 8]),
            (1000, &[10, 10, 10]),
            (1024, &[16, 8, 8]),
            (2048, &[16, 16, 8]),
            (4096, &[16, 16, 16]),
        ] {
            assert_eq!(passes(n).unwrap(), want);
        }
    }
}
