//! Who a node is, as its certificate says it.

use std::fmt::{self, Write as _};

const SCHEME: &str = "stockade://";
const NODE: &str = "/node/";

/// A node of a cluster, as the URI in its certificate: `stockade://CLUSTER/node/3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeName {
    /// Name of the cluster.
    pub cluster: String,
    /// Id of the node.
    pub node_id: u64,
}

impl NodeName {
    /// Reads the URI of a certificate; `None` for any other.
    pub fn from_uri(uri: &str) -> Option<Self> {
        let (cluster, id) = uri.strip_prefix(SCHEME)?.rsplit_once(NODE)?;
        let node_id = id.parse().ok().filter(|parsed: &u64| *parsed != 0 && parsed.to_string() == id)?;
        let name = Self { cluster: decode(cluster)?, node_id };
        // One form for each name: what is written otherwise is nobody's.
        (!name.cluster.is_empty() && name.to_string() == uri).then_some(name)
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SCHEME)?;
        for byte in self.cluster.bytes() {
            if is_plain(byte) {
                f.write_char(char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        write!(f, "{NODE}{}", self.node_id)
    }
}

/// The unreserved characters of RFC 3986, section 2.3.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        if first == b'%' {
            let (digits, behind) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = behind;
        } else if is_plain(first) {
            bytes.push(first);
        } else {
            return None;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_goes_through_its_uri_and_back() {
        for cluster in ["shop", "shop eu/1", "größe", "%41", "/node/2"] {
            let name = NodeName { cluster: cluster.to_owned(), node_id: 3 };
            let uri = name.to_string();
            assert!(uri.is_ascii(), "{uri}");
            assert_eq!(NodeName::from_uri(&uri), Some(name), "{uri}");
        }
        let name = NodeName { cluster: "shop".to_owned(), node_id: 3 };
        assert_eq!(name.to_string(), "stockade://shop/node/3");
    }

    #[test]
    fn other_uris_name_no_node() {
        for uri in [
            "",
            "https://shop/node/3",
            "stockade://shop/node/",
            "stockade://shop/node/0",
            "stockade://shop/node/03",
            "stockade://shop/node/+3",
            "stockade:///node/3",
            "stockade://sh%6Fp/node/3",
            "stockade://sh%4/node/3",
            "stockade://shop/node/3/4",
        ] {
            assert_eq!(NodeName::from_uri(uri), None, "{uri}");
        }
    }
}
