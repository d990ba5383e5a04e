//! Sums along columns: the gradients in vectors that every row was multiplied or shifted by.

use fft_core::{DType, ReduceOp, Result, Tensor, View};

use super::kernel::Extent;
use crate::call::{Call, declare};
use crate::context::Context;
use crate::store::Store;

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
    fn label(self, store: Store) -> String {
        format!("columns:{self:?} {store:?}")
    }

    /// The storages that it takes.
    fn takes(self) -> &'static [Store] {
        match self {
            Self::Magnitude | Self::ModRelu => &[Store::C64],
            _ => &[Store::F32, Store::F16, Store::BF16],
        }
    }

    /// The shader for rows of this storage.
    fn source(self, store: Store) -> String {
        let element = store.element();
        let mut operands = vec![("G", element, false), ("X", element, false), ("F", "f32", false)];
        let mut put = "D0[P.base[3] + to] = whole.x;";
        if matches!(self, Self::WeightAndBias) {
            operands.extend([("M", "f32", false), ("D0", "f32", true), ("D1", "f32", true)]);
            put = "D0[P.steps[7][0] + to] = whole.x;\n    D1[P.steps[7][1] + to] = whole.y;";
        } else {
            operands.push(("D0", "f32", true));
        }
        let (grad, x) = (store.load("G", "P.base[0] + at"), store.load("X", "P.base[1] + at"));
        let factor = "F[P.base[2] + r]";
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
            + &fft_shaders::fill(fft_shaders::COLUMNS, &[("TERM", term.as_str()), ("STORE", put)])
    }

    /// The sums, in parts that one invocation adds each, then of those. `read` is what the variant names, in its order, each contiguous; the first has the
    /// rows, which lie in this storage.
    pub(super) fn run<const N: usize>(
        self,
        context: &Context,
        store: Store,
        read: &[&Tensor],
    ) -> Result<[Tensor; N]> {
        let extent = Extent::of(read[0].shape());
        let (rows, n) = (extent.rows(), read[0].len() / extent.rows());
        let most = extent.rows_at_once(context, store.bytes().max(4)).max(1);
        let part = rows.div_ceil((ENOUGH / n).max(1)).max(LEAST_PART).min(most);
        let parts = rows.div_ceil(part);
        let shape: &[usize] = &[parts, n];
        let sums = Tensor::build_many(read[0].device(), "columns", [shape; N], DType::F32, |outputs| {
            let outputs = outputs.map(|x| View { buffer: x.buffer, layout: x.layout, dtype: x.dtype });
            // Parts that bindings hold the rows of.
            let at_once = (most / part).max(1);
            for first in (0..parts).step_by(at_once) {
                let last = parts.min(first + at_once);
                let within = first * part..rows.min(last * part);
                let mut call = Call::new(context, "columns");
                for (i, x) in read.iter().enumerate() {
                    let items = match self {
                        _ if i < 2 => within.start * n..within.end * n,
                        Self::ModRelu => 0..n,
                        _ => within.clone(),
                    };
                    call.part(x.view(), items, false)?;
                }
                for x in outputs {
                    call.part(x, first * n..last * n, true)?;
                }
                let items = (last - first) * n;
                call.params.count = items as u32;
                call.params.more[..3].copy_from_slice(&[n as u32, within.len() as u32, part as u32]);
                call.run(&self.label(store), items.div_ceil(256), || self.source(store))?;
            }
            Ok(())
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
    let each = |c: Columns| c.takes().iter().map(move |&store| (c.label(store), c.source(store)));
    EVERY.into_iter().flat_map(each).collect()
}
