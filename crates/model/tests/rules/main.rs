//! The rules of the model, each by a situation and its result, and random commands that must break no invariant.

mod catalog;
mod expiry;
mod locations;
mod malformed;
mod orders;
mod placement;
mod random;
mod requests;
mod stock;
mod untracked;
mod world;
