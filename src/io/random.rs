//! Room `io`: random bytes, from the kernel.
//!
//! The generator of the TLS library would do, and spends tens of milliseconds on collecting entropy of its own first.

use rustix::rand::{GetRandomFlags, getrandom};

use crate::error::Context;
use crate::{Error, Result};

/// Fills `bytes`; waits until the kernel's generator is seeded, which it is once a machine is up.
///
/// # Errors
/// Kind failed: the system gives no random bytes.
pub(super) fn fill(bytes: &mut [u8]) -> Result<()> {
    let mut left = bytes;
    while !left.is_empty() {
        let got = match getrandom(&mut *left, GetRandomFlags::empty()) {
            Err(rustix::io::Errno::INTR) => continue,
            got => got.or_failed(|| "the system gives no random bytes".into())?,
        };
        left = left
            .get_mut(got..)
            .filter(|_| got > 0)
            .ok_or_else(|| Error::failed("the system gives no random bytes"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_filled_and_no_two_fillings_are_the_same() {
        // More than one call of the kernel's gives at once.
        let (mut one, mut two) = (vec![0u8; 1000], vec![0u8; 1000]);
        fill(&mut one).unwrap();
        fill(&mut two).unwrap();
        assert_ne!(one, two);
        assert!(one.chunks(100).all(|part| part.iter().any(|b| *b != 0)));
    }
}
