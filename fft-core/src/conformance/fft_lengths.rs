//! Transforms of every length, and of those around which planners change their mind.
//!
//! The bound of every comparison is that of [`super::fft`].

use std::sync::OnceLock;

use super::compare::{close_l2, ensure, slices_close_l2};
use super::fft::{FFT, WIDE, bound, spec, tensor};
use super::sample::{Array, Random};
use super::{Case, Outcome};
use crate::Direction::{Forward, Inverse};
use crate::{Complex64, DType, Device, FftKind, reference};

pub(super) const CASES: &[Case] = &[
    Case::new("fft::c2c_every_length", FFT, |d| every_length(d, DType::C64, c2c)),
    Case::new("fft::r2c_every_length", FFT, |d| every_length(d, DType::C64, r2c)),
    Case::new("fft::c2r_every_length", FFT, |d| every_length(d, DType::C64, c2r)),
    Case::new("fft::c2c_every_length_f64", FFT, |d| every_length(d, DType::C128, c2c)).needing(WIDE),
    Case::new("fft::r2c_every_length_f64", FFT, |d| every_length(d, DType::C128, r2c)).needing(WIDE),
    Case::new("fft::c2r_every_length_f64", FFT, |d| every_length(d, DType::C128, c2r)).needing(WIDE),
    Case::new("fft::lines_side_by_side_of_every_length", FFT, |d| every_length(d, DType::C64, side_by_side)),
    Case::new("fft::lines_side_by_side_of_every_length_f64", FFT, |d| {
        every_length(d, DType::C128, side_by_side)
    })
    .needing(WIDE),
    Case::new("fft::lines_side_by_side_at_boundaries", FFT, |d| boundaries_side_by_side(d, DType::C64)),
    Case::new("fft::planner_boundaries", FFT, |d| boundaries(d, DType::C64)),
    Case::new("fft::planner_boundaries_f64", FFT, |d| boundaries(d, DType::C128)).needing(WIDE),
];

/// A signal that `f32` holds exactly, and its forward transform.
struct Signal {
    x: Vec<Complex64>,
    /// The bins compared.
    bins: Vec<usize>,
    /// The forward transform there.
    forward: Vec<Complex64>,
    /// The transform with the other sign, unscaled: `X[-k]`.
    inverse: Vec<Complex64>,
}

impl Signal {
    /// All bins by the quadratic sum.
    fn naive(n: usize) -> Self {
        let x = Random::new(n as u64).array(&[n], DType::C64).data;
        let forward = reference::dft(&x, Forward);
        let inverse = (0..n).map(|k| forward[(n - k) % n]).collect();
        Self { x, bins: (0..n).collect(), forward, inverse }
    }

    /// All bins by the recursion where it is accurate (small prime factors), else 64 bins by the compensated sum.
    fn long(n: usize) -> Self {
        let mut random = Random::new(n as u64);
        let x = random.array(&[n], DType::C64).data;
        if reference::prime_factors(n).iter().all(|&p| p < 64) {
            let forward = reference::fast_dft(&x, Forward);
            let inverse = (0..n).map(|k| forward[(n - k) % n]).collect();
            return Self { x, bins: (0..n).collect(), forward, inverse };
        }
        let mut bins = vec![0, 1, 2, n / 2 - 1, n / 2, n / 2 + 1, n - 2, n - 1];
        bins.extend((0..56).map(|_| random.below(n)));
        let forward = reference::dft_bins(&x, Forward, &bins);
        let inverse = reference::dft_bins(&x, Inverse, &bins);
        Self { x, bins, forward, inverse }
    }

    fn n(&self) -> usize {
        self.x.len()
    }

    fn at_bins(&self, values: &Array) -> Vec<Complex64> {
        self.bins.iter().map(|&k| values.data[k]).collect()
    }
}

/// Both directions, complex.
fn c2c(device: &Device, signal: &Signal, dtype: DType) -> Outcome {
    let n = signal.n();
    let x = tensor(device, &signal.x, dtype)?;
    let forward = x.fft_primitive(spec(FftKind::C2C, Forward, 0, n, 1.0))?;
    let got = signal.at_bins(&Array::from(&forward)?);
    slices_close_l2(format_args!("forward, n = {n}"), &got, &signal.forward, bound(dtype, n))?;
    let inverse = x.fft_primitive(spec(FftKind::C2C, Inverse, 0, n, 1.0))?;
    let got = signal.at_bins(&Array::from(&inverse)?);
    slices_close_l2(format_args!("inverse, n = {n}"), &got, &signal.inverse, bound(dtype, n))?;
    // Every bin at once: there and back is the signal, with the errors of both ways.
    let back = forward.fft_primitive(spec(FftKind::C2C, Inverse, 0, n, 1.0 / n as f64))?;
    let what = format_args!("there and back, n = {n}");
    slices_close_l2(what, &Array::from(&back)?.data, &signal.x, 2.0 * bound(dtype, n))
}

/// The half spectrum of the real parts: `(X[k] + conj(X[-k])) / 2`, where `X[-k]` is the transform of the other sign.
fn r2c(device: &Device, signal: &Signal, dtype: DType) -> Outcome {
    let n = signal.n();
    let real = Array::real(&[n], signal.x.iter().map(|z| z.re)).to(device, dtype.to_real())?;
    let got = real.fft_primitive(spec(FftKind::R2C, Forward, 0, n, 1.0))?;
    ensure(got.shape() == [n / 2 + 1], || format!("n = {n}: shape {:?}", got.shape()))?;
    let got = Array::from(&got)?;
    let (mut values, mut want) = (Vec::new(), Vec::new());
    for (i, &k) in signal.bins.iter().enumerate().filter(|(_, k)| **k <= n / 2) {
        values.push(got.data[k]);
        want.push((signal.forward[i] + signal.inverse[i].conj()) / 2.0);
    }
    slices_close_l2(format_args!("n = {n}"), &values, &want, bound(dtype, n))?;
    ensure(got.data[0].im == 0.0, || format!("n = {n}: bin 0 has an imaginary part"))
}

/// The half spectrum of a Hermitian array whose inverse transform is the real part of the inverse transform of `x`, with
/// garbage where the imaginary part counts as 0.
fn c2r(device: &Device, signal: &Signal, dtype: DType) -> Outcome {
    let n = signal.n();
    let mut half: Vec<Complex64> =
        (0..n / 2 + 1).map(|k| (signal.x[k] + signal.x[(n - k) % n].conj()) / 2.0).collect();
    half[0].im = 777.0;
    if n.is_multiple_of(2) {
        half[n / 2].im = -555.0;
    }
    let x = tensor(device, &half, dtype)?;
    let got = x.fft_primitive(spec(FftKind::C2R, Inverse, 0, n, 1.0))?;
    ensure(got.shape() == [n], || format!("n = {n}: shape {:?}", got.shape()))?;
    let got = signal.at_bins(&Array::from(&got)?);
    let want: Vec<Complex64> = signal.inverse.iter().map(|z| Complex64::from(z.re)).collect();
    slices_close_l2(format_args!("n = {n}"), &got, &want, bound(dtype, n))?;
    ensure(Array::from(&x)?.data == half, || format!("n = {n}: the source was changed"))
}

/// Lines that are transformed together, where a backend does that: more than two groups of the widest vectors, and a rest.
const LINES: usize = 35;

/// What line `i` is multiplied by: exact, and different for neighbours.
fn factor(i: usize) -> f64 {
    [1.0, -0.5, 0.25, -1.0, 2.0][i % 5]
}

/// `LINES` multiples of a line as columns (`axis` 0) or rows.
fn multiples(line: &[Complex64], axis: usize) -> Array {
    let n = line.len();
    let data = if axis == 0 {
        line.iter().flat_map(|z| (0..LINES).map(move |i| z * factor(i))).collect()
    } else {
        (0..LINES).flat_map(|i| line.iter().map(move |z| z * factor(i))).collect()
    };
    Array { shape: if axis == 0 { vec![n, LINES] } else { vec![LINES, n] }, data }
}

/// Every kind, along the first axis and along the last, of many lines at once.
fn side_by_side(device: &Device, signal: &Signal, dtype: DType) -> Outcome {
    let n = signal.n();
    let bins = n / 2 + 1;
    if signal.bins.len() < n {
        return Ok(());
    }
    let real: Vec<Complex64> = signal.x.iter().map(|z| Complex64::from(z.re)).collect();
    let mirrored = |k: usize| signal.forward[(n - k) % n].conj();
    let half: Vec<Complex64> = (0..bins).map(|k| (signal.forward[k] + mirrored(k)) / 2.0).collect();
    let mut hermitian: Vec<Complex64> =
        (0..bins).map(|k| (signal.x[k] + signal.x[(n - k) % n].conj()) / 2.0).collect();
    hermitian[0].im = 777.0;
    let back: Vec<Complex64> = signal.inverse.iter().map(|z| Complex64::from(z.re)).collect();
    let ways: [(FftKind, _, &[Complex64], &[Complex64]); 4] = [
        (FftKind::C2C, Forward, &signal.x, &signal.forward),
        (FftKind::C2C, Inverse, &signal.x, &signal.inverse),
        (FftKind::R2C, Forward, &real, &half),
        (FftKind::C2R, Inverse, &hermitian, &back),
    ];
    for (kind, direction, x, want) in ways {
        let source = if kind == FftKind::R2C { dtype.to_real() } else { dtype };
        for axis in [0, 1] {
            let x = multiples(x, axis).to(device, source)?;
            let got = x.fft_primitive(spec(kind, direction, axis, n, 1.0))?;
            let what = format!("{kind:?} {direction:?} of {LINES} lines along axis {axis}, n = {n}");
            close_l2(what, &got, &multiples(want, axis), bound(dtype, n))?;
        }
    }
    Ok(())
}

fn every_length(device: &Device, dtype: DType, check: fn(&Device, &Signal, DType) -> Outcome) -> Outcome {
    static SIGNALS: OnceLock<Vec<Signal>> = OnceLock::new();
    for signal in SIGNALS.get_or_init(|| (1..=1024).map(Signal::naive).collect()) {
        check(device, signal, dtype)?;
    }
    Ok(())
}

/// Lengths at which planners change their mind: around powers of two, powers of small primes, primes for Rader's and
/// Bluestein's algorithms, small multiples of large primes, products of middling primes.
const BOUNDARIES: &[usize] = &[
    2047,
    2048,
    2049,
    4095,
    4096,
    4097,
    8191,
    8192,
    8193,
    16383,
    16384,
    16385,
    32767,
    32768,
    32769,
    65535,
    65536,
    65537,
    2187,
    6561,
    19683,
    3125,
    15625,
    2401,
    16807,
    1331,
    14641,
    2197,
    28561,
    4913,
    10000,
    44100,
    48000,
    1009,
    1013,
    4099,
    10007,
    30011,
    65521,
    2 * 1009,
    3 * 1009,
    4 * 2053,
    6 * 4099,
    64 * 1009,
    31 * 37,
    61 * 67,
    127 * 131,
    251 * 257,
];

/// The signals of [`BOUNDARIES`].
fn boundary_signals() -> &'static [Signal] {
    static SIGNALS: OnceLock<Vec<Signal>> = OnceLock::new();
    SIGNALS.get_or_init(|| BOUNDARIES.iter().copied().map(Signal::long).collect())
}

fn boundaries_side_by_side(device: &Device, dtype: DType) -> Outcome {
    // Those of which all bins are known; longer ones would take long.
    let known = boundary_signals().iter().filter(|s| s.bins.len() == s.n() && s.n() <= 20_000);
    known.into_iter().try_for_each(|signal| side_by_side(device, signal, dtype))
}

fn boundaries(device: &Device, dtype: DType) -> Outcome {
    for signal in boundary_signals() {
        c2c(device, signal, dtype)?;
        r2c(device, signal, dtype).map_err(|f| f.within("R2C"))?;
        c2r(device, signal, dtype).map_err(|f| f.within("C2R"))?;
    }
    Ok(())
}
