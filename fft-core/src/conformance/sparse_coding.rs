//! What sparse spectral tensors keep, how they are read and combined, and the parts that files hold.

use super::compare::{close_l2, ensure, slices_close_l2};
use super::sample::{Array, Random};
use super::sparse::{FORMATS, bound, dense, matrix};
use super::{Case, Failure, Operation, Outcome};
use crate::spectral::{
    Amount, ImplicitWeights, Selection, SparseOptions, SparseSpectralMatrix, SparseSpectralTensor,
    ValueFormat,
};
use crate::{Complex64, DType, Device, Tensor, reference};

/// What encoding and decoding on a device are made of.
const CODING: &[Operation] = &[Operation::FftNd, Operation::Upload, Operation::Download];

pub(super) const CASES: &[Case] = &[
    Case::new("sparse::everything_is_the_tensor", CODING, everything),
    Case::new("sparse::selections_keep_what_they_say", CODING, selections),
    Case::new("sparse::blocks_without_the_rest", CODING, blocks),
    Case::new("sparse::algebra_against_dense", CODING, algebra),
    Case::new("sparse::parts_round_trip", CODING, parts),
    Case::new("sparse::lying_parts_are_refused", CODING, lying_parts),
];

fn everything(device: &Device) -> Outcome {
    let shapes: [&[usize]; 9] =
        [&[1], &[8], &[9], &[6, 8], &[5, 7], &[1, 6], &[4, 3, 5], &[2, 3, 4, 5], &[2, 3, 2, 1, 2, 2, 3, 2]];
    for shape in shapes {
        let dense = Random::new(8).array(shape, DType::F32);
        let w = dense.to(device, DType::F32)?;
        let sparse = SparseSpectralTensor::from_dense(&w, &SparseOptions::everything(ValueFormat::F32))?;
        let eps = f64::from(f32::EPSILON) * (dense.data.len() as f64).log2().max(1.0) * 4.0;
        close_l2(format!("{shape:?}"), &sparse.to_dense()?, &dense, eps)?;
        ensure(sparse.density()? == 1.0, || format!("{shape:?} has density {:?}", sparse.density()))?;
        ensure(sparse.relative_error(&w)? <= eps, || format!("{shape:?}: relative error"))?;
        ensure((sparse.kept_energy(&w)? - 1.0).abs() <= 2.0 * eps, || format!("{shape:?}: kept energy"))?;
        // Half the precision, half the bytes of values; an eighth for log8, and their errors.
        for (format, error) in [(ValueFormat::F16, 1e-3), (ValueFormat::Log8, 0.05)] {
            let coarse = sparse.with_values(format)?;
            close_l2(format!("{shape:?} {format:?}"), &coarse.to_dense()?, &dense, error)?;
        }
    }
    Ok(())
}

fn selections(device: &Device) -> Outcome {
    let shape = [20, 24];
    let dense = Random::new(10).array(&shape, DType::F32);
    let w = dense.to(device, DType::F32)?;
    let all = SparseSpectralTensor::from_dense(&w, &SparseOptions::everything(ValueFormat::F32))?;
    let error = |selection| -> Result<(f64, usize, f64), Failure> {
        let options = SparseOptions { selection, values: ValueFormat::F32 };
        let kept = SparseSpectralTensor::from_dense(&w, &options)?;
        let (error, energy) = (kept.relative_error(&w)?, kept.kept_energy(&w)?);
        // By Parseval's theorem what is lost is what was not kept, and the norm is that of the coefficients.
        ensure((error * error + energy - 1.0).abs() < 1e-5, || {
            format!("{selection:?}: {error} and {energy}")
        })?;
        Ok((error, kept.count(), kept.density()?))
    };
    for density in [0.05, 0.2, 0.5] {
        let amount = Amount::Density(density);
        let (top, _, top_density) = error(Selection::TopK(amount))?;
        ensure(top_density <= density && top_density > density - 2.0 / 480.0, || {
            format!("density {density} became {top_density}")
        })?;
        for other in [
            Selection::Random { amount, seed: 3 },
            Selection::LowPass(amount),
            Selection::Block { amount, block: 4 },
        ] {
            let (worse, _, other_density) = error(other)?;
            ensure(worse >= top && other_density <= density, || {
                format!("{other:?} has error {worse} at density {other_density}, top-k {top}")
            })?;
        }
    }
    let (_, count, _) = error(Selection::TopK(Amount::Count(17)))?;
    ensure(count == 17, || format!("17 coefficients became {count}"))?;
    let (lost, count, _) = error(Selection::TopK(Amount::Energy(0.8)))?;
    let (more, _, _) = error(Selection::TopK(Amount::Count(count - 1)))?;
    ensure(1.0 - lost * lost >= 0.8 - 1e-5 && 1.0 - more * more < 0.8 + 1e-5, || {
        format!("{count} coefficients hold {}, one fewer {}", 1.0 - lost * lost, 1.0 - more * more)
    })?;
    let compressed = all.compress(&SparseOptions::density(0.2))?;
    let direct = SparseSpectralTensor::from_dense(&w, &SparseOptions::density(0.2))?;
    ensure(compressed.coefficients()?.0 == direct.coefficients()?.0, || "compress chose others".into())?;
    for density in [0.0, -0.1, 1.5, f64::NAN, f64::INFINITY] {
        let refused = SparseSpectralTensor::from_dense(&w, &SparseOptions::density(density)).err();
        let named = refused.is_some_and(|e| e.to_string().contains("density"));
        ensure(named, || format!("density {density} was not refused by name"))?;
    }
    let mut bad = dense.clone();
    bad.data[7] = Complex64::new(f64::NAN, 0.0);
    let refused =
        SparseSpectralTensor::from_dense(&bad.to(device, DType::F32)?, &SparseOptions::density(0.5));
    ensure(refused.is_err(), || "NaN was not refused".into())
}

fn blocks(device: &Device) -> Outcome {
    let cases: [(&[usize], &[usize], &[usize]); 6] = [
        (&[12, 10], &[3, 2], &[4, 5]),
        (&[12, 10], &[11, 0], &[1, 10]),
        (&[9], &[2], &[5]),
        (&[4, 6, 5], &[1, 2, 0], &[2, 3, 5]),
        (&[40, 64], &[7, 0], &[9, 64]),
        (&[3, 4, 2, 5], &[0, 1, 1, 2], &[3, 2, 1, 3]),
    ];
    for (shape, start, len) in cases {
        let w = Random::new(11).array(shape, DType::F32).to(device, DType::F32)?;
        let sparse = SparseSpectralTensor::from_dense(&w, &SparseOptions::density(0.4))?;
        let full = Array::from(&sparse.to_dense()?)?;
        let want =
            Array::from_fn(len, |i| full.at(&i.iter().zip(start).map(|(i, s)| i + s).collect::<Vec<_>>()));
        // Of the norm of the whole: a block may be small.
        let norm = (full.data.iter().map(|z| z.norm_sqr()).sum::<f64>()
            / want.data.iter().map(|z| z.norm_sqr()).sum::<f64>())
        .sqrt();
        let eps = 8.0 * f64::from(f32::EPSILON) * (full.data.len() as f64).log2() * norm;
        close_l2(format!("{shape:?} from {start:?} {len:?}"), &sparse.block(start, len)?, &want, eps)?;
        let element = f64::from(sparse.element(start)?);
        slices_close_l2("element", &[element.into()], &[full.at(start)], eps * norm * 10.0)
            .or_else(|e| if (element - full.at(start).re).abs() < 1e-5 { Ok(()) } else { Err(e) })?;
        ensure(sparse.block_cost(len).operations > 0, || "a block costs nothing".into())?;
        let one = sparse.block_cost(&vec![1; shape.len()]);
        ensure(one.operations <= sparse.block_cost(shape).operations, || "an element costs most".into())?;
        ensure(sparse.element(shape).is_err(), || "an index past the end passed".into())?;
        ensure(sparse.block(start, shape).is_err() || start.iter().all(|&s| s == 0), || "block".into())?;
    }
    let w = matrix(device, [30, 22], 40, ValueFormat::F32, 5)?;
    let rows = w.rows(4, 3)?;
    let full = dense(&w)?;
    let want: Vec<Complex64> = full[4 * 22..7 * 22].iter().map(|&v| v.into()).collect();
    slices_close_l2("rows of a matrix", &Array::from(&rows)?.data, &want, 1e-5)?;
    slices_close_l2(
        "to_dense of a matrix",
        &Array::from(&w.to_dense()?)?.data,
        &full.iter().map(|&v| v.into()).collect::<Vec<_>>(),
        bound([30, 22]),
    )
}

fn algebra(device: &Device) -> Outcome {
    let all = SparseOptions::everything(ValueFormat::F32);
    let shapes: [&[usize]; 5] = [&[7], &[8], &[12, 9], &[5, 4, 6], &[16, 16]];
    for (i, shape) in shapes.into_iter().enumerate() {
        for density in [0.1, 0.7] {
            let make = |seed| -> Result<(SparseSpectralTensor, Array), Failure> {
                let w = Random::new(seed).array(shape, DType::F32).to(device, DType::F32)?;
                let sparse = SparseSpectralTensor::from_dense(&w, &SparseOptions::density(density))?;
                let dense = Array::from(&sparse.to_dense()?)?;
                Ok((sparse, dense))
            };
            let ((a, da), (b, db)) = (make(20 + i as u64)?, make(40 + i as u64)?);
            let both = |f: fn(f64, f64) -> f64| {
                let values: Vec<f64> = da.data.iter().zip(&db.data).map(|(x, y)| f(x.re, y.re)).collect();
                Array::real(shape, values)
            };
            let eps = 2e-5;
            close_l2(format!("{shape:?} sum"), &a.add(&b)?.to_dense()?, &both(|x, y| x + y), eps)?;
            close_l2(format!("{shape:?} scaled"), &a.scale(-2.5)?.to_dense()?, &both(|x, _| -2.5 * x), eps)?;
            close_l2(
                format!("{shape:?} product"),
                &a.multiply(&b, &all)?.to_dense()?,
                &both(|x, y| x * y),
                eps,
            )?;
            let want: f64 = both(|x, y| x * y).re().iter().sum();
            let scale = a.norm()? * b.norm()?;
            ensure((a.inner(&b)? - want).abs() <= 1e-6 * scale && scale > 0.0, || {
                format!("{shape:?}: inner product {} instead of {want}", a.inner(&b).unwrap_or(f64::NAN))
            })?;
        }
    }
    for (m, k, n) in [(6, 8, 10), (5, 7, 9), (1, 6, 4), (8, 1, 8), (9, 12, 1)] {
        let make = |seed, shape: [usize; 2]| -> Result<(SparseSpectralTensor, Array), Failure> {
            let w = Random::new(seed).array(&shape, DType::F32).to(device, DType::F32)?;
            let sparse = SparseSpectralTensor::from_dense(&w, &SparseOptions::density(0.6))?;
            let dense = Array::from(&sparse.to_dense()?)?;
            Ok((sparse, dense))
        };
        let ((a, da), (b, db)) = (make(1, [m, k])?, make(2, [k, n])?);
        let product = a.matmul(&b, &all)?.to_dense()?;
        let want = Array { shape: vec![m, n], data: reference::matmul(&da.data, &db.data, m, k, n) };
        close_l2(format!("[{m}, {k}] [{k}, {n}]"), &product, &want, 2e-5)?;
        ensure(a.matmul(&a, &all).is_err() || m == k, || "shapes that do not fit passed".into())?;
    }
    Ok(())
}

fn parts(device: &Device) -> Outcome {
    for format in FORMATS {
        let w = matrix(device, [30, 44], 300, format, 12)?;
        let stored = w.parts();
        let mut find = |name: &str| {
            let part = stored.iter().find(|(n, _)| *n == name);
            part.map(|(_, t)| t.clone()).ok_or_else(|| crate::Error::invalid("test", "part", name, "missing"))
        };
        let back = SparseSpectralMatrix::from_parts(device, [30, 44], format, &mut find)?;
        ensure(back.coefficients()? == w.coefficients()?, || format!("{format:?}: other coefficients"))?;
        ensure(back.bytes() == w.bytes() && w.bytes() > 0, || format!("{format:?}: other bytes"))?;
        let per = (w.bytes() - 8 * w.row_offsets().len()) as f64 / w.count() as f64;
        let most = match format {
            ValueFormat::F32 => 10.0,
            ValueFormat::F16 => 6.1,
            ValueFormat::Log8 => 4.2,
        };
        ensure(per <= most, || format!("{format:?}: {per} bytes a coefficient"))?;
    }
    Ok(())
}

fn lying_parts(device: &Device) -> Outcome {
    let (m, n) = (6, 8);
    let good = || -> crate::Result<Vec<(&'static str, Tensor)>> {
        Ok(vec![
            ("row_offsets", Tensor::from_slice(device, &[0u32, 1, 3, 3, 4], &[5])?),
            ("columns", Tensor::from_slice(device, &[0u16, 2, 7, 1], &[4])?),
            ("values", Tensor::from_slice(device, &[1.0f32; 8], &[4, 2])?),
        ])
    };
    let load = |parts: Vec<(&'static str, Tensor)>| {
        SparseSpectralMatrix::from_parts(device, [m, n], ValueFormat::F32, &mut |name| {
            let part = parts.iter().find(|(n, _)| *n == name);
            part.map(|(_, t)| t.clone()).ok_or_else(|| crate::Error::invalid("test", "part", name, "missing"))
        })
    };
    load(good()?)?;
    let offsets = |v: &[u32]| Tensor::from_slice(device, v, &[v.len()]);
    let columns = |v: &[u16]| Tensor::from_slice(device, v, &[v.len()]);
    let lies: Vec<(&'static str, Tensor)> = vec![
        ("row_offsets", offsets(&[0, 1, 3, 3])?),
        ("row_offsets", offsets(&[1, 1, 3, 3, 4])?),
        ("row_offsets", offsets(&[0, 3, 1, 3, 4])?),
        ("row_offsets", offsets(&[0, 1, 3, 3, 5])?),
        ("row_offsets", offsets(&[0, 1, 3, 3, u32::MAX])?),
        ("row_offsets", Tensor::from_slice(device, &[0.0f32; 5], &[5])?),
        ("columns", columns(&[0, 2, 8, 1])?),
        ("columns", columns(&[0, 7, 2, 1])?),
        ("columns", columns(&[0, 2, 2, 1])?),
        ("columns", columns(&[0, 2, 7])?),
        ("columns", Tensor::from_slice(device, &[0u32, 2, 7, 1], &[4])?),
        ("values", Tensor::from_slice(device, &[1.0f32; 8], &[8])?),
        ("values", Tensor::from_slice(device, &[1.0f32, 1.0, f32::NAN, 1.0, 1.0, 1.0, 1.0, 1.0], &[4, 2])?),
        ("values", Tensor::from_slice(device, &[1u8; 8], &[4, 2])?),
    ];
    for (i, (name, lie)) in lies.into_iter().enumerate() {
        let mut parts = good()?;
        parts.iter_mut().filter(|(n, _)| *n == name).for_each(|part| part.1 = lie.clone());
        ensure(load(parts).is_err(), || format!("lie {i} about {name} passed"))?;
        let mut parts = good()?;
        parts.retain(|(n, _)| *n != name);
        ensure(load(parts).is_err(), || format!("{name} was not missed"))?;
    }
    Ok(())
}
