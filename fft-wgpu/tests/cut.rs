//! Reductions, tables and what is composed of them where a binding holds only a part: the same as on a device whose bindings hold all.

mod common;

use fft_core::backend::AttentionSpec;
use fft_core::optimise::AdamWStep;
use fft_core::{DType, Device, Norm, ReduceOp, Result, ScatterMode, Tensor, UnaryOp};
use fft_wgpu::WgpuOptions;

/// A device whose bindings are small, and one as it is; nothing where there is no adapter.
fn open(max_binding: usize) -> Option<[Device; 2]> {
    let small = WgpuOptions { max_binding: Some(max_binding), validation: true, ..Default::default() };
    Some([common::open(small)?, common::open(WgpuOptions::default())?])
}

/// Whole numbers, whose sums are exact.
fn whole(device: &Device, shape: &[usize], dtype: DType) -> Tensor {
    let len: usize = shape.iter().product();
    let data: Vec<f32> = (0..len).map(|i| (i * 7919 % 41) as f32 - 20.0).collect();
    Tensor::from_slice(device, &data, shape).unwrap().to_dtype(dtype).unwrap()
}

/// The same results on both devices, by their bits.
fn same(devices: &[Device; 2], what: &str, work: impl Fn(&Device) -> Result<Tensor>) {
    let [small, large] = devices.each_ref().map(|d| work(d).unwrap_or_else(|e| panic!("{what}: {e}")));
    assert_eq!(small.shape(), large.shape(), "{what}");
    assert!(small.to_bytes().unwrap() == large.to_bytes().unwrap(), "{what} differs in parts");
}

/// The same but for rounding.
fn close(devices: &[Device; 2], what: &str, work: impl Fn(&Device) -> Result<Tensor>) {
    let [small, large] = devices
        .each_ref()
        .map(|d| work(d).and_then(|t| t.to_vec::<f32>()).unwrap_or_else(|e| panic!("{what}: {e}")));
    let off = small.iter().zip(&large).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let size = large.iter().map(|x| x.abs()).fold(0.0, f32::max);
    assert!(small.len() == large.len() && size > 0.0 && off <= 1e-5 * size, "{what}: {off:e} of {size:e}");
}

#[test]
fn reductions() {
    let Some(devices) = open(16 << 10) else { return };
    // One line; columns; few long rows; several axes, with one between them that stays; results that are many and far apart.
    let shapes: [(&[usize], &[usize]); 6] = [
        (&[100_003], &[0]),
        (&[3001, 37], &[0]),
        (&[3, 40_001], &[1]),
        (&[40, 21, 101], &[0, 2]),
        (&[2, 70_000], &[0]),
        (&[70, 5, 300], &[1]),
    ];
    for dtype in [DType::F32, DType::BF16, DType::C64, DType::I8, DType::U32, DType::I64] {
        for (shape, axes) in shapes {
            use ReduceOp::*;
            for op in [Sum, Mean, Max, Min, ArgMax, ArgMin] {
                let arg = matches!(op, ArgMax | ArgMin);
                if (arg && axes.len() > 1)
                    || (op == Mean && dtype.is_integer())
                    || (!matches!(op, Sum | Mean) && dtype.is_complex())
                {
                    continue;
                }
                let what = format!("{op:?} of {dtype} {shape:?} over {axes:?}");
                same(&devices, &what, |d| whole(d, shape, dtype).reduce(op, axes));
                if let [rest @ .., a, b] = axes
                    && rest.is_empty()
                {
                    let turned = |d: &Device| whole(d, shape, dtype).transpose(*a, *b)?.reduce(op, axes);
                    same(&devices, &what, turned);
                }
            }
        }
    }
    // Factors that leave a product exact.
    same(&devices, "product", |d| {
        let data: Vec<f32> = (0..50_000).map(|i| [1.0, -1.0, 2.0, 0.5][i * 7 % 4]).collect();
        Tensor::from_slice(d, &data, &[50_000])?.reduce(ReduceOp::Prod, &[0])
    });
    same(&devices, "sum of squares", |d| whole(d, &[300, 111], DType::F32).sum_of_squares());
    same(&devices, "sum of complex squares", |d| whole(d, &[30_000], DType::C64).sum_of_squares());
}

/// The first of equals, and the first NaN, in whichever piece they are.
#[test]
fn places_of_extrema() {
    let Some([device, _]) = open(16 << 10) else { return };
    let n = 60_000;
    for at in [0, 1999, 2000, 31_000, n - 1] {
        let mut data = vec![0f32; n];
        data[at] = 3.0;
        data[n - 1] = 3.0;
        let place = |data: &[f32], largest: bool| {
            let x = Tensor::from_slice(&device, data, &[n]).unwrap();
            let found = if largest { x.argmax(0) } else { x.argmin(0) };
            found.unwrap().to_scalar::<i64>().unwrap()
        };
        assert_eq!(place(&data, true), at as i64);
        data[at] = f32::NAN;
        data[n - 1] = f32::NAN;
        assert_eq!((place(&data, true), place(&data, false)), (at as i64, at as i64));
        let x = Tensor::from_slice(&device, &data, &[n]).unwrap();
        assert!(x.max(0).unwrap().to_scalar::<f32>().unwrap().is_nan());
        assert!(x.sum(0).unwrap().to_scalar::<f32>().unwrap().is_nan());
    }
}

#[test]
fn transforms_of_columns() {
    let Some(devices) = open(20 << 10) else { return };
    // Columns of 2 to 1050 points that lie further apart than a binding reaches; batches before and behind them.
    for (shape, axis) in [([1050, 5, 5], 0), ([2, 300, 40], 1), ([2, 3, 6000], 0), ([30, 30, 30], 1)] {
        let n = shape[axis];
        let lines = |d: &Device| whole(d, &shape, DType::F32);
        let parts = |t: Tensor| Tensor::cat(&[t.unary(UnaryOp::Real)?, t.unary(UnaryOp::Imag)?], 0);
        close(&devices, "rfft", |d| parts(lines(d).rfft(axis, None, Norm::Backward)?));
        close(&devices, "fft", |d| {
            parts(lines(d).to_dtype(DType::C64)?.fft(axis, Some(n - n / 7), Norm::Ortho)?)
        });
        close(&devices, "irfft", |d| {
            lines(d).rfft(axis, None, Norm::Backward)?.irfft(axis, Some(n), Norm::Backward)
        });
    }
    let functions = |d: &Device| whole(d, &[2, 33, 400], DType::F32);
    close(&devices, "low frequencies", |d| functions(d).low_frequencies(&[5, 7])?.unary(UnaryOp::AbsSquared));
    close(&devices, "band limited", |d| functions(d).low_frequencies(&[5, 7])?.band_limited(&[33, 400]));
}

#[test]
fn tables() {
    let Some(devices) = open(16 << 10) else { return };
    let places = [299i64, 0, 64, 65, 150, 299, 7, 128];
    for dtype in [DType::F32, DType::F16, DType::U8, DType::C64] {
        for (shape, axis) in [([300, 70], 0), ([70, 300], 1)] {
            let index = |d: &Device| Tensor::from_slice(d, &places, &[places.len()]);
            same(&devices, &format!("{dtype} along {axis}"), |d| {
                whole(d, &shape, dtype).gather(axis, &index(d)?)
            });
            same(&devices, &format!("{dtype} turned"), |d| {
                whole(d, &shape, dtype).transpose(0, 1)?.gather(1 - axis, &index(d)?)
            });
            for mode in [ScatterMode::Set, ScatterMode::Add] {
                same(&devices, &format!("{mode:?} of {dtype} along {axis}"), |d| {
                    let mut table = whole(d, &shape, dtype);
                    let mut slices = shape;
                    slices[axis] = places.len();
                    table.scatter(axis, &index(d)?, &whole(d, &slices, dtype), mode)?;
                    Ok(table)
                });
            }
        }
    }
    // What lies outside is the last; and more sources than a binding holds.
    same(&devices, "indices outside", |d| {
        let index = Tensor::from_slice(d, &[300u32, u32::MAX, 298], &[3])?;
        whole(d, &[300, 70], DType::F32).gather(0, &index)
    });
    same(&devices, "many sources", |d| {
        let index: Vec<u32> = (0..500).map(|i| i * 7 % 300).collect();
        let mut table = Tensor::zeros(d, &[300, 70], DType::F32)?;
        let sources = whole(d, &[500, 70], DType::F32);
        table.scatter(0, &Tensor::from_slice(d, &index, &[500])?, &sources, ScatterMode::Add)?;
        Ok(table)
    });
    // More indices than a binding holds, of few places: the last source of each, or all in their order.
    for mode in [ScatterMode::Set, ScatterMode::Add] {
        for dtype in [DType::U8, DType::F32] {
            same(&devices, &format!("many indices, {mode:?} of {dtype}"), |d| {
                let index: Vec<i64> = (0..5003).map(|i| i * 7 % 61).collect();
                let index = Tensor::from_slice(d, &index, &[index.len()])?;
                let mut table = whole(d, &[67, 3], dtype);
                table.scatter(0, &index, &whole(d, &[5003, 3], dtype), mode)?;
                Ok(table)
            });
        }
    }
}

/// Rows so short that what there is one of for each row takes more memory than they do.
#[test]
fn short_rows() {
    let Some(devices) = open(64 << 10) else { return };
    for classes in [1, 3] {
        let rows = 30_001 / classes;
        let x = |d: &Device| whole(d, &[rows, classes], DType::F16).affine(0.05, 0.0);
        let targets = |d: &Device| {
            let index: Vec<i64> = (0..rows as i64).map(|i| i % 4).collect();
            Tensor::from_slice(d, &index, &[rows])
        };
        same(&devices, "cross-entropy", |d| Ok(x(d)?.cross_entropy(&targets(d)?)?.0));
        same(&devices, "cross-entropy's way back", |d| {
            let (loss, logarithm) = x(d)?.cross_entropy(&targets(d)?)?;
            x(d)?.cross_entropy_backward(&targets(d)?, &logarithm, &loss)
        });
        for i in 0..2 {
            same(&devices, "RMS norm's way back", |d| {
                let weight = whole(d, &[classes], DType::F16);
                Ok(x(d)?.rms_norm_backward(&weight, &x(d)?.affine(0.5, 0.3)?, 1e-3)?[i].clone())
            });
        }
    }
}

/// Rows are worked on as many at once as bindings hold: the same kernels, and the same bits.
#[test]
fn rows() {
    let Some(devices) = open(64 << 10) else { return };
    type Work = fn(&[Tensor]) -> Result<Vec<Tensor>>;
    let of_two: [(&str, Work); 9] = [
        ("softmax", |t| Ok(vec![t[0].softmax(1)?])),
        ("softmax along columns", |t| Ok(vec![t[0].softmax(0)?])),
        ("softmax's way back", |t| Ok(vec![t[0].softmax_backward(&t[1], 1)?])),
        ("log softmax", |t| Ok(vec![t[0].log_softmax(1)?])),
        ("layer norm", |t| Ok(vec![t[0].layer_norm(&t[2], &t[2], 1e-5)?])),
        ("layer norm's way back", |t| Ok(t[0].layer_norm_backward(&t[2], &t[1], 1e-5)?.into())),
        ("RMS norm's way back", |t| Ok(t[0].rms_norm_backward(&t[2], &t[1], 1e-5)?.into())),
        ("gate's way back", |t| Ok(t[0].silu_mul_backward(&t[1], &t[0])?.into())),
        ("cross-entropy", |t| {
            let index: Vec<u32> = (0..t[0].shape()[0] as u32).map(|i| i % 72).collect();
            let targets = Tensor::from_slice(t[0].device(), &index, &[index.len()])?;
            let (loss, logarithm) = t[0].cross_entropy(&targets)?;
            let grad = t[0].cross_entropy_backward(&targets, &logarithm, &loss)?;
            Ok(vec![loss, logarithm, grad])
        }),
    ];
    let each = |what: &str, work: &dyn Fn(&Device) -> Result<Vec<Tensor>>| {
        let [small, large] = devices.each_ref().map(|d| work(d).unwrap_or_else(|e| panic!("{what}: {e}")));
        for (i, (small, large)) in small.iter().zip(&large).enumerate() {
            assert!(small.to_bytes().unwrap() == large.to_bytes().unwrap(), "{what}: result {i} differs");
        }
    };
    for dtype in [DType::F32, DType::F16] {
        for shape in [[900, 70], [1003, 71]] {
            let operands = |d: &Device| -> Result<Vec<Tensor>> {
                let x = whole(d, &shape, DType::F32).affine(0.05, 0.0)?;
                let all = [x.clone(), x.affine(0.5, 0.3)?, whole(d, &shape[1..], DType::F32)];
                all.iter().map(|t| t.to_dtype(dtype)).collect()
            };
            for (name, work) in of_two {
                each(&format!("{name} of {shape:?}, {dtype}"), &|d| work(&operands(d)?));
            }
        }
    }
    each("norm of magnitudes", &|d| {
        let (z, grad) =
            (whole(d, &[400, 70], DType::C64), whole(d, &[400, 70], DType::C64).affine(0.5, 1.0)?);
        let w = whole(d, &[70], DType::F32);
        let mut out = vec![z.magnitude_norm(&w, 1e-5)?, z.mod_relu(&w)?];
        out.extend(z.magnitude_norm_backward(&w, &grad, 1e-5)?);
        out.extend(z.mod_relu_backward(&w, &grad)?);
        Ok(out)
    });
    for dtype in [DType::F32, DType::C64] {
        each("AdamW", &|d| {
            let shape = [30_001];
            let grad = whole(d, &shape, dtype);
            let mut parameter = grad.affine(0.5, 1.0)?;
            let [mut mean, mut square] = [grad.affine(0.1, 0.0)?, grad.affine(0.0, 1.0)?];
            parameter.adamw_step(&grad, &mut mean, &mut square, &AdamWStep::default())?;
            Ok(vec![parameter, mean, square])
        });
    }
}

/// Batches and heads go one after another where bindings do not hold all of them, by the same kernels.
#[test]
fn heads() {
    let Some(devices) = open(64 << 10) else { return };
    // Several batches; several heads of keys, each of two heads of queries; a few queries, for which keys are cut; many queries of one head of keys.
    for ([batch, groups, queries, keys], causal) in
        [([5, 1, 100, 120], true), ([1, 6, 90, 90], false), ([3, 5, 2, 300], false), ([1, 1, 600, 640], true)]
    {
        let spec = AttentionSpec { scale: 0.25, causal, offset: keys - queries };
        let operand = |d: &Device, heads: usize, rows: usize, n: usize| -> Result<Tensor> {
            whole(d, &[batch, heads, rows, n], DType::F32).affine(0.05, 0.1)
        };
        let of = |d: &Device| -> Result<Vec<Tensor>> {
            let (q, k, v) = (
                operand(d, 2 * groups, queries, 16)?,
                operand(d, groups, keys, 16)?,
                operand(d, groups, keys, 24)?,
            );
            let grad = operand(d, 2 * groups, queries, 24)?;
            let mut out = vec![Tensor::attention(&q, &k, &v, spec)?];
            out.extend(Tensor::attention_backward(&q, &k, &v, &grad, spec)?);
            Ok(out)
        };
        for i in 0..4 {
            let what = format!("result {i} of {batch} x {groups} x {queries} x {keys}");
            close(&devices, &what, |d| Ok(of(d)?[i].clone()));
        }
    }
    let profile = WgpuOptions { max_binding: Some(64 << 10), profile: true, ..Default::default() };
    if !fft_wgpu::adapters().first().is_some_and(|a| a.features.contains("timestamps")) {
        eprintln!("*** no adapter, or none with timestamps: this wgpu test DID NOT RUN ***");
        return;
    }
    let device = fft_wgpu::device(profile).unwrap();
    let x = whole(&device, &[2, 4, 200, 16], DType::F32);
    let spec = AttentionSpec { scale: 0.25, causal: true, offset: 0 };
    Tensor::attention_backward(&x, &x, &x, &Tensor::attention(&x, &x, &x, spec).unwrap(), spec).unwrap();
    let (x, k) = (whole(&device, &[1, 2, 900, 16], DType::F32), whole(&device, &[1, 1, 900, 16], DType::F32));
    Tensor::attention(&x, &k, &k, spec).unwrap();
    let names: Vec<String> = device.kernel_times().unwrap().unwrap().into_iter().map(|t| t.name).collect();
    assert!(!names.iter().any(|name| name.contains("softmax")), "{names:?}");
}

/// What runs as a composition where a binding does not hold a row.
#[test]
fn compositions() {
    let Some(devices) = open(64 << 10) else { return };
    let small = |d: &Device, shape: &[usize]| whole(d, shape, DType::F32).affine(0.05, 0.0);
    close(&devices, "softmax of a long row", |d| small(d, &[2, 30_000])?.softmax(1));
    for i in 0..3 {
        close(&devices, "gradients of a layer norm of long rows", |d| {
            let (x, grad) = (small(d, &[3, 30_000])?, small(d, &[3, 30_000])?.affine(1.0, 0.3)?);
            Ok(x.layer_norm_backward(&small(d, &[30_000])?, &grad, 1e-5)?[i].clone())
        });
    }
    for (queries, causal) in [(1, false), (3, true)] {
        let keys = 5000;
        let spec = AttentionSpec { scale: 0.25, causal, offset: keys - queries };
        let operands = |d: &Device| -> Result<[Tensor; 3]> {
            Ok([small(d, &[1, 2, queries, 16])?, small(d, &[1, 1, keys, 16])?, small(d, &[1, 1, keys, 24])?])
        };
        close(&devices, "attention", |d| {
            let [q, k, v] = operands(d)?;
            Tensor::attention(&q, &k, &v, spec)
        });
        for i in 0..3 {
            close(&devices, "the way back of attention", |d| {
                let [q, k, v] = operands(d)?;
                let grad = small(d, &[1, 2, queries, 24])?;
                Ok(Tensor::attention_backward(&q, &k, &v, &grad, spec)?[i].clone())
            });
        }
    }
}

/// 160 MB, within WebGPU's default limits.
#[test]
fn forty_million_numbers() {
    let options = WgpuOptions { default_limits: true, ..Default::default() };
    let Some(device) = common::open(options) else { return };
    let n = 40_000_037;
    let mut data: Vec<f32> = (0..n).map(|i| (i % 3) as f32 - 1.0).collect();
    let rest: f32 = data[n / 3 * 3..].iter().sum();
    data[n - 2] += 1000.0;
    let x = Tensor::from_slice(&device, &data, &[n]).unwrap();
    drop(data);
    assert_eq!(x.sum(0).unwrap().to_scalar::<f32>().unwrap(), 1000.0 + rest);
    assert_eq!(x.argmax(0).unwrap().to_scalar::<i64>().unwrap(), n as i64 - 2);
    assert_eq!(x.min(0).unwrap().to_scalar::<f32>().unwrap(), -1.0);
    let picked = x.gather(0, &Tensor::from_slice(&device, &[n as u32 - 2, 3, 5], &[3]).unwrap()).unwrap();
    let last = (n - 2) % 3;
    assert_eq!(picked.to_vec::<f32>().unwrap(), [last as f32 - 1.0 + 1000.0, -1.0, 1.0]);
}
