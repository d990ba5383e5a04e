//! The processor as a device.

use std::sync::Arc;

use fft_core::backend::{AttentionSpec, CacheStats};
use fft_core::convolution::{ConvCosts, ConvGeometry, LongConvPlan, LongConvTerms};
use fft_core::optimise::{AdamWStep, SgdStep};
use fft_core::spectral::{BlockCirculantMatrix, LogSpectrumMatrix, RotatedMatrix, SparseSpectralMatrix};
use fft_core::{
    BinaryOp, Buffer, DType, DctSpec, Device, DeviceInfo, DeviceKind, Error, FftSpec, HostBytes,
    MemoryTracker, ReduceOp, Result, ScatterMode, SpectralBackend, Tensor, UnaryOp, View, ViewMut,
};

use crate::fourier::{self, Plans};
use crate::memory::{BlockPool, HostBuffer};
use crate::spectral::{circulant, log_spectrum, log8, rotated};
use crate::threads::Threads;
use crate::{
    convolution, cosine, elementwise, indexing, long_conv, matmul, network, reduction, simd, spectral,
};

/// How the processor is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CpuOptions {
    /// Number of threads, at least 1; by default as many as the machine runs at once. Results are the same bits for any number.
    pub threads: Option<usize>,
    /// Most bytes of tensors and scratch in use at once; by default no limit.
    pub memory_limit: Option<usize>,
}

/// The processor: rustfft and realfft for transforms, run-time SIMD, and a pool of threads.
///
/// Work runs before a method returns, so [`synchronize`](SpectralBackend::synchronize) has nothing to wait for. Freed blocks of
/// memory are kept for reuse; they do not count as in use and never keep a request from the memory limit.
#[derive(Debug)]
pub struct CpuBackend {
    info: DeviceInfo,
    memory: Arc<MemoryTracker>,
    pub(crate) pool: Arc<BlockPool>,
    pub(crate) threads: Threads,
    pub(crate) plans: Plans,
    circulant_bases: circulant::Bases,
    cosine_plans: cosine::Plans,
}

impl CpuBackend {
    /// A processor backend.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for 0 threads; [`Error::DeviceUnavailable`] when the threads cannot be started.
    pub fn new(options: CpuOptions) -> Result<Self> {
        let threads = Threads::new(options.threads)?;
        let memory = MemoryTracker::new(options.memory_limit);
        let mut info = DeviceInfo::new(DeviceKind::Cpu, "cpu", std::env::consts::ARCH);
        info.driver = simd::description().to_owned();
        info.parallelism = threads.count();
        let pool = BlockPool::new(Arc::clone(&memory));
        Ok(Self {
            info,
            memory,
            pool,
            threads,
            plans: Plans::default(),
            circulant_bases: circulant::Bases::default(),
            cosine_plans: cosine::Plans::default(),
        })
    }

    pub(crate) fn fourier_context(&self) -> fourier::Context<'_> {
        fourier::Context { threads: &self.threads, pool: &self.pool, plans: &self.plans }
    }
}

/// The processor as a [`Device`].
///
/// # Errors
/// As [`CpuBackend::new`].
pub fn device(options: CpuOptions) -> Result<Device> {
    CpuBackend::new(options).map(Device::new)
}

/// The part of a buffer that a host copy touches.
fn range(op: &'static str, offset: usize, len: usize, size: usize) -> Result<std::ops::Range<usize>> {
    let end = offset.checked_add(len).filter(|&end| end <= size);
    let reason = || format!("with {len} bytes it passes the {size} bytes of the buffer");
    Ok(offset..end.ok_or_else(|| Error::invalid(op, "offset", offset, reason()))?)
}

fn foreign(op: &'static str) -> Error {
    Error::invalid(op, "buffer", "of another device", "must be a buffer of this device")
}

impl SpectralBackend for CpuBackend {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn memory(&self) -> &Arc<MemoryTracker> {
        &self.memory
    }

    fn cache_stats(&self) -> CacheStats {
        let plans_created =
            self.plans.created() + self.circulant_bases.created() + self.cosine_plans.created();
        CacheStats { plans_created, blocks_allocated: self.pool.blocks_allocated() }
    }

    fn supports(&self, dtype: DType) -> bool {
        DType::ALL.contains(&dtype)
    }

    fn alloc(&self, bytes: usize) -> Result<Buffer> {
        let (block, reservation) = self.pool.take(bytes)?;
        let raw = HostBuffer::owned(block, bytes, Arc::clone(&self.pool));
        Ok(Buffer::new(Box::new(raw), Some(reservation)))
    }

    fn adopt(&self, bytes: HostBytes, align: usize) -> Result<Buffer> {
        if bytes.as_slice().as_ptr().addr().is_multiple_of(align.max(1)) {
            return Ok(Buffer::new(Box::new(HostBuffer::adopted(bytes, Arc::clone(&self.pool))), None));
        }
        let mut buffer = self.alloc(bytes.as_slice().len())?;
        self.upload(bytes.as_slice(), &mut buffer, 0)?;
        Ok(buffer)
    }

    fn upload(&self, bytes: &[u8], dst: &mut Buffer, offset: usize) -> Result<()> {
        const OP: &str = "upload";
        let to = dst.downcast_mut::<HostBuffer>().ok_or_else(|| foreign(OP))?.bytes_mut()?;
        let range = range(OP, offset, bytes.len(), to.len())?;
        to[range].copy_from_slice(bytes);
        Ok(())
    }

    fn download(&self, src: &Buffer, offset: usize, out: &mut [u8]) -> Result<()> {
        const OP: &str = "download";
        let from = src.downcast_ref::<HostBuffer>().ok_or_else(|| foreign(OP))?.bytes();
        let range = range(OP, offset, out.len(), from.len())?;
        out.copy_from_slice(&from[range]);
        Ok(())
    }

    fn synchronize(&self) -> Result<()> {
        Ok(())
    }

    fn copy(&self, src: View<'_>, dst: ViewMut<'_>) -> Result<()> {
        elementwise::copy(&self.threads, src, dst)
    }

    fn fill(&self, re: f64, im: f64, dst: ViewMut<'_>) -> Result<()> {
        elementwise::fill(&self.threads, re, im, dst)
    }

    fn gather(&self, src: View<'_>, axis: usize, indices: View<'_>, dst: ViewMut<'_>) -> Result<()> {
        indexing::gather(&self.threads, src, axis, indices, dst)
    }

    fn scatter(
        &self,
        src: View<'_>,
        axis: usize,
        indices: View<'_>,
        mode: ScatterMode,
        dst: ViewMut<'_>,
    ) -> Result<()> {
        indexing::scatter(&self.threads, src, axis, indices, mode, dst)
    }

    fn unary(&self, op: UnaryOp, src: View<'_>, dst: ViewMut<'_>) -> Result<()> {
        elementwise::unary(&self.threads, op, src, dst)
    }

    fn binary(&self, op: BinaryOp, a: View<'_>, b: View<'_>, dst: ViewMut<'_>) -> Result<()> {
        elementwise::binary(&self.threads, op, a, b, dst)
    }

    fn select(&self, condition: View<'_>, a: View<'_>, b: View<'_>, dst: ViewMut<'_>) -> Result<()> {
        elementwise::select(&self.threads, condition, a, b, dst)
    }

    fn reduce(&self, op: ReduceOp, src: View<'_>, axes: &[usize], dst: ViewMut<'_>) -> Result<()> {
        reduction::reduce(&self.threads, op, src, axes, dst)
    }

    fn matmul(&self, a: View<'_>, b: View<'_>, dst: ViewMut<'_>) -> Result<()> {
        matmul::matmul(&self.threads, &self.pool, a, b, dst)
    }

    fn fft(&self, spec: FftSpec, src: View<'_>, dst: ViewMut<'_>) -> Result<()> {
        fourier::fft(self.fourier_context(), spec, src, dst)
    }

    fn fft_nd(&self, specs: &[FftSpec], x: &Tensor) -> Result<Tensor> {
        fourier::fft_nd(self.fourier_context(), specs, x)
    }

    fn fft_in_place(&self, specs: &[FftSpec], x: &mut Tensor) -> Result<()> {
        fourier::fft_nd_in_place(self.fourier_context(), specs, x)
    }

    fn dct(&self, x: &Tensor, spec: DctSpec) -> Result<Tensor> {
        cosine::dct(&self.threads, &self.pool, &self.cosine_plans, x, spec)
    }

    fn block_circulant_product(
        &self,
        w: &BlockCirculantMatrix,
        x: &Tensor,
        transpose: bool,
    ) -> Result<Tensor> {
        circulant::product(self.fourier_context(), &self.circulant_bases, w, x, transpose)
    }

    fn block_circulant_gradient(&self, x: &Tensor, dy: &Tensor, block: usize) -> Result<Tensor> {
        circulant::gradient(self.fourier_context(), &self.circulant_bases, x, dy, block)
    }

    fn block_circulant_spectrum(&self, columns: &Tensor) -> Result<Tensor> {
        circulant::spectrum(self.fourier_context(), &self.circulant_bases, columns)
    }

    fn log8_decode(&self, codes: &Tensor, ranges: &Tensor, group: usize) -> Result<Tensor> {
        log8::decode(&self.threads, codes, ranges, group)
    }

    fn log_spectrum_product(&self, w: &LogSpectrumMatrix, x: &Tensor) -> Result<Tensor> {
        log_spectrum::product(self.fourier_context(), w, x)
    }

    fn rotated_product(&self, w: &RotatedMatrix, x: &Tensor) -> Result<Tensor> {
        rotated::product(self.fourier_context(), w, x)
    }

    fn conv_costs(&self) -> ConvCosts {
        convolution::conv_costs()
    }

    fn conv_direct(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        geometry: &ConvGeometry,
    ) -> Result<Tensor> {
        convolution::conv_direct(self.fourier_context(), x, weight, bias, geometry)
    }

    fn conv_fft(
        &self,
        x: &Tensor,
        spectrum: &Tensor,
        bias: Option<&Tensor>,
        geometry: &ConvGeometry,
        tile: &[usize],
    ) -> Result<Tensor> {
        convolution::conv_fft(self.fourier_context(), x, spectrum, bias, geometry, tile)
    }

    fn long_conv(
        &self,
        u: &Tensor,
        kernel: &Tensor,
        spectrum: Option<&Tensor>,
        terms: LongConvTerms<'_>,
        plan: LongConvPlan,
    ) -> Result<Tensor> {
        long_conv::long_conv(self.fourier_context(), u, kernel, spectrum, terms, plan)
    }

    fn trim(&self) {
        self.pool.trim();
    }

    fn scope(&self, work: &mut (dyn FnMut() + Send)) {
        self.threads.scope(work);
    }

    fn sparse_spectral_product(
        &self,
        w: &SparseSpectralMatrix,
        x: &Tensor,
        transpose: bool,
    ) -> Result<Tensor> {
        spectral::sparse_spectral_product(self.fourier_context(), w, x, transpose)
    }

    fn unary_backward(&self, op: UnaryOp, kept: &Tensor, grad: &Tensor) -> Result<Tensor> {
        elementwise::unary_backward(&self.threads, op, kept, grad)
    }

    fn adamw_step(
        &self,
        parameter: &mut Tensor,
        grad: &Tensor,
        mean: &mut Tensor,
        square: &mut Tensor,
        step: &AdamWStep,
    ) -> Result<()> {
        network::adamw_step(&self.threads, parameter, grad, mean, square, step)
    }

    fn sgd_step(
        &self,
        parameter: &mut Tensor,
        grad: &Tensor,
        velocity: Option<&mut Tensor>,
        step: &SgdStep,
    ) -> Result<()> {
        network::sgd_step(&self.threads, parameter, grad, velocity, step)
    }

    fn sum_of_squares(&self, x: &Tensor) -> Result<Tensor> {
        network::sum_of_squares(&self.threads, x)
    }

    fn sparse_spectral_gradient(&self, w: &SparseSpectralMatrix, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
        spectral::sparse_spectral_gradient(self.fourier_context(), w, x, dy)
    }

    fn softmax(&self, x: &Tensor, axis: usize) -> Result<Tensor> {
        network::softmax(&self.threads, x, axis)
    }

    fn rms_norm(&self, x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
        network::rms_norm(&self.threads, x, weight, eps)
    }

    fn layer_norm(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f32) -> Result<Tensor> {
        network::layer_norm(&self.threads, x, weight, bias, eps)
    }

    fn rope(&self, x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
        network::rope(&self.threads, x, cos, sin)
    }

    fn attention(&self, q: &Tensor, k: &Tensor, v: &Tensor, spec: AttentionSpec) -> Result<Tensor> {
        network::attention((&self.threads, &self.pool), q, k, v, spec)
    }

    fn silu_mul(&self, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
        network::silu_mul(&self.threads, gate, up)
    }

    fn silu_mul_backward(&self, gate: &Tensor, up: &Tensor, grad: &Tensor) -> Result<[Tensor; 2]> {
        network::silu_mul_backward(&self.threads, gate, up, grad)
    }

    fn softmax_backward(&self, y: &Tensor, grad: &Tensor, axis: usize) -> Result<Tensor> {
        network::softmax_backward(&self.threads, y, grad, axis)
    }

    fn log_softmax(&self, x: &Tensor, axis: usize) -> Result<Tensor> {
        network::log_softmax(&self.threads, x, axis)
    }

    fn log_softmax_backward(&self, y: &Tensor, grad: &Tensor, axis: usize) -> Result<Tensor> {
        network::log_softmax_backward(&self.threads, y, grad, axis)
    }

    fn cross_entropy(&self, logits: &Tensor, targets: &Tensor) -> Result<(Tensor, Tensor)> {
        network::cross_entropy(&self.threads, logits, targets)
    }

    fn cross_entropy_backward(
        &self,
        logits: &Tensor,
        targets: &Tensor,
        log_sum_exp: &Tensor,
        grad: &Tensor,
    ) -> Result<Tensor> {
        network::cross_entropy_backward(&self.threads, logits, targets, log_sum_exp, grad)
    }

    fn rms_norm_backward(&self, x: &Tensor, weight: &Tensor, grad: &Tensor, eps: f32) -> Result<[Tensor; 2]> {
        network::rms_norm_backward((&self.threads, &self.pool), x, weight, grad, eps)
    }

    fn layer_norm_backward(
        &self,
        x: &Tensor,
        weight: &Tensor,
        grad: &Tensor,
        eps: f32,
    ) -> Result<[Tensor; 3]> {
        network::layer_norm_backward((&self.threads, &self.pool), x, weight, grad, eps)
    }

    fn attention_backward(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        grad: &Tensor,
        spec: AttentionSpec,
    ) -> Result<[Tensor; 3]> {
        network::attention_backward((&self.threads, &self.pool), q, k, v, grad, spec)
    }
}
