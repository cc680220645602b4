/// Numbers that look random and are the same for the same seed.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator whose numbers depend on the seed alone. Neighbouring seeds give unrelated numbers.
    pub fn new(seed: u64) -> Self {
        Rng(mixed(seed.wrapping_add(0x9E37_79B9_7F4A_7C15)))
    }

    /// Another generator, whose numbers have nothing to do with those still to come from this one.
    pub fn fork(&mut self) -> Self {
        Rng::new(self.bits())
    }

    /// The next 64 bits (splitmix64).
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed(self.0)
    }

    /// A number below `bound`; 0 when the bound is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        (self.bits() >> 11) % bound.max(1)
    }

    /// A number from `from` to `to`, both included.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from) + 1)
    }

    /// True in `permille` of 1000 cases.
    pub fn chance(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    /// One of these.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize].clone()
    }

    /// The place of one of these weights, each as likely as it is heavy; `None` when nothing weighs anything.
    pub fn weighted(&mut self, weights: &[u64]) -> Option<usize> {
        let mut left = self.below(weights.iter().sum());
        weights.iter().position(|weight| {
            let here = left < *weight;
            left = left.saturating_sub(*weight);
            here
        })
    }
}

fn mixed(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_of_nothing_is_never_chosen() {
        let mut rng = Rng::new(7);
        let mut chosen = [0; 3];
        (0..1000).for_each(|_| chosen[rng.weighted(&[1, 0, 3]).expect("there are weights")] += 1);
        assert_eq!(chosen[1], 0);
        assert!(chosen[0] > 150 && chosen[2] > 600, "{chosen:?}");
        assert_eq!(rng.weighted(&[0, 0]), None);
    }
}
