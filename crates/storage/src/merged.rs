//! Several sorted lists as one.

use std::iter::Peekable;

use crate::Error;

/// A sorted list of keys that may break off with an error.
pub(crate) type Keys<'a, K> = Box<dyn Iterator<Item = Result<K, Error>> + 'a>;

/// Several sorted lists as one, each key once: ascending, or descending where the lists are.
pub(crate) struct Merged<'a, K> {
    sources: Vec<Peekable<Keys<'a, K>>>,
    descending: bool,
}

impl<'a, K> Merged<'a, K> {
    pub(crate) fn new(sources: Vec<Keys<'a, K>>, descending: bool) -> Self {
        Self { sources: sources.into_iter().map(Iterator::peekable).collect(), descending }
    }
}

impl<K: Ord + Clone> Iterator for Merged<'_, K> {
    type Item = Result<K, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut next: Option<K> = None;
        for source in &mut self.sources {
            match source.peek() {
                None => {}
                Some(Err(_)) => return source.next(),
                Some(Ok(key)) => {
                    let is_first = |next: &K| if self.descending { key > next } else { key < next };
                    if next.as_ref().is_none_or(is_first) {
                        next = Some(key.clone());
                    }
                }
            }
        }
        let next = next?;
        for source in &mut self.sources {
            source.next_if(|key| key.as_ref().is_ok_and(|key| *key == next));
        }
        Some(Ok(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: &'static [u32]) -> Keys<'static, u32> {
        Box::new(keys.iter().copied().map(Ok))
    }

    #[test]
    fn each_key_comes_once_and_in_order() {
        let up = Merged::new(vec![keys(&[1, 4, 5]), keys(&[]), keys(&[2, 4, 9])], false);
        assert_eq!(up.map(Result::unwrap).collect::<Vec<_>>(), [1, 2, 4, 5, 9]);
        let down = Merged::new(vec![keys(&[5, 4, 1]), keys(&[9, 4, 2])], true);
        assert_eq!(down.map(Result::unwrap).collect::<Vec<_>>(), [9, 5, 4, 2, 1]);
    }

    #[test]
    fn an_error_of_one_list_comes_before_what_the_others_have() {
        let broken: Keys<'_, u32> = Box::new([Ok(3), Err(Error::Engine("gone".to_owned()))].into_iter());
        let mut merged = Merged::new(vec![broken, keys(&[3, 4])], false);
        assert_eq!(merged.next().unwrap().unwrap(), 3);
        assert!(merged.next().unwrap().is_err());
    }
}
