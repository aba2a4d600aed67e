//! The parts that views are made of.

pub mod gauge;
pub mod pen;

pub use pen::Pen;
