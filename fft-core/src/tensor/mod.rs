//! N-dimensional arrays on a device.

mod arithmetic;
mod band;
mod conv_gradient;
mod conv_transpose;
pub(crate) mod convolution;
mod convolve;
mod cosine;
mod frequency;
mod hermitian;
mod in_place;
mod indexing;
mod linear_algebra;
mod magnitude;
mod network;
mod optimise;
mod pad;
mod reduction;
mod shape;
mod shift;
mod stft;
mod training;
mod transform;

pub use convolve::ConvolveMode;
pub use indexing::check_indices;

use std::sync::Arc;

use smallvec::SmallVec;

use crate::axes::expect_axis;
use crate::{Buffer, DType, Device, Element, Error, HostBytes, Layout, Result, View, ViewMut};

/// An n-dimensional array on a device: a shared [`Buffer`], a [`Layout`] and a [`DType`].
///
/// A clone shares the buffer. Shape operations (transposing, slicing, broadcasting) are views; operations that compute return
/// a new tensor. Every method checks shapes, dtypes and devices first and returns an [`Error`] that names the operation.
#[derive(Debug, Clone)]
pub struct Tensor {
    device: Device,
    buffer: Arc<Buffer>,
    layout: Layout,
    dtype: DType,
}

/// The number of elements of `shape`, unless it overflows or its bytes do.
pub(crate) fn checked_len(op: &'static str, shape: &[usize], dtype: DType) -> Result<usize> {
    shape
        .iter()
        .map(|&n| n.max(1))
        .try_fold(1usize, |len, n| len.checked_mul(n))
        .and_then(|len| len.checked_mul(dtype.size()))
        .filter(|&bytes| bytes <= isize::MAX as usize)
        .ok_or_else(|| Error::invalid(op, "shape", shape, "has more bytes than can be addressed"))?;
    Ok(shape.iter().product())
}

/// A vector of zeros on the host, or an error where there is no memory for it.
fn host_vec<T: bytemuck::Zeroable + Clone>(len: usize) -> Result<Vec<T>> {
    bytemuck::allocation::try_zeroed_slice_box(len).map(<[T]>::into_vec).map_err(|()| Error::OutOfMemory {
        device: "host".into(),
        requested: len.saturating_mul(size_of::<T>()),
    })
}

impl Tensor {
    /// A tensor of `shape` whose content is unspecified; for outputs that are written whole.
    pub(crate) fn uninit(device: &Device, op: &'static str, shape: &[usize], dtype: DType) -> Result<Self> {
        let len = checked_len(op, shape, dtype)?;
        if !device.supports(dtype) {
            let device = device.info().id.clone();
            return Err(Error::Unsupported { op, device, reason: format!("it has no {dtype}") });
        }
        let buffer = Arc::new(device.alloc(len * dtype.size())?);
        Ok(Self { device: device.clone(), buffer, layout: Layout::contiguous(shape), dtype })
    }

    /// A new tensor written by `write`. For backends: an output of `shape`, uninitialised, handed to `write`.
    ///
    /// # Errors
    /// Memory errors, and what `write` returns.
    pub fn build(
        device: &Device,
        op: &'static str,
        shape: &[usize],
        dtype: DType,
        write: impl FnOnce(ViewMut<'_>) -> Result<()>,
    ) -> Result<Self> {
        let mut out = Self::uninit(device, op, shape, dtype)?;
        if !out.is_empty() {
            write(out.view_mut_unique())?;
        }
        Ok(out)
    }

    /// Several new tensors of one dtype that one kernel writes. For backends; as [`build`](Self::build), but `write` is called also when all
    /// are empty.
    ///
    /// # Errors
    /// Memory errors, and what `write` returns.
    pub fn build_many<const N: usize>(
        device: &Device,
        op: &'static str,
        shapes: [&[usize]; N],
        dtype: DType,
        write: impl FnOnce([ViewMut<'_>; N]) -> Result<()>,
    ) -> Result<[Self; N]> {
        let mut out: SmallVec<[Self; N]> = SmallVec::new();
        for shape in shapes {
            out.push(Self::uninit(device, op, shape, dtype)?);
        }
        let mut each = out.iter_mut();
        write(std::array::from_fn(|_| each.next().expect("there is one a shape").view_mut_unique()))?;
        Ok(out.into_inner().unwrap_or_else(|_| unreachable!("there is one a shape")))
    }

    /// The writable view of a tensor whose buffer is not shared.
    fn view_mut_unique(&mut self) -> ViewMut<'_> {
        let buffer = Arc::get_mut(&mut self.buffer).expect("the buffer of a new tensor has one owner");
        ViewMut { buffer, layout: &self.layout, dtype: self.dtype }
    }

    /// A writable view; the elements are copied to a new buffer first if this one is shared, belongs to somebody else (a
    /// mapped file), or if the layout repeats elements.
    ///
    /// # Errors
    /// Memory errors of that copy.
    pub fn view_mut(&mut self) -> Result<ViewMut<'_>> {
        let repeats = self.layout.shape().iter().zip(self.layout.strides()).any(|(&n, &s)| n > 1 && s == 0);
        if repeats || self.buffer.is_borrowed() || Arc::get_mut(&mut self.buffer).is_none() {
            *self = self.copied("view_mut")?;
        }
        Ok(self.view_mut_unique())
    }

    /// The tensor, in a copy if its buffer is somebody else's (a mapped file), whose content may change.
    pub(crate) fn owned(&self, op: &'static str) -> Result<Self> {
        if self.buffer.is_borrowed() { self.copied(op) } else { Ok(self.clone()) }
    }

    /// A contiguous copy in a buffer of its own.
    fn copied(&self, op: &'static str) -> Result<Self> {
        Self::build(&self.device, op, self.shape(), self.dtype, |dst| self.device.copy(self.view(), dst))
    }

    /// A tensor from elements in row-major order.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when `data` does not have as many elements as `shape`; memory errors.
    pub fn from_slice<T: Element>(device: &Device, data: &[T], shape: &[usize]) -> Result<Self> {
        const OP: &str = "from_slice";
        if checked_len(OP, shape, T::DTYPE)? != data.len() {
            return Err(Error::shapes(OP, &[data.len()], shape, "the number of elements differs"));
        }
        Self::build(device, OP, shape, T::DTYPE, |dst| {
            device.upload(bytemuck::cast_slice(data), dst.buffer, 0)
        })
    }

    /// A tensor over bytes that its owner keeps alive (a mapped file), little endian, row-major; without a copy where the
    /// device can.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when the number of bytes does not fit; memory errors.
    pub fn from_host(device: &Device, bytes: HostBytes, shape: &[usize], dtype: DType) -> Result<Self> {
        const OP: &str = "from_host";
        let len = checked_len(OP, shape, dtype)?;
        if bytes.as_slice().len() != len * dtype.size() {
            let have = bytes.as_slice().len() / dtype.size();
            return Err(Error::shapes(OP, &[have], shape, format!("the number of {dtype} elements differs")));
        }
        if !device.supports(dtype) {
            let device = device.info().id.clone();
            return Err(Error::Unsupported { op: OP, device, reason: format!("it has no {dtype}") });
        }
        let buffer = Arc::new(device.adopt(bytes, dtype.size())?);
        Ok(Self { device: device.clone(), buffer, layout: Layout::contiguous(shape), dtype })
    }

    /// A tensor of one number without axes.
    ///
    /// # Errors
    /// Memory errors.
    pub fn scalar<T: Element>(device: &Device, value: T) -> Result<Self> {
        Self::from_slice(device, &[value], &[])
    }

    /// A tensor filled with zeros.
    ///
    /// # Errors
    /// Memory errors.
    pub fn zeros(device: &Device, shape: &[usize], dtype: DType) -> Result<Self> {
        Self::full(device, shape, dtype, 0.0)
    }

    /// A tensor filled with one real number.
    ///
    /// # Errors
    /// Memory errors.
    pub fn full(device: &Device, shape: &[usize], dtype: DType, value: f64) -> Result<Self> {
        Self::build(device, "full", shape, dtype, |dst| device.fill(value, 0.0, dst))
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Axis lengths.
    pub fn shape(&self) -> &[usize] {
        self.layout.shape()
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.layout.rank()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.layout.len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.layout.is_empty()
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Where the elements lie in the buffer.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The storage.
    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// Bytes of the elements (`len * dtype.size()`), whatever the buffer's size.
    pub fn bytes(&self) -> usize {
        self.len() * self.dtype.size()
    }

    /// The elements, for a backend to read.
    pub fn view(&self) -> View<'_> {
        View { buffer: &self.buffer, layout: &self.layout, dtype: self.dtype }
    }

    /// The same storage seen through another layout. For the crate: the layout must lie within the buffer.
    pub(crate) fn with_layout(&self, layout: Layout) -> Self {
        debug_assert!(layout.extent() * self.dtype.size() <= self.buffer.size().max(1));
        Self { device: self.device.clone(), buffer: Arc::clone(&self.buffer), layout, dtype: self.dtype }
    }

    /// The elements in row-major order, on the host.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`] when `T` is not the tensor's element type; device errors.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        if T::DTYPE != self.dtype {
            return Err(Error::DTypeMismatch { op: "to_vec", lhs: self.dtype, rhs: T::DTYPE });
        }
        // A repeated element may stand for more than memory holds: the device is asked first, then the host.
        let dense = self.contiguous()?;
        let mut out = host_vec(self.len())?;
        dense.read_into(&mut out)?;
        Ok(out)
    }

    /// Copies the elements in row-major order to `out`.
    ///
    /// # Errors
    /// As [`to_vec`](Self::to_vec), and [`Error::ShapeMismatch`] when the lengths differ.
    pub fn read_into<T: Element>(&self, out: &mut [T]) -> Result<()> {
        const OP: &str = "to_vec";
        if T::DTYPE != self.dtype {
            return Err(Error::DTypeMismatch { op: OP, lhs: self.dtype, rhs: T::DTYPE });
        }
        if out.len() != self.len() {
            return Err(Error::shapes(OP, self.shape(), &[out.len()], "the number of elements differs"));
        }
        if self.is_empty() {
            return Ok(());
        }
        let dense = self.contiguous()?;
        let offset = dense.layout.offset() * self.dtype.size();
        self.device.download(&dense.buffer, offset, bytemuck::cast_slice_mut(out))
    }

    /// The bytes of the elements in row-major order, on the host.
    ///
    /// # Errors
    /// Device errors.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let dense = self.contiguous()?;
        let mut out = host_vec(self.bytes())?;
        if !out.is_empty() {
            self.device.download(&dense.buffer, dense.layout.offset() * self.dtype.size(), &mut out)?;
        }
        Ok(out)
    }

    /// The only element.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when there is not exactly one, and the errors of [`to_vec`](Self::to_vec).
    pub fn to_scalar<T: Element>(&self) -> Result<T> {
        if self.len() != 1 {
            return Err(Error::shapes("to_scalar", self.shape(), &[], "there must be exactly one element"));
        }
        Ok(self.to_vec()?[0])
    }

    /// The tensor on another device, by way of the host; itself when it is there already.
    ///
    /// # Errors
    /// Memory and device errors.
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        if *device == self.device {
            return Ok(self.clone());
        }
        let bytes = self.to_bytes()?;
        Self::build(device, "to_device", self.shape(), self.dtype, |dst| device.upload(&bytes, dst.buffer, 0))
    }

    /// The tensor converted to another element type; itself when it has it already. Rules of
    /// [`SpectralBackend::copy`](crate::SpectralBackend::copy).
    ///
    /// # Errors
    /// Memory and device errors.
    pub fn to_dtype(&self, dtype: DType) -> Result<Self> {
        if dtype == self.dtype {
            return Ok(self.clone());
        }
        Self::build(&self.device, "to_dtype", self.shape(), dtype, |dst| self.device.copy(self.view(), dst))
    }

    /// The tensor with row-major elements: itself if they are, else a copy.
    ///
    /// # Errors
    /// Memory and device errors.
    pub fn contiguous(&self) -> Result<Self> {
        if self.layout.is_contiguous() { Ok(self.clone()) } else { self.copied("contiguous") }
    }

    /// Checks that `other` is on the same device.
    pub(crate) fn same_device(&self, op: &'static str, other: &Tensor) -> Result<()> {
        if self.device == other.device {
            return Ok(());
        }
        let (lhs, rhs) = (self.device.info().id.clone(), other.device.info().id.clone());
        Err(Error::DeviceMismatch { op, lhs, rhs })
    }

    /// Checks that the dtype is `dtype`.
    pub(crate) fn expect_dtype(&self, op: &'static str, dtype: DType) -> Result<()> {
        if self.dtype == dtype {
            return Ok(());
        }
        Err(Error::DTypeMismatch { op, lhs: self.dtype, rhs: dtype })
    }

    /// Checks that `axis` exists.
    pub(crate) fn expect_axis(&self, op: &'static str, axis: usize) -> Result<()> {
        expect_axis(op, self.rank(), axis)
    }
}
