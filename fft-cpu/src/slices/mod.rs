//! Transforms of plain slices, without tensors: for single lines and for code that has its own arrays.
//!
//! Names, signs, norms and meaning of `n` are those of the methods of [`Tensor`](fft_core::Tensor). Functions whose names end in `_in_place` change
//! their slice; the others write to an output, whose length is checked, or return what they make.
//!
//! - **Lines** run on the calling thread. A [`Plan`], [`RealPlan`] or [`DctPlan`] is made once for a length, shared between threads, and
//!   transforms without allocating; the functions of the same names find such a plan by the length of the slice, in a cache that all
//!   threads share. The slice has the points of the transform: `&x[..n]` crops a line, [`resize()`] pads it.
//! - **Row-major arrays** are a slice and a shape. Their transforms run on the threads of a device that the process shares: those of complex
//!   and real arrays in the slices, with scratch for some lines (inverse real ones for a spectrum); cosine and sine transforms, [`stft()`] and
//!   convolutions in tensors of that device, to which the slices are copied.
//!
//! ```
//! use fft_core::{Complex32, Norm};
//! use fft_cpu::slices::{self, Plan};
//!
//! let mut x = [Complex32::new(1.0, 0.0), Complex32::default(), Complex32::default()];
//! slices::fft_in_place(&mut x, Norm::Backward)?;
//! assert_eq!(x, [Complex32::new(1.0, 0.0); 3]);
//!
//! let plan = Plan::new(3)?; // for many lines of one length
//! plan.ifft_in_place(&mut x, Norm::Backward)?;
//! assert!((x[0].re - 1.0).abs() < 1e-6 && x[1].norm() < 1e-6);
//! # Ok::<(), fft_core::Error>(())
//! ```

mod arrays;
mod convolve;
mod cosine_arrays;
mod dct;
mod lines;
mod plan;
mod real_arrays;
mod real_plan;
mod resize;
mod scalar;
mod shared;
mod shift;
mod stft;

pub use arrays::{fft2, fft2_in_place, fftn, fftn_in_place, ifft2, ifft2_in_place, ifftn, ifftn_in_place};
pub use convolve::{convolve, convolve_nd, correlate, correlate_nd};
pub use cosine_arrays::{dctn, dstn, idctn, idstn};
pub use dct::DctPlan;
pub use fft_core::frequencies::{fftfreq, next_fast_len, rfftfreq};
pub use fft_core::window::Window;
pub use lines::{
    dct, dct_in_place, dst, dst_in_place, fft, fft_in_place, hfft, idct, idct_in_place, idst, idst_in_place,
    ifft, ifft_in_place, ihfft, irfft, rfft,
};
pub use plan::Plan;
pub use real_arrays::{hfft2, hfftn, ihfft2, ihfftn, irfft2, irfftn, rfft2, rfftn};
pub use real_plan::RealPlan;
pub use resize::resize;
pub use scalar::Scalar;
pub use shared::device;
pub use shift::{fftshift, fftshift_in_place, ifftshift, ifftshift_in_place, roll, roll_in_place};
pub use stft::{Signal, Spectra, istft, stft};

use fft_core::{Complex, Error, Result};

/// The number of lines of `n` elements in a slice of `len`.
fn lines_of(op: &'static str, argument: &'static str, len: usize, n: usize) -> Result<usize> {
    if len.is_multiple_of(n) {
        return Ok(len / n);
    }
    Err(Error::invalid(op, argument, len, format!("a whole number of lines of {n} elements is needed")))
}

/// Checks the length of an output.
fn expect_len(op: &'static str, argument: &'static str, len: usize, want: usize) -> Result<()> {
    if len == want {
        return Ok(());
    }
    Err(Error::invalid(op, argument, len, format!("{want} elements are needed")))
}

/// Refuses transforms of nothing.
fn expect_points(op: &'static str, n: usize) -> Result<()> {
    if n > 0 {
        return Ok(());
    }
    Err(Error::invalid(op, "n", n, "a transform needs at least one point"))
}

/// The longest line of a plan. Memory ends long before it; planners search divisors of whatever they are given.
const MAX_POINTS: usize = 1 << 36;

/// Refuses plans of nothing, and those whose tables the allocator would abort the process over.
fn expect_plan<T>(op: &'static str, n: usize) -> Result<()> {
    expect_points(op, n)?;
    if n > MAX_POINTS {
        return Err(Error::invalid(op, "n", n, format!("a plan has at most {MAX_POINTS} points")));
    }
    // Both directions of an awkward length: factors, and convolutions of the next convenient length beyond `2 n`.
    let numbers = n.saturating_mul(8);
    Vec::<Complex<T>>::new()
        .try_reserve_exact(numbers)
        .map_err(|e| Error::invalid(op, "n", n, format!("no memory for a plan of so many points: {e}")))
}
