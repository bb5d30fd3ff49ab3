//! How many connections each address holds, and a bound on it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;

/// Of an address of 128 bits those that name the network.
const NETWORK: u128 = !(u64::MAX as u128);

/// Connections by the address that they come from; of one of 128 bits the first 64 count, for whoever has one has all that begin
/// with them. Clones share them.
///
/// Invariants:
/// - An address is in it as long as it holds a place: there are no more than connections.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    at_most: usize,
    taken: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

/// A place, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    of: Places,
    address: IpAddr,
}

impl Places {
    /// So many for each address.
    pub(crate) fn new(at_most: usize) -> Self {
        Self { at_most, taken: Arc::default() }
    }

    /// A place for somebody; `None` where the address has as many as one may have.
    pub(crate) fn take(&self, from: SocketAddr) -> Option<Place> {
        // The same address by either protocol.
        let address = match from.ip().to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK)),
            address @ IpAddr::V4(_) => address,
        };
        let mut taken = self.taken.lock();
        let held = taken.entry(address).or_default();
        if *held >= self.at_most {
            return None;
        }
        *held += 1;
        Some(Place { of: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.of.taken.lock();
        if let Some(held) = taken.get_mut(&self.address) {
            *held -= 1;
            if *held == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_places_and_no_more_and_none_is_forgotten_or_kept() {
        let places = Places::new(2);
        let from = |text: &str| text.parse::<SocketAddr>().unwrap();
        let first = places.take(from("10.0.0.1:1")).unwrap();
        let _second = places.take(from("[::ffff:10.0.0.1]:2")).unwrap();
        assert!(places.take(from("10.0.0.1:3")).is_none());
        let other = places.take(from("10.0.0.2:1")).unwrap();
        drop(first);
        let _again = places.take(from("10.0.0.1:3")).unwrap();
        assert!(places.take(from("10.0.0.1:4")).is_none());
        let _one = places.take(from("[2001:db8::1]:1")).unwrap();
        let _of_the_same = places.take(from("[2001:db8::2]:1")).unwrap();
        assert!(places.take(from("[2001:db8::3]:1")).is_none());
        let elsewhere = places.take(from("[2001:db8:0:1::1]:1")).unwrap();
        drop((other, elsewhere));
        assert_eq!(places.taken.lock().len(), 2);
    }
}
