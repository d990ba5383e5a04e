//! Transforms of a few points as WGSL: in place on an array of complex numbers.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};
use std::fmt::Write;

/// The function `dftN` for the radices of the kernels: 2, 3, 4, 5, 7, 8.
pub(super) fn function(radix: usize) -> String {
    let mut out = format!("fn dft{radix}(v: ptr<function, array<vec2<f32>, {radix}>>) {{\n");
    for i in 0..radix {
        let _ = writeln!(out, "    let a{i} = (*v)[{i}];");
    }
    let results: Vec<String> = match radix {
        2 => vec!["a0 + a1".to_owned(), "a0 - a1".to_owned()],
        4 => {
            out += &four(["a0", "a1", "a2", "a3"], "s");
            (0..4).map(|k| format!("s{k}")).collect()
        }
        8 => {
            // Even and odd points, then the turns by eighths.
            out += &four(["a0", "a2", "a4", "a6"], "e");
            out += &four(["a1", "a3", "a5", "a7"], "o");
            let h = format!("{FRAC_1_SQRT_2:.17}");
            let _ = writeln!(out, "    let t1 = {h} * vec2<f32>(o1.x + o1.y, o1.y - o1.x);");
            let _ = writeln!(out, "    let t2 = vec2<f32>(o2.y, -o2.x);");
            let _ = writeln!(out, "    let t3 = {h} * vec2<f32>(o3.y - o3.x, -o3.x - o3.y);");
            let turned = ["o0", "t1", "t2", "t3"];
            let sum = |k: usize| format!("e{} {} {}", k % 4, if k < 4 { "+" } else { "-" }, turned[k % 4]);
            (0..8).map(sum).collect()
        }
        _ => odd(radix, &mut out),
    };
    for (i, result) in results.iter().enumerate() {
        let _ = writeln!(out, "    (*v)[{i}] = {result};");
    }
    out + "}\n"
}

/// Four points `a` into variables with a prefix.
fn four(a: [&str; 4], to: &str) -> String {
    let [a0, a1, a2, a3] = a;
    format!(
        "    let {to}p = {a0} + {a2};\n    let {to}m = {a0} - {a2};\n    let {to}q = {a1} + {a3};\n    let {to}r = {a1} - {a3};\n    \
         let {to}0 = {to}p + {to}q;\n    let {to}1 = vec2<f32>({to}m.x + {to}r.y, {to}m.y - {to}r.x);\n    \
         let {to}2 = {to}p - {to}q;\n    let {to}3 = vec2<f32>({to}m.x - {to}r.y, {to}m.y + {to}r.x);\n"
    )
}

/// An odd prime: sums and differences of points opposite each other share their cosines and sines.
fn odd(p: usize, out: &mut String) -> Vec<String> {
    let h = p / 2;
    for k in 1..=h {
        let _ = writeln!(out, "    let t{k} = a{k} + a{};\n    let u{k} = a{k} - a{};", p - k, p - k);
    }
    let angle = |k: usize, m: usize| TAU * ((k * m) % p) as f64 / p as f64;
    for m in 1..=h {
        let cosines: Vec<String> = (1..=h).map(|k| format!("({:.17}) * t{k}", angle(k, m).cos())).collect();
        let sines: Vec<String> = (1..=h).map(|k| format!("({:.17}) * u{k}", angle(k, m).sin())).collect();
        let _ = writeln!(
            out,
            "    let c{m} = a0 + ({});\n    let s{m} = {};",
            cosines.join(" + "),
            sines.join(" + ")
        );
    }
    let sums: Vec<String> = (1..=h).map(|k| format!("t{k}")).collect();
    let mut results = vec![format!("a0 + ({})", sums.join(" + "))];
    for m in 1..p {
        let (i, sign) = if m <= h { (m, ["+", "-"]) } else { (p - m, ["-", "+"]) };
        results.push(format!("vec2<f32>(c{i}.x {} s{i}.y, c{i}.y {} s{i}.x)", sign[0], sign[1]));
    }
    results
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
}
