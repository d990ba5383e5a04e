//! The positions of the largest keys, against a sort on the host in double precision: every position must agree.

use super::compare::ensure;
use super::sample::Random;
use super::{Case, Operation, Outcome};
use crate::{DType, Device, Tensor, compose};

pub(super) const CASES: &[Case] = &[
    Case::new("largest::positions", &[Operation::Largest], positions),
    Case::new("largest::special_keys", &[Operation::Largest], special),
    Case::new("largest::strided_keys", &[Operation::Largest], strided),
    Case::new("largest::refusals", &[Operation::Largest], refusals),
];

/// Below, at and above what a workgroup or a word of flags may hold.
const LENGTHS: [usize; 11] = [1, 2, 31, 33, 255, 257, 1000, 8191, 8193, 20_000, 300_001];

fn dtypes(device: &Device) -> impl Iterator<Item = DType> {
    [DType::F32, DType::F64].into_iter().filter(|&d| device.supports(d))
}

fn upload(device: &Device, keys: &[f32], dtype: DType) -> crate::Result<Tensor> {
    let n = keys.len();
    match dtype {
        DType::F64 => Tensor::from_slice(device, &wide(keys), &[n]),
        _ => Tensor::from_slice(device, keys, &[n]),
    }
}

fn wide(keys: &[f32]) -> Vec<f64> {
    keys.iter().map(|&k| f64::from(k)).collect()
}

/// The backend's method and the composition, for counts from none to all.
fn check(what: &str, t: &Tensor, keys: &[f32]) -> Outcome {
    let (n, wide) = (keys.len(), wide(keys));
    let mut order: Vec<u32> = (0..n as u32).collect();
    order.sort_by(|&a, &b| wide[b as usize].total_cmp(&wide[a as usize]).then(a.cmp(&b)));
    let mut counts = vec![0, 1, 2, 17, n / 20, n / 2, n.saturating_sub(1), n];
    counts.retain(|&count| count <= n);
    counts.sort_unstable();
    counts.dedup();
    for count in counts {
        let mut want = order[..count].to_vec();
        want.sort_unstable();
        for (way, got) in [("", t.largest(count)?), (", composed", compose::largest(t, count)?)] {
            let what = || format!("{what}, {count} of {n}{way}");
            ensure(got.dtype() == DType::U32, || format!("{}: positions of {}", what(), got.dtype()))?;
            let got = got.to_vec::<u32>()?;
            ensure(got.len() == count, || format!("{}: {} positions", what(), got.len()))?;
            let off = got.iter().zip(&want).position(|(g, w)| g != w);
            ensure(off.is_none(), || {
                let at = off.unwrap_or_default();
                format!("{}: position {at} is {} instead of {}", what(), got[at], want[at])
            })?;
        }
    }
    Ok(())
}

fn positions(device: &Device) -> Outcome {
    for dtype in dtypes(device) {
        for n in LENGTHS {
            let mut random = Random::new(n as u64);
            let keys: Vec<f32> = (0..n).map(|_| random.unit() as f32).collect();
            check("random", &upload(device, &keys, dtype)?, &keys)?;
            // Magnitudes of all sizes, in bits of every digit.
            let bits: Vec<f32> =
                (0..n).map(|_| f32::from_bits((random.bits() % 0x7f80_0000) as u32)).collect();
            check("of every exponent", &upload(device, &bits, dtype)?, &bits)?;
            let ties: Vec<f32> = (0..n).map(|_| random.below(5) as f32 - 2.0).collect();
            check("many ties", &upload(device, &ties, dtype)?, &ties)?;
            let equal = vec![-1.5; n];
            check("all equal", &upload(device, &equal, dtype)?, &equal)?;
        }
    }
    Ok(())
}

/// Infinities, both zeros, subnormal numbers and NaN of both signs, alone and among others.
fn special(device: &Device) -> Outcome {
    const KEYS: [f32; 12] = [
        0.0,
        -0.0,
        1.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        -f32::NAN,
        f32::MAX,
        f32::MIN,
        1e-40,
        -1e-40,
        f32::MIN_POSITIVE,
    ];
    for dtype in dtypes(device) {
        check("special", &upload(device, &KEYS, dtype)?, &KEYS)?;
        for key in KEYS {
            let keys = [key; 300];
            check(&format!("all {key}"), &upload(device, &keys, dtype)?, &keys)?;
        }
        let mut random = Random::new(7);
        let keys: Vec<f32> = (0..10_000)
            .map(|_| if random.below(3) == 0 { KEYS[random.below(KEYS.len())] } else { random.unit() as f32 })
            .collect();
        check("special among others", &upload(device, &keys, dtype)?, &keys)?;
    }
    Ok(())
}

fn strided(device: &Device) -> Outcome {
    for dtype in dtypes(device) {
        let mut random = Random::new(11);
        let all: Vec<f32> = (0..1001).map(|_| random.unit() as f32).collect();
        let t = upload(device, &all, dtype)?;
        check("a part", &t.narrow(0, 13, 900)?, &all[13..913])?;
        let back: Vec<f32> = all.iter().rev().copied().collect();
        check("backwards", &t.step(0, -1)?, &back)?;
        let third: Vec<f32> = all.iter().step_by(3).copied().collect();
        check("every third", &t.step(0, 3)?, &third)?;
        check("repeated", &t.narrow(0, 0, 1)?.broadcast_to(&[70])?, &[all[0]; 70])?;
    }
    Ok(())
}

fn refusals(device: &Device) -> Outcome {
    let keys = Tensor::zeros(device, &[4], DType::F32)?;
    ensure(keys.largest(5).is_err(), || "more than all".to_owned())?;
    ensure(keys.reshape(&[2, 2])?.largest(1).is_err(), || "keys of two axes".to_owned())?;
    ensure(keys.to_dtype(DType::U32)?.largest(1).is_err(), || "keys of integers".to_owned())?;
    ensure(keys.to_dtype(DType::C64)?.largest(1).is_err(), || "complex keys".to_owned())?;
    let none = Tensor::zeros(device, &[0], DType::F32)?.largest(0)?;
    ensure(none.shape() == [0] && none.dtype() == DType::U32, || format!("of nothing: {none:?}"))
}
