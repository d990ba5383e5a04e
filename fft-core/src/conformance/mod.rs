//! The cases that every backend must pass, each once, as plain functions of a [`Device`].
//!
//! A backend crate runs [`cases`] from a test of its own (through libtest-mimic, say), so that each case is a named test
//! such as `cpu::fft::c2c_every_length`. Results are compared with the naive `f64` oracles of [`crate::reference`]; each
//! case states its bound and where the bound comes from. A comparison whose bound a result of zeros would meet is itself
//! a failure (see [`compare`]).
//!
//! A method of [`SpectralBackend`](crate::SpectralBackend) that no case covers is an error at compile time: see
//! [`Operation`].

mod band;
mod binary;
mod circulant;
pub mod compare;
mod convolution;
mod convolution_forms;
mod convolve;
mod dct;
mod every;
mod fft;
mod fft_lengths;
mod fft_nd;
mod hermitian;
mod largest;
mod log8;
mod long_conv;
mod magnitude;
mod memory;
mod movement;
mod network;
mod operation;
mod optimise;
mod product;
mod reduction;
mod rotated;
pub mod sample;
mod shift;
mod sparse;
mod sparse_coding;
mod stft;
mod training;
mod unary;

pub use operation::Operation;

use crate::{DType, Device};

/// Why a case did not pass: what was computed, where, how far off it was and how far it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// A failure with a message.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// The same failure, with the circumstances before its message.
    pub fn within(self, context: impl std::fmt::Display) -> Self {
        Self(format!("{context}: {}", self.0))
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<crate::Error> for Failure {
    fn from(error: crate::Error) -> Self {
        Self(error.to_string())
    }
}

/// What a case returns.
pub type Outcome = Result<(), Failure>;

/// One conformance case.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Group and name, for example `fft::c2c_every_length`.
    pub name: &'static str,
    /// The methods of the trait that the case tests.
    pub covers: &'static [Operation],
    /// Element types without which the case means nothing; a backend that lacks one skips the case.
    pub needs: &'static [DType],
    /// Runs the case. It expects the device for itself: some cases read its counters or set its memory limit.
    pub run: fn(&Device) -> Outcome,
}

impl Case {
    /// A case that needs `F32` only.
    pub const fn new(name: &'static str, covers: &'static [Operation], run: fn(&Device) -> Outcome) -> Self {
        Self { name, covers, needs: &[], run }
    }

    /// The same case, skipped where the device lacks one of these element types.
    pub const fn needing(mut self, needs: &'static [DType]) -> Self {
        self.needs = needs;
        self
    }

    /// Whether the device has the element types that the case needs.
    pub fn applies_to(&self, device: &Device) -> bool {
        self.needs.iter().all(|&dtype| device.supports(dtype))
    }
}

/// Every group of cases. Coverage of the trait is checked over this list when the crate is compiled.
const GROUPS: &[&[Case]] = &[
    fft::CASES,
    fft_lengths::CASES,
    fft_nd::CASES,
    band::CASES,
    hermitian::CASES,
    shift::CASES,
    dct::CASES,
    stft::CASES,
    convolve::CASES,
    movement::CASES,
    unary::CASES,
    binary::CASES,
    reduction::CASES,
    largest::CASES,
    product::CASES,
    network::CASES,
    optimise::CASES,
    training::CASES,
    magnitude::CASES,
    memory::CASES,
    circulant::CASES,
    convolution::CASES,
    convolution_forms::CASES,
    log8::CASES,
    long_conv::CASES,
    rotated::CASES,
    sparse::CASES,
    sparse_coding::CASES,
];

/// Every case.
pub fn cases() -> Vec<Case> {
    GROUPS.concat()
}

/// The tensor of a name among saved parts.
fn part(parts: &[(&'static str, crate::Tensor)], name: &str) -> crate::Result<crate::Tensor> {
    let found = parts.iter().find(|p| p.0 == name);
    found
        .map(|p| p.1.clone())
        .ok_or_else(|| crate::Error::invalid("part", "name", name, "there is no such part"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_paths_and_unique() {
        let cases = cases();
        for (i, case) in cases.iter().enumerate() {
            assert!(cases[..i].iter().all(|other| other.name != case.name), "{} is there twice", case.name);
            assert!(!case.covers.is_empty(), "{} covers nothing", case.name);
            let (group, name) = case.name.split_once("::").unwrap_or_default();
            let plain = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            assert!(plain(group) && plain(name), "{} is not group::name", case.name);
        }
    }
}
