//! Whether what is to be saved can be used.

use fft_core::{Error, Result, Tensor};

use super::parameters_file::to_stored;
use crate::checkpoint::first_non_finite;
use crate::optim::sums_of_squares;

/// Whether a number of the tensor is NaN or infinite.
///
/// # Errors
/// Memory and device errors.
pub(crate) fn has_non_finite(tensor: &Tensor) -> Result<bool> {
    let stored = to_stored(tensor)?;
    Ok(first_non_finite(stored.dtype(), &stored.to_bytes()?).is_some())
}

/// Refuses named tensors of one device of which one has a number that is NaN or infinite. Integers pass.
///
/// # Errors
/// [`Error::InvalidArgument`] naming the first; memory and device errors.
pub(crate) fn expect_finite(
    op: &'static str,
    tensors: impl IntoIterator<Item = (String, Tensor)>,
) -> Result<()> {
    let tensors: Vec<_> = tensors.into_iter().filter(|(_, tensor)| !tensor.dtype().is_integer()).collect();
    let squares = sums_of_squares(tensors.iter().map(|(_, tensor)| tensor.clone()))?;
    for ((name, tensor), square) in tensors.iter().zip(squares) {
        // Squares of large numbers overflow where the numbers do not: only then each is looked at.
        if !square.is_finite() && has_non_finite(tensor)? {
            return Err(Error::invalid(
                op,
                "tensor",
                name,
                "holds NaN or infinity, so nothing was written; a smaller rate may help",
            ));
        }
    }
    Ok(())
}
