//! Which way a convolution goes, and why.

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};
use smallvec::SmallVec;

use super::{ConvCosts, ConvGeometry, ConvSteps};
use crate::frequencies::next_fast_len;
use crate::{DType, Dims};

/// A way to compute a convolution.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConvWay {
    /// A sum over taps.
    Direct,
    /// The convolution theorem, in tiles of this many points along each axis: one that covers the axis, or overlapping ones
    /// (overlap-save).
    Fft {
        /// Points of a tile along each axis.
        #[serde(serialize_with = "as_list")]
        tile: Dims,
    },
}

fn as_list<S: Serializer>(lengths: &Dims, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(lengths)
}

impl ConvWay {
    /// The steps of this way. The predicted time is linear in them: they are the features for which measured times give the costs, by
    /// least squares.
    pub fn steps(
        &self,
        geometry: &ConvGeometry,
        dtype: DType,
        costs: &ConvCosts,
        spectrum_cached: bool,
    ) -> ConvSteps {
        match self {
            ConvWay::Direct => geometry.direct_steps(),
            ConvWay::Fft { tile } => geometry.fft_steps(tile, dtype, costs, spectrum_cached),
        }
    }
}

/// A way with its predicted time on one thread.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConvCandidate {
    /// The way.
    pub way: ConvWay,
    /// Tiles along each axis; empty for the direct way.
    #[serde(serialize_with = "as_list")]
    pub tiles: Dims,
    /// Seconds, as the cost model predicts.
    pub seconds: f64,
}

impl fmt::Display for ConvCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = |lengths: &[usize]| lengths.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ");
        match &self.way {
            ConvWay::Direct => write!(f, "direct")?,
            ConvWay::Fft { tile } if self.tiles.iter().all(|&n| n == 1) => {
                write!(f, "whole FFT of {} points", by(tile))?;
            }
            ConvWay::Fft { tile } => {
                let count: usize = self.tiles.iter().product();
                write!(f, "overlap-save, {count} tiles of {} points", by(tile))?;
            }
        }
        let (value, unit) = match self.seconds {
            s if s < 1e-3 => (s * 1e6, "us"),
            s if s < 1.0 => (s * 1e3, "ms"),
            s => (s, "s"),
        };
        write!(f, ": {value:.3} {unit}")
    }
}

/// A choice among ways, by sizes and costs alone: never by the values of the operands, so that equal shapes go equal ways.
///
/// The direct way is preferred where the ways are close: the spectral one is taken for kernels of at least 16 taps when it is predicted to need less than
/// three quarters of the time.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvPlan {
    /// The way chosen.
    pub way: ConvWay,
    /// Its predicted time on one thread.
    pub seconds: f64,
    geometry: ConvGeometry,
    dtype: DType,
    costs: ConvCosts,
    spectrum_cached: bool,
}

impl ConvPlan {
    /// Kernels of fewer taps are never worth a transform: the direct way is about as fast, rounds less, and keeps a NaN within the windows that
    /// see it.
    pub const FEWEST_TAPS: usize = 16;
    /// The direct way is taken unless the other is predicted to need less than this part of its time, for the same reasons.
    pub const WORTH: f64 = 0.75;

    /// The way of least predicted time for operands of `dtype`; `spectrum_cached` when the kernel's spectrum for the tiles need not be
    /// computed, or is used so often that it does not count.
    pub fn new(geometry: &ConvGeometry, dtype: DType, costs: &ConvCosts, spectrum_cached: bool) -> Self {
        let direct = costs.seconds(&geometry.direct_steps(), dtype);
        // What takes no longer than tiles at their best needs no look at tiles.
        let taps: usize = geometry.kernel.iter().fold(1, |taps, &n| taps.saturating_mul(n));
        let worth = direct * Self::WORTH;
        if taps < Self::FEWEST_TAPS || worth <= costs.seconds(&least_steps(geometry, costs), dtype) {
            return Self::with(geometry, dtype, costs, spectrum_cached, ConvWay::Direct, direct);
        }
        match best_tile(geometry, dtype, costs, spectrum_cached) {
            Some((tile, seconds)) if seconds < worth => {
                Self::with(geometry, dtype, costs, spectrum_cached, ConvWay::Fft { tile }, seconds)
            }
            _ => Self::with(geometry, dtype, costs, spectrum_cached, ConvWay::Direct, direct),
        }
    }

    /// The spectral way, with the tiles of least predicted time.
    pub fn spectral(geometry: &ConvGeometry, dtype: DType, costs: &ConvCosts, spectrum_cached: bool) -> Self {
        let (tile, seconds) =
            best_tile(geometry, dtype, costs, spectrum_cached).unwrap_or_else(|| (whole(geometry), f64::NAN));
        Self::with(geometry, dtype, costs, spectrum_cached, ConvWay::Fft { tile }, seconds)
    }

    fn with(
        geometry: &ConvGeometry,
        dtype: DType,
        costs: &ConvCosts,
        spectrum_cached: bool,
        way: ConvWay,
        seconds: f64,
    ) -> Self {
        let (geometry, costs) = (geometry.clone(), costs.clone());
        Self { way, seconds, geometry, dtype, costs, spectrum_cached }
    }

    /// Every way that was considered: the direct one, then tiles from the longest to the shortest.
    pub fn candidates(&self) -> Vec<ConvCandidate> {
        let g = &self.geometry;
        let predict = |way: ConvWay, tiles: Dims| {
            let steps = way.steps(g, self.dtype, &self.costs, self.spectrum_cached);
            ConvCandidate { way, tiles, seconds: self.costs.seconds(&steps, self.dtype) }
        };
        let mut out = vec![predict(ConvWay::Direct, Dims::new())];
        each_tile(g, |tile| {
            let tiles = (0..g.axes()).map(|a| g.tiles(a, tile[a])).collect();
            out.push(predict(ConvWay::Fft { tile: Dims::from_slice(tile) }, tiles));
        });
        out
    }

    /// The choice, and the predicted time of each way considered.
    pub fn explain(&self) -> ConvExplanation {
        let candidates = self.candidates();
        let chosen = candidates.iter().find(|c| c.way == self.way).unwrap_or(&candidates[0]).clone();
        ConvExplanation {
            chosen,
            candidates,
            spectrum_cached: self.spectrum_cached,
            machine: self.costs.machine.clone(),
        }
    }
}

/// What a [`ConvPlan`] chose and what it chose from. Its `Display` is one line for people.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConvExplanation {
    /// The way chosen.
    pub chosen: ConvCandidate,
    /// Every way considered: the direct one, then tiles from the longest to the shortest.
    pub candidates: Vec<ConvCandidate>,
    /// Whether the transforms of the kernel were left out of the times.
    pub spectrum_cached: bool,
    /// The machine that the constants of the cost model were measured on.
    pub machine: Cow<'static, str>,
}

impl fmt::Display for ConvExplanation {
    /// The way chosen; then, of those that were not, the direct one, the whole transform, and the best tiles.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.chosen)?;
        let is_whole =
            |c: &&ConvCandidate| c.way != ConvWay::Direct && c.tiles.iter().all(|&tiles| tiles == 1);
        let is_tiled = |c: &&ConvCandidate| c.tiles.iter().any(|&tiles| tiles > 1);
        let others = [
            self.candidates.iter().find(|c| c.way == ConvWay::Direct),
            self.candidates.iter().find(is_whole),
            self.candidates.iter().filter(is_tiled).min_by(|a, b| a.seconds.total_cmp(&b.seconds)),
        ];
        for other in others.into_iter().flatten().filter(|c| c.way != self.chosen.way) {
            write!(f, "; {other}")?;
        }
        let spectrum = if self.spectrum_cached { "cached" } else { "computed" };
        write!(f, "; kernel spectrum {spectrum}; constants: {}", self.machine)
    }
}

/// Calls `visit` with the tiles to consider, from the longest to the shortest.
fn each_tile(g: &ConvGeometry, mut visit: impl FnMut(&[usize])) {
    let lengths: SmallVec<[SmallVec<[usize; 32]>; 3]> = (0..g.axes()).map(|a| lengths(g, a)).collect();
    let mut at = Dims::from_elem(0, g.axes());
    loop {
        let tile: Dims = at.iter().zip(&lengths).map(|(&i, lengths)| lengths[i]).collect();
        visit(&tile);
        let mut axis = g.axes();
        loop {
            let Some(next) = axis.checked_sub(1) else { return };
            axis = next;
            at[axis] += 1;
            if at[axis] < lengths[axis].len() {
                break;
            }
            at[axis] = 0;
        }
    }
}

fn best_tile(
    g: &ConvGeometry,
    dtype: DType,
    costs: &ConvCosts,
    spectrum_cached: bool,
) -> Option<(Dims, f64)> {
    let mut best: Option<(Dims, f64)> = None;
    each_tile(g, |tile| {
        let steps = g.fft_steps(tile, dtype, costs, spectrum_cached);
        let seconds = costs.seconds(&steps, dtype);
        if best.as_ref().is_none_or(|(_, least)| seconds < *least) {
            best = Some((Dims::from_slice(tile), seconds));
        }
    });
    best
}

/// No tiles take less than these steps: their points are at least the outputs, and a tile is at least as long as the kernel reaches.
fn least_steps(g: &ConvGeometry, costs: &ConvCosts) -> ConvSteps {
    let product = |length: fn(&ConvGeometry, usize) -> usize| -> f64 {
        (0..g.axes()).map(|axis| length(g, axis) as f64).product()
    };
    let points = (g.batch * g.groups) as f64 * product(ConvGeometry::dense_output);
    let (inputs, outputs) = (g.channels_in as f64, g.channels_out as f64);
    let work = points * (inputs + outputs) * product(ConvGeometry::reach).log2().max(1.0);
    // A half spectrum.
    let products = points / 2.0 * inputs * outputs;
    let mut steps = ConvSteps { fft_call: 1.0, ..Default::default() };
    let near = costs.nanoseconds.fft_near <= costs.nanoseconds.fft_far;
    *(if near { &mut steps.fft_near } else { &mut steps.fft_far }) = work;
    *(if g.is_depthwise() { &mut steps.fft_pointwise } else { &mut steps.fft_product }) = products;
    steps
}

/// One tile that covers every axis.
fn whole(g: &ConvGeometry) -> Dims {
    (0..g.axes()).map(|a| lengths(g, a)[0]).collect()
}

/// Lengths of tiles along an axis: fast ones, such that 1, 2, 4, .. tiles (in one dimension also the numbers between) cover the outputs,
/// until a tile would be shorter than twice the reach of the kernel.
fn lengths(g: &ConvGeometry, axis: usize) -> SmallVec<[usize; 32]> {
    let (outputs, reach) = (g.dense_output(axis), g.reach(axis));
    // The last axis is transformed as real numbers, in half the time where its length is even. A length beyond all fast ones is itself.
    let fast = |n: usize| next_fast_len(n, axis + 1 == g.axes()).unwrap_or(n);
    let mut lengths: SmallVec<[usize; 32]> = SmallVec::new();
    let mut tiles = 1usize;
    loop {
        let length = fast(outputs.div_ceil(tiles) + reach - 1);
        if lengths.last() != Some(&length) {
            lengths.push(length);
        }
        let between = tiles + tiles / 2;
        tiles = if g.axes() == 1 && tiles.is_power_of_two() && tiles > 1 {
            between
        } else {
            (tiles + 1).next_power_of_two()
        };
        if outputs.div_ceil(tiles) < reach.max(16) {
            return lengths;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convolution::ConvSpec;

    fn geometry(x: &[usize], w: &[usize], spec: &ConvSpec) -> ConvGeometry {
        ConvGeometry::new("conv", x, w, spec).unwrap()
    }

    #[test]
    fn small_kernels_are_direct_and_long_ones_spectral() {
        let costs = ConvCosts::GENERIC;
        let one = ConvSpec::new(1);
        let long = geometry(&[1, 1, 65536], &[1, 1, 4096], &one);
        let plan = ConvPlan::new(&long, DType::F32, &costs, false);
        assert!(matches!(plan.way, ConvWay::Fft { .. }), "{}", plan.explain());
        let short = geometry(&[8, 64, 56, 56], &[64, 64, 3, 3], &ConvSpec::new(2).padding(&[1, 1]));
        assert_eq!(ConvPlan::new(&short, DType::F32, &costs, true).way, ConvWay::Direct);
        // A stride thins the direct way only.
        let strided = geometry(&[1, 1, 65536], &[1, 1, 4096], &one.stride(&[4096]));
        assert_eq!(ConvPlan::new(&strided, DType::F32, &costs, false).way, ConvWay::Direct);
        let empty = geometry(&[0, 1, 10], &[1, 1, 3], &ConvSpec::new(1));
        assert_eq!(ConvPlan::new(&empty, DType::F32, &costs, true).way, ConvWay::Direct);
    }

    #[test]
    fn tiles_cover_the_axis_and_hold_the_kernel() {
        for (x, w) in [
            (vec![1, 1, 1], vec![1, 1, 1]),
            (vec![2, 3, 100_000], vec![4, 3, 31]),
            (vec![1, 1, 300, 7], vec![1, 1, 31, 7]),
            (vec![1, 2, 30, 40, 50], vec![2, 2, 3, 9, 1]),
        ] {
            let g = geometry(&x, &w, &ConvSpec::new(x.len() - 2));
            let mut first = true;
            let mut count = 0;
            each_tile(&g, |tile| {
                for (a, &length) in tile.iter().enumerate() {
                    assert!(length >= g.reach(a) && length > 0, "{tile:?} of {g:?}");
                    assert!(!first || g.tiles(a, length) == 1, "{tile:?} of {g:?}");
                }
                first = false;
                count += 1;
            });
            assert!(count <= 1000, "{count} tiles to consider");
        }
    }

    #[test]
    fn no_tiles_beat_the_bound() {
        let costs = ConvCosts::GENERIC;
        for (x, w) in [
            (vec![1, 1, 1], vec![1, 1, 1]),
            (vec![2, 3, 1000], vec![4, 3, 31]),
            (vec![3, 1, 300, 7], vec![1, 1, 31, 7]),
            (vec![1, 2, 30, 40, 50], vec![2, 2, 3, 9, 1]),
        ] {
            let g = geometry(&x, &w, &ConvSpec::new(x.len() - 2));
            let bound = costs.seconds(&least_steps(&g, &costs), DType::F32);
            for candidate in &ConvPlan::new(&g, DType::F32, &costs, true).candidates()[1..] {
                assert!(bound > 0.0 && bound <= candidate.seconds, "{candidate} of {g:?}");
            }
        }
    }

    #[test]
    fn the_least_time_is_chosen_and_explained() {
        let g = geometry(&[1, 1, 65536], &[1, 1, 512], &ConvSpec::new(1));
        for cached in [false, true] {
            let plan = ConvPlan::new(&g, DType::F32, &ConvCosts::GENERIC, cached);
            let explanation = plan.explain();
            let least = plan.candidates().iter().map(|c| c.seconds).fold(f64::INFINITY, f64::min);
            assert_eq!((explanation.chosen.seconds, plan.seconds), (least, least));
            let text = explanation.to_string();
            assert!(text.starts_with("overlap-save") && text.contains("direct: "), "{text}");
            assert!(text.contains("whole FFT of") && text.ends_with("constants: generic"), "{text}");
            let json = serde_json::to_value(&explanation).unwrap();
            assert_eq!(json["machine"], "generic");
            assert_eq!(json["candidates"].as_array().unwrap().len(), explanation.candidates.len());
        }
    }

    #[test]
    fn steps_are_rows_of_named_numbers() {
        let g = geometry(&[2, 4, 50], &[6, 2, 4], &ConvSpec::new(1).groups(2));
        let steps = g.direct_steps();
        assert_eq!(ConvSteps::from_array(steps.to_array()), steps);
        // 2 inputs, 2 groups, 2 x 3 channels, 4 taps, 47 outputs.
        assert_eq!(steps.direct_product, 2.0 * 2.0 * 6.0 * 4.0 * 47.0);
        let at = ConvSteps::NAMES.iter().position(|n| *n == "direct_product").unwrap();
        assert_eq!(steps.to_array()[at], steps.direct_product);
        let fft = g.fft_steps(&[50], DType::F32, &ConvCosts::GENERIC, true);
        assert_eq!((fft.fft_call, fft.fft_tile), (1.0, 2.0 * 2.0 * 5.0));
        assert_eq!(fft.fft_product, 2.0 * 2.0 * 6.0 * 26.0);
        assert!(
            g.fft_steps(&[50], DType::F32, &ConvCosts { near_bytes: 1, ..ConvCosts::GENERIC }, false).fft_far
                > fft.fft_near
        );
    }
}
