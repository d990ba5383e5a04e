//! The product with packed integers: codes become numbers in registers.
//!
//! A tile is 16 rows whose codes are interleaved (see `fft_core::spectral::RotatedMatrix`): one 32-bit lane holds 8 (4 bits) or 4
//! (8 bits) neighbouring columns of a row. A step takes the code of one column in all lanes, makes it a float, and multiplies it by that
//! column of the vector: no sum across lanes, no unpacking to memory. Sums of a group are scaled once.

use fft_core::f16;
use fft_core::spectral::{Bits, TILE};

use crate::simd::{Kernel, Level, Machine, dispatch, fma, machine};

/// The packed matrix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packed<'a> {
    pub(super) bits: Bits,
    /// `[tiles, words, 16, 4]`.
    pub(super) codes: &'a [u8],
    /// `[tiles, groups, 16]`.
    pub(super) scales: &'a [f16],
    /// Columns that share a scale.
    pub(super) group: usize,
    /// Groups in a row.
    pub(super) groups: usize,
}

impl Packed<'_> {
    /// Bytes of a word of every row of a tile.
    const WORD: usize = TILE * 4;

    fn words_per_group(&self) -> usize {
        self.group / self.bits.per_word()
    }

    /// Bytes of codes of a tile.
    fn tile_bytes(&self) -> usize {
        self.groups * self.words_per_group() * Self::WORD
    }

    pub(super) fn tiles(&self) -> usize {
        self.scales.len() / (self.groups * TILE)
    }

    /// `out[16 t + r] = Q[16 (first + t) + r, ..] . x` for the tiles that `out` has room for; `x` has `groups * group` elements.
    pub(super) fn product(&self, first: usize, x: &[f32], out: &mut [f32]) {
        let tiles = out.len() / TILE;
        // What the kernels below rely on.
        assert!(x.len() == self.groups * self.group && out.len() == tiles * TILE);
        assert!((first + tiles) * self.tile_bytes() <= self.codes.len());
        assert!((first + tiles) * self.groups * TILE <= self.scales.len());
        #[cfg(target_arch = "x86_64")]
        match machine() {
            // SAFETY: the machine has the instructions; the lengths were checked above.
            Machine::Avx512 => return unsafe { super::avx512::product(self, first, x, out) },
            // SAFETY: as above.
            Machine::Avx2 => return unsafe { super::avx2::product(self, first, x, out) },
            Machine::Baseline => {}
        }
        dispatch(Portable { packed: *self, first, x, out });
    }

    /// Decodes `tiles` tiles from `first` to `out`, column by column: element `(j, 16 t + r)` at `j * 16 * tiles + 16 t + r`.
    pub(super) fn decode(&self, first: usize, tiles: usize, out: &mut [f32]) {
        dispatch(Decode { packed: *self, first, tiles, out });
    }

    /// The codes of tile `t` in words of 16 lanes, and its scales in groups of 16.
    pub(super) fn tile(&self, t: usize) -> (&[u8], &[f16]) {
        let (bytes, scales) = (self.tile_bytes(), self.groups * TILE);
        (&self.codes[t * bytes..][..bytes], &self.scales[t * scales..][..scales])
    }
}

/// Plain loops over 16 lanes, for machines without a kernel of their own, and the oracle of those kernels.
struct Portable<'a, 'b> {
    packed: Packed<'a>,
    first: usize,
    x: &'a [f32],
    out: &'b mut [f32],
}

impl Kernel for Portable<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let packed = self.packed;
        let per_word = packed.bits.per_word();
        for (t, out) in self.out.chunks_exact_mut(TILE).enumerate() {
            let (codes, scales) = packed.tile(self.first + t);
            let mut total = [0.0f32; TILE];
            let groups = codes.chunks_exact(packed.words_per_group() * Packed::WORD);
            let xs = self.x.chunks_exact(packed.group);
            for ((codes, x), scales) in groups.zip(xs).zip(scales.chunks_exact(TILE)) {
                let mut sum = [0.0f32; TILE];
                for (word, x) in codes.chunks_exact(Packed::WORD).zip(x.chunks_exact(per_word)) {
                    for (k, &x) in x.iter().enumerate() {
                        let levels = levels(packed.bits, word, k);
                        for r in 0..TILE {
                            sum[r] = fma::<L>(levels[r], x, sum[r]);
                        }
                    }
                }
                for r in 0..TILE {
                    total[r] = fma::<L>(scales[r].to_f32(), sum[r], total[r]);
                }
            }
            out.copy_from_slice(&total);
        }
    }
}

struct Decode<'a, 'b> {
    packed: Packed<'a>,
    first: usize,
    tiles: usize,
    out: &'b mut [f32],
}

impl Kernel for Decode<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { packed, first, tiles, out } = self;
        let per_word = packed.bits.per_word();
        let words = packed.words_per_group();
        for t in 0..tiles {
            let (codes, scales) = packed.tile(first + t);
            for (g, scales) in scales.chunks_exact(TILE).enumerate() {
                let mut scale = [0.0f32; TILE];
                for r in 0..TILE {
                    scale[r] = scales[r].to_f32();
                }
                for c in 0..words {
                    let word = &codes[(g * words + c) * Packed::WORD..][..Packed::WORD];
                    for k in 0..per_word {
                        let levels = levels(packed.bits, word, k);
                        let column = g * packed.group + c * per_word + k;
                        let out = &mut out[(column * tiles + t) * TILE..][..TILE];
                        for r in 0..TILE {
                            out[r] = scale[r] * levels[r];
                        }
                    }
                }
            }
        }
    }
}

/// Column `k` of a word of every row.
#[inline(always)]
fn levels(bits: Bits, word: &[u8], k: usize) -> [f32; TILE] {
    let mut levels = [0.0f32; TILE];
    for r in 0..TILE {
        let lane = u32::from_le_bytes([word[4 * r], word[4 * r + 1], word[4 * r + 2], word[4 * r + 3]]);
        levels[r] = match bits {
            Bits::Four => (lane >> (4 * k) & 15) as i32 as f32 - 7.5,
            Bits::Eight => ((lane << (24 - 8 * k)) as i32 >> 24) as f32,
        };
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kernel of this machine gives the portable one's numbers.
    #[test]
    fn kernels_agree_with_plain_loops() {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as u32
        };
        for bits in [Bits::Four, Bits::Eight] {
            for (tiles, groups, group) in
                [(1, 1, 8), (2, 3, 32), (4, 2, 64), (5, 1, 24), (7, 5, 16), (9, 6, 32)]
            {
                let columns = groups * group;
                let codes: Vec<u8> =
                    (0..tiles * columns * TILE * bits.get() / 8).map(|_| next() as u8).collect();
                let scales: Vec<f16> = (0..tiles * groups * TILE)
                    .map(|_| f16::from_f32((next() % 1000) as f32 / 100.0))
                    .collect();
                let x: Vec<f32> = (0..columns).map(|_| (next() % 2000) as f32 / 1000.0 - 1.0).collect();
                let packed = Packed { bits, codes: &codes, scales: &scales, group, groups };
                assert_eq!(packed.tiles(), tiles);
                let mut want = vec![0.0f32; tiles * TILE];
                Portable { packed, first: 0, x: &x, out: &mut want }.run::<crate::simd::Baseline>();
                let mut got = vec![f32::NAN; tiles * TILE];
                packed.product(0, &x, &mut got);
                let norm = want.iter().map(|v| v * v).sum::<f32>().sqrt();
                let error = want.iter().zip(&got).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
                assert!(
                    error <= 4.0 * f32::EPSILON * norm,
                    "{bits:?} {tiles} {groups} {group}: {error} of {norm}"
                );
                #[cfg(target_arch = "x86_64")]
                if machine() >= Machine::Avx2 {
                    // SAFETY: the machine has the instructions, the lengths are those that `product` checks.
                    unsafe { super::super::avx2::product(&packed, 0, &x, &mut got) };
                    let error = want.iter().zip(&got).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
                    assert!(error <= 4.0 * f32::EPSILON * norm, "AVX2: {error} of {norm}");
                }
                // From a tile in the middle, and the decoded columns.
                let mut part = vec![0.0f32; TILE];
                packed.product(tiles - 1, &x, &mut part);
                assert_eq!(part, got_by(&packed, &x)[(tiles - 1) * TILE..]);
                let mut decoded = vec![0.0f32; columns * tiles * TILE];
                packed.decode(0, tiles, &mut decoded);
                let mut sums = vec![0.0f32; tiles * TILE];
                for (row, &x) in decoded.chunks_exact(tiles * TILE).zip(&x) {
                    for (sum, &q) in sums.iter_mut().zip(row) {
                        *sum += q * x;
                    }
                }
                let error = want.iter().zip(&sums).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
                assert!(error <= 8.0 * f32::EPSILON * norm, "decoded: {error} of {norm}");
            }
        }
    }

    fn got_by(packed: &Packed<'_>, x: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; packed.tiles() * TILE];
        packed.product(0, x, &mut out);
        out
    }
}
