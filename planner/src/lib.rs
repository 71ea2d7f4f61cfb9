//! From the text of a plan to the plan and its graphs, and how both are shown.
//!
//! [`load`] reads a text, checks it, and gives the effective plan of `phaul-core`, the graphs
//! of both sides and everything that is wrong, as data. [`diagnostic`] shows what is wrong,
//! [`render`] the plan and the graphs.

pub mod check;
pub mod compile;
pub mod diagnostic;
pub mod keys;
mod load;
mod overrides;
pub mod render;
pub mod settings;
pub mod source;
mod yaml;

pub use load::{Loaded, TEXT_MAX, load, read};
pub use overrides::Set;
