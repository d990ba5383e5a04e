//! Filters with one learned weight for each frequency of an image.

use fft_core::{Norm, Result};

use super::expect::{expect, expect_sizes};
use super::{Init, Layer, Scope};
use crate::autograd::Var;

/// A circular convolution of each channel with a kernel as large as the image, learned as its spectrum (GFNet; Rao et al. 2021): real
/// `[batch, height, width, channels]` to the same, with the complex parameter `weight`, `[height, width / 2 + 1, channels]`:
///
/// ```text
/// y = irfft2(weight rfft2(x))
/// ```
#[derive(Debug, Clone)]
pub struct GlobalFilter2d {
    path: String,
    weight: Var,
    width: usize,
}

impl GlobalFilter2d {
    /// A filter of images of one size, whose weights are normal with `E |w|^2 = 1`, half of it in either part: the variance of its input stays.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](fft_core::Error::InvalidArgument) for sizes of 0; those of [`Scope::complex_parameter`].
    pub fn new(scope: &Scope, height: usize, width: usize, channels: usize) -> Result<Self> {
        let sizes = [("height", height), ("width", width), ("channels", channels)];
        expect_sizes("GlobalFilter2d", scope.path(), &sizes)?;
        let shape = [height, width / 2 + 1, channels];
        let weight = scope.complex_parameter("weight", &shape, Init::Normal { std: 1.0 })?;
        Ok(Self { path: scope.path().to_owned(), weight, width })
    }

    /// `[height, width / 2 + 1, channels]`, complex.
    pub fn weight(&self) -> &Var {
        &self.weight
    }
}

impl Layer for GlobalFilter2d {
    fn forward(&self, x: &Var) -> Result<Var> {
        let (weight, width) = (self.weight.shape(), self.width);
        let axes = [
            ("batch", None),
            ("height", Some(weight[0])),
            ("width", Some(width)),
            ("channels", Some(weight[2])),
        ];
        expect("GlobalFilter2d", &self.path, x, self.weight.dtype().to_real(), &axes)?;
        let spectrum = x.rfftn(&[1, 2], None, Norm::Backward)?.mul(&self.weight)?;
        spectrum.irfftn(&[1, 2], Some(&[weight[0], width]), Norm::Backward)
    }
}
