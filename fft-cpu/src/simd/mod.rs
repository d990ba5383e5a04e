//! Instruction sets, chosen at run time.
//!
//! A kernel is a value with a generic `run`; [`dispatch`] compiles it once for each level and calls the best one that the
//! machine has. Inside, plain loops vectorise, since everything is inlined into a function that enables the instructions.

mod powers;
mod sums;
mod vector;

pub(crate) use powers::scaled_power;
pub(crate) use sums::{Numbers, Summand};
pub(crate) use vector::{Portable, Vector};
#[cfg(target_arch = "x86_64")]
pub(crate) use vector::{Vector256, Vector512};

/// An instruction set level.
pub(crate) trait Level: Copy + 'static {
    /// Its vectors of `f32`.
    type V: Vector;
    /// Its vectors of `f64`.
    type D: Numbers<Of = f64>;
    /// Whether [`f32::mul_add`] is one instruction. Otherwise it would be a slow library call.
    const FMA: bool;
    /// Of itself.
    const MACHINE: Machine;
}

/// What every machine of the architecture has.
#[derive(Clone, Copy)]
pub(crate) struct Baseline;
impl Level for Baseline {
    type V = Portable;
    type D = sums::PortableDoubles;
    const FMA: bool = cfg!(target_arch = "aarch64");
    const MACHINE: Machine = Machine::Baseline;
}

/// AVX2, FMA, F16C (x86-64-v3).
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx2;
#[cfg(target_arch = "x86_64")]
impl Level for Avx2 {
    type V = Vector256;
    type D = sums::Doubles256;
    const FMA: bool = true;
    const MACHINE: Machine = Machine::Avx2;
}

/// AVX-512 F, BW, DQ, VL (x86-64-v4).
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx512;
#[cfg(target_arch = "x86_64")]
impl Level for Avx512 {
    type V = Vector512;
    type D = sums::Doubles512;
    const FMA: bool = true;
    const MACHINE: Machine = Machine::Avx512;
}

/// A computation that is compiled for each level. Implementations mark `run`, and all it calls, `#[inline(always)]`.
pub(crate) trait Kernel {
    /// What it returns.
    type Output;
    /// Does it.
    fn run<L: Level>(self) -> Self::Output;
}

/// Which level this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Machine {
    Baseline,
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "exists on x86-64 only"))]
    Avx2,
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "exists on x86-64 only"))]
    Avx512,
}

/// The level of this machine.
#[inline]
pub(crate) fn machine() -> Machine {
    #[cfg(target_arch = "x86_64")]
    {
        use std::sync::OnceLock;
        static MACHINE: OnceLock<Machine> = OnceLock::new();
        *MACHINE.get_or_init(|| {
            let v3 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c");
            let v4 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            match (v3, v4) {
                (true, true) => Machine::Avx512,
                (true, false) => Machine::Avx2,
                _ => Machine::Baseline,
            }
        })
    }
    #[cfg(not(target_arch = "x86_64"))]
    Machine::Baseline
}

/// Free text for [`fft_core::DeviceInfo::driver`].
pub(crate) fn description() -> &'static str {
    match machine() {
        Machine::Avx512 => "AVX-512, AVX2, FMA, F16C",
        Machine::Avx2 => "AVX2, FMA, F16C",
        Machine::Baseline if cfg!(target_arch = "x86_64") => "SSE2",
        Machine::Baseline if cfg!(target_arch = "aarch64") => "NEON",
        Machine::Baseline => "portable",
    }
}

/// Runs a kernel with the best instructions of this machine.
#[inline]
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    dispatch_at(machine(), kernel)
}

/// Runs a kernel with the instructions of a level, or the best of this machine where it has not got them.
#[inline]
pub(crate) fn dispatch_at<K: Kernel>(level: Machine, kernel: K) -> K::Output {
    debug_assert!(level <= machine());
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
        unsafe fn avx512<K: Kernel>(kernel: K) -> K::Output {
            kernel.run::<Avx512>()
        }
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn avx2<K: Kernel>(kernel: K) -> K::Output {
            kernel.run::<Avx2>()
        }
        match level.min(machine()) {
            // SAFETY: `machine` found these instructions.
            Machine::Avx512 => unsafe { avx512(kernel) },
            // SAFETY: `machine` found these instructions.
            Machine::Avx2 => unsafe { avx2(kernel) },
            Machine::Baseline => kernel.run::<Baseline>(),
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = level;
        kernel.run::<Baseline>()
    }
}

/// `a * b + c`, rounded once where that is fast.
#[inline(always)]
pub(crate) fn fma<L: Level>(a: f32, b: f32, c: f32) -> f32 {
    if L::FMA { a.mul_add(b, c) } else { a * b + c }
}
