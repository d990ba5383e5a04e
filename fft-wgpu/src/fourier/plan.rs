//! How a line is cut into kernels, and the tables these need.

use std::f64::consts::TAU;

use fft_core::{Complex64, Result};

use super::butterfly::{passes, radices};
use super::in_place;
use super::kernel::Factor;
use crate::context::Context;
use crate::memory::Block;

/// Points of a line whose neighbours are read together: shorter, so that enough of them fit side by side.
const ACROSS: usize = 512;

/// What a plan is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PlanKey {
    /// Points of the complex transform.
    pub(super) length: usize,
    /// Whether these are pairs of a real line.
    pub(super) pairs: bool,
    /// Whether neighbouring lines are closer in memory than neighbouring points.
    pub(super) across: bool,
}

/// Two tables of roots of unity: multiples of `2^bits`, and those below.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Roots {
    pub(super) coarse: u32,
    pub(super) fine: u32,
    pub(super) bits: u32,
}

/// One kernel of a plan.
#[derive(Debug)]
pub(super) struct Step {
    /// Points of its lines.
    pub(super) points: usize,
    /// Its place among the factors of the line.
    pub(super) level: usize,
    pub(super) read: Factor,
    pub(super) write: Factor,
    pub(super) chirped: bool,
    /// Roots of the line's own length, roots between steps, and the chirp with its spectrum, in `tables`.
    pub(super) tables: Block,
    pub(super) pairs: Roots,
    pub(super) between: Roots,
    pub(super) chirp: u32,
    pub(super) spectrum: u32,
}

/// How lines of one length are transformed.
#[derive(Debug)]
pub(super) struct Plan {
    /// Factors of the length that is transformed: of the line's, or of a longer one by a convolution with a chirp.
    pub(super) levels: Vec<usize>,
    pub(super) steps: Vec<Step>,
    /// Points of the line.
    pub(super) length: usize,
}

impl Plan {
    /// Points of a line in scratch.
    pub(super) fn stored(&self) -> usize {
        self.levels.iter().product()
    }
}

/// Factors of `n`, each of which one kernel transforms, as few and as equal as may be; nothing when there are none.
fn factors(n: usize, most: usize) -> Option<Vec<usize>> {
    radices(n)?;
    if n <= most {
        return Some(vec![n]);
    }
    let divisors = || (2..=most).filter(|&d| n.is_multiple_of(d));
    let two = || divisors().filter(|&d| n / d <= most);
    let one_pass = two().filter(|&d| passes(d).is_some_and(|p| p.len() == 1)).max();
    if let Some(d) = one_pass.or_else(|| two().min_by_key(|&d| d.max(n / d))) {
        return Some(vec![d, n / d]);
    }
    let root = (n as f64).cbrt();
    let first = divisors().min_by_key(|&d| (d as f64 - root).abs() as usize)?;
    let rest = factors(n / first, most).filter(|rest| rest.len() == 2)?;
    Some([vec![first], rest].concat())
}

/// A length for the convolution of `n` points with a chirp.
fn padded(n: usize) -> usize {
    let power = (2 * n - 1).next_power_of_two();
    if 3 * power / 4 >= 2 * n - 1 { 3 * power / 4 } else { power }
}

pub(super) fn build(context: &Context, key: PlanKey) -> Result<Plan> {
    let PlanKey { length, pairs, across } = key;
    let most = context.limits.line;
    let direct = if across { factors(length, ACROSS.min(most)) } else { None };
    let direct = direct.or_else(|| factors(length, most));
    let chirped = direct.is_none();
    let stored = if chirped { padded(length) } else { length };
    let levels = match direct {
        Some(levels) => levels,
        None => factors(stored, most).ok_or_else(|| {
            context
                .unsupported("fft", format!("{length} points, for which {stored} are needed, are too many"))
        })?,
    };
    if chirped && stored as u64 * 8 > context.limits.binding {
        return Err(context.too_big("fft", stored * 8));
    }
    let chirp = if chirped { Some(Chirp::new(length, stored)) } else { None };
    let last = levels.len() - 1;
    let mut steps = Vec::new();
    // The way there, and after a product of spectra the way back.
    let ways = if chirped && last > 0 { 2 } else { 1 };
    for way in 0..ways {
        for (level, &points) in levels.iter().enumerate() {
            let mut table = Table::default();
            // First, where kernels expect them.
            in_place::roots(&mut table, points);
            let whole = chirped && last == 0;
            let (begins, ends) = (way == 0 && level == 0, way + 1 == ways && level == last);
            let (mut read, mut write) = (Factor::None, Factor::None);
            let (mut own, mut between) = (Roots::default(), Roots::default());
            let mut places = [0, 0];
            if pairs && (begins || ends) {
                own = table.long_roots(2 * length, length + 1);
            }
            if level < last {
                let rest: usize = levels[level..].iter().product();
                between = table.long_roots(rest, rest);
                write = Factor::Roots;
            }
            if let Some(chirp) = &chirp {
                if begins || ends {
                    places[0] = table.put(&chirp.values);
                }
                if whole {
                    places[1] = table.put(&staged_order(&chirp.spectrum));
                } else if way == 1 && level == 0 {
                    places[1] = table.put(&chirp.spectrum);
                }
                if begins {
                    read = Factor::Chirp;
                } else if way == 1 && level == 0 {
                    read = Factor::Spectrum;
                }
                if ends {
                    write = Factor::Chirp;
                }
            }
            steps.push(Step {
                points,
                level,
                read,
                write,
                chirped: whole,
                tables: table.upload(context)?,
                pairs: own,
                between,
                chirp: places[0],
                spectrum: places[1],
            });
        }
    }
    Ok(Plan { levels, steps, length })
}

/// The chirp `e^(-pi i j^2 / n)` and the transform of its conjugate around 0 (Bluestein 1970), with the factor of the way back.
struct Chirp {
    values: Vec<Complex64>,
    spectrum: Vec<Complex64>,
}

impl Chirp {
    fn new(n: usize, stored: usize) -> Self {
        // j^2 modulo 2 n is exact; the angle of j^2 itself would lose digits.
        let angle = |j: usize| (j as u128 * j as u128 % (2 * n as u128)) as f64 / (2 * n) as f64 * TAU;
        let values: Vec<Complex64> = (0..n).map(|j| Complex64::from_polar(1.0, -angle(j))).collect();
        let mut around = vec![Complex64::default(); stored];
        for (j, value) in values.iter().enumerate() {
            around[j] = value.conj();
            around[(stored - j) % stored] = value.conj();
        }
        let mut spectrum = transform(around);
        spectrum.iter_mut().for_each(|z| *z /= stored as f64);
        Self { values, spectrum }
    }
}

/// A spectrum in the order in which the last pass of a transform in place meets its bins: by point of the pass, then by transform.
fn staged_order(spectrum: &[Complex64]) -> Vec<Complex64> {
    let points = spectrum.len();
    let radix = passes(points).and_then(|p| p.last().copied()).unwrap_or(1);
    let mut out = vec![Complex64::default(); points];
    for (k, value) in spectrum.iter().enumerate() {
        let place = in_place::place_of_bin(points, k);
        out[place % radix * (points / radix) + place / radix] = *value;
    }
    out
}

/// The forward transform of a length whose prime factors are small, by recursion.
fn transform(x: Vec<Complex64>) -> Vec<Complex64> {
    let n = x.len();
    let p = (2..=n).find(|&p| n.is_multiple_of(p));
    let Some(p) = p.filter(|_| n > 1) else { return x };
    let m = n / p;
    let parts: Vec<Vec<Complex64>> =
        (0..p).map(|r| transform(x.iter().skip(r).step_by(p).copied().collect())).collect();
    let root = |i: usize| Complex64::from_polar(1.0, -TAU * (i % n) as f64 / n as f64);
    let roots: Vec<Complex64> = (0..n).map(root).collect();
    (0..n).map(|k| (0..p).map(|r| parts[r][k % m] * roots[r * k % n]).sum()).collect()
}

/// Complex numbers for a kernel.
#[derive(Default)]
pub(super) struct Table {
    words: Vec<[f32; 2]>,
}

impl Table {
    fn put(&mut self, values: &[Complex64]) -> u32 {
        let at = self.words.len() as u32;
        self.words.extend(values.iter().map(|z| [z.re as f32, z.im as f32]));
        at
    }

    /// The first `count` powers of the `n`-th root of unity.
    fn roots(&mut self, n: usize, count: usize) -> u32 {
        self.powers(n, count, 1)
    }

    /// Those of its `step`-th power.
    pub(super) fn powers(&mut self, n: usize, count: usize, step: usize) -> u32 {
        let at = self.words.len() as u32;
        self.words.extend((0..count).map(|i| {
            let z = Complex64::from_polar(1.0, -TAU * (i * step) as f64 / n as f64);
            [z.re as f32, z.im as f32]
        }));
        at
    }

    /// Two tables whose products are the first `count` powers of the `n`-th root of unity.
    pub(super) fn long_roots(&mut self, n: usize, count: usize) -> Roots {
        let bits = (usize::BITS - count.leading_zeros()).div_ceil(2);
        let coarse = self.powers(n, (count >> bits) + 1, 1 << bits);
        Roots { coarse, fine: self.roots(n, 1 << bits), bits }
    }

    pub(super) fn upload(&self, context: &Context) -> Result<Block> {
        let block = context.pool.keep(context, (self.words.len() * 8).max(8))?;
        if !self.words.is_empty() {
            context.write(bytemuck::cast_slice(&self.words), &block, 0)?;
        }
        Ok(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_cut_into_what_kernels_take() {
        for n in [1, 2, 1000, 2048, 2049, 4096, 6561, 65536, 1 << 20, 1 << 22, 1 << 23, 1 << 24, 1 << 25] {
            for most in [512, 2048, 4096] {
                if let Some(levels) = factors(n, most) {
                    assert_eq!(levels.iter().product::<usize>(), n);
                    assert!(levels.len() <= 3 && levels.iter().all(|&l| l <= most), "{n}: {levels:?}");
                }
            }
        }
        assert!(factors(1009, 2048).is_none());
        assert_eq!(factors(1 << 24, 2048).unwrap().len(), 3);
        for n in 1..5000 {
            assert!(padded(n) >= 2 * n - 1 && radices(padded(n)).is_some(), "{n}");
        }
    }

    #[test]
    fn the_recursion_is_the_transform() {
        let x: Vec<Complex64> =
            (0..24).map(|i| Complex64::new((i * i % 7) as f64, i as f64 * 0.25)).collect();
        let got = transform(x.clone());
        for (k, got) in got.iter().enumerate() {
            let term =
                |(j, z): (usize, &Complex64)| z * Complex64::from_polar(1.0, -TAU * (j * k) as f64 / 24.0);
            let want: Complex64 = x.iter().enumerate().map(term).sum();
            assert!((got - want).norm() < 1e-12, "{k}");
        }
    }
}
