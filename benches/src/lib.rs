//! What the benchmarks share: contestants that take turns, tables, operands and the dense peer.
//!
//! Every benchmark prints its tables of medians and ratios first; `cargo bench -p fft-benches --bench NAME -- --tables` stops there, otherwise
//! the criterion groups follow.

pub mod dense;
pub mod device;
pub mod pairs;
mod turns;

pub use turns::{Contestant, medians};

/// Whether a benchmark program was started to measure, not by `cargo test` or to list what it has.
pub fn measuring() -> bool {
    !std::env::args().any(|a| a == "--test" || a == "--list")
}

/// Whether only the tables are wanted: `cargo bench --bench <name> -- --tables`.
pub fn tables_only() -> bool {
    std::env::args().any(|a| a == "--tables")
}

/// The part of a name that was asked for: `cargo bench --bench <name> -- <part>`.
pub fn chosen() -> Option<String> {
    std::env::args().skip(1).find(|a| !a.starts_with('-'))
}

/// Numbers in `[-1, 1)` for operands, the same on every run, by SplitMix64 (Steele, Lea and Flood 2014): white also in two dimensions, which
/// those of a linear congruence are not when rows are a power of two.
pub fn numbers(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    (0..len)
        .map(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 40) as f32 / (1u32 << 23) as f32 - 1.0
        })
        .collect()
}
