//! Steps of optimisers in place, and other functions of elements with several results.

use fft_core::optimise::{AdamWStep, SgdStep};
use fft_core::{Result, Tensor, compose};

use super::kernel::{Extent, Output, Per, Rows};
use super::{NO_NUMBERS, every_real, suits};
use crate::context::Context;
use crate::store::Store;

const fn changed(old: &'static str, value: &'static str) -> Output {
    Output { per: Per::Element, old, value }
}

/// Numbers: the decay, the rate, the factor on the root and the number added to it; both betas and their complements, the scale of gradients.
const ADAMW: Rows = Rows {
    name: "adamw_step",
    inputs: &[("g", Per::Element)],
    before: "let betas = bitcast<vec4<f32>>(P.more[1]);\n    let scale = bitcast<f32>(P.more[2].x);",
    passes: &[],
    each: "let d = g * scale;\n            let mean = betas.x * m + betas.y * d;\n            \
           let square = betas.z * v + betas.w * (d * d);",
    outputs: &[
        changed("p", "p * P.value.x - P.value.y * mean / (sqrt_(square) * P.value.z + P.value.w)"),
        changed("m", "mean"),
        changed("v", "square"),
    ],
};

/// Numbers: the rate, the weight decay, the scale of gradients.
const SGD: Rows = Rows {
    name: "sgd_step",
    inputs: &[("g", Per::Element)],
    before: "",
    passes: &[],
    each: "",
    outputs: &[changed("p", "p - P.value.x * (g * P.value.z + P.value.y * p)")],
};

/// The same and the momentum; then how much of the gradient and of the velocity the parameter moves along.
const SGD_MOMENTUM: Rows = Rows {
    name: "sgd_step with momentum",
    inputs: &[("g", Per::Element)],
    before: "let along = bitcast<vec2<f32>>(P.more[1].xy);",
    passes: &[],
    each: "let d = g * P.value.z + P.value.y * p;\n            let velocity = P.value.w * u + d;",
    outputs: &[changed("p", "p - P.value.x * (along.x * d + along.y * velocity)"), changed("u", "velocity")],
};

const SILU_MUL_BACKWARD: Rows = Rows {
    name: "silu_mul_backward",
    inputs: &[("a", Per::Element), ("b", Per::Element), ("g", Per::Element)],
    before: "",
    passes: &[],
    each: "let s = sigmoid(a);\n            let y = a * s;",
    outputs: &[
        Output { per: Per::Element, old: "", value: "g * b * (s + y * (1.0 - s))" },
        Output { per: Per::Element, old: "", value: "g * y" },
    ],
};

/// The real numbers of a parameter, the parts of complex ones, when the kernels take them.
fn reals(context: &Context, parameter: &Tensor) -> Option<usize> {
    let parts = match Store::of(parameter.dtype())? {
        Store::F32 => 1,
        Store::C64 => 2,
        _ => return None,
    };
    let count = parts * parameter.len();
    (count == 0 || Extent::flat(count).rows_at_once(context, Store::F32.bytes()) > 0).then_some(count)
}

/// See `SpectralBackend::adamw_step`.
pub(crate) fn adamw_step(
    context: &Context,
    parameter: &mut Tensor,
    grad: &Tensor,
    mean: &mut Tensor,
    square: &mut Tensor,
    step: &AdamWStep,
) -> Result<()> {
    let Some(count) = reals(context, parameter) else {
        return compose::adamw_step(parameter, grad, mean, square, step);
    };
    if count == 0 {
        return Ok(());
    }
    let grad = grad.contiguous()?;
    for changed in [&mut *parameter, &mut *mean, &mut *square] {
        *changed = changed.contiguous()?;
    }
    let (rate, root) = step.corrections();
    let value = [1.0 - step.rate * step.weight_decay, rate, root, step.eps].map(|v| v as f32);
    let (beta1, beta2, scale) = (step.beta1, step.beta2, step.grad_scale);
    let more = [beta1, 1.0 - beta1, beta2, 1.0 - beta2, scale, 0.0, 0.0, 0.0].map(|v| v as f32);
    let outputs = [parameter.view_mut()?, mean.view_mut()?, square.view_mut()?];
    ADAMW.run(context, &[Store::F32; 4], &[grad.view()], outputs, Extent::flat(count), (value, more))
}

/// See `SpectralBackend::sgd_step`.
pub(crate) fn sgd_step(
    context: &Context,
    parameter: &mut Tensor,
    grad: &Tensor,
    velocity: Option<&mut Tensor>,
    step: &SgdStep,
) -> Result<()> {
    let Some(count) = reals(context, parameter) else {
        return compose::sgd_step(parameter, grad, velocity, step);
    };
    if count == 0 {
        return Ok(());
    }
    let grad = grad.contiguous()?;
    *parameter = parameter.contiguous()?;
    let value = [step.rate, step.weight_decay, step.grad_scale, step.momentum].map(|v| v as f32);
    let extent = Extent::flat(count);
    let Some(velocity) = velocity else {
        let outputs = [parameter.view_mut()?];
        return SGD.run(context, &[Store::F32; 2], &[grad.view()], outputs, extent, (value, [0.0; 8]));
    };
    *velocity = velocity.contiguous()?;
    let mut more = [0.0; 8];
    more[..2].copy_from_slice(&if step.nesterov { [1.0, step.momentum as f32] } else { [0.0, 1.0] });
    let outputs = [parameter.view_mut()?, velocity.view_mut()?];
    SGD_MOMENTUM.run(context, &[Store::F32; 3], &[grad.view()], outputs, extent, (value, more))
}

/// See `SpectralBackend::silu_mul_backward`.
pub(crate) fn silu_mul_backward(
    context: &Context,
    gate: &Tensor,
    up: &Tensor,
    grad: &Tensor,
) -> Result<[Tensor; 2]> {
    let Some(store) = suits(context, gate) else { return compose::silu_mul_backward(gate, up, grad) };
    let (gate, up, grad) = (gate.contiguous()?, up.contiguous()?, grad.contiguous()?);
    let shapes = [gate.shape(); 2];
    Tensor::build_many(gate.device(), SILU_MUL_BACKWARD.name, shapes, gate.dtype(), |outputs| {
        let views = [gate.view(), up.view(), grad.view()];
        let extent = Extent::flat(gate.len());
        SILU_MUL_BACKWARD.run(context, &[store; 5], &views, outputs, extent, NO_NUMBERS)
    })
}

/// Every shader of this module.
pub(super) fn every_shader() -> Vec<(String, String)> {
    let stores = |rows: &Rows| vec![Store::F32; rows.inputs.len() + rows.outputs.len()];
    let mut out: Vec<_> =
        [ADAMW, SGD, SGD_MOMENTUM].iter().flat_map(|r| r.every_shader(&stores(r))).collect();
    out.extend(every_real(&SILU_MUL_BACKWARD));
    out
}
