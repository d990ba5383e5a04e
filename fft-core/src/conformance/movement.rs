//! Copies, conversions, fills, selections, slices by index. All results are exact.

use super::compare::{ensure, equal};
use super::sample::{Array, Guise, Random, rounded, rounded_complex, written};
use super::{Case, Operation, Outcome};
use crate::{Complex64, DType, Device, ScatterMode, Tensor};

const COPY: &[Operation] = &[Operation::Copy];
const GATHER: &[Operation] = &[Operation::Gather];
const SCATTER: &[Operation] = &[Operation::Scatter];

pub(super) const CASES: &[Case] = &[
    Case::new("copy::between_layouts", COPY, between_layouts),
    Case::new("copy::every_pair_of_dtypes", COPY, every_pair_of_dtypes),
    Case::new("copy::large", COPY, large_copies),
    Case::new("copy::parts_of_complex_numbers", COPY, parts_of_complex_numbers),
    Case::new("fill::every_dtype", &[Operation::Fill], fill),
    Case::new("select::broadcast_and_layouts", &[Operation::Select], select),
    Case::new("gather::axes_and_layouts", GATHER, gather),
    Case::new("gather::clamps_what_lies_outside", GATHER, gather_outside),
    Case::new("scatter::sets", SCATTER, |d| scatter(d, ScatterMode::Set)),
    Case::new("scatter::adds", SCATTER, |d| scatter(d, ScatterMode::Add)),
    Case::new("scatter::ignores_what_lies_outside", SCATTER, scatter_outside),
    Case::new("scatter::sums_in_order", SCATTER, scatter_order),
];

/// The element types of a device.
pub(super) fn dtypes(device: &Device) -> Vec<DType> {
    DType::ALL.into_iter().filter(|&d| device.supports(d)).collect()
}

const SHAPES: [&[usize]; 6] = [&[], &[7], &[5, 6], &[3, 1, 9], &[2, 3, 4, 5], &[40, 33]];

fn between_layouts(device: &Device) -> Outcome {
    for dtype in dtypes(device) {
        for (seed, shape) in SHAPES.into_iter().enumerate() {
            let array = Random::new(seed as u64).array(shape, dtype);
            for (guise, x) in array.guises(device, dtype)? {
                equal(format_args!("{dtype} {guise:?} {shape:?}"), &x, &array)?;
                for target in Guise::ALL {
                    let what = format!("{dtype} {guise:?} to {target:?} {shape:?}");
                    let got = written(device, shape, dtype, target, |dst| device.copy(x.view(), dst))
                        .map_err(|f| f.within(&what))?;
                    equal(&what, &got, &array)?;
                }
            }
        }
        // Repeated elements.
        let row = Random::new(1).array(&[1, 5], dtype);
        let full = Array::from_fn(&[3, 4, 5], |i| row.at(&i[1..]));
        let x = row.to(device, dtype)?.broadcast_to(&[3, 4, 5])?;
        equal(format_args!("{dtype} repeated"), &x.contiguous()?, &full)?;
    }
    Ok(())
}

fn parts_of_complex_numbers(device: &Device) -> Outcome {
    for dtype in dtypes(device) {
        let array = Random::new(3).array(&[4, 5], dtype);
        for (guise, x) in array.guises(device, dtype)? {
            if !dtype.is_complex() {
                ensure(x.parts().is_err(), || format!("parts of {dtype}"))?;
                continue;
            }
            let want = Array::from_fn(&[4, 5, 2], |i| {
                let z = array.at(&i[..2]);
                if i[2] == 0 { z.re.into() } else { z.im.into() }
            });
            equal(format_args!("{dtype} {guise:?}"), &x.parts()?, &want)?;
        }
    }
    Ok(())
}

/// Zeros of both signs, halves (truncation), the ends of every integer type and beyond, subnormals, infinities, NaN.
const EDGES: &[f64] = &[
    0.0,
    -0.0,
    0.5,
    -0.5,
    0.99,
    -0.99,
    1.5,
    -1.5,
    2.5,
    126.7,
    127.0,
    128.0,
    -128.0,
    -128.9,
    -129.0,
    254.9,
    255.0,
    256.0,
    -1.0,
    65535.0,
    65536.0,
    65504.0,
    65519.9,
    65520.0,
    1e5,
    4294967295.0,
    4294967296.0,
    1e10,
    -1e10,
    1e20,
    -1e20,
    1e38,
    1e-8,
    6e-8,
    1e-40,
    std::f64::consts::PI,
    0.1,
    1.0 / 3.0,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

fn every_pair_of_dtypes(device: &Device) -> Outcome {
    for from in dtypes(device) {
        // The edges, as the source type stores them, and enough ordinary values for a vector loop and its rest.
        let mut random = Random::new(5);
        let mut data: Vec<Complex64> =
            EDGES.iter().map(|&re| rounded_complex(Complex64::new(re, -re), from)).collect();
        // 2^63 is not an i64 that an f64 states exactly; such values are tested by saturation from floats only.
        if from == DType::I64 {
            data.retain(|z| z.re.abs() < 2f64.powi(53));
        }
        data.extend(random.array(&[101], from).data.iter().map(|z| rounded_complex(z * 300.0, from)));
        let array = Array { shape: vec![data.len()], data };
        for to in dtypes(device) {
            let want = array.map(|z| rounded_complex(z, to));
            for guise in [Guise::Contiguous, Guise::Reversed, Guise::Stepped] {
                let x = array.disguised(device, from, guise)?;
                let got = x.to_dtype(to)?;
                ensure(got.dtype() == to, || format!("{from} to {to}: the result is {}", got.dtype()))?;
                // Integers need not hold a NaN: it becomes 0, which `rounded` says too.
                equal(format_args!("{from} to {to}, {guise:?}"), &got, &want)?;
            }
        }
    }
    // Integers that an f64 does not hold survive between 64-bit layouts.
    let big = [i64::MAX, i64::MIN, (1 << 53) + 1, -1];
    let x = Tensor::from_slice(device, &big, &[2, 2])?.transpose(0, 1)?;
    ensure(x.to_vec::<i64>()? == [big[0], big[2], big[1], big[3]], || "64-bit integers were rounded".into())?;
    let clipped = x.to_dtype(DType::U32)?.to_vec::<u32>()?;
    ensure(clipped == [u32::MAX, u32::MAX, 0, 0], || format!("i64 to u32 gives {clipped:?}"))
}

fn large_copies(device: &Device) -> Outcome {
    // Large enough for a backend to split the work, odd enough for the parts to be uneven.
    let shape = [67, 129, 131];
    let array = Random::new(6).array(&shape, DType::F32);
    let x = array.to(device, DType::F32)?;
    for axes in [[0, 1, 2], [1, 0, 2], [2, 1, 0], [0, 2, 1], [2, 0, 1], [1, 2, 0]] {
        let shape = axes.map(|a| shape[a]);
        let want = Array::from_fn(&shape, |i| {
            let mut index = [0; 3];
            (0..3).for_each(|k| index[axes[k]] = i[k]);
            array.at(&index)
        });
        equal(format_args!("axes {axes:?}"), &x.permute(&axes)?.contiguous()?, &want)?;
        let half = x.permute(&axes)?.to_dtype(DType::F16)?;
        let want = want.map(|z| rounded_complex(z, DType::F16));
        equal(format_args!("axes {axes:?} to f16"), &half, &want)?;
    }
    Ok(())
}

fn fill(device: &Device) -> Outcome {
    for dtype in dtypes(device) {
        for (re, im) in [(0.0, 0.0), (1.5, -2.5), (300.7, 1.0), (-3.9, 0.25), (f64::NAN, 0.0), (1e30, 1e-30)]
        {
            for shape in SHAPES {
                let value = rounded_complex(Complex64::new(re, im), dtype);
                let want = Array::from_fn(shape, |_| value);
                for guise in Guise::ALL {
                    let what = format!("{dtype} {re} + {im} i, {guise:?} {shape:?}");
                    let got = written(device, shape, dtype, guise, |dst| device.fill(re, im, dst))
                        .map_err(|f| f.within(&what))?;
                    equal(what, &got, &want)?;
                }
            }
        }
    }
    Ok(())
}

fn select(device: &Device) -> Outcome {
    for dtype in dtypes(device) {
        for shape in SHAPES {
            let mut random = Random::new(shape.len() as u64);
            // Any value but 0 selects the first.
            let condition = Array::from_fn(shape, |_| Complex64::from([0.0, 1.0, 255.0][random.below(3)]));
            let (a, b) = (random.array(shape, dtype), random.array(shape, dtype));
            let want = Array::from_fn(shape, |i| if condition.at(i).re != 0.0 { a.at(i) } else { b.at(i) });
            for guise in Guise::ALL {
                let c = condition.disguised(device, DType::U8, guise)?;
                let (at, bt) = (a.disguised(device, dtype, guise)?, b.to(device, dtype)?);
                let what = format!("{dtype} {guise:?} {shape:?}");
                equal(&what, &Tensor::select(&c, &at, &bt)?, &want)?;
                let got = written(device, shape, dtype, guise, |dst| {
                    device.select(c.view(), at.view(), bt.view(), dst)
                })
                .map_err(|f| f.within(&what))?;
                equal(format_args!("{what}, strided destination"), &got, &want)?;
            }
        }
        let mut random = Random::new(77);
        let condition = Array::from_fn(&[4, 1], |i| Complex64::from((i[0] % 2) as f64));
        let (a, b) = (random.array(&[3, 1, 5], dtype), random.array(&[1], dtype));
        let want = Array::from_fn(&[3, 4, 5], |i| if condition.at(i).re != 0.0 { a.at(i) } else { b.at(i) });
        let got =
            Tensor::select(&condition.to(device, DType::U8)?, &a.to(device, dtype)?, &b.to(device, dtype)?)?;
        equal(format_args!("{dtype} broadcast"), &got, &want)?;
    }
    // NaN in what is not selected does not show.
    let c = Tensor::from_slice(device, &[1u8, 0], &[2])?;
    let a = Tensor::from_slice(device, &[1f32, f32::NAN], &[2])?;
    let b = Tensor::from_slice(device, &[f32::NAN, 2f32], &[2])?;
    ensure(Tensor::select(&c, &a, &b)?.to_vec::<f32>()? == [1.0, 2.0], || "NaN was blended in".into())
}

/// The indices as a tensor of each index type, one of them strided.
fn index_tensors(device: &Device, indices: &[u32]) -> crate::Result<Vec<Tensor>> {
    let wide: Vec<i64> = indices.iter().map(|&i| i.into()).collect();
    let spread: Vec<u32> = indices.iter().flat_map(|&i| [i, 1_000_000]).collect();
    Ok(vec![
        Tensor::from_slice(device, indices, &[indices.len()])?,
        Tensor::from_slice(device, &wide, &[indices.len()])?,
        Tensor::from_slice(device, &spread, &[spread.len()])?.step(0, 2)?,
    ])
}

fn gather(device: &Device) -> Outcome {
    for dtype in dtypes(device) {
        for (seed, shape) in SHAPES.into_iter().enumerate() {
            let mut random = Random::new(seed as u64);
            let array = random.array(shape, dtype);
            for axis in 0..shape.len() {
                for count in [0, 1, 2 * shape[axis] + 1] {
                    let indices: Vec<u32> = (0..count).map(|_| random.below(shape[axis]) as u32).collect();
                    let mut wide = shape.to_vec();
                    wide[axis] = count;
                    let want = Array::from_fn(&wide, |i| {
                        let mut from = i.to_vec();
                        from[axis] = indices[i[axis]] as usize;
                        array.at(&from)
                    });
                    for (guise, x) in array.guises(device, dtype)? {
                        for index in index_tensors(device, &indices)? {
                            let what = format!("{dtype} {guise:?} {shape:?}, axis {axis}, {count} indices");
                            equal(&what, &x.gather(axis, &index)?, &want)?;
                            if count == 0 {
                                continue;
                            }
                            let got = written(device, &wide, dtype, guise, |dst| {
                                device.gather(x.view(), axis, index.view(), dst)
                            })
                            .map_err(|f| f.within(&what))?;
                            equal(format_args!("{what}, strided destination"), &got, &want)?;
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

fn gather_outside(device: &Device) -> Outcome {
    let x = Tensor::from_slice(device, &[1f32, 2.0, 3.0], &[3])?;
    let far = Tensor::from_slice(device, &[3i64, -1, i64::MAX, i64::MIN, 1], &[5])?;
    let got = x.gather(0, &far)?.to_vec::<f32>()?;
    ensure(got == [3.0, 1.0, 3.0, 1.0, 2.0], || {
        format!("i64 indices outside give {got:?}, not the nearest ends")
    })?;
    let far = Tensor::from_slice(device, &[u32::MAX, 3, 0], &[3])?;
    let got = x.gather(0, &far)?.to_vec::<f32>()?;
    ensure(got == [3.0, 3.0, 1.0], || format!("u32 indices outside give {got:?}, not the last"))
}

fn scatter(device: &Device, mode: ScatterMode) -> Outcome {
    for dtype in dtypes(device) {
        for (seed, shape) in SHAPES.into_iter().enumerate() {
            for axis in 0..shape.len() {
                let mut random = Random::new(seed as u64);
                let mut start = random.array(shape, dtype);
                let mut wide = shape.to_vec();
                // More sources than places: some places are hit more than once.
                wide[axis] = shape[axis] + 2;
                let mut source = random.array(&wide, dtype);
                let indices: Vec<u32> = (0..wide[axis]).map(|_| random.below(shape[axis]) as u32).collect();
                if dtype.epsilon() == 0.0 || matches!(dtype, DType::F16 | DType::BF16) {
                    // Small integers: sums are exact, and do not leave the type.
                    let small = |z: Complex64| Complex64::from(rounded((z.re * 4.0).abs() % 5.0, DType::U8));
                    (start, source) = (start.map(small), source.map(small));
                }
                let mut want = start.clone();
                for at in Array::indices(&wide) {
                    let mut to = at.clone();
                    to[axis] = indices[at[axis]] as usize;
                    let place = to.iter().zip(shape).fold(0, |flat, (i, n)| flat * n + i);
                    match mode {
                        ScatterMode::Set => want.data[place] = source.at(&at),
                        // In the order of the sources, rounded to the type at each step.
                        ScatterMode::Add => {
                            want.data[place] = rounded_complex(want.data[place] + source.at(&at), dtype)
                        }
                    }
                }
                for guise in Guise::ALL {
                    for index in index_tensors(device, &indices)? {
                        let src = source.disguised(device, dtype, guise)?;
                        let what = format!("{mode:?} {dtype} {guise:?} {shape:?}, axis {axis}");
                        let mut got = start.disguised(device, dtype, guise)?;
                        let shared = got.clone();
                        got.scatter(axis, &index, &src, mode)?;
                        equal(&what, &got, &want)?;
                        equal(format_args!("{what}: a tensor that shares the buffer"), &shared, &start)?;
                        drop(shared);
                        let mut owned = start.disguised(device, dtype, guise)?;
                        owned.scatter(axis, &index, &src, mode)?;
                        equal(format_args!("{what}, in place"), &owned, &want)?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn scatter_outside(device: &Device) -> Outcome {
    for mode in [ScatterMode::Set, ScatterMode::Add] {
        let mut x = Tensor::from_slice(device, &[1f32, 2.0, 3.0], &[3])?;
        let far = Tensor::from_slice(device, &[3i64, -1, 1, i64::MIN, i64::MAX], &[5])?;
        x.scatter(0, &far, &Tensor::full(device, &[5], DType::F32, 10.0)?, mode)?;
        let want = if mode == ScatterMode::Set { 10.0 } else { 12.0 };
        let got = x.to_vec::<f32>()?;
        ensure(got == [1.0, want, 3.0], || format!("{mode:?} with indices outside gives {got:?}"))?;
    }
    Ok(())
}

/// Values whose `f32` sum depends on the order: the order of the sources is promised.
fn scatter_order(device: &Device) -> Outcome {
    let count = 5000;
    let mut random = Random::new(11);
    let values: Vec<f32> =
        (0..count).map(|_| (random.unit() * 2f64.powi(random.below(30) as i32)) as f32).collect();
    let indices: Vec<u32> = (0..count).map(|_| random.below(7) as u32).collect();
    let mut want = vec![0f32; 7];
    for (&i, v) in indices.iter().zip(&values) {
        want[i as usize] += v;
    }
    for _ in 0..3 {
        let mut got = Tensor::zeros(device, &[7], DType::F32)?;
        let index = Tensor::from_slice(device, &indices, &[count])?;
        got.scatter(0, &index, &Tensor::from_slice(device, &values, &[count])?, ScatterMode::Add)?;
        let got = got.to_vec::<f32>()?;
        ensure(got == want, || format!("sums {got:?} instead of {want:?}"))?;
    }
    Ok(())
}
