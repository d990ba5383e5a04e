//! Reverse-mode differentiation of real and complex tensors.
//!
//! A [`Var`] is a tensor with a history. Operations on variables record how to go back; [`Var::backward`] walks the records from a real
//! scalar loss and adds its gradient to every leaf that asks for one.
//!
//! Gradients of a real loss `L` follow PyTorch's convention: `grad = dL/dRe x + i dL/dIm x` (twice the Wirtinger derivative by the conjugate), so that
//! `x - rate * grad` descends. A holomorphic `y = f(x)` passes `grad_y conj(f'(x))` on.
//!
//! Each operation is one value of a type that implements [`Operation`]: forward and backward stand together in [`ops`]. [`registry()`] lists all of
//! them with inputs to check them on; an operation that the registry does not list does not compile.
//!
//! ```
//! use fft_core::{Norm, Tensor};
//! use fft_nn::autograd::Var;
//!
//! let device = fft_cpu::device(fft_cpu::CpuOptions::default())?;
//! let x = Var::leaf(Tensor::from_slice(&device, &[3f32, -1.0, 2.0], &[3])?);
//! // The energy of a spectrum: by Parseval its gradient is 2 n x.
//! let energy = x.rfftn(&[0], None, Norm::Backward)?.abs_squared()?.sum_all()?;
//! energy.backward()?;
//! assert_eq!(x.grad().unwrap().shape(), [3]);
//! # Ok::<(), fft_core::Error>(())
//! ```

mod backward;
pub mod check;
mod checkpointing;
mod operation;
pub mod ops;
mod random;
mod registry;
mod var;

pub use checkpointing::checkpoint;
pub use operation::{Context, Needs, Operation};
pub use random::Seeds;
pub use registry::{Registered, Sample, registry};
pub(crate) use var::lock;
pub use var::{Hook, Var, is_recording, no_grad};
