//! The passes of a transform as functions, compiled for each level and found once, when a plan is made.

use fft_core::Complex;

#[cfg(target_arch = "x86_64")]
use super::avx2::Eight;
#[cfg(target_arch = "x86_64")]
use super::avx512::Sixteen;
use super::vector::{Lanes, Portable};
use crate::simd::Machine;

/// Where the lines of a tile lie, in real numbers: part `p` of complex number `j` of line `l` is at
/// `at + j step + l across`, plus `im` for the imaginary part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lines<T> {
    /// The real part of the first number of the first line. Only read through when the lines are a source.
    pub(crate) at: *mut T,
    /// From number to number of a line.
    pub(crate) step: isize,
    /// From a real part to its imaginary part; `None` where imaginary parts are 0 when read and dropped when written.
    pub(crate) im: Option<isize>,
    /// From line to line.
    pub(crate) across: isize,
    /// Lines, from 1 to the lanes of the plan.
    pub(crate) lanes: usize,
}

impl<T> Lines<T> {
    /// No lines.
    pub(super) fn none() -> Self {
        Self { at: std::ptr::null_mut(), step: 0, im: None, across: 0, lanes: 0 }
    }
}

/// What a pass works on. Each pass says which of these it reads.
pub(super) struct Args<T> {
    /// The first point.
    pub(super) scratch: *mut T,
    /// Blocks or groups.
    pub(super) blocks: usize,
    /// Points from one input of a butterfly to the next, in scratch or in lines.
    pub(super) leg: usize,
    pub(super) twiddles: *const Complex<T>,
    /// What an odd radix multiplies by.
    pub(super) roots: *const T,
    pub(super) lines: Lines<T>,
    /// Where in a line each group of the first pass begins.
    pub(super) bases: *const u32,
    /// Where in scratch each number of a line goes.
    pub(super) places: *const u32,
    /// Complex numbers of a line that are there, and points of scratch.
    pub(super) have: usize,
    pub(super) points: usize,
    pub(super) scale: T,
    /// Whether real and imaginary parts change places on the way.
    pub(super) swap: bool,
    /// Whether to write past the caches.
    pub(super) stream: bool,
}

/// A pass, compiled for each vector type. Implementations mark `run`, and all it calls, `#[inline(always)]`.
pub(super) trait Pass {
    /// Does it.
    ///
    /// # Safety
    /// What `args` points to is there, and the machine has the instructions of `V`.
    unsafe fn run<V: Lanes>(args: &Args<V::Real>);
}

/// A compiled pass. It must only be called with what its pass demands, on the machine for which it was selected.
pub(super) type Code<T> = unsafe fn(&Args<T>);

/// Numbers that lanes are made of.
pub(crate) trait OnLanes: Sized {
    /// The lanes of a level.
    fn lanes(machine: Machine) -> usize;
    /// The code of a pass for a level.
    #[allow(private_bounds, private_interfaces, reason = "called in this module only")]
    fn code<P: Pass>(machine: Machine) -> Code<Self>;
    /// The code of a pass that only saves time, where it is worth compiling.
    #[allow(private_bounds, private_interfaces, reason = "called in this module only")]
    fn quick<P: Pass>(machine: Machine) -> Option<Code<Self>>;
}

unsafe fn baseline<P: Pass, V: Lanes>(args: &Args<V::Real>) {
    // SAFETY: promised by the caller.
    unsafe { P::run::<V>(args) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn avx2<P: Pass, V: Lanes>(args: &Args<V::Real>) {
    // SAFETY: promised by the caller.
    unsafe { P::run::<V>(args) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
unsafe fn avx512<P: Pass, V: Lanes>(args: &Args<V::Real>) {
    // SAFETY: promised by the caller.
    unsafe { P::run::<V>(args) }
}

/// Whether the architecture itself has fused products and sums.
const FUSED: bool = cfg!(target_arch = "aarch64");

impl OnLanes for f32 {
    fn lanes(machine: Machine) -> usize {
        match machine {
            Machine::Avx512 => 16,
            Machine::Avx2 => 8,
            Machine::Baseline => 4,
        }
    }

    #[allow(private_bounds, private_interfaces, reason = "called in this module only")]
    fn code<P: Pass>(machine: Machine) -> Code<f32> {
        match machine {
            #[cfg(target_arch = "x86_64")]
            Machine::Avx512 => avx512::<P, Sixteen>,
            #[cfg(target_arch = "x86_64")]
            Machine::Avx2 => avx2::<P, Eight>,
            _ => baseline::<P, Portable<f32, 4, FUSED>>,
        }
    }

    #[allow(private_bounds, private_interfaces, reason = "called in this module only")]
    fn quick<P: Pass>(machine: Machine) -> Option<Code<f32>> {
        match machine {
            #[cfg(target_arch = "x86_64")]
            Machine::Avx512 => Some(avx512::<P, Sixteen>),
            #[cfg(target_arch = "x86_64")]
            Machine::Avx2 => Some(avx2::<P, Eight>),
            #[cfg(target_arch = "aarch64")]
            Machine::Baseline => Some(baseline::<P, Portable<f32, 4, FUSED>>),
            _ => None,
        }
    }
}

impl OnLanes for f64 {
    fn lanes(machine: Machine) -> usize {
        if machine == Machine::Baseline { 4 } else { 8 }
    }

    #[allow(private_bounds, private_interfaces, reason = "called in this module only")]
    fn code<P: Pass>(machine: Machine) -> Code<f64> {
        match machine {
            #[cfg(target_arch = "x86_64")]
            Machine::Avx512 | Machine::Avx2 => avx2::<P, Portable<f64, 8, true>>,
            _ => baseline::<P, Portable<f64, 4, FUSED>>,
        }
    }

    #[allow(private_bounds, private_interfaces, reason = "called in this module only")]
    fn quick<P: Pass>(_: Machine) -> Option<Code<f64>> {
        None
    }
}
