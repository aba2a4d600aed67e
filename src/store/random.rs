//! Randomness by key: every draw is a hash of the seed and of what the draw is for.
//!
//! There is no stream that draws could shift: leaving one event out changes no other draw.

use xxhash_rust::xxh3;

/// The source of all randomness of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Random {
    seed: u64,
}

impl Random {
    /// The randomness of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// 64 random bits for `component`'s draw number `counter` about `key`.
    #[must_use]
    pub fn bits(&self, component: &str, key: &str, counter: u64) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the lower half of the hash"
        )]
        let low = self.bits128(component, key, counter) as u64;
        low
    }

    /// 128 random bits.
    #[must_use]
    pub fn bits128(&self, component: &str, key: &str, counter: u64) -> u128 {
        // One buffer, lengths included, so that no two draws share their bytes.
        let mut bytes = Vec::with_capacity(component.len() + key.len() + 24);
        bytes.extend_from_slice(&(component.len() as u64).to_le_bytes());
        bytes.extend_from_slice(component.as_bytes());
        bytes.extend_from_slice(key.as_bytes());
        bytes.extend_from_slice(&counter.to_le_bytes());
        xxh3::xxh3_128_with_seed(&bytes, self.seed)
    }

    /// A number below `bound` (0 if the bound is 0).
    #[must_use]
    pub fn below(&self, bound: u64, component: &str, key: &str, counter: u64) -> u64 {
        // Multiply and shift: the bias is below 2^-32 for every bound that occurs here.
        let wide = u128::from(self.bits(component, key, counter)) * u128::from(bound);
        (wide >> 64) as u64
    }

    /// A number in [0, 1).
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    pub fn unit(&self, component: &str, key: &str, counter: u64) -> f64 {
        (self.bits(component, key, counter) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Five characters as Kubernetes appends them to generated names (`apimachinery/pkg/util/rand`: no vowels, no
    /// digits that look like letters).
    #[must_use]
    pub fn suffix(&self, key: &str, counter: u64) -> String {
        const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
        let mut bits = self.bits("name-suffix", key, counter);
        (0..5)
            .map(|_| {
                let index = usize::try_from(bits % 27).unwrap_or(0);
                bits /= 27;
                char::from(ALPHABET[index])
            })
            .collect()
    }
}
