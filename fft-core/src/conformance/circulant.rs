//! Block-circulant products against the dense product of the definition.
//!
//! Bound: `5 eps log2(8 in)` in relative L2. The transforms of blocks contribute `eps log2 b` each and the sums of `in / b` random terms
//! `eps log2(in / b)`; the factor 5 covers their number and `|W| |x| / |W x|`, which is near 1 for random operands.

use super::compare::{close_l2, ensure};
use super::sample::{Array, Guise, Random};
use super::{Case, Operation, Outcome};
use crate::spectral::{
    BlockCirculantMatrix, CirculantMatrix, CirculantOptions, spectral_norm, spectral_normalize, whiten,
};
use crate::{Complex64, DType, Device, Error, Tensor, compose, reference};

const PRODUCT: &[Operation] = &[Operation::BlockCirculantProduct];

pub(super) const CASES: &[Case] = &[
    Case::new("circulant::block_products", PRODUCT, products),
    Case::new("circulant::spectra", &[Operation::BlockCirculantSpectrum], spectra),
    Case::new("circulant::gradients", &[Operation::BlockCirculantGradient], gradients),
    Case::new("circulant::one_block", PRODUCT, one_block),
    Case::new("circulant::kernel_and_composition_agree", PRODUCT, composition),
    Case::new("circulant::rows_and_columns", PRODUCT, conventions),
    Case::new("circulant::projection", PRODUCT, projection),
    Case::new("circulant::saved_parts", PRODUCT, saved_parts),
    Case::new("circulant::norms", PRODUCT, norms),
    Case::new("circulant::whitening", &[Operation::Fft], whitening),
];

fn bound(inputs: usize) -> f64 {
    5.0 * f64::from(f32::EPSILON) * (8.0 * inputs as f64).log2()
}

/// `W[m b + p, n b + q] = c[m, n, (p - q) mod b]`.
fn dense(c: &Array) -> Array {
    let (m, n, b) = (c.shape[0], c.shape[1], c.shape[2]);
    Array::from_fn(&[m * b, n * b], |i| c.at(&[i[0] / b, i[1] / b, (i[0] % b + b - i[1] % b) % b]))
}

/// `x W^T`, or `x W`, for `x` of `[batch, features]`.
fn product(w: &Array, x: &Array, transpose: bool) -> Array {
    let (rows, cols) = (w.shape[0], w.shape[1]);
    let right = if transpose { w.clone() } else { Array::from_fn(&[cols, rows], |i| w.at(&[i[1], i[0]])) };
    let (batch, k, n) = (x.shape[0], right.shape[0], right.shape[1]);
    Array { shape: vec![batch, n], data: reference::matmul(&x.data, &right.data, batch, k, n) }
}

/// Blocks down, blocks across, size: even, odd and prime sizes, one block, rows and columns of blocks, sides that are no multiple of a
/// vector register, and blocks past the size where a kernel may change its method.
const SHAPES: [(usize, usize, usize); 21] = [
    (1, 1, 1),
    (3, 5, 1),
    (1, 1, 2),
    (4, 3, 2),
    (2, 3, 3),
    (17, 9, 4),
    (1, 6, 5),
    (6, 1, 5),
    (3, 4, 7),
    (16, 16, 8),
    (5, 33, 16),
    (32, 20, 16),
    (2, 2, 31),
    (7, 3, 64),
    (3, 2, 100),
    (2, 1, 127),
    (2, 3, 128),
    (1, 2, 129),
    (1, 3, 192),
    (2, 2, 251),
    (1, 1, 1024),
];

fn products(device: &Device) -> Outcome {
    for (seed, (m, n, b)) in SHAPES.into_iter().enumerate() {
        let mut random = Random::new(seed as u64);
        let c = random.array(&[m, n, b], DType::F32);
        let w = BlockCirculantMatrix::from_first_columns(&c.to(device, DType::F32)?)?;
        let oracle = dense(&c);
        close_l2(format_args!("dense {m} {n} {b}"), &w.to_dense()?, &oracle, 1e-9)?;
        for batch in [0, 1, 2, 3, 19, 40] {
            for transpose in [false, true] {
                let what = format!("{m} x {n} blocks of {b}, batch {batch}, transposed {transpose}");
                let features = if transpose { m * b } else { n * b };
                let x = random.array(&[batch, features], DType::F32);
                let guises = if batch == 3 { &Guise::ALL[..] } else { &Guise::ALL[..1] };
                for &guise in guises {
                    let input = x.disguised(device, DType::F32, guise)?;
                    let got = if transpose { w.apply_transposed(&input)? } else { w.apply(&input)? };
                    let want = product(&oracle, &x, transpose);
                    close_l2(format_args!("{what}, {guise:?}"), &got, &want, bound(features))?;
                }
            }
        }
    }
    Ok(())
}

fn spectra(device: &Device) -> Outcome {
    for (seed, (m, n, b)) in SHAPES.into_iter().enumerate() {
        let c = Random::new(seed as u64).array(&[m, n, b], DType::F32);
        let bins: Vec<_> = c.re().chunks(b).map(reference::rdft).collect();
        let want = Array::from_fn(&[b, m, n], |i| {
            let bin = bins[i[1] * n + i[2]][i[0].div_ceil(2)];
            if i[0] == 0 || i[0] % 2 == 1 { bin.re.into() } else { bin.im.into() }
        });
        for (guise, columns) in c.guises(device, DType::F32)? {
            let what = format!("{m} x {n} blocks of {b}, {guise:?}");
            close_l2(&what, &device.block_circulant_spectrum(&columns)?, &want, bound(b))?;
            close_l2(what, &compose::block_circulant_spectrum(&columns)?, &want, bound(b))?;
        }
    }
    Ok(())
}

/// Against the sums over wrapped diagonals of `dy^T x`, the gradient in the dense matrix.
fn gradients(device: &Device) -> Outcome {
    for (seed, (m, n, b)) in SHAPES.into_iter().enumerate() {
        let mut random = Random::new(50 + seed as u64);
        let w = BlockCirculantMatrix::from_first_columns(&Tensor::zeros(device, &[m, n, b], DType::F32)?)?;
        let nothing = |features| Tensor::zeros(device, &[0, features], DType::F32);
        let zeros = w.first_columns_gradient(&nothing(n * b)?, &nothing(m * b)?)?;
        ensure(zeros.shape() == [m, n, b] && zeros.to_vec::<f32>()?.iter().all(|&g| g == 0.0), || {
            format!("{m} x {n} blocks of {b}: the gradient of no vectors is {zeros:?}")
        })?;
        for batch in [1, 3, 19] {
            let x = random.array(&[batch, n * b], DType::F32);
            let dy = random.array(&[batch, m * b], DType::F32);
            let turned = Array::from_fn(&[m * b, batch], |i| dy.at(&[i[1], i[0]]));
            let dense = reference::matmul(&turned.data, &x.data, m * b, batch, n * b);
            let mut want = Array::from_fn(&[m, n, b], |_| Complex64::default());
            for (at, g) in dense.into_iter().enumerate() {
                let (i, j) = (at / (n * b), at % (n * b));
                want.data[((i / b) * n + j / b) * b + (i % b + b - j % b) % b] += g;
            }
            let what = format!("{m} x {n} blocks of {b}, batch {batch}");
            let guises = if batch == 3 { &Guise::ALL[..] } else { &Guise::ALL[..1] };
            for &guise in guises {
                let (x, dy) =
                    (x.disguised(device, DType::F32, guise)?, dy.disguised(device, DType::F32, guise)?);
                let got = w.first_columns_gradient(&x, &dy)?;
                close_l2(format_args!("{what}, {guise:?}"), &got, &want, bound(batch * b))?;
                let composed = compose::block_circulant_gradient(&x, &dy, b)?;
                close_l2(format_args!("{what}, composed"), &composed, &want, bound(batch * b))?;
            }
        }
    }
    let w = BlockCirculantMatrix::from_first_columns(&Tensor::zeros(device, &[2, 3, 4], DType::F32)?)?;
    let rows = |n, features| Tensor::zeros(device, &[n, features], DType::F32);
    let lead = w.first_columns_gradient(&rows(2, 12)?, &rows(3, 8)?);
    ensure(matches!(lead, Err(Error::ShapeMismatch { .. })), || "other leading axes".into())?;
    ensure(w.first_columns_gradient(&rows(2, 8)?, &rows(2, 12)?).is_err(), || "swapped".into())
}

fn one_block(device: &Device) -> Outcome {
    for n in [1, 2, 3, 8, 13, 60, 97, 256, 600] {
        let mut random = Random::new(n as u64);
        let (c, x) = (random.array(&[n], DType::F32), random.array(&[n], DType::F32));
        let w = CirculantMatrix::from_first_column(&c.to(device, DType::F32)?)?;
        let input = x.to(device, DType::F32)?;
        let want = Array::real(&[n], reference::circular_convolution(&x.re(), &c.re()));
        close_l2(format_args!("circulant {n}"), &w.apply(&input)?, &want, bound(n))?;
        let dense = Array::real(&[n, n], reference::circulant(&c.re()));
        close_l2(format_args!("circulant {n} dense"), &w.to_dense()?, &dense, 1e-9)?;
        let row = Array::from_fn(&[n], |i| dense.at(&[0, i[0]]));
        let from_row = CirculantMatrix::from_first_row(&row.to(device, DType::F32)?)?;
        close_l2(format_args!("circulant {n} by its row"), &from_row.to_dense()?, &dense, 1e-9)?;
        // An eigenvector is a wave: C e_k = lambda_k e_k, whose real part at k = 0 is the sum of the column.
        let sum: f64 = c.re().iter().sum();
        let eigenvalues = w.eigenvalues()?.to_vec::<crate::Complex32>()?;
        ensure(eigenvalues.len() == n / 2 + 1, || format!("{} eigenvalues of {n}", eigenvalues.len()))?;
        ensure((f64::from(eigenvalues[0].re) - sum).abs() < 1e-4, || format!("eigenvalue 0 of {n}"))?;
    }
    Ok(())
}

fn composition(device: &Device) -> Outcome {
    let mut random = Random::new(5);
    for (m, n, b) in [(20, 12, 16), (3, 5, 9), (2, 2, 200)] {
        let columns = random.array(&[m, n, b], DType::F32).to(device, DType::F32)?;
        let w = BlockCirculantMatrix::from_first_columns(&columns)?;
        let x = random.array(&[2, 3, n * b], DType::F32).to(device, DType::F32)?;
        let want = Array::from(&compose::block_circulant_product(&w, &x, false)?)?;
        ensure(want.shape == [2, 3, m * b], || format!("shape {:?}", want.shape))?;
        close_l2(format_args!("{m} {n} {b}"), &w.apply(&x)?, &want, 2.0 * bound(n * b))?;
    }
    Ok(())
}

fn conventions(device: &Device) -> Outcome {
    for b in [1, 2, 5, 8] {
        let rows = Random::new(b as u64).array(&[2, 3, b], DType::F32);
        let w = BlockCirculantMatrix::from_first_rows(&rows.to(device, DType::F32)?)?;
        let want = Array::from_fn(&[2 * b, 3 * b], |i| {
            rows.at(&[i[0] / b, i[1] / b, (i[1] % b + b - i[0] % b) % b])
        });
        close_l2(format_args!("first rows, blocks of {b}"), &w.to_dense()?, &want, 1e-9)?;
    }
    Ok(())
}

fn projection(device: &Device) -> Outcome {
    let mut random = Random::new(8);
    let (rows, cols, b) = (12, 20, 4);
    let w = random.array(&[rows, cols], DType::F32);
    let (p, error) =
        BlockCirculantMatrix::project(&w.to(device, DType::F32)?, &CirculantOptions { block: b })?;
    let got = Array::from(&p.to_dense()?)?;
    // The definition: the mean of each wrapped diagonal.
    let want = Array::from_fn(&[rows, cols], |i| {
        let shift = i[0] % b + b - i[1] % b;
        let at = |q: usize| w.at(&[i[0] / b * b + (q + shift) % b, i[1] / b * b + q]);
        (0..b).map(at).sum::<Complex64>() / b as f64
    });
    close_l2("projection", &p.to_dense()?, &want, 1e-6)?;
    let distance: f64 = w.data.iter().zip(&got.data).map(|(a, b)| (a - b).norm_sqr()).sum();
    let norm: f64 = w.data.iter().map(|a| a.norm_sqr()).sum();
    ensure(((distance / norm).sqrt() - error).abs() < 1e-5, || format!("reported error {error}"))?;
    // A matrix that is block circulant stays as it is.
    let (again, error) = BlockCirculantMatrix::project(&p.to_dense()?, &CirculantOptions { block: b })?;
    close_l2("projected twice", &again.to_dense()?, &got, 1e-6)?;
    ensure(error < 1e-3, || format!("error of a circulant matrix {error}"))?;
    let wrong = BlockCirculantMatrix::from_dense(&w.to(device, DType::F32)?, &CirculantOptions { block: 8 });
    ensure(matches!(wrong, Err(Error::ShapeMismatch { .. })), || "a block of 8 for 12 rows".into())?;
    let none = BlockCirculantMatrix::from_dense(&w.to(device, DType::F32)?, &CirculantOptions { block: 0 });
    ensure(none.is_err(), || "a block of 0".into())?;
    let mut lying = w.clone();
    lying.data[25] = f64::NAN.into();
    let message =
        BlockCirculantMatrix::from_dense(&lying.to(device, DType::F32)?, &CirculantOptions { block: b })
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default();
    ensure(message.contains("[1, 5]"), || format!("NaN is not named: {message}"))
}

fn saved_parts(device: &Device) -> Outcome {
    let c = Random::new(3).array(&[2, 3, 6], DType::F32);
    let w = BlockCirculantMatrix::from_first_columns(&c.to(device, DType::F32)?)?;
    let options = CirculantOptions { block: 6 };
    let parts = w.parts();
    let load = |shape: [usize; 2], options: &CirculantOptions, parts: &[(&'static str, Tensor)]| {
        BlockCirculantMatrix::from_parts(device, shape, options, &mut |name| super::part(parts, name))
    };
    let again = load([12, 18], &options, &parts)?;
    close_l2("loaded", &again.to_dense()?, &dense(&c), 1e-9)?;
    ensure(load([12, 24], &options, &parts).is_err(), || "another shape".into())?;
    ensure(load([12, 18], &CirculantOptions { block: 3 }, &parts).is_err(), || "another block".into())?;
    ensure(load([0, 18], &options, &parts).is_err(), || "an empty side".into())?;
    ensure(load([12, 18], &options, &[]).is_err(), || "a missing part".into())?;
    let mut bad = c;
    bad.data[7] = f64::INFINITY.into();
    let bad = [("columns", bad.to(device, DType::F32)?)];
    ensure(load([12, 18], &options, &bad).is_err(), || "an infinity".into())
}

fn norms(device: &Device) -> Outcome {
    // A product of a rotation, a diagonal and a rotation has the diagonal as its singular values.
    let w = Array::from_fn(&[2, 2], |i| {
        let (c, s) = (0.6, 0.8);
        let left = [[c, -s], [s, c]];
        Complex64::from(left[i[0]][0] * 3.0 * [s, c][i[1]] + left[i[0]][1] * 0.5 * [c, -s][i[1]])
    });
    let dense = w.to(device, DType::F32)?;
    let sigma = spectral_norm(&dense, 1e-6)?;
    ensure((sigma - 3.0).abs() < 1e-5, || format!("norm {sigma} instead of 3"))?;
    let unit = spectral_norm(&spectral_normalize(&dense, 1e-6)?, 1e-6)?;
    ensure((unit - 1.0).abs() < 1e-5, || format!("norm {unit} after normalising"))?;
    ensure(spectral_norm(&Tensor::zeros(device, &[3, 2], DType::F32)?, 1e-4)? == 0.0, || "zero".into())?;
    ensure(spectral_norm(&dense.scale(1e30)?, 1e-6)? > 2.9e30, || "squares overflow".into())?;
    ensure(spectral_norm(&dense, 0.0).is_err(), || "tolerance 0".into())?;
    for (m, n, b) in [(1, 1, 12), (3, 4, 5), (4, 2, 8)] {
        let columns = Random::new(b as u64).array(&[m, n, b], DType::F32).to(device, DType::F32)?;
        let w = BlockCirculantMatrix::from_first_columns(&columns)?;
        let (sigma, want) = (w.spectral_norm()?, spectral_norm(&w.to_dense()?, 1e-6)?);
        // The dense iteration stops a few times its tolerance below the norm.
        ensure((sigma - want).abs() < 1e-3 * sigma && want < 1.0001 * sigma, || {
            format!("blocks of {b}: {sigma} instead of {want}")
        })?;
        let unit = w.spectral_normalize()?.spectral_norm()?;
        ensure((unit - 1.0).abs() < 1e-5, || format!("blocks of {b}: {unit} after normalising"))?;
    }
    Ok(())
}

fn whitening(device: &Device) -> Outcome {
    for n in [1, 8, 15] {
        let x = Random::new(n as u64).array(&[2, n], DType::F32);
        let got = Array::from(&whiten(&x.to(device, DType::F32)?, 1e-6)?)?;
        for (got, x) in got.re().chunks(n).zip(x.re().chunks(n)) {
            for (got, x) in reference::rdft(got).into_iter().zip(reference::rdft(x)) {
                let want = x / x.norm();
                ensure((got - want).norm() < 1e-3, || format!("whitened bin {got} instead of {want}"))?;
            }
        }
    }
    let zero = whiten(&Tensor::zeros(device, &[6], DType::F32)?, 1e-3)?.to_vec::<f32>()?;
    ensure(zero == [0.0; 6], || format!("whitened zeros {zero:?}"))?;
    ensure(whiten(&Tensor::zeros(device, &[6], DType::F32)?, 0.0).is_err(), || "eps 0".into())
}
