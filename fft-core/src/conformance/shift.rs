//! Cyclic shifts and resizing along axes. Nothing is computed, so every comparison is exact.

use super::compare::equal;
use super::sample::{Array, Random};
use super::{Case, Operation, Outcome};
use crate::{Complex64, DType, Device, frequencies};

const MOVES: &[Operation] = &[Operation::Copy, Operation::Fill];

pub(super) const CASES: &[Case] = &[
    Case::new("shift::roll", MOVES, roll),
    Case::new("shift::fftshift", MOVES, fftshift),
    Case::new("shift::resize", MOVES, resize),
];

const SHAPES: [&[usize]; 5] = [&[1], &[6], &[7], &[4, 5], &[2, 3, 8]];

fn roll(device: &Device) -> Outcome {
    for shape in SHAPES {
        let array = Random::new(1).array(shape, DType::F32);
        for (guise, x) in array.guises(device, DType::F32)? {
            for axis in 0..shape.len() {
                for shift in [-100, -3, -1, 0, 1, 2, 7, 100] {
                    let n = shape[axis] as isize;
                    let want = Array::from_fn(shape, |i| {
                        let mut from = i.to_vec();
                        from[axis] = (i[axis] as isize - shift).rem_euclid(n) as usize;
                        array.at(&from)
                    });
                    let what = format!("{guise:?} {shape:?}, axis {axis} by {shift}");
                    equal(what, &x.roll(axis, shift)?, &want)?;
                }
            }
        }
    }
    Ok(())
}

fn fftshift(device: &Device) -> Outcome {
    // By the frequencies: shifted they ascend, and back they are as before.
    for n in 1..=33 {
        let f = frequencies::fftfreq(n, 1.0 / n as f64)?;
        let mut sorted = f.clone();
        sorted.sort_by(f64::total_cmp);
        let x = Array::real(&[n], f.iter().copied()).to(device, DType::F32)?;
        let shifted = x.fftshift(&[0])?;
        equal(format_args!("fftshift of {n}"), &shifted, &rounded(&sorted))?;
        equal(format_args!("ifftshift of {n}"), &shifted.ifftshift(&[0])?, &rounded(&f))?;
    }
    for shape in SHAPES {
        let array = Random::new(2).array(shape, DType::C64);
        let axes: Vec<usize> = (0..shape.len()).collect();
        let want = Array::from_fn(shape, |i| {
            let from: Vec<usize> = i.iter().zip(shape).map(|(i, n)| (i + n - n / 2) % n).collect();
            array.at(&from)
        });
        for (guise, x) in array.guises(device, DType::C64)? {
            let shifted = x.fftshift(&axes)?;
            equal(format_args!("{guise:?} {shape:?}"), &shifted, &want)?;
            equal(format_args!("{guise:?} {shape:?} back"), &shifted.ifftshift(&axes)?, &array)?;
        }
    }
    Ok(())
}

/// As `f32` holds it.
fn rounded(values: &[f64]) -> Array {
    Array::real(&[values.len()], values.iter().map(|&v| v as f32 as f64))
}

fn resize(device: &Device) -> Outcome {
    let shape = [3, 4, 5];
    let array = Random::new(3).array(&shape, DType::C64);
    for (guise, x) in array.guises(device, DType::C64)? {
        for axis in 0..3 {
            for len in [0, 1, shape[axis], shape[axis] + 1, 20] {
                let mut to = shape;
                to[axis] = len;
                let want = Array::from_fn(&to, |i| {
                    if i[axis] < shape[axis] { array.at(i) } else { Complex64::default() }
                });
                equal(format_args!("{guise:?}, axis {axis} to {len}"), &x.resize(axis, len)?, &want)?;
            }
        }
    }
    Ok(())
}
