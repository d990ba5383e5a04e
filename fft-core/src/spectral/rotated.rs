//! Rotated quantisation: a matrix between orthogonal transforms, rounded to 8 or 4 bits.

use std::sync::OnceLock;

use half::f16;

use crate::spectral::dense::{block_rows, check_matrix, expect_rows, host_rows};
use crate::spectral::parts::saved_part;
use crate::spectral::quantise::{self, Bits};
use crate::spectral::rotation::{Rotation, Signs, rotate, rotate_back};
use crate::{DType, Device, Error, Result, Tensor};

/// Rows of a tile: their codes are interleaved, so that one vector register holds a column of a tile.
pub const TILE: usize = 16;

/// How [`RotatedMatrix::from_dense`] stores a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotatedOptions {
    /// Bits of a code.
    pub bits: Bits,
    /// Neighbours along the input axis that share a scale; a multiple of 8. An `f16` scale costs `16 / group` bits a weight.
    pub group: usize,
    /// The transforms.
    pub rotation: Rotation,
    /// Seed of the signs; see [`Signs`].
    pub seed: u64,
}

impl RotatedOptions {
    /// Fourier rotation, seed 0, groups of 32: 4.5 or 8.5 bits a weight.
    pub const fn new(bits: Bits) -> Self {
        Self { bits, group: 32, rotation: Rotation::Fourier, seed: 0 }
    }
}

/// A real matrix `W` `[out, in]` kept as `Q = R_out D W D' R_in^T`, rounded to integers.
///
/// `R` is an orthogonal transform ([`Rotation`]) and `D`, `D'` are seeded sign diagonals ([`Signs`]). Whatever the outliers of `W`, the
/// elements of `Q` are near-Gaussian, which round-to-nearest with a scale for each group codes well; the error of `W` is that of
/// `Q`, since the transforms are orthogonal. A product is `y = D R_out^T (Q (R_in D' x))`: two fast transforms of activations, in
/// `f32`, and one product on the packed integers.
///
/// # Format
///
/// With `T = ceil(out / 16)` tiles of rows, `G = ceil(in / group)` groups of columns, and `C = G * group * bits / 32` words:
///
/// - `codes`, `U8 [T, C, 16, 4]`: word `c` of row `16 t + r` is the four bytes at `[t, c, r]`. With 8 bits byte `k` is the code of column
///   `4 c + k`; with 4 bits its low half is that of column `8 c + 2 k` and its high half that of column `8 c + 2 k + 1`.
/// - `scales`, `F16 [T, G, 16]`: the scale of row `16 t + r` for columns `group * g ..` is at `[t, g, r]`.
/// - `gain`, `F32 [1]`: a power of two that every scale is multiplied by, so that any magnitude of `W` fits `f16`.
///
/// The value of a code is `gain * scale * level` ([`Bits`]). Rows past `out` and columns past `in` are padding and have no influence.
#[derive(Debug, Clone)]
pub struct RotatedMatrix {
    shape: [usize; 2],
    options: RotatedOptions,
    codes: Tensor,
    scales: Tensor,
    gain: Tensor,
    gain_value: f32,
    input_signs: Signs,
    output_signs: Signs,
    sign_tensors: OnceLock<(Tensor, Tensor)>,
}

impl RotatedMatrix {
    /// Rotates and rounds `w` (`[out, in]`, any float dtype). Each group's scale is the one with the least squared error of a
    /// short search around the largest magnitude.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a group that is not a multiple of 8, a Hadamard rotation of an odd side, numbers so large
    /// that their rotation overflows `f32`, or naming an element that is NaN or infinite; [`Error::ShapeMismatch`] when `w` is not a matrix; memory and device errors.
    pub fn from_dense(w: &Tensor, options: &RotatedOptions) -> Result<Self> {
        const OP: &str = "RotatedMatrix::from_dense";
        let shape @ [rows, cols] = check_matrix(OP, w)?;
        let dims = Dims::new(OP, shape, options)?;
        let device = w.device();
        let (input_signs, output_signs) = Signs::for_matrix(shape, options.seed, options.rotation);
        let mut q = Vec::with_capacity(rows * cols);
        for start in (0..rows).step_by(block_rows(cols)) {
            q.extend(host_rows(OP, w, start, block_rows(cols).min(rows - start))?);
        }
        let signs = (input_signs.to_tensor(device)?, output_signs.to_tensor(device)?);
        if options.rotation != Rotation::None {
            transform_rows(&mut q, shape, |x| rotate(x, options.rotation, &signs.0), device)?;
            transform_columns(&mut q, shape, |x| rotate(x, options.rotation, &signs.1), device)?;
        }
        // Half of the largest number leaves room for scales that reach a little further than the group.
        if !q.iter().all(|v| v.abs() <= f32::MAX / 2.0) {
            return Err(Error::invalid(OP, "w", shape, "its rotation overflows f32"));
        }
        let mut scales = vec![0.0f32; dims.tiles * dims.groups * TILE];
        for (i, row) in q.chunks_exact(cols).enumerate() {
            for (g, group) in row.chunks(options.group).enumerate() {
                scales[dims.scale(i, g)] = quantise::best_scale(options.bits, group);
            }
        }
        let largest = scales.iter().fold(0.0f32, |m, s| m.max(*s));
        // The largest scale lies in 512..1024, which leaves 2^24 below it before an f16 loses digits.
        let gain = if largest > 0.0 { power_of_two(f64::from(largest).log2().floor() - 9.0) } else { 1.0 };
        let scales: Vec<f16> = scales.iter().map(|s| f16::from_f32(s / gain)).collect();
        let mut codes = vec![0u8; dims.tiles * dims.words * TILE * 4];
        for (i, row) in q.chunks_exact(cols).enumerate() {
            for (g, group) in row.chunks(options.group).enumerate() {
                let start = g * options.group;
                quantise::codes(options.bits, group, scales[dims.scale(i, g)], gain, |j, code| {
                    let (byte, shift) = dims.code(i, start + j);
                    codes[byte] |= (code << shift) as u8;
                });
            }
        }
        Ok(Self {
            shape,
            options: *options,
            codes: Tensor::from_slice(device, &codes, &[dims.tiles, dims.words, TILE, 4])?,
            scales: Tensor::from_slice(device, &scales, &[dims.tiles, dims.groups, TILE])?,
            gain: Tensor::from_slice(device, &[gain], &[1])?,
            gain_value: gain,
            input_signs,
            output_signs,
            sign_tensors: OnceLock::new(),
        })
    }

    /// `[out, in]`.
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// How the matrix is stored.
    pub fn options(&self) -> &RotatedOptions {
        &self.options
    }

    /// The device that holds the matrix.
    pub fn device(&self) -> &Device {
        self.codes.device()
    }

    /// The packed codes, `U8 [tiles, words, 16, 4]`; see the type's documentation.
    pub fn codes(&self) -> &Tensor {
        &self.codes
    }

    /// The scales, `F16 [tiles, groups, 16]`.
    pub fn scales(&self) -> &Tensor {
        &self.scales
    }

    /// The factor on every scale.
    pub fn gain(&self) -> f32 {
        self.gain_value
    }

    /// The signs `D'` of the inputs.
    pub fn input_signs(&self) -> &Signs {
        &self.input_signs
    }

    /// The signs `D` of the outputs.
    pub fn output_signs(&self) -> &Signs {
        &self.output_signs
    }

    /// The signs of inputs and outputs as `F32 [in]` and `F32 [out]`, made at the first call; for compositions.
    ///
    /// # Errors
    /// Memory errors.
    pub fn sign_tensors(&self) -> Result<&(Tensor, Tensor)> {
        if let Some(signs) = self.sign_tensors.get() {
            return Ok(signs);
        }
        let made = (self.input_signs.to_tensor(self.device())?, self.output_signs.to_tensor(self.device())?);
        Ok(self.sign_tensors.get_or_init(|| made))
    }

    /// Bytes in memory: codes, scales, gain and sign bits.
    pub fn bytes(&self) -> usize {
        let signs = 8 * (self.input_signs.words().len() + self.output_signs.words().len());
        self.codes.bytes() + self.scales.bytes() + 4 + signs
    }

    /// The matrix that the codes stand for, `F32 [out, in]`.
    ///
    /// # Errors
    /// Memory and device errors.
    pub fn to_dense(&self) -> Result<Tensor> {
        let mut q = self.decode()?;
        let device = self.device();
        if self.options.rotation != Rotation::None {
            let signs = self.sign_tensors()?;
            let back = |signs: &Tensor, x: &Tensor| rotate_back(x, self.options.rotation, signs);
            transform_columns(&mut q, self.shape, |x| back(&signs.1, x), device)?;
            transform_rows(&mut q, self.shape, |x| back(&signs.0, x), device)?;
        }
        Tensor::from_slice(device, &q, &self.shape)
    }

    /// The rounded `Q` on the host, row-major `[out, in]`.
    fn decode(&self) -> Result<Vec<f32>> {
        let [rows, cols] = self.shape;
        let dims = Dims::new("RotatedMatrix", self.shape, &self.options)?;
        let codes = self.codes.to_vec::<u8>()?;
        let scales = self.scales.to_vec::<f16>()?;
        let mut q = Vec::with_capacity(rows * cols);
        for i in 0..rows {
            for j in 0..cols {
                let (byte, shift) = dims.code(i, j);
                let scale = scales[dims.scale(i, j / self.options.group)].to_f32() * self.gain_value;
                q.push(scale * self.options.bits.level(u32::from(codes[byte]) >> shift));
            }
        }
        Ok(q)
    }

    /// `x W^T`: `x` is `F32 [.., in]`, the result `F32 [.., out]`.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; memory and device errors.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        const OP: &str = "RotatedMatrix::apply";
        expect_rows(OP, x, &self.codes, self.shape[1])?;
        x.device().rotated_product(self, x)
    }

    /// The tensors to save: `codes`, `scales` and `gain`; see the type's documentation.
    pub fn parts(&self) -> Vec<(&'static str, Tensor)> {
        vec![("codes", self.codes.clone()), ("scales", self.scales.clone()), ("gain", self.gain.clone())]
    }

    /// From saved tensors; `part` returns the one of a name.
    ///
    /// # Errors
    /// Those of `part`; [`Error::ShapeMismatch`], [`Error::DTypeMismatch`] or [`Error::InvalidArgument`] when a tensor does not fit
    /// `shape` and `options`, the gain or a scale (times gain and level) is negative or not finite, or an 8-bit code is -128.
    pub fn from_parts(
        device: &Device,
        shape: [usize; 2],
        options: &RotatedOptions,
        part: &mut dyn FnMut(&str) -> Result<Tensor>,
    ) -> Result<Self> {
        const OP: &str = "RotatedMatrix::from_parts";
        if shape.contains(&0) {
            return Err(Error::invalid(OP, "shape", shape, "no side may be empty"));
        }
        let dims = Dims::new(OP, shape, options)?;
        let mut take =
            |name, dtype, expected: &[usize]| saved_part(OP, part(name)?, device, name, dtype, expected);
        let codes = take("codes", DType::U8, &[dims.tiles, dims.words, TILE, 4])?;
        let scales = take("scales", DType::F16, &[dims.tiles, dims.groups, TILE])?;
        let gain = take("gain", DType::F32, &[1])?;
        let gain_value = gain.to_scalar::<f32>()?;
        if !(gain_value >= 0.0 && gain_value.is_finite()) {
            return Err(Error::invalid(OP, "gain", gain_value, "must be finite and not negative"));
        }
        let largest = options.bits.largest();
        let bad = |s: &f16| !(s.to_f32() >= 0.0 && (s.to_f32() * gain_value * largest).is_finite());
        if let Some(i) = scales.to_vec::<f16>()?.iter().position(bad) {
            let reason = "the scale at this index is negative, or the levels that it scales are not finite";
            return Err(Error::invalid(OP, "scales", i, reason));
        }
        if options.bits == Bits::Eight
            && let Some(i) = codes.to_vec::<u8>()?.iter().position(|&c| c == 0x80)
        {
            return Err(Error::invalid(OP, "codes", i, "the code at this index is -128, which is no level"));
        }
        let (input_signs, output_signs) = Signs::for_matrix(shape, options.seed, options.rotation);
        Ok(Self {
            shape,
            options: *options,
            codes,
            scales,
            gain,
            gain_value,
            input_signs,
            output_signs,
            sign_tensors: OnceLock::new(),
        })
    }
}

/// The sizes of the format for one matrix.
struct Dims {
    tiles: usize,
    groups: usize,
    words: usize,
    bits: usize,
}

impl Dims {
    fn new(op: &'static str, shape: [usize; 2], options: &RotatedOptions) -> Result<Self> {
        if options.group == 0 || !options.group.is_multiple_of(8) {
            return Err(Error::invalid(op, "group", options.group, "must be a multiple of 8, at least 8"));
        }
        options.rotation.check(shape[0])?;
        options.rotation.check(shape[1])?;
        let tiles = shape[0].div_ceil(TILE);
        let groups = shape[1].div_ceil(options.group);
        let bits = options.bits.get();
        let too_large = || Error::invalid(op, "shape", shape, "the matrix is too large");
        let columns = groups.checked_mul(options.group).ok_or_else(too_large)?;
        let words = columns.div_ceil(options.bits.per_word());
        tiles.checked_mul(TILE * 4).and_then(|n| n.checked_mul(words)).ok_or_else(too_large)?;
        Ok(Self { tiles, groups, words, bits })
    }

    /// The byte, and the shift in it, of the code at row `i` and column `j`.
    fn code(&self, i: usize, j: usize) -> (usize, usize) {
        let bit = j * self.bits;
        let (word, byte) = (bit / 32, bit % 32 / 8);
        ((((i / TILE) * self.words + word) * TILE + i % TILE) * 4 + byte, bit % 8)
    }

    /// The place of the scale of row `i`, group `g`.
    fn scale(&self, i: usize, g: usize) -> usize {
        ((i / TILE) * self.groups + g) * TILE + i % TILE
    }
}

/// `2^exponent`, kept within the normal numbers.
fn power_of_two(exponent: f64) -> f32 {
    exponent.clamp(-126.0, 127.0).exp2() as f32
}

/// Replaces each row by its transform, in blocks of rows.
fn transform_rows(
    q: &mut [f32],
    [_, cols]: [usize; 2],
    transform: impl Fn(&Tensor) -> Result<Tensor>,
    device: &Device,
) -> Result<()> {
    for block in q.chunks_mut(block_rows(cols) * cols) {
        let x = Tensor::from_slice(device, block, &[block.len() / cols, cols])?;
        transform(&x)?.read_into(block)?;
    }
    Ok(())
}

/// Replaces each column by its transform, in blocks of columns.
fn transform_columns(
    q: &mut [f32],
    [rows, cols]: [usize; 2],
    transform: impl Fn(&Tensor) -> Result<Tensor>,
    device: &Device,
) -> Result<()> {
    let width = block_rows(rows).min(cols);
    let mut block = vec![0.0f32; width * rows];
    for start in (0..cols).step_by(width) {
        let width = width.min(cols - start);
        let block = &mut block[..width * rows];
        for (i, row) in q.chunks_exact(cols).enumerate() {
            for (j, &v) in row[start..start + width].iter().enumerate() {
                block[j * rows + i] = v;
            }
        }
        transform(&Tensor::from_slice(device, block, &[width, rows])?)?.read_into(block)?;
        for (i, row) in q.chunks_exact_mut(cols).enumerate() {
            for (j, v) in row[start..start + width].iter_mut().enumerate() {
                *v = block[j * rows + i];
            }
        }
    }
    Ok(())
}
