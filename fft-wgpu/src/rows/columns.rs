//! Sums along columns: the gradients in vectors that every row was multiplied or shifted by.

use fft_core::{DType, ReduceOp, Result, Tensor};

use super::kernel::Extent;
use crate::call::{Call, declare};
use crate::context::Context;

/// Fewest rows of a part.
const LEAST_PART: usize = 32;
/// Invocations that need not be exceeded.
const ENOUGH: usize = 1 << 16;

/// What is summed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Columns {
    /// `grad x factor`, of `grad`, `x` and the factor of each row.
    Weight,
    /// `grad (x - mean) factor`, and `grad`; of those and the mean of each row.
    WeightAndBias,
    /// `Re(conj(z) grad) factor`, of `grad`, `z` and the factor of each row.
    Magnitude,
    /// The part of `Re(conj(z) grad) / |z|` that modReLU passes, of `grad`, `z` and the bias.
    ModRelu,
}

const EVERY: [Columns; 4] = [Columns::Weight, Columns::WeightAndBias, Columns::Magnitude, Columns::ModRelu];

impl Columns {
    fn label(self) -> String {
        format!("columns:{self:?}")
    }

    fn source(self) -> String {
        let element = if matches!(self, Self::Magnitude | Self::ModRelu) { "vec2<f32>" } else { "f32" };
        let mut operands = vec![("G", element, false), ("X", element, false), ("F", "f32", false)];
        let mut store = "D0[P.base[3] + to] = whole.x;";
        if matches!(self, Self::WeightAndBias) {
            operands.extend([("M", "f32", false), ("D0", "f32", true), ("D1", "f32", true)]);
            store = "D0[P.steps[7][0] + to] = whole.x;\n    D1[P.steps[7][1] + to] = whole.y;";
        } else {
            operands.push(("D0", "f32", true));
        }
        let (grad, x, factor) = ("G[P.base[0] + at]", "X[P.base[1] + at]", "F[P.base[2] + r]");
        let term = match self {
            Self::Weight => format!("vec2<f32>({grad} * ({x} * {factor}), 0.0)"),
            Self::WeightAndBias => {
                format!("vec2<f32>({grad} * (({x} - M[P.base[3] + r]) * {factor}), {grad})")
            }
            Self::Magnitude => format!("vec2<f32>(dot({grad}, {x}) * {factor}, 0.0)"),
            Self::ModRelu => {
                format!("vec2<f32>(mod_relu_passed({x}, F[P.base[2] + i32(column)], {grad}), 0.0)")
            }
        };
        declare(&operands)
            + &fft_shaders::fill(fft_shaders::COLUMNS, &[("TERM", term.as_str()), ("STORE", store)])
    }

    /// The sums, in parts that one invocation adds each, then of those. `read` is what the variant names, in its order, each contiguous; the first has the
    /// rows.
    pub(super) fn run<const N: usize>(self, context: &Context, read: &[&Tensor]) -> Result<[Tensor; N]> {
        let extent = Extent::of(read[0].shape());
        let (rows, n) = (extent.rows(), read[0].len() / extent.rows());
        let part = rows.div_ceil((ENOUGH / n).max(1)).max(LEAST_PART);
        let parts = rows.div_ceil(part);
        let shape: &[usize] = &[parts, n];
        let sums = Tensor::build_many(read[0].device(), "columns", [shape; N], DType::F32, |outputs| {
            let mut call = Call::new(context, "columns");
            for x in read {
                call.read(x.view())?;
            }
            for x in outputs {
                call.write(x)?;
            }
            call.params.count = (parts * n) as u32;
            call.params.more[..3].copy_from_slice(&[n as u32, rows as u32, part as u32]);
            call.run(&self.label(), (parts * n).div_ceil(256), || self.source())
        })?;
        let mut out = Vec::with_capacity(N);
        for sum in sums {
            out.push(match parts {
                1 => sum.reshape(&[n])?,
                _ => sum.reduce(ReduceOp::Sum, &[0])?.reshape(&[n])?,
            });
        }
        Ok(std::array::from_fn(|i| out[i].clone()))
    }
}

/// Every shader of this module.
pub(super) fn every_shader() -> Vec<(String, String)> {
    EVERY.map(|c| (c.label(), c.source())).into()
}
