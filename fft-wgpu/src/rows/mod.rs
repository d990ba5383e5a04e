//! Operations along rows, the last axis, in one kernel each: softmax, norms, cross-entropy, their ways back; and steps of optimisers, whose
//! rows are pieces of a tensor.
//!
//! A row is read once for each of its sums, and once for its results: after the first time it lies in a cache.

mod columns;
mod kernel;
mod magnitude;
mod norms;
mod optimise;
mod softmax;

use fft_core::{Result, Tensor};

use crate::call::real;
use crate::context::Context;
use crate::store::Store;

use kernel::{Extent, Rows};

pub(crate) use magnitude::{magnitude_norm, magnitude_norm_backward, mod_relu, mod_relu_backward};
pub(crate) use norms::{layer_norm, layer_norm_backward, rms_norm, rms_norm_backward};
pub(crate) use optimise::{adamw_step, sgd_step, silu_mul_backward};
pub(crate) use softmax::{
    cross_entropy, cross_entropy_backward, log_softmax, log_softmax_backward, softmax, softmax_backward,
};

/// What is not a number of [`Rows`].
const NO_NUMBERS: ([f32; 4], [f32; 8]) = ([0.0; 4], [0.0; 8]);

/// The storage that the kernels take a tensor and others of its dtype in, when there are elements and bindings hold its rows.
fn suits(context: &Context, x: &Tensor) -> Option<Store> {
    let store = real(x).filter(|_| !x.is_empty())?;
    (Extent::of(x.shape()).rows_at_once(context, store.bytes()) > 0).then_some(store)
}

/// An operation whose operands and result have one dtype; the result has the shape of the first.
fn one_result(
    context: &Context,
    rows: &Rows,
    store: Store,
    operands: &[&Tensor],
    value: [f32; 4],
) -> Result<Tensor> {
    let operands = operands.iter().map(|x| x.contiguous()).collect::<Result<Vec<_>>>()?;
    let views: Vec<_> = operands.iter().map(Tensor::view).collect();
    let (x, stores) = (&operands[0], vec![store; operands.len() + 1]);
    Tensor::build(x.device(), rows.name, x.shape(), x.dtype(), |dst| {
        rows.run(context, &stores, &views, [dst], Extent::of(x.shape()), (value, [0.0; 8]))
    })
}

/// Every shader of this module.
pub(crate) fn every_shader() -> Vec<(String, String)> {
    [
        softmax::every_shader(),
        norms::every_shader(),
        columns::every_shader(),
        magnitude::every_shader(),
        optimise::every_shader(),
    ]
    .concat()
}

/// The shaders of an operation whose operands and result have one dtype, for each.
fn every_real(rows: &Rows) -> Vec<(String, String)> {
    let stores = |store| vec![store; rows.inputs.len() + rows.outputs.len()];
    [Store::F32, Store::F16, Store::BF16].into_iter().flat_map(|s| rows.every_shader(&stores(s))).collect()
}
