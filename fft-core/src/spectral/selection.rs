//! Which coefficients a sparse spectral tensor keeps.

use num_complex::Complex32;

use crate::spectral::HalfSpectrum;
use crate::{Error, Result};

/// How much to keep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// Real degrees of freedom kept, as a fraction of the tensor's elements, in `(0, 1]`: density `d` of an `M x N` matrix is
    /// `d M N / 2` complex coefficients. Never more than that, but at least one coefficient.
    Density(f64),
    /// The number of complex coefficients, at least 1, met exactly: of the last run of a [`Block`](Selection::Block) selection a part is kept. More than there are
    /// keeps all.
    Count(usize),
    /// The fewest coefficients that hold this fraction of the squared norm, in `(0, 1]`.
    Energy(f64),
}

/// Which coefficients to keep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Selection {
    /// Those of largest magnitude: the least error for their number. Linear time.
    TopK(Amount),
    /// Positions drawn without replacement, the same for one seed and shape everywhere.
    Random {
        /// How much to keep.
        amount: Amount,
        /// The seed of the draw.
        seed: u64,
    },
    /// Those of lowest frequency `sqrt(sum_a f_a^2)`, with `f_a = min(k_a, n_a - k_a) / n_a` cycles a sample.
    LowPass(Amount),
    /// Runs of `block` neighbouring coefficients along the last axis, those of largest mean energy: contiguous memory at
    /// the price of a larger error than [`TopK`](Self::TopK).
    Block {
        /// How much to keep.
        amount: Amount,
        /// The length of a run, at least 1.
        block: usize,
    },
}

/// How the real and imaginary parts of coefficients are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ValueFormat {
    /// Two `F32`: 8 bytes a coefficient.
    #[default]
    F32,
    /// Two `F16` and one power-of-two scale in all: 4 bytes a coefficient.
    F16,
    /// Two [log8](crate::spectral::log8) codes and a range for every 256 of them: 2.06 bytes a coefficient.
    Log8,
}

impl ValueFormat {
    /// The name in files and on the command line: `f32`, `f16` or `log8`.
    pub fn name(self) -> &'static str {
        match self {
            ValueFormat::F32 => "f32",
            ValueFormat::F16 => "f16",
            ValueFormat::Log8 => "log8",
        }
    }

    /// The format of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [ValueFormat::F32, ValueFormat::F16, ValueFormat::Log8].into_iter().find(|f| f.name() == name)
    }
}

/// What to keep of a dense tensor, and how to store it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SparseOptions {
    /// Which coefficients.
    pub selection: Selection,
    /// How their values are stored.
    pub values: ValueFormat,
}

impl SparseOptions {
    /// The largest coefficients of density `density`, stored as `F32`.
    pub fn density(density: f64) -> Self {
        Self { selection: Selection::TopK(Amount::Density(density)), values: ValueFormat::F32 }
    }

    /// The fewest coefficients that hold `energy` of the squared norm, stored as `F32`.
    pub fn energy(energy: f64) -> Self {
        Self { selection: Selection::TopK(Amount::Energy(energy)), values: ValueFormat::F32 }
    }

    /// Every coefficient: for results of the algebra that are to be exact.
    pub fn everything(values: ValueFormat) -> Self {
        Self { selection: Selection::TopK(Amount::Density(1.0)), values }
    }

    /// The same selection in another value format.
    pub fn with_values(self, values: ValueFormat) -> Self {
        Self { values, ..self }
    }
}

impl Selection {
    /// How much is kept.
    pub fn amount(&self) -> Amount {
        match *self {
            Selection::TopK(amount) | Selection::LowPass(amount) => amount,
            Selection::Random { amount, .. } | Selection::Block { amount, .. } => amount,
        }
    }

    /// Checks the amount and the block length.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming what is out of range: a density or energy outside `(0, 1]` (or NaN), a count or
    /// block of 0.
    pub fn validate(&self, op: &'static str) -> Result<()> {
        let fraction = |name, value: f64| match value > 0.0 && value <= 1.0 {
            true => Ok(()),
            false => Err(Error::invalid(op, name, value, "must lie in (0, 1]")),
        };
        match self.amount() {
            Amount::Density(d) => fraction("density", d)?,
            Amount::Energy(e) => fraction("energy", e)?,
            Amount::Count(0) => return Err(Error::invalid(op, "count", 0, "must be at least 1")),
            Amount::Count(_) => {}
        }
        match *self {
            Selection::Block { block: 0, .. } => Err(Error::invalid(op, "block", 0, "must be at least 1")),
            _ => Ok(()),
        }
    }
}

/// Neighbouring positions along the last axis that are kept or dropped together.
struct Units<'a> {
    half: &'a HalfSpectrum,
    /// Positions in one line along the last axis.
    line: usize,
    /// Positions in one unit, at most.
    block: usize,
}

impl<'a> Units<'a> {
    fn new(half: &'a HalfSpectrum, block: usize) -> Self {
        // With one axis the line itself is halved.
        let line = match half.shape() {
            [_] => half.planes(),
            shape => shape[shape.len() - 1],
        };
        Self { half, line, block: block.min(line) }
    }

    fn len(&self) -> usize {
        self.half.len() / self.line * self.line.div_ceil(self.block)
    }

    /// The stored positions of a unit with their degrees of freedom.
    fn members(&self, unit: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let per_line = self.line.div_ceil(self.block);
        let (line, at) = (unit / per_line, unit % per_line * self.block);
        let first = line * self.line;
        (first + at..first + self.line.min(at + self.block))
            .map(|p| (p, self.half.freedom(p)))
            .filter(|&(_, freedom)| freedom > 0)
    }
}

/// Finalizer of SplitMix64 (Steele, Lea and Flood, 2014): a bijection whose outputs look independent.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl HalfSpectrum {
    /// The positions that `selection` keeps of a spectrum of [`half_shape`](Self::half_shape), row-major: ascending flat indices. [`Random`](Selection::Random) and
    /// [`LowPass`](Selection::LowPass) of a density or a count do not look at it, so that it may be empty.
    ///
    /// # Errors
    /// Those of [`Selection::validate`]; [`Error::ShapeMismatch`] when the spectrum is needed and has another length.
    pub fn select(&self, selection: &Selection, spectrum: &[Complex32]) -> Result<Vec<u32>> {
        const OP: &str = "HalfSpectrum::select";
        let blind = matches!(selection, Selection::Random { .. } | Selection::LowPass(_))
            && !matches!(selection.amount(), Amount::Energy(_));
        if spectrum.len() != self.len() && !(blind && spectrum.is_empty()) {
            let reason = "the spectrum must have the positions of the half plane";
            return Err(Error::shapes(OP, &[spectrum.len()], &[self.len()], reason));
        }
        select(OP, selection, self, spectrum)
    }
}

/// The positions to keep of a half spectrum, ascending.
///
/// # Errors
/// Those of [`Selection::validate`].
pub(crate) fn select(
    op: &'static str,
    selection: &Selection,
    half: &HalfSpectrum,
    spectrum: &[Complex32],
) -> Result<Vec<u32>> {
    selection.validate(op)?;
    let block = if let Selection::Block { block, .. } = *selection { block } else { 1 };
    let units = Units::new(half, block);
    let energy = |unit: usize| -> f64 {
        units.members(unit).map(|(p, freedom)| freedom as f64 * f64::from(spectrum[p].norm_sqr())).sum()
    };
    // Larger keys are kept first; ties go to the smaller position, so that the result does not depend on the algorithm.
    let key = |unit: usize| -> f32 {
        match *selection {
            Selection::TopK(_) => spectrum[unit].norm_sqr(),
            Selection::Random { seed, .. } => {
                let bits = mix(mix(seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_add(unit as u64));
                // 31 bits in the order of the floats that they encode.
                f32::from_bits((bits >> 33) as u32)
            }
            Selection::LowPass(_) => {
                let index = half.unravel(unit);
                let radius = half.shape().iter().zip(index).map(|(&n, k)| {
                    let f = k.min(n - k) as f64 / n as f64;
                    f * f
                });
                -radius.sum::<f64>() as f32
            }
            Selection::Block { .. } => {
                let freedom: usize = units.members(unit).map(|(_, f)| f).sum();
                (energy(unit) / freedom as f64) as f32
            }
        }
    };
    let mut keys: Vec<(f32, u32)> = (0..units.len())
        .filter(|&unit| units.members(unit).next().is_some())
        .map(|unit| (key(unit), unit as u32))
        .collect();
    // Positions of the unit after the last whole one: a count is met to the last position.
    let mut more = 0;
    let kept = match selection.amount() {
        Amount::Count(count) => {
            let members = |u: u32| units.members(u as usize).count();
            let kept = prefix(&mut keys, |u| members(u) as f64, count as f64, false);
            more = count - keys[..kept].iter().map(|&(_, u)| members(u)).sum::<usize>();
            kept
        }
        Amount::Density(d) => {
            let budget = d * half.total() as f64 + 1e-6;
            let freedom = |u: u32| units.members(u as usize).map(|(_, f)| f as f64).sum();
            prefix(&mut keys, freedom, budget, false).max(1)
        }
        Amount::Energy(fraction) => {
            let total: f64 = keys.iter().map(|&(_, u)| energy(u as usize)).sum();
            prefix(&mut keys, |u| energy(u as usize), fraction * total, true)
        }
    };
    let members = |&(_, u): &(f32, u32)| units.members(u as usize).map(|(p, _)| p as u32);
    let mut positions: Vec<u32> = keys.iter().take(kept).flat_map(members).collect();
    positions.extend(keys.get(kept).into_iter().flat_map(members).take(more));
    positions.sort_unstable();
    Ok(positions)
}

/// Moves the units of largest key to the front and says how many to take: the most whose weights sum to at most `budget`, or
/// with `reach` the fewest whose weights sum to at least `budget`. Expected linear time: a quickselect on the weights.
fn prefix(keys: &mut [(f32, u32)], weight: impl Fn(u32) -> f64, budget: f64, reach: bool) -> usize {
    let (mut low, mut high, mut sum) = (0, keys.len(), 0.0);
    while low < high {
        let middle = (low + high) / 2;
        keys[low..high].select_nth_unstable_by(middle - low, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let more: f64 = keys[low..=middle].iter().map(|&(_, unit)| weight(unit)).sum();
        let takes = if reach { sum + more < budget } else { sum + more <= budget };
        if takes {
            sum += more;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if reach { (low + 1).min(keys.len()) } else { low }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn prefix_is_that_of_a_sort(
            values in prop::collection::vec((0u8..20, 1u8..4), 1..200), share in 0.01f64..1.0, reach: bool
        ) {
            let mut keys: Vec<(f32, u32)> =
                values.iter().enumerate().map(|(i, &(k, _))| (f32::from(k), i as u32)).collect();
            let weight = |u: u32| f64::from(values[u as usize].1);
            let total: f64 = (0..values.len() as u32).map(weight).sum();
            let mut sorted = keys.clone();
            sorted.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let budget = share * total;
            let mut sum = 0.0;
            let mut want = 0;
            for &(_, u) in &sorted {
                if reach && sum >= budget || !reach && sum + weight(u) > budget {
                    break;
                }
                sum += weight(u);
                want += 1;
            }
            let got = prefix(&mut keys, weight, budget, reach);
            prop_assert_eq!(got, want);
            let mut front = keys[..got].to_vec();
            front.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            prop_assert_eq!(&front[..], &sorted[..got]);
        }
    }

    #[test]
    fn amounts_out_of_range_are_named() {
        for amount in [Amount::Density(0.0), Amount::Density(1.1), Amount::Density(f64::NAN)] {
            let error = Selection::TopK(amount).validate("from_dense").unwrap_err().to_string();
            assert!(error.contains("density"), "{error}");
        }
        assert!(
            Selection::LowPass(Amount::Energy(-1.0))
                .validate("t")
                .unwrap_err()
                .to_string()
                .contains("energy")
        );
        assert!(Selection::TopK(Amount::Count(0)).validate("t").is_err());
        assert!(Selection::Block { amount: Amount::Count(1), block: 0 }.validate("t").is_err());
    }

    #[test]
    fn low_pass_and_block_keep_what_they_name() {
        let half = HalfSpectrum::new("test", &[8, 8]).unwrap();
        let spectrum: Vec<Complex32> = (0..half.len()).map(|i| Complex32::new(i as f32, 0.0)).collect();
        let low = select("t", &Selection::LowPass(Amount::Count(3)), &half, &spectrum).unwrap();
        // Frequency 0, then the pairs at one step along either axis.
        assert_eq!(low, [0, 1, 8]);
        let block = Selection::Block { amount: Amount::Count(8), block: 4 };
        let kept = select("t", &block, &half, &spectrum).unwrap();
        // Of plane 4 only 32..=36 are stored: runs of one and of four, and three of the next.
        assert_eq!(kept, [28, 29, 30, 32, 33, 34, 35, 36]);
        // Units hold one to five positions; a count is a count.
        for count in [1, 2, 3, 7, 20, 33, 34] {
            for block in [1, 3, 4, 5, 100] {
                let block = Selection::Block { amount: Amount::Count(count), block };
                let kept = select("t", &block, &half, &spectrum).unwrap();
                assert_eq!(kept.len(), count, "{block:?}");
                assert!(kept.iter().all(|&p| half.freedom(p as usize) > 0));
            }
        }
        let random = |seed| {
            select("t", &Selection::Random { amount: Amount::Density(0.5), seed }, &half, &spectrum).unwrap()
        };
        assert_eq!(random(1), random(1));
        assert_ne!(random(1), random(2));
        // What does not look at the spectrum needs none; what does refuses another one.
        let blind = Selection::Random { amount: Amount::Density(0.5), seed: 1 };
        assert_eq!(half.select(&blind, &[]).unwrap(), random(1));
        assert!(half.select(&Selection::TopK(Amount::Count(3)), &[]).is_err());
        assert!(half.select(&Selection::LowPass(Amount::Energy(0.5)), &[]).is_err());
        assert!(half.select(&blind, &spectrum[1..]).is_err());
        let freedom: usize = random(1).iter().map(|&p| half.freedom(p as usize)).sum();
        assert!(freedom == 32 || freedom == 31);
    }
}
