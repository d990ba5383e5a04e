//! Which way a caller asks for.

use super::{ConvCosts, ConvGeometry, ConvPlan, ConvWay};
use crate::{DType, Dims, Error, Result};

/// How a convolution is to be computed. Every method gives the same result within rounding.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ConvMethod {
    /// As [`ConvPlan`] chooses: what it predicts to be fastest, with a preference for the direct way.
    #[default]
    Auto,
    /// As a sum over taps.
    Direct,
    /// By the convolution theorem, in the tiles that [`ConvPlan`] predicts to be fastest.
    Fft,
    /// By the convolution theorem, in tiles of this many points along each spatial axis: at least as many as the kernel reaches, and
    /// only one tile where it covers the padded input.
    Tiles(Dims),
}

impl ConvMethod {
    /// By the convolution theorem, in tiles of this many points along each spatial axis.
    pub fn tiles(points: &[usize]) -> Self {
        Self::Tiles(Dims::from_slice(points))
    }

    /// The way that this method takes.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for tiles shorter than the kernel reaches, too long to address, or not one for each axis.
    pub fn way(
        &self,
        op: &'static str,
        geometry: &ConvGeometry,
        dtype: DType,
        costs: &ConvCosts,
        spectrum_cached: bool,
    ) -> Result<ConvWay> {
        match self {
            ConvMethod::Auto => Ok(ConvPlan::new(geometry, dtype, costs, spectrum_cached).way),
            ConvMethod::Direct => Ok(ConvWay::Direct),
            ConvMethod::Fft => Ok(ConvPlan::spectral(geometry, dtype, costs, spectrum_cached).way),
            ConvMethod::Tiles(tile) => {
                let axes = geometry.axes();
                if tile.len() != axes {
                    let reason = format!("one length for each of {axes} spatial axes");
                    return Err(Error::invalid(op, "tiles", tile, reason));
                }
                for (axis, &points) in tile.iter().enumerate() {
                    let reach = geometry.reach(axis);
                    if points < reach {
                        let reason = format!("the kernel reaches over {reach} elements of axis {axis}");
                        return Err(Error::invalid(op, "tiles", tile, reason));
                    }
                    if points > isize::MAX as usize / 16 {
                        return Err(Error::invalid(
                            op,
                            "tiles",
                            tile,
                            "has more elements than can be addressed",
                        ));
                    }
                }
                Ok(ConvWay::Fft { tile: tile.clone() })
            }
        }
    }
}
