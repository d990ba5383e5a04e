//! Convolutions in space and in time.

use fft_core::convolution::{ConvSpec, PaddingMode};
use fft_nn::layers::{Conv1d, Conv2d, Conv3d, ImplicitKernel, Layer, LongConv};

use super::{close_real, constant, indices, normal, real, scope, values};

/// `y[o, t] = bias[o] + sum w[o, i, k] x[g i, (t stride + k dilation - padding)]` for one batch entry, with positions taken modulo the length or as zeros.
fn naive(
    x: (&[f64], &[usize]),
    w: (&[f64], &[usize]),
    bias: &[f64],
    stride: usize,
    dilation: usize,
    (padding, output): (&[usize], &[usize]),
    (circular, groups): (bool, usize),
) -> Vec<f64> {
    let n = &x.1[1..];
    let mut y = Vec::new();
    for (o, b) in bias.iter().enumerate() {
        for t in indices(output) {
            let mut sum = *b;
            for (k, tap) in indices(&w.1[1..]).iter().zip(&w.0[o * w.1[1..].iter().product::<usize>()..]) {
                let channel = o / (bias.len() / groups) * w.1[1] + k[0];
                let mut at = channel;
                let mut inside = true;
                for a in 0..n.len() {
                    let p = (t[a] * stride + k[1 + a] * dilation) as isize - padding[a] as isize;
                    inside &= circular || (0..n[a] as isize).contains(&p);
                    at = at * n[a] + p.rem_euclid(n[a] as isize) as usize;
                }
                sum += if inside { tap * x.0[at] } else { 0.0 };
            }
            y.push(sum);
        }
    }
    y
}

#[test]
fn convolutions_are_their_sums() {
    let scope = scope();
    let spec = ConvSpec::new(1).stride(&[2]).dilation(&[3]).padding(&[2]).groups(2);
    let layer = Conv1d::new(&scope.at("a"), 4, 6, [3], spec, true).unwrap();
    let (x, w, b) = (real(&[1, 4, 11], 1), layer.weight(), layer.bias().unwrap());
    let y = layer.forward(&x).unwrap();
    assert_eq!(y.shape()[..], [1, 6, 5]);
    let (xs, ws) = (values(&x), values(w));
    close_real(&y, &naive((&xs, &[4, 11]), (&ws, &w.shape()), &values(b), 2, 3, (&[2], &[5]), (false, 2)));

    let causal = Conv1d::new(&scope.at("b"), 2, 3, [4], ConvSpec::new(1).causal(), false).unwrap();
    let (x, w) = (real(&[1, 2, 7], 2), causal.weight());
    let (xs, ws) = (values(&x), values(w));
    let expected = naive((&xs, &[2, 7]), (&ws, &w.shape()), &[0.0; 3], 1, 1, (&[3], &[7]), (false, 1));
    close_real(&causal.forward(&x).unwrap(), &expected);

    let spec = ConvSpec::new(2).same().mode(PaddingMode::Circular);
    let image = Conv2d::new(&scope.at("c"), 2, 2, [3, 5], spec, true).unwrap();
    let (x, w, b) = (real(&[1, 2, 6, 7], 3), image.weight(), image.bias().unwrap());
    let (xs, ws) = (values(&x), values(w));
    let expected =
        naive((&xs, &[2, 6, 7]), (&ws, &w.shape()), &values(b), 1, 1, (&[1, 2], &[6, 7]), (true, 1));
    close_real(&image.forward(&x).unwrap(), &expected);

    let volume = Conv3d::new(&scope.at("d"), 1, 2, [2, 1, 3], ConvSpec::new(3), false).unwrap();
    let (x, w) = (real(&[1, 1, 3, 2, 4], 4), volume.weight());
    let (xs, ws) = (values(&x), values(w));
    let expected =
        naive((&xs, &[1, 3, 2, 4]), (&ws, &w.shape()), &[0.0; 2], 1, 1, (&[0; 3], &[2, 2, 2]), (false, 1));
    close_real(&volume.forward(&x).unwrap(), &expected);
}

/// The sum over taps, `[batch, length, channels]`.
fn long_sum(u: &[f64], kernel: &[f64], skip: &[f64], [batch, length, channels]: [usize; 3]) -> Vec<f64> {
    let taps = kernel.len() / channels;
    let at = |b: usize, t: usize, c: usize| u[(b * length + t) * channels + c];
    indices(&[batch, length, channels])
        .iter()
        .map(|i| {
            let (b, t, c) = (i[0], i[1], i[2]);
            let past = (0..=t.min(taps - 1)).map(|s| kernel[c * taps + s] * at(b, t - s, c)).sum::<f64>();
            past + skip[c] * at(b, t, c)
        })
        .collect()
}

#[test]
fn long_convolutions_are_their_sums() {
    let scope = scope();
    let skip_of = |name: &str| {
        let parameters = scope.at(name).parameters();
        let skip = parameters.iter().find(|p| p.path().ends_with("skip"));
        values(skip.unwrap().var())
    };
    let layers = [
        ("explicit", LongConv::explicit(&scope.at("explicit"), 3, 10).unwrap()),
        ("implicit", LongConv::implicit(&scope.at("implicit"), 3, 10, 2, 8).unwrap()),
        ("one", LongConv::explicit(&scope.at("one"), 3, 1).unwrap()),
    ];
    for (name, layer) in layers {
        // Shorter than the kernel, as long and longer.
        for length in [1, 4, 10, 17] {
            let shape = [2, length, 3];
            let [u, w, v] = [1, 2, 3].map(|seed| real(&shape, seed));
            let kernel = values(&layer.kernel(length).unwrap());
            let expected = long_sum(&values(&u), &kernel, &skip_of(name), shape);
            close_real(&layer.forward(&u).unwrap(), &expected);
            let gated = u.mul(&w).unwrap();
            let expected = long_sum(&values(&gated), &kernel, &skip_of(name), shape);
            let expected: Vec<f64> = expected.iter().zip(values(&v)).map(|(y, v)| y * v).collect();
            close_real(&layer.gated(&u, &w, &v).unwrap(), &expected);
        }
    }
}

#[test]
fn implicit_kernels_are_networks_of_position() {
    let scope = scope();
    let (channels, taps, bands, width) = (2, 9, 2, 5);
    let kernel = ImplicitKernel::new(&scope, channels, taps, bands, width).unwrap();
    let parameters: Vec<Vec<f64>> = scope.parameters().iter().map(|p| values(p.var())).collect();
    let [w1, b1, w2, b2, w3, rates] = &parameters[..] else { panic!("six parameters") };
    let linear = |w: &[f64], b: &[f64], x: &[f64]| -> Vec<f64> {
        let row =
            |(o, b): (usize, &f64)| b + x.iter().zip(&w[o * x.len()..]).map(|(x, w)| x * w).sum::<f64>();
        b.iter().enumerate().map(row).collect()
    };
    let sines = |x: Vec<f64>| -> Vec<f64> { x.iter().map(|x| x.sin()).collect() };
    let mut expected = vec![0.0; channels * taps];
    for s in 0..taps {
        let place = s as f64 / taps as f64;
        let mut features = vec![place];
        for f in 1..=bands {
            let z = super::turn(f as f64 * place);
            features.extend([z.re, z.im]);
        }
        let inner = sines(linear(w2, b2, &sines(linear(w1, b1, &features))));
        for (c, n) in linear(w3, &vec![0.0; channels], &inner).iter().enumerate() {
            expected[c * taps + s] = (-rates[c].exp() * place).exp() * n;
        }
    }
    close_real(&kernel.taps(100).unwrap(), &expected);
    let head: Vec<f64> = (0..channels).flat_map(|c| expected[c * taps..][..4].to_vec()).collect();
    close_real(&kernel.taps(4).unwrap(), &head);
}

#[test]
fn first_kernels_keep_the_variance_of_white_noise() {
    let (channels, taps) = (64, 300);
    for (name, layer) in [
        ("a", LongConv::explicit(&scope().at("a"), channels, taps).unwrap()),
        ("b", LongConv::implicit(&scope().at("b"), channels, taps, 8, 64).unwrap()),
    ] {
        let energy = values(&layer.kernel(taps).unwrap()).iter().map(|k| k * k).sum::<f64>();
        let energy = energy / channels as f64;
        assert!((0.6..1.5).contains(&energy), "{name}: {energy}");
    }
}

#[test]
fn single_precision_agrees() {
    let device = super::cpu();
    let single = fft_nn::layers::Scope::new(&device, fft_core::DType::F32, 7).unwrap().at("layer");
    let (a, b) = (LongConv::explicit(&single, 2, 8).unwrap(), LongConv::explicit(&scope(), 2, 8).unwrap());
    let x = normal(2 * 20, 5);
    let y = b.forward(&constant(&x, &[1, 20, 2])).unwrap();
    let rounded: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    let found: Vec<f32> = a.forward(&constant(&rounded, &[1, 20, 2])).unwrap().value().to_vec().unwrap();
    assert!(found.iter().zip(values(&y)).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-5));
}
