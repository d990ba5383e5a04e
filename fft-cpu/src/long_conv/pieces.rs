//! Circular convolution of a few long lines in pieces of their spectrum, so that scratch is a part of a line.
//!
//! With `n` points, `q` pieces and `m = n / q`, the bins `r + q k` of a line are the transform of `m` points of
//! `e^(-2 pi i r t / n) sum_j e^(-2 pi i r j / q) x[t + m j]`. Bins of a product need no others, so a piece goes all the way, from the line to what it adds
//! to the outputs, before the next begins. Pieces `r` and `q - r` are conjugates of each other; 0 and `q / 2` together are a real line of `2 m`
//! points, the one that is folded.

use std::sync::Arc;

use fft_core::{Complex, Direction};
use rustfft::Fft;

use crate::fourier::{Circular, Context, Precision};
use crate::simd::{Kernel, Level, dispatch};

/// The most pieces of a spectrum.
const MOST: usize = 32;
/// Points that are summed, and turned, at once.
const BLOCK: usize = 512;

/// The plan of a length.
pub(super) struct Pieces<T> {
    points: usize,
    /// Pieces of a spectrum.
    count: usize,
    forward: Arc<dyn Fft<T>>,
    inverse: Arc<dyn Fft<T>>,
    /// Of the folded line.
    folded: Arc<Circular<T>>,
}

/// Numbers that begin at a point of a line which is 0 elsewhere, times those of a gate.
#[derive(Clone, Copy)]
pub(super) struct Segment<'a, T> {
    pub(super) at: usize,
    pub(super) x: &'a [T],
    pub(super) gate: Option<&'a [T]>,
}

impl<T: Precision> Pieces<T> {
    /// Whether lines of so many points can be cut.
    pub(super) fn divide(points: usize) -> bool {
        points.is_multiple_of(2 * MOST)
    }

    /// In 16 pieces, or in 32 with `small` scratch, which takes longer.
    pub(super) fn new(context: Context<'_>, points: usize, small: bool) -> Self {
        let count = if small { MOST } else { MOST / 2 };
        let m = points / count;
        Self {
            points,
            count,
            forward: context.plans.complex(m, Direction::Forward),
            inverse: context.plans.complex(m, Direction::Inverse),
            folded: context.plans.circular(2 * m),
        }
    }

    /// Pieces that are worked on: the others are conjugates.
    pub(super) fn worked(&self) -> usize {
        self.count / 2
    }

    /// Points of a piece.
    fn length(&self) -> usize {
        self.points / self.count
    }

    fn turns(&self, piece: usize) -> Turns<T> {
        Turns::new(piece, self.points, self.count)
    }

    /// Complex numbers of a piece of a line, of a piece of the kernel's spectrum, and of scratch.
    pub(super) fn sizes(&self) -> [usize; 3] {
        let m = self.length();
        let scratch = self.forward.get_inplace_scratch_len().max(self.inverse.get_inplace_scratch_len());
        [m, m + 1, scratch.max(self.folded.scratch_len())]
    }

    /// A piece of a kernel's spectrum from its taps.
    pub(super) fn spectrum(
        &self,
        piece: usize,
        taps: &[T],
        line: &mut [Complex<T>],
        bins: &mut [Complex<T>],
        scratch: &mut [Complex<T>],
    ) {
        let taps = Segment { at: 0, x: taps, gate: None };
        if piece == 0 {
            let line = bytemuck::cast_slice_mut(line);
            dispatch(Fold { from: taps, to: line });
            return self.folded.spectrum(line, bins, scratch);
        }
        let bins = &mut bins[..line.len()];
        dispatch(Load { from: taps, to: bins, turns: &self.turns(piece) });
        self.forward.process_with_scratch(bins, &mut scratch[..self.forward.get_inplace_scratch_len()]);
    }

    /// The same from the half spectrum.
    pub(super) fn pick(&self, piece: usize, spectrum: &[Complex<T>], bins: &mut [Complex<T>]) {
        if piece == 0 {
            let from = spectrum.iter().step_by(self.count / 2);
            return bins.iter_mut().zip(from).for_each(|(bin, z)| *bin = *z);
        }
        // Those beyond the middle are conjugates of those before.
        let half = self.points / 2 - piece;
        let (low, high) = bins[..self.length()].split_at_mut(half.div_ceil(self.count));
        low.iter_mut().zip(spectrum[piece..].iter().step_by(self.count)).for_each(|(bin, z)| *bin = *z);
        let back = spectrum[self.count - piece..].iter().step_by(self.count);
        high.iter_mut().rev().zip(back).for_each(|(bin, z)| *bin = z.conj());
    }

    /// Adds what a piece has of the outputs from point `reach` on to `y`; the first piece writes it.
    #[allow(clippy::too_many_arguments, reason = "two buffers, a line and where its outputs are")]
    pub(super) fn add(
        &self,
        piece: usize,
        from: Segment<'_, T>,
        bins: &[Complex<T>],
        line: &mut [Complex<T>],
        scratch: &mut [Complex<T>],
        reach: usize,
        y: &mut [T],
    ) {
        if piece == 0 {
            dispatch(Fold { from, to: bytemuck::cast_slice_mut(line) });
            self.folded.convolve(line, bins, scratch);
            return dispatch(Unfold { from: bytemuck::cast_slice(line), count: self.count, reach, y });
        }
        let turns = &self.turns(piece);
        dispatch(Load { from, to: line, turns });
        self.forward.process_with_scratch(line, &mut scratch[..self.forward.get_inplace_scratch_len()]);
        dispatch(Multiply { line, bins });
        self.inverse.process_with_scratch(line, &mut scratch[..self.inverse.get_inplace_scratch_len()]);
        dispatch(Unload { from: line, turns, reach, y });
    }
}

/// Powers of `e^(-2 pi i r / n)` and of `e^(-2 pi i r / q)`.
struct Turns<T> {
    piece: usize,
    points: usize,
    /// Real and imaginary parts of the first powers of one,
    fine: [[T; BLOCK]; 2],
    /// and all of the other.
    whole: [Complex<T>; MOST],
    count: usize,
}

/// `e^(-2 pi i part / whole)`.
fn turn<T: Precision>(part: usize, whole: usize) -> Complex<T> {
    let (sin, cos) = (std::f64::consts::TAU * part as f64 / whole as f64).sin_cos();
    Complex::new(T::nearest(cos), T::nearest(-sin))
}

impl<T: Precision> Turns<T> {
    fn new(piece: usize, points: usize, count: usize) -> Self {
        let fine: [Complex<T>; BLOCK] = std::array::from_fn(|t| turn(piece * t, points));
        Self {
            piece,
            points,
            fine: [fine.map(|z| z.re), fine.map(|z| z.im)],
            whole: std::array::from_fn(|j| turn(piece * j % count, count)),
            count,
        }
    }

    /// The power that a block begins with.
    fn first(&self, from: usize) -> Complex<T> {
        turn(self.piece * from, self.points)
    }
}

/// The part of a block of `len` points from point `from` on that lies within `at..at + count`.
#[inline(always)]
fn within(from: usize, len: usize, at: usize, count: usize) -> std::ops::Range<usize> {
    let end = (at + count).saturating_sub(from).min(len);
    at.saturating_sub(from).min(end)..end
}

/// `a * b + c`.
#[inline(always)]
fn fma<T: Precision, L: Level>(a: T, b: T, c: T) -> T {
    if L::FMA { T::fused(a, b, c) } else { a * b + c }
}

/// The line of the first piece.
struct Fold<'a, T> {
    from: Segment<'a, T>,
    to: &'a mut [T],
}

impl<T: Precision> Kernel for Fold<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let (Segment { at, x, gate }, to) = (self.from, self.to);
        to.fill(T::default());
        let len = to.len();
        for from in (0..at + x.len()).step_by(len) {
            let range = within(from, len, at, x.len());
            let Some(first) = (from + range.start).checked_sub(at) else { continue };
            let to = &mut to[range];
            let x = &x[first..first + to.len()];
            match gate {
                None => {
                    for (to, x) in to.iter_mut().zip(x) {
                        *to = *to + *x;
                    }
                }
                Some(gate) => {
                    for ((to, x), gate) in to.iter_mut().zip(x).zip(&gate[first..]) {
                        *to = fma::<T, L>(*x, *gate, *to);
                    }
                }
            }
        }
    }
}

/// Its part of the outputs.
struct Unfold<'a, T> {
    from: &'a [T],
    count: usize,
    reach: usize,
    y: &'a mut [T],
}

impl<T: Precision> Kernel for Unfold<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let (len, share) = (self.from.len(), T::nearest(2.0 / self.count as f64));
        let mut at = self.reach % len;
        let mut y = self.y;
        while !y.is_empty() {
            let (now, rest) = y.split_at_mut(y.len().min(len - at));
            for (y, x) in now.iter_mut().zip(&self.from[at..]) {
                *y = *x * share;
            }
            (y, at) = (rest, 0);
        }
    }
}

/// The points of another piece.
struct Load<'a, T> {
    from: Segment<'a, T>,
    to: &'a mut [Complex<T>],
    turns: &'a Turns<T>,
}

impl<T: Precision> Kernel for Load<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { from: Segment { at, x, gate }, to, turns } = self;
        let m = to.len();
        for (block, to) in to.chunks_mut(BLOCK).enumerate() {
            let from = block * BLOCK;
            let (mut re, mut im) = ([T::default(); BLOCK], [T::default(); BLOCK]);
            for (j, w) in turns.whole[..turns.count].iter().enumerate() {
                let range = within(from + m * j, to.len(), at, x.len());
                if range.is_empty() {
                    continue;
                }
                let first = from + m * j + range.start - at;
                let x = &x[first..first + range.len()];
                let sums = re[range.clone()].iter_mut().zip(&mut im[range]);
                match gate {
                    None => {
                        for ((re, im), x) in sums.zip(x) {
                            (*re, *im) = (fma::<T, L>(*x, w.re, *re), fma::<T, L>(*x, w.im, *im));
                        }
                    }
                    Some(gate) => {
                        for ((re, im), (x, gate)) in sums.zip(x.iter().zip(&gate[first..])) {
                            let x = *x * *gate;
                            (*re, *im) = (fma::<T, L>(x, w.re, *re), fma::<T, L>(x, w.im, *im));
                        }
                    }
                }
            }
            let first = turns.first(from);
            for (i, to) in to.iter_mut().enumerate() {
                let w = first * Complex::new(turns.fine[0][i], turns.fine[1][i]);
                *to = Complex::new(re[i], im[i]) * w;
            }
        }
    }
}

/// Their part of the outputs.
struct Unload<'a, T> {
    from: &'a [Complex<T>],
    turns: &'a Turns<T>,
    reach: usize,
    y: &'a mut [T],
}

impl<T: Precision> Kernel for Unload<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { from, turns, reach, y } = self;
        let m = from.len();
        // Of the piece and its conjugate.
        let share = T::nearest(2.0 / turns.points as f64);
        for (block, z) in from.chunks(BLOCK).enumerate() {
            let from = block * BLOCK;
            let (mut re, mut im) = ([T::default(); BLOCK], [T::default(); BLOCK]);
            let first = turns.first(from) * share;
            for (i, z) in z.iter().enumerate() {
                let w = first * Complex::new(turns.fine[0][i], turns.fine[1][i]);
                let z = *z * w.conj();
                (re[i], im[i]) = (z.re, z.im);
            }
            for (j, w) in turns.whole[..turns.count].iter().enumerate() {
                let range = within(from + m * j, z.len(), reach, y.len());
                if range.is_empty() {
                    continue;
                }
                let first = from + m * j + range.start - reach;
                let y = &mut y[first..first + range.len()];
                // The real part of the product with the conjugate of `w`.
                for (y, (re, im)) in y.iter_mut().zip(re[range.clone()].iter().zip(&im[range])) {
                    *y = fma::<T, L>(*re, w.re, fma::<T, L>(*im, w.im, *y));
                }
            }
        }
    }
}

/// `line *= bins`.
struct Multiply<'a, T> {
    line: &'a mut [Complex<T>],
    bins: &'a [Complex<T>],
}

impl<T: Precision> Kernel for Multiply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        for (z, bin) in self.line.iter_mut().zip(self.bins) {
            *z = *z * *bin;
        }
    }
}
