//! The rules of the model, each by a situation and its result, and random commands that must break no invariant.

mod carts;
mod catalog;
mod checkout;
mod expiry;
mod expiry_by_sku;
mod locations;
mod malformed;
mod orders;
mod placement;
mod random;
mod requests;
mod reservations;
mod stock;
mod untracked;
mod world;
