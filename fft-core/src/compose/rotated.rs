//! Products with rotated quantised matrices.

use crate::spectral::quantise::Bits;
use crate::spectral::rotation::{rotate, rotate_back};
use crate::spectral::{RotatedMatrix, TILE};
use crate::{DType, Result, Tensor};

/// Decoded numbers held at a time.
const SCRATCH: usize = 1 << 20;

/// `x W^T`: `x` is `F32 [.., in]`, the result `F32 [.., out]`.
///
/// Rotates `x`, multiplies by the integers, decoded a few tiles of rows at a time (4 MiB of scratch), and rotates back.
///
/// # Errors
/// Memory and device errors.
pub fn rotated_product(w: &RotatedMatrix, x: &Tensor) -> Result<Tensor> {
    let [rows, cols] = w.shape();
    let batch = x.len() / cols;
    let mut out_shape = x.shape().to_vec();
    if let Some(last) = out_shape.last_mut() {
        *last = rows;
    }
    if batch == 0 {
        return Tensor::zeros(x.device(), &out_shape, DType::F32);
    }
    let rotation = w.options().rotation;
    let (input_signs, output_signs) = w.sign_tensors()?;
    let x = rotate(&x.reshape(&[batch, cols])?, rotation, input_signs)?;
    let tiles = rows.div_ceil(TILE);
    let step = (SCRATCH / (TILE * cols)).max(1);
    let mut parts = Vec::with_capacity(tiles.div_ceil(step));
    for start in (0..tiles).step_by(step) {
        let q = decode_tiles(w, start, step.min(tiles - start))?;
        parts.push(x.matmul(&q.narrow(1, 0, cols)?.transpose(0, 1)?)?);
    }
    let y = if parts.len() == 1 { parts.remove(0) } else { Tensor::cat(&parts, 1)? };
    let y = y.narrow(1, 0, rows)?.scale(f64::from(w.gain()))?;
    rotate_back(&y, rotation, output_signs)?.reshape(&out_shape)
}

/// Scale times level of `tiles` tiles from `start`, without the gain: `F32 [16 * tiles, groups * group]`.
fn decode_tiles(w: &RotatedMatrix, start: usize, tiles: usize) -> Result<Tensor> {
    // [tiles, words, 16, 4]
    let code = w.codes().narrow(0, start, tiles)?.to_dtype(DType::F32)?;
    let level = match w.options().bits {
        // Two's complement: codes from 128 on are negative.
        Bits::Eight => code.sub(&code.scale(1.0 / 128.0)?.floor()?.scale(256.0)?)?.unsqueeze(4)?,
        Bits::Four => {
            let high = code.scale(1.0 / 16.0)?.floor()?;
            let low = code.sub(&high.scale(16.0)?)?;
            Tensor::cat(&[low.unsqueeze(4)?, high.unsqueeze(4)?], 4)?.affine(1.0, -7.5)?
        }
    };
    let group = w.options().group;
    let groups = w.scales().shape()[1];
    let level = level.permute(&[0, 2, 1, 3, 4])?.reshape(&[tiles, TILE, groups, group])?;
    let scale = w.scales().narrow(0, start, tiles)?.to_dtype(DType::F32)?;
    let scale = scale.permute(&[0, 2, 1])?.unsqueeze(3)?;
    level.mul(&scale)?.reshape(&[tiles * TILE, groups * group])
}
