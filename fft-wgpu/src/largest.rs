//! The positions of the largest of many keys, by a threshold that is found digit by digit.
//!
//! Keys are compared by their bits, as unsigned numbers. Each of three steps counts how often each value of a digit of 11 bits occurs among the keys that
//! agree with the last one taken in the digits above. Then blocks of keys count what is above that one and what is equal to it, and write positions
//! from the sums over the blocks before. Everything is an integer, so that the order in which workgroups add does not matter, and nothing is
//! read back in between.

use fft_core::{DType, Result, Tensor, compose};
use fft_shaders as text;

use crate::call::{Call, declare, fits};
use crate::context::Context;

const OP: &str = "largest";
/// Values of a digit.
const VALUES: usize = 2048;
/// The lowest bit of each digit. The last has 10 bits.
const SHIFTS: [u32; 3] = [21, 10, 0];
/// Keys that a workgroup writes at a time.
const TILE: usize = 8192;
/// The most blocks for each workgroup that runs at once; each adds up the counts of all before it.
const BLOCKS: usize = 16;

#[derive(Debug, Clone, Copy)]
enum Step {
    Digit(usize),
    Blocks,
    Positions,
}

const STEPS: [Step; 5] = [Step::Digit(0), Step::Digit(1), Step::Digit(2), Step::Blocks, Step::Positions];

impl Step {
    fn label(self) -> String {
        format!("largest:{self:?}")
    }

    fn source(self) -> String {
        let (digit, counts, body) = match self {
            Self::Digit(0) => (0, "atomic<u32>", text::LARGEST_DIGIT.to_owned()),
            Self::Digit(digit) => (digit, "atomic<u32>", [text::LARGEST_PICK, text::LARGEST_DIGIT].concat()),
            Self::Blocks => (SHIFTS.len(), "u32", [text::LARGEST_PICK, text::LARGEST_BLOCKS].concat()),
            Self::Positions => (0, "u32", text::LARGEST_POSITIONS.to_owned()),
        };
        let mut operands = vec![("K", "u32", false), ("D", counts, true)];
        if !matches!(self, Self::Digit(0)) {
            operands.push(("H", "u32", false));
        }
        // The digit that the step before counted, and all bits down to it.
        let above = digit.checked_sub(1).map(|before| SHIFTS[before]);
        let shift = SHIFTS.get(digit).copied().unwrap_or(0);
        let (found, among) = match above {
            None => ("vec2<u32>(0u, P.more[0].x)", "true".to_owned()),
            Some(above) => ("pick(local)", format!("((bits ^ found.x) >> {above}u) == 0u")),
        };
        let bits = above.unwrap_or(32) - shift;
        let words = [
            ("FOUND", found),
            ("AMONG", &among),
            ("ABOVE", &above.unwrap_or(0).to_string()),
            ("SHIFT", &shift.to_string()),
            ("MASK", &((1 << bits) - 1).to_string()),
        ];
        declare(&operands) + text::LARGEST + &text::fill(&body, &words)
    }

    /// Runs the step over `keys`: it writes `to`, from what the step before it left.
    fn run(
        self,
        context: &Context,
        keys: &Tensor,
        count: usize,
        to: fft_core::ViewMut<'_>,
        from: Option<&Tensor>,
    ) -> Result<()> {
        let (block, blocks) = blocks(context, keys.len());
        let mut call = Call::new(context, OP);
        call.read(keys.view())?;
        call.write(to)?;
        if let Some(from) = from {
            call.read(from.view())?;
        }
        call.params.count = keys.len() as u32;
        call.params.more[..3].copy_from_slice(&[count, block, blocks].map(|n| n as u32));
        call.run(&self.label(), blocks, || self.source())
    }
}

/// The keys of a block, and the number of blocks.
fn blocks(context: &Context, keys: usize) -> (usize, usize) {
    let block = keys.div_ceil(BLOCKS * context.limits.groups_at_once).next_multiple_of(TILE);
    (block, keys.div_ceil(block))
}

/// See [`compose::largest`].
pub(crate) fn largest(context: &Context, keys: &Tensor, count: usize) -> Result<Tensor> {
    if keys.dtype() != DType::F32 || count == 0 || !fits(context, &[keys]) {
        return compose::largest(keys, count);
    }
    let (device, keys) = (keys.device(), keys.contiguous()?);
    Tensor::build(device, OP, &[count], DType::U32, |positions| {
        let mut found: Option<Tensor> = None;
        for step in [Step::Digit(0), Step::Digit(1), Step::Digit(2)] {
            // Counts, then the bits above and how many keys are wanted among them.
            let mut counts = Tensor::zeros(device, &[VALUES + 2], DType::U32)?;
            step.run(context, &keys, count, counts.view_mut()?, found.as_ref())?;
            found = Some(counts);
        }
        let totals =
            Tensor::build(device, OP, &[2 * blocks(context, keys.len()).1 + 2], DType::U32, |totals| {
                Step::Blocks.run(context, &keys, count, totals, found.as_ref())
            })?;
        Step::Positions.run(context, &keys, count, positions, Some(&totals))
    })
}

/// Every shader of this module.
pub(crate) fn every_shader() -> Vec<(String, String)> {
    STEPS.map(|step| (step.label(), step.source())).into()
}
