//! The trait that a device implements.

use std::sync::Arc;

use crate::convolution::{ConvCosts, ConvGeometry, LongConvPlan, LongConvTerms};
use crate::optimise::{AdamWStep, SgdStep};
use crate::spectral::{BlockCirculantMatrix, LogSpectrumMatrix, RotatedMatrix, SparseSpectralMatrix};
use crate::{
    BinaryOp, Buffer, DType, DctSpec, DeviceInfo, FftSpec, HostBytes, MemoryTracker, ReduceOp, Result,
    ScatterMode, Tensor, UnaryOp, View, ViewMut, compose,
};

/// How often a device made something that it should be able to reuse.
///
/// In a steady state none of these grows; tests compare two snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheStats {
    /// Transform plans, pipelines or modules created.
    pub plans_created: usize,
    /// Blocks of memory requested from the system or driver.
    pub blocks_allocated: usize,
}

/// How attention weighs positions; see [`SpectralBackend::attention`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionSpec {
    /// Factor on `q . k` before the softmax, usually `1 / sqrt(head_dim)`.
    pub scale: f32,
    /// Whether query `i` sees only keys `0..=offset + i`.
    pub causal: bool,
    /// Position of the first query among the keys: the number of cached keys before it.
    pub offset: usize,
}

/// What the calls of a kernel came to; see [`SpectralBackend::kernel_times`].
#[derive(Debug, Clone, PartialEq)]
pub struct KernelTime {
    /// The kernel, with what it was made for.
    pub name: String,
    /// How often it ran.
    pub calls: u64,
    /// How long it ran in all, by the device's clock.
    pub seconds: f64,
}

/// A device: memory, primitive operations, and fused operations that default to compositions of the primitive ones.
///
/// [`Tensor`] checks shapes, dtypes and devices before it calls a backend, so implementations see valid input: all
/// layouts lie within their buffers, shapes agree after broadcasting, dtypes are among those that the operation's
/// documentation names. What a device cannot do it refuses with [`Error::Unsupported`](crate::Error::Unsupported).
///
/// **Required** methods read [`View`]s and write a [`ViewMut`]; source and destination never share a buffer. On an
/// asynchronous device they only enqueue: [`download`](Self::download) and [`synchronize`](Self::synchronize) wait.
///
/// **Provided** methods take and return tensors. Each one's body is the free function of the same name in [`compose`],
/// written with required methods only. A backend with a kernel overrides the method, and calls the free function for
/// the cases that its kernel does not cover.
pub trait SpectralBackend: Send + Sync + std::fmt::Debug + 'static {
    /// What the device is.
    fn info(&self) -> &DeviceInfo;

    /// The device's byte accounting.
    fn memory(&self) -> &Arc<MemoryTracker>;

    /// How many plans and blocks the device has created so far.
    fn cache_stats(&self) -> CacheStats;

    /// Whether tensors of this element type can be stored and computed with.
    fn supports(&self, dtype: DType) -> bool;

    /// A buffer of at least `bytes` bytes; its content is unspecified.
    ///
    /// # Errors
    /// `MemoryLimit`, `BufferTooBig`, `OutOfMemory`, `DeviceLost`.
    fn alloc(&self, bytes: usize) -> Result<Buffer>;

    /// A buffer that holds `bytes`, without a copy where the device can use host memory in place: a processor
    /// backend may keep a mapped file mapped. `align` is the element size.
    ///
    /// # Errors
    /// As [`alloc`](Self::alloc).
    fn adopt(&self, bytes: HostBytes, align: usize) -> Result<Buffer>;

    /// Writes `bytes` at byte `offset`.
    ///
    /// # Errors
    /// `DeviceLost`.
    fn upload(&self, bytes: &[u8], dst: &mut Buffer, offset: usize) -> Result<()>;

    /// Reads `out.len()` bytes from byte `offset`, after all work before it is done.
    ///
    /// # Errors
    /// `DeviceLost`, and any error that pending work met.
    fn download(&self, src: &Buffer, offset: usize, out: &mut [u8]) -> Result<()>;

    /// Waits until all work is done.
    ///
    /// # Errors
    /// `DeviceLost`, and any error that pending work met.
    fn synchronize(&self) -> Result<()>;

    /// Copies between layouts of the same shape and converts between any two dtypes: real to complex with imaginary
    /// part 0, complex to real drops it; float to integer truncates; what an integer type does not hold becomes its nearest
    /// end, from integers too; NaN becomes 0.
    ///
    /// # Errors
    /// `Unsupported`, `DeviceLost` (so for every method below).
    fn copy(&self, src: View<'_>, dst: ViewMut<'_>) -> Result<()>;

    /// Sets every element to `re + i im`, converted like [`copy`](Self::copy).
    fn fill(&self, re: f64, im: f64, dst: ViewMut<'_>) -> Result<()>;

    /// `dst[.., j, ..] = src[.., indices[j], ..]` along `axis`. `indices` is one-dimensional, `U32` or `I64`, within range
    /// (host code checks what it uploads; a backend clamps rather than reads outside).
    fn gather(&self, src: View<'_>, axis: usize, indices: View<'_>, dst: ViewMut<'_>) -> Result<()>;

    /// `dst[.., indices[j], ..] = or += src[.., j, ..]` along `axis`; elements not named stay. Index rules of
    /// [`gather`](Self::gather); indices outside the axis are ignored. Sums are deterministic.
    fn scatter(
        &self,
        src: View<'_>,
        axis: usize,
        indices: View<'_>,
        mode: ScatterMode,
        dst: ViewMut<'_>,
    ) -> Result<()>;

    /// `dst = op(src)`, same shape.
    fn unary(&self, op: UnaryOp, src: View<'_>, dst: ViewMut<'_>) -> Result<()>;

    /// `dst = op(a, b)`; `a` and `b` have the shape of `dst` (broadcast by strides of 0) and one dtype.
    fn binary(&self, op: BinaryOp, a: View<'_>, b: View<'_>, dst: ViewMut<'_>) -> Result<()>;

    /// `dst = condition != 0 ? a : b`, element by element; `condition` is `U8`, the others share a dtype.
    fn select(&self, condition: View<'_>, a: View<'_>, b: View<'_>, dst: ViewMut<'_>) -> Result<()>;

    /// Reduces over `axes` (sorted, distinct); `dst` has length 1 there.
    fn reduce(&self, op: ReduceOp, src: View<'_>, axes: &[usize], dst: ViewMut<'_>) -> Result<()>;

    /// `dst[.., m, n] = sum_k a[.., m, k] b[.., k, n]`; leading axes are batches and agree (broadcast by strides of 0).
    ///
    /// Real operands are `F32`, `F16` or `BF16`, also mixed, with `dst` of `F32` or of the operands' common dtype; or
    /// `F64` throughout. Complex operands are `C64` or `C128` throughout. Sums are at least `F32`.
    fn matmul(&self, a: View<'_>, b: View<'_>, dst: ViewMut<'_>) -> Result<()>;

    /// A batched transform along one axis of strided tensors; see [`FftSpec`]. `F32` with `C64`, `F64` with `C128`.
    ///
    /// Any `n >= 1` is the `n`-point transform. The relative L2 error against exact arithmetic is at most
    /// `epsilon * log2(n)` (at least one epsilon) for C2C.
    fn fft(&self, spec: FftSpec, src: View<'_>, dst: ViewMut<'_>) -> Result<()>;

    // ---- provided -------------------------------------------------------------------------------------------------

    /// Runs `work` where operations start cheapest; a processor backend enters its thread pool once instead of at
    /// every operation. Wrap a generation or training loop in it.
    fn scope(&self, work: &mut (dyn FnMut() + Send)) {
        work();
    }

    /// Gives memory that is kept for reuse back to the system; live tensors are untouched. For work whose tensors have many
    /// different sizes, such as a conversion. The default keeps nothing and does nothing.
    fn trim(&self) {}

    /// What each kernel cost since the device was opened, in no particular order, after waiting for all work. Nothing on a device that does not
    /// measure that; one that can is opened with an option to do it.
    ///
    /// # Errors
    /// `DeviceLost`, and any error that pending work met.
    fn kernel_times(&self) -> Result<Option<Vec<KernelTime>>> {
        Ok(None)
    }

    /// Transforms along several axes, one [`fft`](Self::fft) an axis unless the backend knows better. R2C transforms the last of
    /// `axes` first, C2R transforms it last. See [`compose::fft_nd`].
    fn fft_nd(&self, specs: &[FftSpec], x: &Tensor) -> Result<Tensor> {
        compose::fft_nd(specs, x)
    }

    /// Complex transforms along several axes that replace the tensor by its transform, with no second tensor where the backend can. See
    /// [`compose::fft_in_place`].
    fn fft_in_place(&self, specs: &[FftSpec], x: &mut Tensor) -> Result<()> {
        compose::fft_in_place(specs, x)
    }

    /// The lowest frequencies along the last `modes.len()` axes of a real tensor, all below the Nyquist frequency; ordered as
    /// [`Tensor::low_frequencies`] says. See [`compose::low_frequencies`].
    fn low_frequencies(&self, x: &Tensor, modes: &[usize]) -> Result<Tensor> {
        compose::low_frequencies(x, modes)
    }

    /// The real function of `lengths` points along the last axes that has these frequencies and no others. See
    /// [`compose::band_limited`].
    fn band_limited(&self, z: &Tensor, lengths: &[usize]) -> Result<Tensor> {
        compose::band_limited(z, lengths)
    }

    /// A cosine or sine transform along one axis; see [`DctSpec`] and [`compose::dct`]. `F32` or `F64`.
    ///
    /// The relative L2 error against exact arithmetic is at most `epsilon * log2(4 n)`: the transform is a Fourier transform of
    /// `4 n` points in disguise (8 n for type IV, half of whose points are 0).
    fn dct(&self, x: &Tensor, spec: DctSpec) -> Result<Tensor> {
        compose::dct(x, spec)
    }

    /// The way back of a [`unary`](Self::unary) operation with a [slope](UnaryOp::slope). See [`compose::unary_backward`].
    fn unary_backward(&self, op: UnaryOp, kept: &Tensor, grad: &Tensor) -> Result<Tensor> {
        compose::unary_backward(op, kept, grad)
    }

    /// A step of AdamW in place. See [`compose::adamw_step`].
    fn adamw_step(
        &self,
        parameter: &mut Tensor,
        grad: &Tensor,
        mean: &mut Tensor,
        square: &mut Tensor,
        step: &AdamWStep,
    ) -> Result<()> {
        compose::adamw_step(parameter, grad, mean, square, step)
    }

    /// A step of gradient descent in place. See [`compose::sgd_step`].
    fn sgd_step(
        &self,
        parameter: &mut Tensor,
        grad: &Tensor,
        velocity: Option<&mut Tensor>,
        step: &SgdStep,
    ) -> Result<()> {
        compose::sgd_step(parameter, grad, velocity, step)
    }

    /// The sum of `|x|^2`. See [`compose::sum_of_squares`].
    fn sum_of_squares(&self, x: &Tensor) -> Result<Tensor> {
        compose::sum_of_squares(x)
    }

    /// The positions of the largest of one-dimensional keys. See [`compose::largest`].
    fn largest(&self, keys: &Tensor, count: usize) -> Result<Tensor> {
        compose::largest(keys, count)
    }

    /// `exp(x - max) / sum exp(x - max)` along `axis`. See [`compose::softmax`].
    fn softmax(&self, x: &Tensor, axis: usize) -> Result<Tensor> {
        compose::softmax(x, axis)
    }

    /// The way back of [`softmax`](Self::softmax), from its result. See [`compose::softmax_backward`].
    fn softmax_backward(&self, y: &Tensor, grad: &Tensor, axis: usize) -> Result<Tensor> {
        compose::softmax_backward(y, grad, axis)
    }

    /// The logarithm of the softmax along `axis`. See [`compose::log_softmax`].
    fn log_softmax(&self, x: &Tensor, axis: usize) -> Result<Tensor> {
        compose::log_softmax(x, axis)
    }

    /// The way back of [`log_softmax`](Self::log_softmax), from its result. See [`compose::log_softmax_backward`].
    fn log_softmax_backward(&self, y: &Tensor, grad: &Tensor, axis: usize) -> Result<Tensor> {
        compose::log_softmax_backward(y, grad, axis)
    }

    /// The cross-entropy of each position and its log-sum-exp. See [`compose::cross_entropy`].
    fn cross_entropy(&self, logits: &Tensor, targets: &Tensor) -> Result<(Tensor, Tensor)> {
        compose::cross_entropy(logits, targets)
    }

    /// The way back of [`cross_entropy`](Self::cross_entropy). See [`compose::cross_entropy_backward`].
    fn cross_entropy_backward(
        &self,
        logits: &Tensor,
        targets: &Tensor,
        log_sum_exp: &Tensor,
        grad: &Tensor,
    ) -> Result<Tensor> {
        compose::cross_entropy_backward(logits, targets, log_sum_exp, grad)
    }

    /// Root-mean-square norm over the last axis. See [`compose::rms_norm`].
    fn rms_norm(&self, x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
        compose::rms_norm(x, weight, eps)
    }

    /// Layer norm over the last axis. See [`compose::layer_norm`].
    fn layer_norm(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f32) -> Result<Tensor> {
        compose::layer_norm(x, weight, bias, eps)
    }

    /// The way back of [`rms_norm`](Self::rms_norm): in `x` and `weight`. See [`compose::rms_norm_backward`].
    fn rms_norm_backward(&self, x: &Tensor, weight: &Tensor, grad: &Tensor, eps: f32) -> Result<[Tensor; 2]> {
        compose::rms_norm_backward(x, weight, grad, eps)
    }

    /// The way back of [`layer_norm`](Self::layer_norm): in `x`, `weight` and `bias`. See [`compose::layer_norm_backward`].
    fn layer_norm_backward(
        &self,
        x: &Tensor,
        weight: &Tensor,
        grad: &Tensor,
        eps: f32,
    ) -> Result<[Tensor; 3]> {
        compose::layer_norm_backward(x, weight, grad, eps)
    }

    /// Rotary position embedding, half-split convention. See [`compose::rope`].
    fn rope(&self, x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
        compose::rope(x, cos, sin)
    }

    /// Softmax attention with grouped heads. See [`compose::attention`].
    fn attention(&self, q: &Tensor, k: &Tensor, v: &Tensor, spec: AttentionSpec) -> Result<Tensor> {
        compose::attention(q, k, v, spec)
    }

    /// The way back of [`attention`](Self::attention): in `q`, `k` and `v`. See [`compose::attention_backward`].
    fn attention_backward(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        grad: &Tensor,
        spec: AttentionSpec,
    ) -> Result<[Tensor; 3]> {
        compose::attention_backward(q, k, v, grad, spec)
    }

    /// `silu(gate) * up`. See [`compose::silu_mul`].
    fn silu_mul(&self, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
        compose::silu_mul(gate, up)
    }

    /// The way back of [`silu_mul`](Self::silu_mul): in `gate` and `up`. See [`compose::silu_mul_backward`].
    fn silu_mul_backward(&self, gate: &Tensor, up: &Tensor, grad: &Tensor) -> Result<[Tensor; 2]> {
        compose::silu_mul_backward(gate, up, grad)
    }

    /// `max(|z| + bias, 0) z / |z|` of complex numbers. See [`compose::mod_relu`].
    fn mod_relu(&self, z: &Tensor, bias: &Tensor) -> Result<Tensor> {
        compose::mod_relu(z, bias)
    }

    /// The way back of [`mod_relu`](Self::mod_relu): in `z` and `bias`. See [`compose::mod_relu_backward`].
    fn mod_relu_backward(&self, z: &Tensor, bias: &Tensor, grad: &Tensor) -> Result<[Tensor; 2]> {
        compose::mod_relu_backward(z, bias, grad)
    }

    /// `weight z / sqrt(mean |z|^2 + eps)` of complex numbers, over the last axis. See [`compose::magnitude_norm`].
    fn magnitude_norm(&self, z: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
        compose::magnitude_norm(z, weight, eps)
    }

    /// The way back of [`magnitude_norm`](Self::magnitude_norm): in `z` and `weight`. See [`compose::magnitude_norm_backward`].
    fn magnitude_norm_backward(
        &self,
        z: &Tensor,
        weight: &Tensor,
        grad: &Tensor,
        eps: f64,
    ) -> Result<[Tensor; 2]> {
        compose::magnitude_norm_backward(z, weight, grad, eps)
    }

    /// Circular convolution along the last axis by the convolution theorem. See [`compose::spectral_conv`].
    fn spectral_conv(&self, x: &Tensor, kernel: &Tensor) -> Result<Tensor> {
        compose::spectral_conv(x, kernel)
    }

    /// What the steps of convolutions cost on this device, for the choice between the two ways below. The default is
    /// [`ConvCosts::GENERIC`].
    fn conv_costs(&self) -> ConvCosts {
        ConvCosts::GENERIC
    }

    /// A convolution as a sum over taps; padding with zeros. Operands are `F32` or `F64` throughout. See [`compose::conv_direct`].
    fn conv_direct(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        geometry: &ConvGeometry,
    ) -> Result<Tensor> {
        compose::conv_direct(x, weight, bias, geometry)
    }

    /// The spectrum of a convolution's kernel for tiles of `tile` points, in a form that only the device's own [`conv_fft`](Self::conv_fft)
    /// understands. It depends on the weight, the dilation, the groups and the tile alone: inputs of any shape share it. See
    /// [`compose::conv_spectrum`].
    fn conv_spectrum(&self, weight: &Tensor, geometry: &ConvGeometry, tile: &[usize]) -> Result<Tensor> {
        compose::conv_spectrum(weight, geometry, tile)
    }

    /// The same convolution by the convolution theorem, in overlapping tiles of `tile` points along each spatial axis (one
    /// tile where that covers the axis), with the kernel's [`conv_spectrum`](Self::conv_spectrum) for the same tiles. A tile is at least as
    /// long as the kernel reaches. See [`compose::conv_fft`].
    fn conv_fft(
        &self,
        x: &Tensor,
        spectrum: &Tensor,
        bias: Option<&Tensor>,
        geometry: &ConvGeometry,
        tile: &[usize],
    ) -> Result<Tensor> {
        compose::conv_fft(x, spectrum, bias, geometry, tile)
    }

    /// The spectrum of a causal convolution's kernel, `[channels or 1, taps]`, in a form that only the device's own
    /// [`long_conv`](Self::long_conv) understands. See [`compose::long_conv_spectrum`].
    fn long_conv_spectrum(&self, kernel: &Tensor, plan: LongConvPlan) -> Result<Tensor> {
        compose::long_conv_spectrum(kernel, plan)
    }

    /// A gated causal convolution of `u`, `[batch, channels, length]`, with the kernel or, where it is given, its
    /// [`long_conv_spectrum`](Self::long_conv_spectrum) for the same plan. `F32` or `F64` throughout. See [`compose::long_conv`].
    fn long_conv(
        &self,
        u: &Tensor,
        kernel: &Tensor,
        spectrum: Option<&Tensor>,
        terms: LongConvTerms<'_>,
        plan: LongConvPlan,
    ) -> Result<Tensor> {
        compose::long_conv(u, kernel, spectrum, terms, plan)
    }

    /// `x W^T` (or `x W`) with a sparse spectral `W`. See [`compose::sparse_spectral_product`].
    fn sparse_spectral_product(
        &self,
        w: &SparseSpectralMatrix,
        x: &Tensor,
        transpose: bool,
    ) -> Result<Tensor> {
        compose::sparse_spectral_product(w, x, transpose)
    }

    /// The gradient in the coefficients of a sparse spectral `W`. See [`compose::sparse_spectral_gradient`].
    fn sparse_spectral_gradient(&self, w: &SparseSpectralMatrix, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
        compose::sparse_spectral_gradient(w, x, dy)
    }

    /// `x W^T` (or `x W`) with a block-circulant `W`. See [`compose::block_circulant_product`].
    fn block_circulant_product(
        &self,
        w: &BlockCirculantMatrix,
        x: &Tensor,
        transpose: bool,
    ) -> Result<Tensor> {
        compose::block_circulant_product(w, x, transpose)
    }

    /// The spectra of the first columns of a block-circulant matrix. See [`compose::block_circulant_spectrum`].
    fn block_circulant_spectrum(&self, columns: &Tensor) -> Result<Tensor> {
        compose::block_circulant_spectrum(columns)
    }

    /// The gradient in the first columns of a block-circulant `W`. See [`compose::block_circulant_gradient`].
    fn block_circulant_gradient(&self, x: &Tensor, dy: &Tensor, block: usize) -> Result<Tensor> {
        compose::block_circulant_gradient(x, dy, block)
    }

    /// `x W^T` with a rotated quantised `W`. See [`compose::rotated_product`].
    fn rotated_product(&self, w: &RotatedMatrix, x: &Tensor) -> Result<Tensor> {
        compose::rotated_product(w, x)
    }

    /// `x W^T` with a `W` whose whole spectrum is in log8. See [`compose::log_spectrum_product`].
    fn log_spectrum_product(&self, w: &LogSpectrumMatrix, x: &Tensor) -> Result<Tensor> {
        compose::log_spectrum_product(w, x)
    }

    /// Decodes log8 codes. See [`compose::log8_decode`].
    fn log8_decode(&self, codes: &Tensor, ranges: &Tensor, group: usize) -> Result<Tensor> {
        compose::log8_decode(codes, ranges, group)
    }

    /// Encodes as log8. See [`compose::log8_encode`].
    fn log8_encode(&self, x: &Tensor, group: usize) -> Result<(Tensor, Tensor)> {
        compose::log8_encode(x, group)
    }
}
