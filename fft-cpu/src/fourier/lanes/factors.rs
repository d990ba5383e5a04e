//! The radices of a length, and the order in which decimation in time reads its numbers.

/// The odd radices.
const ODD: [usize; 5] = [13, 11, 7, 5, 3];

/// Whether there is a plan for `n` points: 1, and whatever has no prime factor above 13.
pub(crate) fn is_planned(n: usize) -> bool {
    let without = |mut n: usize, p: usize| {
        while n.is_multiple_of(p) {
            n /= p;
        }
        n
    };
    n > 0 && u32::try_from(n).is_ok() && ODD.into_iter().fold(n, without).is_power_of_two()
}

/// The radices of `n`, which [`is_planned`], from the first pass to the last.
pub(super) fn radices(n: usize) -> Vec<usize> {
    let mut rest = n;
    let mut out = Vec::new();
    for odd in ODD {
        while rest.is_multiple_of(odd) {
            rest /= odd;
            out.push(odd);
        }
    }
    out.extend(powers(rest.trailing_zeros() as usize));
    // Large radices first: the first pass reads its points from afar and has no twiddles.
    out.sort_unstable_by(|a, b| b.cmp(a));
    out
}

/// Radices whose product is `2^twos`.
fn powers(twos: usize) -> Vec<usize> {
    let eights = |count: usize, others: &[usize]| [vec![8; count], others.to_vec()].concat();
    match (twos, twos % 3) {
        (0, _) => vec![],
        (1, _) => vec![2],
        (_, 0) => eights(twos / 3, &[]),
        (4, _) => vec![4, 4],
        (_, 1) => eights(twos / 3 - 1, &[16]),
        _ => eights(twos / 3, &[4]),
    }
}

/// Where the groups of the first pass begin: the numbers of group `g` are `bases[g] + i n / radices[0]`.
pub(super) fn bases(n: usize, radices: &[usize]) -> Vec<u32> {
    let mut bases = vec![0u32];
    let mut stride = 1;
    for &r in radices.iter().skip(1).rev() {
        bases = bases.iter().flat_map(|&base| (0..r).map(move |s| base + (s * stride) as u32)).collect();
        stride *= r;
    }
    debug_assert!(radices.is_empty() || stride * radices[0] == n);
    bases
}

/// The place in scratch of each number: the inverse of the order in which the first pass reads.
pub(super) fn places(n: usize, radices: &[usize]) -> Vec<u32> {
    let first = radices.first().copied().unwrap_or(1);
    let mut places = vec![0u32; n];
    for (g, base) in bases(n, radices).into_iter().enumerate() {
        for i in 0..first {
            places[base as usize + i * (n / first)] = (g * first + i) as u32;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn radices_multiply_to_the_length() {
        for n in 1..5000 {
            let mut rest = n;
            for p in [2, 3, 5, 7, 11, 13] {
                while rest % p == 0 {
                    rest /= p;
                }
            }
            assert_eq!(is_planned(n), rest == 1, "{n}");
            if is_planned(n) {
                assert_eq!(radices(n).iter().product::<usize>(), n);
            }
        }
    }

    #[test]
    fn places_are_a_permutation() {
        for n in [1, 2, 6, 16, 30, 77, 128, 360, 1024, 1001] {
            let radices = radices(n);
            let mut seen = vec![false; n];
            for place in places(n, &radices) {
                assert!(!std::mem::replace(&mut seen[place as usize], true));
            }
        }
    }
}
