//! The passes of each radix.

use super::code::{Code, OnLanes};
use super::passes::{Adjacent, Combine, First, Last};
use super::rows::{Interleaved, Separate};
use crate::simd::Machine;

/// The passes of one radix. Those between lines and scratch only save time.
pub(super) struct Codes<T> {
    pub(super) adjacent: Code<T>,
    pub(super) combine: Code<T>,
    /// From complex lines, forward and inverse.
    pub(super) first: [Option<Code<T>>; 2],
    /// From real lines, forward.
    pub(super) first_separate: Option<Code<T>>,
    /// To complex lines, forward and inverse.
    pub(super) last: [Option<Code<T>>; 2],
    /// To real lines, inverse.
    pub(super) last_separate: Option<Code<T>>,
}

/// Those of a radix of [`super::factors::radices`].
pub(super) fn codes<T: OnLanes>(radix: usize, machine: Machine) -> Codes<T> {
    match radix {
        2 => all::<T, 2>(machine),
        3 => all::<T, 3>(machine),
        4 => all::<T, 4>(machine),
        5 => all::<T, 5>(machine),
        7 => all::<T, 7>(machine),
        8 => all::<T, 8>(machine),
        11 => in_scratch::<T, 11>(machine),
        13 => in_scratch::<T, 13>(machine),
        _ => {
            debug_assert_eq!(radix, 16);
            all::<T, 16>(machine)
        }
    }
}

fn all<T: OnLanes, const R: usize>(machine: Machine) -> Codes<T> {
    Codes {
        first: [
            T::quick::<First<R, Interleaved<false>>>(machine),
            T::quick::<First<R, Interleaved<true>>>(machine),
        ],
        first_separate: T::quick::<First<R, Separate<false>>>(machine),
        last: [
            T::quick::<Last<R, Interleaved<false>>>(machine),
            T::quick::<Last<R, Interleaved<true>>>(machine),
        ],
        last_separate: T::quick::<Last<R, Separate<true>>>(machine),
        ..in_scratch::<T, R>(machine)
    }
}

/// Only what is needed: rare radices are not worth much code.
fn in_scratch<T: OnLanes, const R: usize>(machine: Machine) -> Codes<T> {
    Codes {
        adjacent: T::code::<Adjacent<R>>(machine),
        combine: T::code::<Combine<R>>(machine),
        first: [None; 2],
        first_separate: None,
        last: [None; 2],
        last_separate: None,
    }
}
