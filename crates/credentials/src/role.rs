//! Roles: what kinds of callers there are. What each may do stands in the gateway.

use std::fmt;
use std::str::FromStr;

/// What a caller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Looks at the shop.
    Read,
    /// Sells: orders and reservations.
    Order,
    /// Keeps catalog and stock.
    Stock,
    /// Looks after the cluster.
    Operator,
    /// All of it.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Read, Self::Order, Self::Stock, Self::Operator, Self::Admin];

    /// As it stands in certificates, tokens and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Order => "order",
            Self::Stock => "stock",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let role = Self::ALL.into_iter().find(|role| role.name() == text);
        role.ok_or_else(|| "write read, order, stock, operator or admin".to_owned())
    }
}
