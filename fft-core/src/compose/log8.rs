//! Log8 codes of tensors; the format is that of [`crate::spectral::log8`].

use crate::spectral::log8;
use crate::{BinaryOp, DType, Error, Result, Tensor};

/// Decodes log8 codes: `codes` is `U8 [.., n]`, `ranges` is `F32 [.., ceil(n / group), 2]` (the largest magnitude and the step in
/// octaves of each group of `group` neighbours along the last axis); the result is `F32 [.., n]`.
///
/// The numbers agree with [`log8::Range::decode`] within `2e-6`, relatively.
///
/// # Errors
/// Mismatches of shape or dtype; [`Error::InvalidArgument`] when `group` is 0; memory and device errors.
pub fn log8_decode(codes: &Tensor, ranges: &Tensor, group: usize) -> Result<Tensor> {
    const OP: &str = "log8_decode";
    check_group(OP, codes, group)?;
    codes.same_device(OP, ranges)?;
    codes.expect_dtype(OP, DType::U8)?;
    ranges.expect_dtype(OP, DType::F32)?;
    let expected = ranges_shape(codes.shape(), group);
    if ranges.shape() != expected {
        return Err(Error::shapes(OP, ranges.shape(), &expected, "two numbers for each group"));
    }
    let rank = codes.rank();
    let n = codes.shape()[rank - 1];
    let groups = expected[rank - 1];
    // The range of each code: [.., groups, 1] repeated over the group, cut to n.
    let spread = |which: usize| -> Result<Tensor> {
        let mut shape = expected.clone();
        shape[rank] = group;
        let wide = ranges.narrow(rank, which, 1)?.broadcast_to(&shape)?.contiguous()?;
        shape.truncate(rank);
        shape[rank - 1] = groups * group;
        wide.reshape(&shape)?.narrow(rank - 1, 0, n)
    };
    let code = codes.to_dtype(DType::F32)?;
    // floor(code / 128) is the sign bit; what is left is m.
    let negative = code.scale(1.0 / 128.0)?.floor()?;
    let m = code.sub(&negative.scale(128.0)?)?;
    let exponent = m.affine(1.0, -127.0)?.mul(&spread(1)?)?;
    let magnitude = exponent.scale(std::f64::consts::LN_2)?.exp()?.mul(&spread(0)?)?;
    let signed = magnitude.mul(&negative.affine(-2.0, 1.0)?)?;
    let zero = Tensor::zeros(codes.device(), codes.shape(), DType::F32)?;
    Tensor::select(&m.binary(BinaryOp::Eq, &zero)?, &zero, &signed)
}

/// Encodes `x` (`F32 [.., n]`) as log8: codes `U8 [.., n]`, and ranges `F32 [.., ceil(n / group), 2]`, one for each group of `group`
/// neighbours along the last axis. Runs on the host, so that every device gives the same codes.
///
/// # Errors
/// [`Error::InvalidArgument`] when `group` is 0, or naming the index of a value that is NaN or infinite; mismatches of dtype;
/// memory and device errors.
pub fn log8_encode(x: &Tensor, group: usize) -> Result<(Tensor, Tensor)> {
    const OP: &str = "log8_encode";
    check_group(OP, x, group)?;
    let values = x.to_vec::<f32>()?;
    let n = x.shape()[x.rank() - 1];
    if let Some(i) = values.iter().position(|v| !v.is_finite()) {
        return Err(Error::invalid(OP, "values", values[i], format!("the value at index {i} is not finite")));
    }
    let mut codes = Vec::with_capacity(values.len());
    let mut ranges = Vec::with_capacity(values.len().div_ceil(group));
    for row in values.chunks(n.max(1)) {
        let (row_codes, row_ranges) = log8::encode(row, group)?;
        codes.extend(row_codes);
        ranges.extend(row_ranges);
    }
    let ranges = log8::ranges_to_flat(&ranges);
    Ok((
        Tensor::from_slice(x.device(), &codes, x.shape())?,
        Tensor::from_slice(x.device(), &ranges, &ranges_shape(x.shape(), group))?,
    ))
}

/// `[.., ceil(n / group), 2]` for `[.., n]`.
fn ranges_shape(shape: &[usize], group: usize) -> Vec<usize> {
    let mut out = shape.to_vec();
    let last = out.len() - 1;
    out[last] = out[last].div_ceil(group);
    out.push(2);
    out
}

fn check_group(op: &'static str, x: &Tensor, group: usize) -> Result<()> {
    if group == 0 {
        return Err(Error::invalid(op, "group", group, "must be at least 1"));
    }
    if x.rank() == 0 {
        return Err(Error::invalid(op, "rank", x.rank(), "at least one axis is needed"));
    }
    Ok(())
}
