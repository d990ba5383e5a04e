//! Causal convolutions with kernels as long as a sequence.

use fft_core::Result;

use super::expect::{expect, expect_sizes};
use super::long_kernel::{ImplicitKernel, window};
use super::{Init, Layer, Scope};
use crate::autograd::Var;

/// A causal convolution of each channel with a long kernel `k` and a skip `D`; real `[batch, length, channels]` to the same:
///
/// ```text
/// y[t, c] = sum_{s <= t} k[c, s] u[t - s, c] + D[c] u[t, c]
/// ```
///
/// The kernel is a parameter ([`explicit`](Self::explicit)) or the values of a small network at `s` ([`implicit`](Self::implicit)). In either case it decays at first, with reaches that
/// are spread over the channels from 4 to the kernel's length. Sequences may be shorter or longer than the kernel: longer ones
/// convolve with all of it, and no length changes earlier outputs. Computed by transforms in `O(length log(length))`; see [`Var::long_conv`].
///
/// Parameters: `skip`, `[channels]`, normal of variance 1; and `kernel`, `[channels, taps]`, or those of [`ImplicitKernel`] below `kernel`.
#[derive(Debug, Clone)]
pub struct LongConv {
    path: String,
    kernel: Kernel,
    skip: Var,
}

#[derive(Debug, Clone)]
enum Kernel {
    Explicit(Var),
    Implicit(ImplicitKernel),
}

impl LongConv {
    const OP: &str = "LongConv";

    /// A layer with a parameter for each tap, normal with variance `w[c, s]^2 / sum_s w[c, s]^2` for the window `w[c, s] = e^(-s / reach_c)`: the convolution of white noise
    /// has its variance.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](fft_core::Error::InvalidArgument) for sizes of 0; those of [`Scope::parameter`].
    pub fn explicit(scope: &Scope, channels: usize, taps: usize) -> Result<Self> {
        expect_sizes(Self::OP, scope.path(), &[("channels", channels), ("taps", taps)])?;
        let mut random = scope.random("kernel");
        let noise = Init::Normal { std: 1.0 }.tensor(
            scope.device(),
            &[channels, taps],
            scope.dtype(),
            &mut random,
        )?;
        let decay = window(scope, channels, taps)?;
        let kernel = scope.parameter_from("kernel", noise.mul(&decay)?)?;
        Self::with_kernel(scope, channels, Kernel::Explicit(kernel))
    }

    /// A layer whose taps are the values of an [`ImplicitKernel`], with `bands` frequencies of position and a network of that `width`: as few parameters for a
    /// long kernel as for a short one.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](fft_core::Error::InvalidArgument) for sizes of 0; those of [`Scope::parameter`].
    pub fn implicit(scope: &Scope, channels: usize, taps: usize, bands: usize, width: usize) -> Result<Self> {
        expect_sizes(Self::OP, scope.path(), &[("channels", channels), ("taps", taps)])?;
        let kernel = ImplicitKernel::new(&scope.at("kernel"), channels, taps, bands, width)?;
        Self::with_kernel(scope, channels, Kernel::Implicit(kernel))
    }

    fn with_kernel(scope: &Scope, channels: usize, kernel: Kernel) -> Result<Self> {
        let skip = scope.parameter("skip", &[channels], Init::Normal { std: 1.0 })?;
        Ok(Self { path: scope.path().to_owned(), kernel, skip })
    }

    /// The first `length` taps, or all if there are fewer: `[channels, taps]`.
    ///
    /// # Errors
    /// Memory and device errors.
    pub fn kernel(&self, length: usize) -> Result<Var> {
        match &self.kernel {
            Kernel::Explicit(kernel) => {
                let taps = kernel.shape()[1];
                if taps <= length { Ok(kernel.clone()) } else { kernel.narrow(1, 0, length) }
            }
            Kernel::Implicit(kernel) => kernel.taps(length),
        }
    }

    fn check(&self, x: &Var) -> Result<()> {
        let axes = [("batch", None), ("length", None), ("channels", Some(self.skip.shape()[0]))];
        expect(Self::OP, &self.path, x, self.skip.dtype(), &axes)
    }

    /// `v forward(w u)`, all of one shape: Hyena's gated convolution (Poli et al. 2023).
    ///
    /// # Errors
    /// As [`Layer::forward`]; mismatches between the operands.
    pub fn gated(&self, u: &Var, w: &Var, v: &Var) -> Result<Var> {
        for x in [u, w, v] {
            self.check(x)?;
        }
        self.forward(&w.mul(u)?)?.mul(v)
    }
}

impl Layer for LongConv {
    fn forward(&self, u: &Var) -> Result<Var> {
        self.check(u)?;
        let length = u.shape()[1];
        let y = u.transpose(1, 2)?.long_conv(&self.kernel(length)?)?.transpose(1, 2)?;
        y.add(&u.mul(&self.skip)?)
    }
}
