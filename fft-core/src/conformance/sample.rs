//! Host-side arrays, deterministic values for them, and their way to a device and back in every memory layout.

use super::Failure;
use crate::{Complex32, Complex64};
use crate::{DType, Device, Result, Tensor, bf16, f16};

/// A row-major array on the host, in the precision of the oracles. Real and integer elements have imaginary part 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Axis lengths.
    pub shape: Vec<usize>,
    /// The elements.
    pub data: Vec<Complex64>,
}

/// A small generator (SplitMix64, Steele et al. 2014): the same values on every machine.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator with a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `[-1, 1)`, a multiple of `2^-23`: exact in `f32`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 40) as f64 / (1u64 << 23) as f64 - 1.0
    }

    /// Uniform in `0..n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n.max(1) as u64) as usize
    }

    /// An array that `dtype` holds exactly: `[-1, 1)` for floats (both parts of complex numbers), `-100..100` or `0..100`
    /// for integers.
    pub fn array(&mut self, shape: &[usize], dtype: DType) -> Array {
        let len = shape.iter().product();
        let data = (0..len)
            .map(|_| match dtype {
                DType::C64 | DType::C128 => Complex64::new(self.unit(), self.unit()),
                DType::I8 | DType::I64 => Complex64::from(self.below(200) as f64 - 100.0),
                d if d.is_integer() => Complex64::from(self.below(100) as f64),
                d => Complex64::from(rounded(self.unit(), d)),
            })
            .collect();
        Array { shape: shape.to_vec(), data }
    }
}

/// `value` as `dtype` stores it: rounded to nearest even, or truncated and saturated for integers (NaN becomes 0).
pub fn rounded(value: f64, dtype: DType) -> f64 {
    match dtype {
        DType::F64 | DType::C128 => value,
        DType::F32 | DType::C64 => value as f32 as f64,
        DType::F16 => f16::from_f64(value).to_f64(),
        DType::BF16 => bf16::from_f64(value).to_f64(),
        DType::U8 => value as u8 as f64,
        DType::I8 => value as i8 as f64,
        DType::U16 => value as u16 as f64,
        DType::U32 => value as u32 as f64,
        DType::I64 => value as i64 as f64,
    }
}

/// Both parts [`rounded`]; the imaginary part of a real type is dropped.
pub fn rounded_complex(value: Complex64, dtype: DType) -> Complex64 {
    let im = if dtype.is_complex() { rounded(value.im, dtype) } else { 0.0 };
    Complex64::new(rounded(value.re, dtype), im)
}

impl Array {
    /// An array from real values.
    pub fn real(shape: &[usize], values: impl IntoIterator<Item = f64>) -> Self {
        Self { shape: shape.to_vec(), data: values.into_iter().map(Complex64::from).collect() }
    }

    /// The real parts.
    pub fn re(&self) -> Vec<f64> {
        self.data.iter().map(|z| z.re).collect()
    }

    /// Each element mapped, same shape.
    pub fn map(&self, f: impl FnMut(Complex64) -> Complex64) -> Self {
        Self { shape: self.shape.clone(), data: self.data.iter().copied().map(f).collect() }
    }

    /// The index tuples of an array of `shape`, in row-major order.
    pub fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
        let mut out = Vec::new();
        Array::from_fn(shape, |index| {
            out.push(index.to_vec());
            Complex64::default()
        });
        out
    }

    /// The array of `shape` whose element at each index tuple is `f` of it.
    pub fn from_fn(shape: &[usize], mut f: impl FnMut(&[usize]) -> Complex64) -> Self {
        let mut index = vec![0; shape.len()];
        let len: usize = shape.iter().product();
        let mut data = Vec::with_capacity(len);
        for _ in 0..len {
            data.push(f(&index));
            for axis in (0..shape.len()).rev() {
                index[axis] += 1;
                if index[axis] < shape[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        Self { shape: shape.to_vec(), data }
    }

    /// The element at an index tuple; axes of length 1 repeat, and missing leading axes too (broadcasting).
    pub fn at(&self, index: &[usize]) -> Complex64 {
        let lead = index.len() - self.shape.len();
        let flat = self.shape.iter().zip(&index[lead..]).fold(0, |flat, (&n, &i)| flat * n + i.min(n - 1));
        self.data[flat]
    }

    /// The array on a device, row-major.
    ///
    /// # Errors
    /// Memory errors; an element type that the device lacks.
    pub fn to(&self, device: &Device, dtype: DType) -> Result<Tensor> {
        let shape = &self.shape;
        let re = || self.data.iter().map(|z| z.re);
        match dtype {
            DType::F32 => Tensor::from_slice(device, &re().map(|v| v as f32).collect::<Vec<_>>(), shape),
            DType::F64 => Tensor::from_slice(device, &re().collect::<Vec<_>>(), shape),
            DType::F16 => Tensor::from_slice(device, &re().map(f16::from_f64).collect::<Vec<_>>(), shape),
            DType::BF16 => Tensor::from_slice(device, &re().map(bf16::from_f64).collect::<Vec<_>>(), shape),
            DType::C64 => {
                let data: Vec<_> =
                    self.data.iter().map(|z| Complex32::new(z.re as f32, z.im as f32)).collect();
                Tensor::from_slice(device, &data, shape)
            }
            DType::C128 => Tensor::from_slice(device, &self.data, shape),
            DType::U8 => Tensor::from_slice(device, &re().map(|v| v as u8).collect::<Vec<_>>(), shape),
            DType::I8 => Tensor::from_slice(device, &re().map(|v| v as i8).collect::<Vec<_>>(), shape),
            DType::U16 => Tensor::from_slice(device, &re().map(|v| v as u16).collect::<Vec<_>>(), shape),
            DType::U32 => Tensor::from_slice(device, &re().map(|v| v as u32).collect::<Vec<_>>(), shape),
            DType::I64 => Tensor::from_slice(device, &re().map(|v| v as i64).collect::<Vec<_>>(), shape),
        }
    }

    /// The elements of a tensor, read on the host in its own element type.
    ///
    /// # Errors
    /// Device errors.
    pub fn from(tensor: &Tensor) -> Result<Self> {
        let real = |values: Vec<f64>| values.into_iter().map(Complex64::from).collect();
        let data = match tensor.dtype() {
            DType::F32 => real(tensor.to_vec::<f32>()?.into_iter().map(f64::from).collect()),
            DType::F64 => real(tensor.to_vec::<f64>()?),
            DType::F16 => real(tensor.to_vec::<f16>()?.into_iter().map(f64::from).collect()),
            DType::BF16 => real(tensor.to_vec::<bf16>()?.into_iter().map(f64::from).collect()),
            DType::C64 => tensor
                .to_vec::<Complex32>()?
                .into_iter()
                .map(|z| Complex64::new(z.re.into(), z.im.into()))
                .collect(),
            DType::C128 => tensor.to_vec()?,
            DType::U8 => real(tensor.to_vec::<u8>()?.into_iter().map(f64::from).collect()),
            DType::I8 => real(tensor.to_vec::<i8>()?.into_iter().map(f64::from).collect()),
            DType::U16 => real(tensor.to_vec::<u16>()?.into_iter().map(f64::from).collect()),
            DType::U32 => real(tensor.to_vec::<u32>()?.into_iter().map(f64::from).collect()),
            DType::I64 => real(tensor.to_vec::<i64>()?.into_iter().map(|v| v as f64).collect()),
        };
        Ok(Self { shape: tensor.shape().to_vec(), data })
    }

    /// The array on a device once in each [`Guise`].
    ///
    /// # Errors
    /// As [`to`](Self::to).
    pub fn guises(&self, device: &Device, dtype: DType) -> Result<Vec<(Guise, Tensor)>> {
        Guise::ALL.iter().map(|&guise| Ok((guise, self.disguised(device, dtype, guise)?))).collect()
    }

    /// The array on a device in one memory layout.
    ///
    /// # Errors
    /// As [`to`](Self::to).
    pub fn disguised(&self, device: &Device, dtype: DType, guise: Guise) -> Result<Tensor> {
        let rank = self.shape.len();
        // What lies between the elements: NaN where there is one, so that reading it is seen.
        let gap = Complex64::new(f64::NAN, f64::NAN);
        match guise {
            Guise::Contiguous => self.to(device, dtype),
            Guise::Transposed => {
                let back: Vec<usize> = (0..rank).rev().collect();
                let shape: Vec<usize> = self.shape.iter().rev().copied().collect();
                let turned =
                    Array::from_fn(&shape, |i| self.at(&i.iter().rev().copied().collect::<Vec<_>>()));
                turned.to(device, dtype)?.permute(&back)
            }
            Guise::Narrowed => {
                let shape: Vec<usize> = self.shape.iter().map(|n| n + 3).collect();
                let padded = Array::from_fn(&shape, |i| {
                    let inside = i.iter().zip(&self.shape).all(|(&i, &n)| (1..=n).contains(&i));
                    if inside { self.at(&i.iter().map(|i| i - 1).collect::<Vec<_>>()) } else { gap }
                });
                let mut out = padded.to(device, dtype)?;
                for (axis, &n) in self.shape.iter().enumerate() {
                    out = out.narrow(axis, 1, n)?;
                }
                Ok(out)
            }
            Guise::Reversed => {
                let turned = Array::from_fn(&self.shape, |i| {
                    self.at(&i.iter().zip(&self.shape).map(|(i, n)| n - 1 - i).collect::<Vec<_>>())
                });
                let mut out = turned.to(device, dtype)?;
                for axis in 0..rank {
                    out = out.step(axis, -1)?;
                }
                Ok(out)
            }
            Guise::Stepped => {
                let shape: Vec<usize> = self.shape.iter().map(|n| n * 2).collect();
                let spread = Array::from_fn(&shape, |i| {
                    let here = i.iter().all(|i| i % 2 == 0);
                    if here { self.at(&i.iter().map(|i| i / 2).collect::<Vec<_>>()) } else { gap }
                });
                let mut out = spread.to(device, dtype)?;
                for axis in 0..rank {
                    out = out.step(axis, 2)?;
                }
                Ok(out)
            }
        }
    }
}

/// How an array lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guise {
    /// Row-major from offset 0.
    Contiguous,
    /// The axes in the opposite order in memory.
    Transposed,
    /// Inside a larger array: an offset, and gaps between rows.
    Narrowed,
    /// Backwards along every axis: negative strides.
    Reversed,
    /// Every second element of every axis of a larger array.
    Stepped,
}

impl Guise {
    /// Every guise.
    pub const ALL: [Guise; 5] =
        [Guise::Contiguous, Guise::Transposed, Guise::Narrowed, Guise::Reversed, Guise::Stepped];
}

/// Runs `write` on a destination of `shape` that lies in a larger tensor as `guise` says, and returns that destination as a
/// tensor, after checking that nothing around it was touched.
///
/// # Errors
/// What `write` returns, and a failure when the surroundings changed.
pub fn written(
    device: &Device,
    shape: &[usize],
    dtype: DType,
    guise: Guise,
    write: impl FnOnce(crate::ViewMut<'_>) -> Result<()>,
) -> Result<Tensor, Failure> {
    // An integer of every type, and not what any operation is likely to write.
    const MARK: f64 = 91.0;
    let marked = |shape: &[usize]| Array::from_fn(shape, |_| Complex64::new(MARK, MARK)).to(device, dtype);
    let (mut store, layout) = {
        // The layout of such a view over a store of the same size, found by asking the views themselves.
        let view = Array::from_fn(shape, |_| Complex64::default()).disguised(device, dtype, guise)?;
        // A few elements more, so that writing past the end is seen.
        (marked(&[view.layout().extent() + 5])?, view.layout().clone())
    };
    {
        let dst = store.view_mut()?;
        write(crate::ViewMut { buffer: dst.buffer, layout: &layout, dtype })?;
    }
    let inside: std::collections::HashSet<usize> = positions(&layout).into_iter().collect();
    let around = Array::from(&store)?;
    let re = rounded(MARK, dtype);
    if let Some(at) = (0..around.data.len()).find(|i| !inside.contains(i) && around.data[*i].re != re) {
        return Err(Failure::new(format!("{guise:?} destination: element {at} outside it was overwritten")));
    }
    Ok(store.with_layout(layout))
}

/// The place in its buffer of each element of a layout, row-major.
fn positions(layout: &crate::Layout) -> Vec<usize> {
    let index = Array::from_fn(layout.shape(), |i| {
        let steps: isize = i.iter().zip(layout.strides()).map(|(&i, &s)| i as isize * s).sum();
        Complex64::from((layout.offset() as isize + steps) as f64)
    });
    index.data.into_iter().map(|z| z.re as usize).collect()
}
