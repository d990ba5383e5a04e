//! An adapter as a device.

use std::sync::Arc;

use fft_core::backend::{AttentionSpec, CacheStats};
use fft_core::convolution::{ConvCosts, ConvGeometry, LongConvPlan, LongConvTerms};
use fft_core::optimise::{AdamWStep, SgdStep};
use fft_core::spectral::{BlockCirculantMatrix, LogSpectrumMatrix, RotatedMatrix, SparseSpectralMatrix};
use fft_core::{
    BinaryOp, Buffer, DType, Device, DeviceInfo, FftSpec, HostBytes, KernelTime, MemoryTracker, ReduceOp,
    Result, ScatterMode, SpectralBackend, Tensor, UnaryOp, View, ViewMut,
};

use crate::context::Context;
use crate::memory::GpuBuffer;
use crate::store::Store;
use crate::{
    WgpuOptions, attention, circulant, convolution, elementwise, fourier, indexing, largest, log_spectrum,
    matmul, reduction, rotated, rows, sparse, transfer,
};

/// A GPU, or a software adapter, through wgpu.
///
/// Work is recorded and submitted in groups; [`download`](SpectralBackend::download) and
/// [`synchronize`](SpectralBackend::synchronize) wait for it. Several threads may use one device: their work is recorded in the order in
/// which they call.
#[derive(Debug)]
pub struct WgpuBackend {
    context: Arc<Context>,
}

impl WgpuBackend {
    /// Opens an adapter.
    ///
    /// # Errors
    /// `DeviceUnavailable` when there is no such adapter, or it cannot be opened.
    pub fn new(options: &WgpuOptions) -> Result<Self> {
        Ok(Self { context: Context::open(options)? })
    }
}

/// An adapter as a [`Device`].
///
/// # Errors
/// As [`WgpuBackend::new`].
pub fn device(options: WgpuOptions) -> Result<Device> {
    WgpuBackend::new(&options).map(Device::new)
}

/// What a device did so far, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Groups of work handed to the driver.
    pub submissions: usize,
    /// Kernels run.
    pub dispatches: usize,
    /// Shaders compiled.
    pub pipelines: usize,
    /// Sets of buffers for kernels.
    pub bind_groups: usize,
    /// Buffers created, those for reading back included.
    pub buffers: usize,
    /// Bytes of tables of plans and of buffers for reading back, which count against the memory limit beside tensors and scratch.
    pub own_bytes: usize,
}

/// The context behind a device of this crate; any of its buffers knows it.
fn context(device: &Device) -> Option<Arc<Context>> {
    let probe = device.alloc(0).ok()?;
    probe.downcast_ref::<GpuBuffer>().map(|b| Arc::clone(&b.context))
}

/// What a device did so far; nothing for a device of another crate, or one that is lost.
pub fn stats(device: &Device) -> Option<Stats> {
    use std::sync::atomic::Ordering::Relaxed;
    let context = context(device)?;
    let counters = &context.counters;
    Some(Stats {
        submissions: counters.submissions.load(Relaxed),
        dispatches: counters.dispatches.load(Relaxed),
        pipelines: context.pipelines.pipelines_created(),
        bind_groups: context.pipelines.groups_created(),
        buffers: context.pool.created() + counters.staging.load(Relaxed),
        own_bytes: context.pool.own_bytes() as usize,
    })
}

/// Destroys the device behind a handle, as a driver does that resets it: for tests of what happens then.
#[doc(hidden)]
pub fn destroy(device: &Device) {
    if let Some(context) = context(device) {
        context.device.destroy();
    }
}

impl SpectralBackend for WgpuBackend {
    fn info(&self) -> &DeviceInfo {
        &self.context.info
    }

    fn memory(&self) -> &Arc<MemoryTracker> {
        &self.context.memory
    }

    fn cache_stats(&self) -> CacheStats {
        use std::sync::atomic::Ordering::Relaxed;
        let counters = &self.context.counters;
        CacheStats {
            plans_created: counters.plans.load(Relaxed) + self.context.pipelines.pipelines_created(),
            blocks_allocated: self.context.pool.created() + counters.staging.load(Relaxed),
        }
    }

    fn supports(&self, dtype: DType) -> bool {
        Store::of(dtype).is_some()
    }

    fn alloc(&self, bytes: usize) -> Result<Buffer> {
        transfer::alloc(&self.context, bytes)
    }

    fn adopt(&self, bytes: HostBytes, _align: usize) -> Result<Buffer> {
        let mut buffer = transfer::alloc(&self.context, bytes.as_slice().len())?;
        transfer::upload(&self.context, bytes.as_slice(), &mut buffer, 0)?;
        Ok(buffer)
    }

    fn upload(&self, bytes: &[u8], dst: &mut Buffer, offset: usize) -> Result<()> {
        transfer::upload(&self.context, bytes, dst, offset)
    }

    fn download(&self, src: &Buffer, offset: usize, out: &mut [u8]) -> Result<()> {
        transfer::download(&self.context, src, offset, out)
    }

    fn synchronize(&self) -> Result<()> {
        self.context.wait()
    }

    fn kernel_times(&self) -> Result<Option<Vec<KernelTime>>> {
        self.context.kernel_times()
    }

    fn trim(&self) {
        self.context.trim();
    }

    fn copy(&self, src: View<'_>, dst: ViewMut<'_>) -> Result<()> {
        elementwise::copy(&self.context, src, dst)
    }

    fn fill(&self, re: f64, im: f64, dst: ViewMut<'_>) -> Result<()> {
        elementwise::fill(&self.context, re, im, dst)
    }

    fn gather(&self, src: View<'_>, axis: usize, indices: View<'_>, dst: ViewMut<'_>) -> Result<()> {
        indexing::gather(&self.context, src, axis, indices, dst)
    }

    fn scatter(
        &self,
        src: View<'_>,
        axis: usize,
        indices: View<'_>,
        mode: ScatterMode,
        dst: ViewMut<'_>,
    ) -> Result<()> {
        indexing::scatter(&self.context, src, axis, indices, mode, dst)
    }

    fn unary(&self, op: UnaryOp, src: View<'_>, dst: ViewMut<'_>) -> Result<()> {
        elementwise::unary(&self.context, op, src, dst)
    }

    fn binary(&self, op: BinaryOp, a: View<'_>, b: View<'_>, dst: ViewMut<'_>) -> Result<()> {
        elementwise::binary(&self.context, op, a, b, dst)
    }

    fn select(&self, condition: View<'_>, a: View<'_>, b: View<'_>, dst: ViewMut<'_>) -> Result<()> {
        elementwise::select(&self.context, condition, a, b, dst)
    }

    fn reduce(&self, op: ReduceOp, src: View<'_>, axes: &[usize], dst: ViewMut<'_>) -> Result<()> {
        reduction::reduce(&self.context, op, src, axes, dst)
    }

    fn matmul(&self, a: View<'_>, b: View<'_>, dst: ViewMut<'_>) -> Result<()> {
        matmul::matmul(&self.context, a, b, dst)
    }

    fn fft(&self, spec: FftSpec, src: View<'_>, dst: ViewMut<'_>) -> Result<()> {
        fourier::fft(&self.context, spec, src, dst)
    }

    fn low_frequencies(&self, x: &Tensor, modes: &[usize]) -> Result<Tensor> {
        fourier::low_frequencies(&self.context, x, modes)
    }

    fn band_limited(&self, z: &Tensor, lengths: &[usize]) -> Result<Tensor> {
        fourier::band_limited(&self.context, z, lengths)
    }

    fn attention(&self, q: &Tensor, k: &Tensor, v: &Tensor, spec: AttentionSpec) -> Result<Tensor> {
        attention::attention(&self.context, q, k, v, spec)
    }

    fn attention_backward(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        grad: &Tensor,
        spec: AttentionSpec,
    ) -> Result<[Tensor; 3]> {
        attention::attention_backward(&self.context, q, k, v, grad, spec)
    }

    fn sparse_spectral_product(
        &self,
        w: &SparseSpectralMatrix,
        x: &Tensor,
        transpose: bool,
    ) -> Result<Tensor> {
        sparse::product(&self.context, w, x, transpose)
    }

    fn sparse_spectral_gradient(&self, w: &SparseSpectralMatrix, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
        sparse::gradient(&self.context, w, x, dy)
    }

    fn block_circulant_product(
        &self,
        w: &BlockCirculantMatrix,
        x: &Tensor,
        transpose: bool,
    ) -> Result<Tensor> {
        circulant::product(&self.context, w, x, transpose)
    }

    fn block_circulant_spectrum(&self, columns: &Tensor) -> Result<Tensor> {
        circulant::spectrum(&self.context, columns)
    }

    fn block_circulant_gradient(&self, x: &Tensor, dy: &Tensor, block: usize) -> Result<Tensor> {
        circulant::gradient(&self.context, x, dy, block)
    }

    fn rotated_product(&self, w: &RotatedMatrix, x: &Tensor) -> Result<Tensor> {
        rotated::product(&self.context, w, x)
    }

    fn log_spectrum_product(&self, w: &LogSpectrumMatrix, x: &Tensor) -> Result<Tensor> {
        log_spectrum::product(&self.context, w, x)
    }

    fn unary_backward(&self, op: UnaryOp, kept: &Tensor, grad: &Tensor) -> Result<Tensor> {
        elementwise::unary_backward(&self.context, op, kept, grad)
    }

    fn adamw_step(
        &self,
        parameter: &mut Tensor,
        grad: &Tensor,
        mean: &mut Tensor,
        square: &mut Tensor,
        step: &AdamWStep,
    ) -> Result<()> {
        rows::adamw_step(&self.context, parameter, grad, mean, square, step)
    }

    fn sgd_step(
        &self,
        parameter: &mut Tensor,
        grad: &Tensor,
        velocity: Option<&mut Tensor>,
        step: &SgdStep,
    ) -> Result<()> {
        rows::sgd_step(&self.context, parameter, grad, velocity, step)
    }

    fn sum_of_squares(&self, x: &Tensor) -> Result<Tensor> {
        reduction::sum_of_squares(&self.context, x)
    }

    fn largest(&self, keys: &Tensor, count: usize) -> Result<Tensor> {
        largest::largest(&self.context, keys, count)
    }

    fn softmax(&self, x: &Tensor, axis: usize) -> Result<Tensor> {
        rows::softmax(&self.context, x, axis)
    }

    fn softmax_backward(&self, y: &Tensor, grad: &Tensor, axis: usize) -> Result<Tensor> {
        rows::softmax_backward(&self.context, y, grad, axis)
    }

    fn log_softmax(&self, x: &Tensor, axis: usize) -> Result<Tensor> {
        rows::log_softmax(&self.context, x, axis)
    }

    fn log_softmax_backward(&self, y: &Tensor, grad: &Tensor, axis: usize) -> Result<Tensor> {
        rows::log_softmax_backward(&self.context, y, grad, axis)
    }

    fn cross_entropy(&self, logits: &Tensor, targets: &Tensor) -> Result<(Tensor, Tensor)> {
        rows::cross_entropy(&self.context, logits, targets)
    }

    fn cross_entropy_backward(
        &self,
        logits: &Tensor,
        targets: &Tensor,
        log_sum_exp: &Tensor,
        grad: &Tensor,
    ) -> Result<Tensor> {
        rows::cross_entropy_backward(&self.context, logits, targets, log_sum_exp, grad)
    }

    fn rms_norm(&self, x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
        rows::rms_norm(&self.context, x, weight, eps)
    }

    fn layer_norm(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f32) -> Result<Tensor> {
        rows::layer_norm(&self.context, x, weight, bias, eps)
    }

    fn rms_norm_backward(&self, x: &Tensor, weight: &Tensor, grad: &Tensor, eps: f32) -> Result<[Tensor; 2]> {
        rows::rms_norm_backward(&self.context, x, weight, grad, eps)
    }

    fn layer_norm_backward(
        &self,
        x: &Tensor,
        weight: &Tensor,
        grad: &Tensor,
        eps: f32,
    ) -> Result<[Tensor; 3]> {
        rows::layer_norm_backward(&self.context, x, weight, grad, eps)
    }

    fn rope(&self, x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
        elementwise::rope(&self.context, x, cos, sin)
    }

    fn silu_mul(&self, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
        elementwise::silu_mul(&self.context, gate, up)
    }

    fn silu_mul_backward(&self, gate: &Tensor, up: &Tensor, grad: &Tensor) -> Result<[Tensor; 2]> {
        rows::silu_mul_backward(&self.context, gate, up, grad)
    }

    fn mod_relu(&self, z: &Tensor, bias: &Tensor) -> Result<Tensor> {
        rows::mod_relu(&self.context, z, bias)
    }

    fn mod_relu_backward(&self, z: &Tensor, bias: &Tensor, grad: &Tensor) -> Result<[Tensor; 2]> {
        rows::mod_relu_backward(&self.context, z, bias, grad)
    }

    fn magnitude_norm(&self, z: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
        rows::magnitude_norm(&self.context, z, weight, eps)
    }

    fn magnitude_norm_backward(
        &self,
        z: &Tensor,
        weight: &Tensor,
        grad: &Tensor,
        eps: f64,
    ) -> Result<[Tensor; 2]> {
        rows::magnitude_norm_backward(&self.context, z, weight, grad, eps)
    }

    fn log8_decode(&self, codes: &Tensor, ranges: &Tensor, group: usize) -> Result<Tensor> {
        elementwise::log8_decode(&self.context, codes, ranges, group)
    }

    fn conv_spectrum(&self, weight: &Tensor, geometry: &ConvGeometry, tile: &[usize]) -> Result<Tensor> {
        fourier::conv_spectrum(&self.context, weight, geometry, tile)
    }

    fn conv_fft(
        &self,
        x: &Tensor,
        spectrum: &Tensor,
        bias: Option<&Tensor>,
        geometry: &ConvGeometry,
        tile: &[usize],
    ) -> Result<Tensor> {
        fourier::conv_fft(&self.context, x, spectrum, bias, geometry, tile)
    }

    fn conv_costs(&self) -> ConvCosts {
        convolution::conv_costs(&self.context)
    }

    fn conv_direct(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        geometry: &ConvGeometry,
    ) -> Result<Tensor> {
        convolution::conv_direct(&self.context, x, weight, bias, geometry)
    }

    fn spectral_conv(&self, x: &Tensor, kernel: &Tensor) -> Result<Tensor> {
        fourier::spectral_conv(&self.context, x, kernel)
    }

    fn long_conv_spectrum(&self, kernel: &Tensor, plan: LongConvPlan) -> Result<Tensor> {
        fourier::long_conv_spectrum(&self.context, kernel, plan)
    }

    fn long_conv(
        &self,
        u: &Tensor,
        kernel: &Tensor,
        spectrum: Option<&Tensor>,
        terms: LongConvTerms<'_>,
        plan: LongConvPlan,
    ) -> Result<Tensor> {
        fourier::long_conv(&self.context, u, kernel, spectrum, terms, plan)
    }
}
