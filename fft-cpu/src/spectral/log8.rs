//! Decoding log8 codes.

use fft_core::{DType, Error, Result, Tensor, compose};

use crate::memory::{SharedMut, elements, elements_mut};
use crate::simd::{Kernel, Level, Numbers, Vector, dispatch};
use crate::threads::Threads;

const OP: &str = "log8_decode";
/// Codes of a task, about.
const TASK: usize = 1 << 15;

/// See `SpectralBackend::log8_decode`.
pub(crate) fn decode(threads: &Threads, codes: &Tensor, ranges: &Tensor, group: usize) -> Result<Tensor> {
    let n = codes.shape().last().copied().unwrap_or(0);
    let mut expected = fft_core::Dims::from_slice(codes.shape());
    if let Some(last) = expected.last_mut() {
        *last = if group == 0 { 0 } else { n.div_ceil(group) };
    }
    expected.push(2);
    let types = codes.dtype() == DType::U8 && ranges.dtype() == DType::F32;
    if group == 0 || n == 0 || !types || ranges.shape() != &expected[..] || codes.device() != ranges.device()
    {
        // The composition says what is wrong.
        return compose::log8_decode(codes, ranges, group);
    }
    let (codes, ranges) = (codes.contiguous()?, ranges.contiguous()?);
    Tensor::build(codes.device(), OP, codes.shape(), DType::F32, |mut dst| {
        let from = &elements::<u8>(OP, &codes.view())?[codes.layout().offset()..][..codes.len()];
        let ranges = &elements::<f32>(OP, &ranges.view())?[ranges.layout().offset()..][..ranges.len()];
        let (offset, len) = (dst.layout.offset(), dst.layout.len());
        let out = &mut elements_mut::<f32>(OP, &mut dst)?[offset..][..len];
        if out.len() != from.len() {
            return Err(Error::shapes(OP, &[from.len()], &[out.len()], "one number for each code"));
        }
        let per_row = 2 * n.div_ceil(group);
        let rows = (TASK / n).max(1);
        let tasks = (from.len() / n).div_ceil(rows);
        let shared = SharedMut::new(out);
        threads.team(tasks, from.len() / 2).run(tasks, |task, _| {
            let first = task * rows;
            let count = rows.min(from.len() / n - first);
            for row in first..first + count {
                let codes = from[row * n..][..n].chunks(group);
                // SAFETY: a task's rows are its own.
                let out = unsafe { shared.slice(row * n, n) }.chunks_mut(group);
                let ranges = ranges[row * per_row..][..per_row].chunks_exact(2);
                for ((codes, out), range) in codes.zip(out).zip(ranges) {
                    dispatch(Group { codes, max: range[0], step: range[1], out });
                }
            }
        });
        Ok(())
    })
}

/// Decodes the codes of one group.
pub(super) struct Group<'a, 'b> {
    pub(super) codes: &'a [u8],
    pub(super) max: f32,
    pub(super) step: f32,
    /// As many as `codes`.
    pub(super) out: &'b mut [f32],
}

impl Kernel for Group<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { codes, max, step, out } = self;
        let tables = Tables::<L::V>::new(max, step);
        let lanes = L::V::LANES;
        let mut codes = codes.chunks_exact(lanes);
        let mut out = out.chunks_exact_mut(lanes);
        for (codes, out) in (&mut codes).zip(&mut out) {
            // SAFETY: both hold as many as a register.
            unsafe { tables.decode(codes.as_ptr()).store(out.as_mut_ptr()) };
        }
        let (codes, out) = (codes.remainder(), out.into_remainder());
        if !codes.is_empty() {
            let mut numbers = [0.0f32; WIDEST];
            // SAFETY: a register holds at most `WIDEST` numbers.
            unsafe { tables.decode(padded(codes).as_ptr()).store(numbers.as_mut_ptr()) };
            out.copy_from_slice(&numbers[..out.len()]);
        }
    }
}

/// The most numbers of a register.
const WIDEST: usize = 16;

/// Fewer codes than a register takes, followed by codes of 0.
#[inline(always)]
pub(super) fn padded(codes: &[u8]) -> [u8; WIDEST] {
    let mut padded = [0; WIDEST];
    padded[..codes.len()].copy_from_slice(codes);
    padded
}

/// Steps from the largest magnitude down, for the upper four bits of codes.
const COARSE: [f32; 16] =
    [-112., -96., -80., -64., -48., -32., -16., 0., -112., -96., -80., -64., -48., -32., -16., 0.];
/// Their signs.
const SIGNS: [f32; 16] = [1., 1., 1., 1., 1., 1., 1., 1., -1., -1., -1., -1., -1., -1., -1., -1.];
/// Steps for the lower four bits.
const FINE: [f32; 16] = [-15., -14., -13., -12., -11., -10., -9., -8., -7., -6., -5., -4., -3., -2., -1., 0.];

/// What the codes of a group stand for: `2^(-(127 - m) step)` for `m = 16 a + b` is a coarse power of `a` times a fine one of `b`, and
/// the sign is one more bit of the coarse index.
#[derive(Clone, Copy)]
pub(super) struct Tables<V: Vector> {
    coarse: V::Table,
    fine: V::Table,
}

impl<V: Vector> Tables<V> {
    #[inline(always)]
    pub(super) fn new(max: f32, step: f32) -> Self {
        Self { coarse: V::powers(max, &SIGNS, &COARSE, step), fine: V::powers(1.0, &[1.0; 16], &FINE, step) }
    }

    /// The numbers of a register of codes.
    ///
    /// # Safety
    /// They are readable.
    #[inline(always)]
    pub(super) unsafe fn decode(&self, codes: *const u8) -> V {
        // SAFETY: promised by the caller.
        unsafe { V::nibbles(self.coarse, self.fine, codes) }
    }
}
