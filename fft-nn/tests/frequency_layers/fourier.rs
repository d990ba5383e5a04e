//! Layers that act on frequencies.

use fft_core::{Complex64, Norm};
use fft_nn::layers::{
    CausalFNetMixing, FNetMixing, GlobalFilter2d, Layer, SpectralConv, SpectralConv1d, SpectralConv2d,
};

use super::{close_real, constant, indices, normal, numbers, real, scope, turn, values};

/// The frequencies of axis `a`, each with its place among the weights.
fn frequencies(modes: &[usize], a: usize) -> Vec<(isize, usize)> {
    let m = modes[a];
    let mut all: Vec<(isize, usize)> = (0..m).map(|k| (k as isize, k)).collect();
    if a + 1 < modes.len() {
        all.extend((1..m).rev().enumerate().map(|(i, k)| (-(k as isize), m + i)));
    }
    all
}

/// The layer's sum, one batch entry: bins with a mirror image count twice.
fn spectral_sum(
    x: &[f64],
    weight: &[Complex64],
    [inputs, outputs]: [usize; 2],
    modes: &[usize],
    n: &[usize],
) -> Vec<f64> {
    let points = indices(n);
    let axes: Vec<Vec<(isize, usize)>> = (0..modes.len()).map(|a| frequencies(modes, a)).collect();
    let counts: Vec<usize> = axes.iter().map(Vec::len).collect();
    let kept: usize = counts.iter().product();
    let mut y = vec![0.0; outputs * points.len()];
    for chosen in indices(&counts) {
        let k: Vec<isize> = chosen.iter().enumerate().map(|(a, &i)| axes[a][i].0).collect();
        let place = chosen.iter().enumerate().fold(0, |at, (a, &i)| at * counts[a] + axes[a][i].1);
        let phase = |p: &[usize]| {
            p.iter().zip(&k).zip(n).map(|((&p, &k), &n)| p as f64 * k as f64 / n as f64).sum::<f64>()
        };
        let twice = if k[k.len() - 1] == 0 { 1.0 } else { 2.0 };
        for i in 0..inputs {
            let own = &x[i * points.len()..][..points.len()];
            let bin: Complex64 = points.iter().zip(own).map(|(p, x)| turn(-phase(p)) * x).sum();
            for o in 0..outputs {
                let term = weight[(i * outputs + o) * kept + place] * bin * (twice / points.len() as f64);
                for (p, y) in points.iter().zip(&mut y[o * points.len()..]) {
                    *y += (term * turn(phase(p))).re;
                }
            }
        }
    }
    y
}

fn check<const AXES: usize>(modes: [usize; AXES], n: [usize; AXES]) {
    let layer = SpectralConv::<AXES>::new(&scope(), 2, 3, modes).unwrap();
    let shape = [&[1, 2], &n[..]].concat();
    let x = real(&shape, 1);
    let y = layer.forward(&x).unwrap();
    assert_eq!(y.shape()[1], 3);
    close_real(&y, &spectral_sum(&values(&x), &numbers(layer.weight()), [2, 3], &modes, &n));
}

#[test]
fn spectral_convolutions_are_their_sums() {
    // Odd and even lengths; all modes that a length has, and fewer.
    for (m, n) in [(1, 1), (1, 2), (2, 3), (2, 4), (3, 5), (3, 16), (4, 7)] {
        check([m], [n]);
    }
    for (m, n) in [([2, 3], [4, 5]), ([2, 2], [3, 4]), ([1, 2], [5, 6]), ([3, 2], [5, 3])] {
        check(m, n);
    }
    check([2, 2, 2], [4, 3, 4]);
    check([1, 2, 1], [2, 3, 2]);
}

#[test]
fn spectral_convolutions_do_the_same_at_any_resolution() {
    // A random real function with frequencies below 4, sampled at n points in each direction.
    let parts = normal(2 * 7 * 7, 3);
    let sample = |n: usize| -> Vec<f64> {
        let wave = |p: &[usize], i: &[usize], z: Complex64| {
            let phase = (i[0] as f64 - 3.0) * p[0] as f64 + (i[1] as f64 - 3.0) * p[1] as f64;
            (z * turn(phase / n as f64)).re
        };
        let terms: Vec<(Vec<usize>, Complex64)> =
            indices(&[7, 7]).into_iter().zip(parts.chunks(2).map(|p| Complex64::new(p[0], p[1]))).collect();
        indices(&[n, n]).iter().map(|p| terms.iter().map(|(i, z)| wave(p, i, *z)).sum()).collect()
    };
    let layer = SpectralConv2d::new(&scope(), 1, 1, [4, 3]).unwrap();
    for (coarse, fine) in [(8, 16), (7, 21), (9, 18)] {
        let at = |n: usize| values(&layer.forward(&constant(&sample(n), &[1, 1, n, n])).unwrap());
        let (low, high) = (at(coarse), at(fine));
        let step = fine / coarse;
        let shared: Vec<f64> =
            indices(&[coarse, coarse]).iter().map(|p| high[(p[0] * fine + p[1]) * step]).collect();
        close_real(&constant(&low, &[low.len()]), &shared);
    }
}

#[test]
fn modes_that_a_length_lacks_are_an_error() {
    let layer = SpectralConv1d::new(&scope(), 1, 1, [4]).unwrap();
    assert!(layer.forward(&real(&[1, 1, 7], 1)).is_ok());
    let message = layer.forward(&real(&[1, 1, 6], 1)).unwrap_err().to_string();
    assert!(
        message.contains("SpectralConv1d") && message.contains("layer keeps [4]") && message.contains("[7]"),
        "{message}"
    );
}

#[test]
fn global_filters_are_circular_convolutions() {
    for (height, width) in [(3, 4), (4, 5), (1, 1), (2, 2)] {
        let layer = GlobalFilter2d::new(&scope(), height, width, 2).unwrap();
        let kernel = layer.weight().value().irfft2([0, 1], Some([height, width]), Norm::Backward).unwrap();
        let kernel: Vec<f64> = kernel.to_vec().unwrap();
        let x = real(&[2, height, width, 2], 1);
        let xs = values(&x);
        let sum = |i: &Vec<usize>| -> f64 {
            let (b, r, q, c) = (i[0], i[1], i[2], i[3]);
            let term = |p: Vec<usize>| {
                let (row, column) = ((r + height - p[0]) % height, (q + width - p[1]) % width);
                kernel[(p[0] * width + p[1]) * 2 + c] * xs[((b * height + row) * width + column) * 2 + c]
            };
            indices(&[height, width]).into_iter().map(term).sum()
        };
        let expected: Vec<f64> = indices(&[2, height, width, 2]).iter().map(sum).collect();
        close_real(&layer.forward(&x).unwrap(), &expected);
    }
}

/// `sum_{h', s <= last(t)} x[s, h'] e^(-2 pi i (h h' / hidden + s t / period))`, one batch entry.
fn mixed(x: &[f64], [length, hidden]: [usize; 2], period: usize, causal: bool) -> Vec<f64> {
    let sum = |i: &Vec<usize>| -> f64 {
        let (t, h) = (i[0], i[1]);
        let last = if causal { t + 1 } else { length };
        let phase =
            |s: usize, g: usize| (h * g) as f64 / hidden as f64 + ((s * t) % period) as f64 / period as f64;
        let sum: Complex64 =
            indices(&[last, hidden]).iter().map(|j| turn(-phase(j[0], j[1])) * x[j[0] * hidden + j[1]]).sum();
        if causal { sum.re / (((t + 1) * hidden) as f64).sqrt() } else { sum.re }
    };
    indices(&[length, hidden]).iter().map(sum).collect()
}

#[test]
fn mixings_are_their_sums() {
    for (length, hidden) in [(5, 4), (6, 3), (1, 1)] {
        let x = real(&[1, length, hidden], 1);
        let y = FNetMixing::new(&scope()).forward(&x).unwrap();
        close_real(&y, &mixed(&values(&x), [length, hidden], length, false));
        // Shorter than the period, as long and longer.
        for period in [1, 3, 5, 6, 64] {
            let layer = CausalFNetMixing::new(&scope(), period).unwrap();
            for length in [length, length + 1, length] {
                let x = real(&[1, length, hidden], 2);
                let y = layer.forward(&x).unwrap();
                close_real(&y, &mixed(&values(&x), [length, hidden], period, true));
            }
        }
    }
}
