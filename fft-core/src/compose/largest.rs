//! The positions of the largest of many keys.

use std::cmp::Ordering;

use crate::{DType, Result, Tensor};

/// The positions of the `count` largest of `keys`, `[n]` of `F32` or `F64`, with `count <= n`: `U32 [count]`, ascending, in the order of
/// [`f32::total_cmp`]; of equal keys those at the lowest positions. Runs on the host, in linear time.
///
/// # Errors
/// Memory and device errors.
pub fn largest(keys: &Tensor, count: usize) -> Result<Tensor> {
    let positions = match (count, keys.dtype()) {
        (0, _) => Vec::new(),
        (_, DType::F64) => positions(&keys.to_vec::<f64>()?, count, f64::total_cmp),
        _ => positions(&keys.to_vec::<f32>()?, count, f32::total_cmp),
    };
    Tensor::from_slice(keys.device(), &positions, &[count])
}

/// The same of keys on the host, for `1 <= count <= keys.len()`.
fn positions<T: Copy>(keys: &[T], count: usize, order: impl Fn(&T, &T) -> Ordering) -> Vec<u32> {
    let mut turned = keys.to_vec();
    let (_, &mut last, _) = turned.select_nth_unstable_by(count - 1, |a, b| order(b, a));
    let mut ties = count - keys.iter().filter(|key| order(key, &last).is_gt()).count();
    let taken = |key: &T| match order(key, &last) {
        Ordering::Greater => true,
        Ordering::Equal if ties > 0 => {
            ties -= 1;
            true
        }
        _ => false,
    };
    let flags = keys.iter().map(taken);
    flags.enumerate().filter(|&(_, taken)| taken).map(|(position, _)| position as u32).collect()
}
