//! Softmax, its logarithm and the cross-entropy, and their ways back.

use fft_core::{Result, Tensor, compose};

use super::kernel::{Extent, Join, Output, Pass, Per, Rows};
use super::{NO_NUMBERS, every_real, one_result, suits};
use crate::context::Context;
use crate::store::Store;

const MAX: Pass = Pass { name: "m", join: Join::Max, term: "x", then: "" };

const fn result(value: &'static str) -> Output {
    Output { per: Per::Element, old: "", value }
}

const fn of_row(value: &'static str) -> Output {
    Output { per: Per::Row, old: "", value }
}

const SOFTMAX: Rows = Rows {
    name: "softmax",
    inputs: &[("x", Per::Element)],
    before: "",
    passes: &[
        MAX,
        Pass { name: "s", join: Join::Sum("f32"), term: "exp_(x - m)", then: "let factor = 1.0 / s;" },
    ],
    each: "",
    outputs: &[result("exp_(x - m) * factor")],
};

const SOFTMAX_BACKWARD: Rows = Rows {
    name: "softmax_backward",
    inputs: &[("y", Per::Element), ("g", Per::Element)],
    before: "",
    passes: &[Pass { name: "s", join: Join::Sum("f32"), term: "g * y", then: "" }],
    each: "",
    outputs: &[result("y * (g - s)")],
};

const LOG_SOFTMAX: Rows = Rows {
    name: "log_softmax",
    inputs: &[("x", Per::Element)],
    before: "",
    passes: &[
        MAX,
        Pass { name: "s", join: Join::Sum("f32"), term: "exp_(x - m)", then: "let logarithm = ln_(s);" },
    ],
    each: "",
    outputs: &[result("(x - m) - logarithm")],
};

const LOG_SOFTMAX_BACKWARD: Rows = Rows {
    name: "log_softmax_backward",
    inputs: &[("y", Per::Element), ("g", Per::Element)],
    before: "",
    passes: &[Pass { name: "s", join: Join::Sum("f32"), term: "g", then: "" }],
    each: "",
    outputs: &[result("g - exp_(y) * s")],
};

/// The class of a target, one that there is not when it names none.
const CLASS_OF_U32: &str = "let wanted = t;";
const CLASS_OF_I64: &str = "let wanted = select(0xffffffffu, t.x, t.y == 0u);";

/// The loss, and the logarithm. The difference of the target to the largest is summed beside the exponentials: it is exact where the loss
/// is small.
const CROSS_ENTROPY: Rows = Rows {
    name: "cross_entropy",
    inputs: &[("x", Per::Element), ("t", Per::Row)],
    before: CLASS_OF_U32,
    passes: &[
        MAX,
        Pass {
            name: "s",
            join: Join::Sum("vec2<f32>"),
            term: "vec2<f32>(exp_(x - m), select(0.0, x - m, r == wanted))",
            then: "let logarithm = ln_(s.x);",
        },
    ],
    each: "",
    outputs: &[of_row("select(0.0, logarithm - s.y, wanted < n)"), of_row("logarithm + m")],
};

const CROSS_ENTROPY_BACKWARD: Rows = Rows {
    name: "cross_entropy_backward",
    inputs: &[("x", Per::Element), ("t", Per::Row), ("l", Per::Row), ("g", Per::Row)],
    before: CLASS_OF_U32,
    passes: &[],
    each: "",
    outputs: &[result("select(0.0, (exp_(x - l) - select(0.0, 1.0, r == wanted)) * g, wanted < n)")],
};

/// Along an axis: rows along the last, which other axes become by a copy and a view.
fn along(
    context: &Context,
    rows: &Rows,
    operands: &[&Tensor],
    axis: usize,
    otherwise: impl FnOnce() -> Result<Tensor>,
) -> Result<Tensor> {
    let last = operands[0].rank() - 1;
    let turned = operands.iter().map(|x| x.transpose(axis, last)).collect::<Result<Vec<_>>>()?;
    let turned: Vec<&Tensor> = turned.iter().collect();
    let Some(store) = suits(context, turned[0]) else { return otherwise() };
    one_result(context, rows, store, &turned, [0.0; 4])?.transpose(axis, last)
}

/// See `SpectralBackend::softmax`.
pub(crate) fn softmax(context: &Context, x: &Tensor, axis: usize) -> Result<Tensor> {
    along(context, &SOFTMAX, &[x], axis, || compose::softmax(x, axis))
}

/// See `SpectralBackend::softmax_backward`.
pub(crate) fn softmax_backward(context: &Context, y: &Tensor, grad: &Tensor, axis: usize) -> Result<Tensor> {
    along(context, &SOFTMAX_BACKWARD, &[y, grad], axis, || compose::softmax_backward(y, grad, axis))
}

/// See `SpectralBackend::log_softmax`.
pub(crate) fn log_softmax(context: &Context, x: &Tensor, axis: usize) -> Result<Tensor> {
    along(context, &LOG_SOFTMAX, &[x], axis, || compose::log_softmax(x, axis))
}

/// See `SpectralBackend::log_softmax_backward`.
pub(crate) fn log_softmax_backward(
    context: &Context,
    y: &Tensor,
    grad: &Tensor,
    axis: usize,
) -> Result<Tensor> {
    along(context, &LOG_SOFTMAX_BACKWARD, &[y, grad], axis, || compose::log_softmax_backward(y, grad, axis))
}

/// The operation for targets of this storage.
fn with_targets(rows: Rows, targets: Store) -> Rows {
    Rows { before: if targets == Store::I64 { CLASS_OF_I64 } else { CLASS_OF_U32 }, ..rows }
}

/// The storage of targets.
fn classes(targets: &Tensor) -> Option<Store> {
    Store::of(targets.dtype()).filter(|s| matches!(s, Store::U32 | Store::I64))
}

/// See `SpectralBackend::cross_entropy`.
pub(crate) fn cross_entropy(
    context: &Context,
    logits: &Tensor,
    targets: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let (Some(class), Some(store)) = (classes(targets), suits(context, logits)) else {
        return compose::cross_entropy(logits, targets);
    };
    let (x, t, shape) = (logits.contiguous()?, targets.contiguous()?, targets.shape());
    let made = Tensor::build_many(
        x.device(),
        CROSS_ENTROPY.name,
        [shape, shape],
        x.dtype(),
        |[loss, logarithm]| {
            let stores = [store, class, store, store];
            let views = [x.view(), t.view()];
            with_targets(CROSS_ENTROPY, class).run(
                context,
                &stores,
                &views,
                [loss, logarithm],
                Extent::of(x.shape()),
                NO_NUMBERS,
            )
        },
    )?;
    Ok(made.into())
}

/// See `SpectralBackend::cross_entropy_backward`.
pub(crate) fn cross_entropy_backward(
    context: &Context,
    logits: &Tensor,
    targets: &Tensor,
    log_sum_exp: &Tensor,
    grad: &Tensor,
) -> Result<Tensor> {
    let (Some(class), Some(store)) = (classes(targets), suits(context, logits)) else {
        return compose::cross_entropy_backward(logits, targets, log_sum_exp, grad);
    };
    let (x, t) = (logits.contiguous()?, targets.contiguous()?);
    let (logarithm, grad) = (log_sum_exp.contiguous()?, grad.contiguous()?);
    Tensor::build(x.device(), CROSS_ENTROPY_BACKWARD.name, x.shape(), x.dtype(), |dst| {
        let stores = [store, class, store, store, store];
        let views = [x.view(), t.view(), logarithm.view(), grad.view()];
        let rows = with_targets(CROSS_ENTROPY_BACKWARD, class);
        rows.run(context, &stores, &views, [dst], Extent::of(x.shape()), NO_NUMBERS)
    })
}

/// Every shader of this module.
pub(super) fn every_shader() -> Vec<(String, String)> {
    let mut out: Vec<_> =
        [SOFTMAX, SOFTMAX_BACKWARD, LOG_SOFTMAX, LOG_SOFTMAX_BACKWARD].iter().flat_map(every_real).collect();
    for rows in [CROSS_ENTROPY, CROSS_ENTROPY_BACKWARD] {
        for class in [Store::U32, Store::I64] {
            for store in [Store::F32, Store::F16, Store::BF16] {
                let mut stores = vec![store; rows.inputs.len() + rows.outputs.len()];
                stores[1] = class;
                out.extend(with_targets(rows, class).every_shader(&stores));
            }
        }
    }
    out
}
